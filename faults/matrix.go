package faults

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// maxTable is the most entries in a Matrix's table of states; above it states are composed at each lookup.
const maxTable = 1 << 16

// Matrix looks up the desired state of any link between the nodes that it was compiled for. It is immutable, safe for
// concurrent use, and its memory grows with the nodes, not with the links: nodes that the same rules name are one
// class, and a state is looked up by the classes of its two nodes.
type Matrix struct {
	rules []Rule // those with an effect
	from  classes
	to    classes
	table []LinkState // by from class, then to class; nil when it would be too large
}

// classes partitions the nodes by the set of rules that name them on one side.
type classes struct {
	of    []int32    // node to class; nil when there are no rules
	rules [][]uint64 // class to bit set of rules
}

// Compile prepares l for lookups between nodes, which State then numbers by their index here. Names of l that are not
// among nodes are ignored; nodes must be distinct.
func (l Links) Compile(nodes []NodeID) *Matrix {
	m := &Matrix{}
	for i := range l.Rules {
		if r := l.Rules[i]; r.Cut || r.Shape != (Shape{}) {
			m.rules = append(m.rules, r)
		}
	}
	if len(m.rules) == 0 {
		return m
	}
	index := make(map[NodeID]int, len(nodes))
	for i, n := range nodes {
		index[n] = i
	}
	m.from = classify(m.rules, index, len(nodes), func(r *Rule) []NodeID { return r.From })
	m.to = classify(m.rules, index, len(nodes), func(r *Rule) []NodeID { return r.To })
	if f, t := len(m.from.rules), len(m.to.rules); f*t <= maxTable {
		m.table = make([]LinkState, f*t)
		for i := range f {
			for j := range t {
				m.table[i*t+j] = m.compose(i, j)
			}
		}
	}
	return m
}

// classify groups n nodes by the rules that name them on one side.
func classify(rules []Rule, index map[NodeID]int, n int, side func(*Rule) []NodeID) classes {
	words := (len(rules) + 63) / 64
	sets := make([]uint64, n*words)
	for i := range rules {
		for _, name := range side(&rules[i]) {
			if k, ok := index[name]; ok {
				sets[k*words+i/64] |= 1 << (i % 64)
			}
		}
	}
	c := classes{of: make([]int32, n)}
	seen := make(map[string]int32)
	key := make([]byte, 0, words*8)
	for k := range n {
		set := sets[k*words : (k+1)*words]
		key = key[:0]
		for _, w := range set {
			key = binary.LittleEndian.AppendUint64(key, w)
		}
		class, ok := seen[string(key)]
		if !ok {
			class = int32(len(c.rules))
			seen[string(key)] = class
			c.rules = append(c.rules, append([]uint64(nil), set...))
		}
		c.of[k] = class
	}
	return c
}

// State returns the desired state of the link between two nodes, given by their index in Compile's nodes.
func (m *Matrix) State(from, to int) LinkState {
	if len(m.rules) == 0 || from == to {
		return LinkState{}
	}
	i, j := int(m.from.of[from]), int(m.to.of[to])
	if m.table != nil {
		return m.table[i*len(m.to.rules)+j]
	}
	return m.compose(i, j)
}

// Empty reports that every link is unaffected.
func (m *Matrix) Empty() bool { return len(m.rules) == 0 }

// compose adds up the rules that apply from one class to another.
func (m *Matrix) compose(i, j int) LinkState {
	var s LinkState
	from, to := m.from.rules[i], m.to.rules[j]
	for w := range from {
		for set := from[w] & to[w]; set != 0; set &= set - 1 {
			s.Add(&m.rules[w*64+bits.TrailingZeros64(set)])
		}
	}
	return s
}

// anyRule reports whether a rule applies from one class to another.
func (m *Matrix) anyRule(i, j int) bool {
	from, to := m.from.rules[i], m.to.rules[j]
	for w := range from {
		if from[w]&to[w] != 0 {
			return true
		}
	}
	return false
}

// Affected returns the links between nodes that some rule of l changes, and their total number. When there are more than
// limit, links is a uniform random sample of limit of them, drawn from rng; time and memory then depend on the nodes and
// on limit, not on the number of links. The result is in the order of nodes, by From and then To.
func (l Links) Affected(nodes []NodeID, limit int, rng *rand.Rand) (links []Link, total int) {
	a := newAffected(l.Compile(nodes), len(nodes))
	limit = max(limit, 0)
	var pairs [][2]int32
	switch {
	case a.total <= 4*limit:
		// Drawing at random would often draw the same link again here; list them all and choose from the list.
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
	total    int // links, excluding nodes' links to themselves
}

// block is every pair of a from class and a to class. sum counts the pairs of all blocks up to and including this one,
// nodes paired with themselves included.
type block struct {
	from, to int
	sum      int
}

// newAffected lists the pairs of classes that some rule applies to.
func newAffected(m *Matrix, n int) affected {
	var a affected
	if m.Empty() {
		return a
	}
	a.from, a.to = m.from.members(), m.to.members()
	sum := 0
	for i := range a.from {
		for j := range a.to {
			if m.anyRule(i, j) {
				sum += len(a.from[i]) * len(a.to[j])
				a.blocks = append(a.blocks, block{from: i, to: j, sum: sum})
			}
		}
	}
	a.total = sum
	for k := range n {
		if m.anyRule(int(m.from.of[k]), int(m.to.of[k])) {
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

// draw returns n different links; every set of n is equally likely. n must be well below total.
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
