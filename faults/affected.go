package faults

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// Affected returns the links between nodes that some rule of l changes, and how many there are. When there are more
// than limit, links is a uniform random sample of limit of them, drawn from rng; time and memory then depend on the
// nodes and on limit, not on the number of links. The result is in the order of nodes, by From and then To.
func (l Links) Affected(nodes []NodeID, limit int, rng *rand.Rand) (links []Link, total int) {
	a := newAffected(l.Compile(nodes), len(nodes))
	limit = max(limit, 0)
	var pairs [][2]int32
	switch {
	case a.total <= 4*limit:
		// Drawing at random would often draw the same link again here; list them all and keep some.
		pairs = a.all()
		if a.total > limit {
			for i := range limit {
				k := i + rng.IntN(len(pairs)-i)
				pairs[i], pairs[k] = pairs[k], pairs[i]
			}
			pairs = pairs[:limit]
		}
	default:
		pairs = a.draw(limit, rng)
	}
	slices.SortFunc(pairs, func(x, y [2]int32) int {
		return cmp.Or(cmp.Compare(x[0], y[0]), cmp.Compare(x[1], y[1]))
	})
	for _, p := range pairs {
		links = append(links, Link{From: nodes[p[0]], To: nodes[p[1]]})
	}
	return links, a.total
}

// affected is the set of links that rules change, as products of node classes.
type affected struct {
	from, to [][]int32 // members of each class
	blocks   []block
	total    int // links, without nodes' links to themselves
}

// block is every pair of a from class and a to class. Sum counts the pairs of the blocks up to and with this one,
// nodes paired with themselves included.
type block struct {
	from, to int
	sum      int
}

// newAffected lists the pairs of classes that some rule joins.
func newAffected(m *Matrix, n int) affected {
	var a affected
	if m.Empty() {
		return a
	}
	a.from, a.to = m.from.members(), m.to.members()
	sum := 0
	for i := range a.from {
		for j := range a.to {
			if m.meet(i, j) {
				sum += len(a.from[i]) * len(a.to[j])
				a.blocks = append(a.blocks, block{from: i, to: j, sum: sum})
			}
		}
	}
	a.total = sum
	for k := range n {
		if m.meet(int(m.from.of[k]), int(m.to.of[k])) {
			a.total--
		}
	}
	return a
}

// members lists the nodes of each class.
func (c classes) members() [][]int32 {
	out := make([][]int32, len(c.rules))
	for k, class := range c.of {
		out[class] = append(out[class], int32(k))
	}
	return out
}

// all lists every link.
func (a affected) all() [][2]int32 {
	out := make([][2]int32, 0, a.total)
	for _, b := range a.blocks {
		for _, f := range a.from[b.from] {
			for _, t := range a.to[b.to] {
				if f != t {
					out = append(out, [2]int32{f, t})
				}
			}
		}
	}
	return out
}

// draw returns n different links, every set of n as likely as any other. n must be well below total.
func (a affected) draw(n int, rng *rand.Rand) [][2]int32 {
	out := make([][2]int32, 0, n)
	seen := make(map[[2]int32]bool, n)
	for len(out) < n {
		rank := rng.IntN(a.blocks[len(a.blocks)-1].sum)
		i, _ := slices.BinarySearchFunc(a.blocks, rank, func(b block, rank int) int {
			return cmp.Compare(b.sum, rank+1)
		})
		b := a.blocks[i]
		rank = b.sum - 1 - rank
		from, to := a.from[b.from], a.to[b.to]
		p := [2]int32{from[rank/len(to)], to[rank%len(to)]}
		if p[0] != p[1] && !seen[p] {
			seen[p] = true
			out = append(out, p)
		}
	}
	return out
}
