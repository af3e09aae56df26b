package scenario

import (
	"cmp"
	"encoding/binary"
	"math/rand/v2"
	"slices"

	"github.com/netsplit/netsplit/faults"
)

// maxDegree is the highest degree of a random regular topology.
const maxDegree = 64

// edge is an undirected edge between two nodes by index, the lower one first.
type edge [2]int32

// Edges is the topology: each undirected edge once, no node joined to itself, all nodes connected. It depends
// on the seed alone where it is random, and takes time in proportion to the edges.
// Adversaries are no part of the kind of topology, so that honest nodes are connected without them: each is joined to every
// honest node, or to maxAttacked of them, beginning with another one.
func (s *Spec) Edges() [][2]faults.NodeID {
	var honest, adversaries []faults.NodeID
	for _, g := range s.Nodes {
		for i := range g.Count {
			if g.Adversary != nil {
				adversaries = append(adversaries, g.node(i))
			} else {
				honest = append(honest, g.node(i))
			}
		}
	}
	list := s.Topology.build(len(honest), s.Seed)
	out := make([][2]faults.NodeID, len(list))
	for i, e := range list {
		out[i] = [2]faults.NodeID{honest[e[0]], honest[e[1]]}
	}
	for i, a := range adversaries {
		for k := range min(len(honest), maxAttacked) {
			out = append(out, [2]faults.NodeID{a, honest[(i*maxAttacked+k)%len(honest)]})
		}
	}
	return out
}

// maxAttacked is the most peers of an adversary.
const maxAttacked = 16

// build returns the edges among n nodes, in ascending order.
func (t Topology) build(n int, seed uint64) []edge {
	var edges []edge
	add := func(a, b int) { edges = append(edges, newEdge(int32(a), int32(b))) }
	switch t.Kind {
	case "full":
		for a := range n {
			for b := a + 1; b < n; b++ {
				add(a, b)
			}
		}
	case "star":
		for b := 1; b < n; b++ {
			add(0, b)
		}
	case "line", "ring":
		for b := 1; b < n; b++ {
			add(b-1, b)
		}
		if t.Kind == "ring" && n > 2 {
			add(0, n-1)
		}
	case "random_regular":
		edges = randomRegular(n, t.Degree, topologySource(seed))
	}
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	return edges
}

// count is the number of edges that build returns.
func (t Topology) count(n int) int {
	switch t.Kind {
	case "full":
		return n * (n - 1) / 2
	case "random_regular":
		return n * t.Degree / 2
	}
	return n
}

// newEdge puts the lower node first.
func newEdge(a, b int32) edge { return edge{min(a, b), max(a, b)} }

// topologySource is the random source of a topology.
func topologySource(seed uint64) *rand.Rand {
	var key [32]byte
	copy(key[:], "netsplit/topology")
	binary.BigEndian.PutUint64(key[24:], seed)
	return rand.New(rand.NewChaCha8(key))
}

// switchRounds is how many switches per edge are tried. Mixing by switches takes a small multiple of the number of
// edges; the tests compare path lengths with what is known of random regular graphs.
const switchRounds = 5

// regular is a graph in which every node has d neighbours.
type regular struct {
	d     int
	near  []int32 // neighbours of node v at near[v*d : v*d+d]
	edges [][2]int32
}

// randomRegular returns a random connected graph of n nodes with d neighbours each, where n*d is even and 2 <= d < n. It
// begins with a circulant graph, which is regular, and switches pairs of edges at random: a-b and c-d become a-d and
// c-b, which keeps every degree (Taylor, "Constrained switchings in graphs", 1981).
func randomRegular(n, d int, rng *rand.Rand) []edge {
	order := rng.Perm(n)
	g := circulant(n, d, order)
	// Two neighbours each make rings; only the single ring is connected, and its order is random already. With n-1
	// neighbours each there is one graph only.
	if d > 2 && d < n-1 {
		g.mix(switchRounds, rng)
		// A random regular graph of degree 3 or more is almost always connected: this loop rarely runs even once.
		for range 100 {
			if g.connected() {
				break
			}
			g.mix(1, rng)
		}
		if !g.connected() {
			g = circulant(n, d, order)
		}
	}
	out := make([]edge, len(g.edges))
	for i, e := range g.edges {
		out[i] = newEdge(e[0], e[1])
	}
	return out
}

// circulant joins each node to the nearest d on a circle in the given order; with odd d, to the opposite one too.
func circulant(n, d int, order []int) *regular {
	g := &regular{d: d, near: make([]int32, n*d), edges: make([][2]int32, 0, n*d/2)}
	filled := make([]int, n)
	join := func(i, k int) {
		a, b := int32(order[i]), int32(order[k%n])
		g.near[int(a)*d+filled[a]] = b
		g.near[int(b)*d+filled[b]] = a
		filled[a]++
		filled[b]++
		g.edges = append(g.edges, [2]int32{a, b})
	}
	for i := range n {
		for k := 1; k <= d/2; k++ {
			join(i, i+k)
		}
	}
	if d%2 == 1 {
		for i := range n / 2 {
			join(i, i+n/2)
		}
	}
	return g
}

// mix tries the given number of switches per edge.
func (g *regular) mix(rounds int, rng *rand.Rand) {
	m := len(g.edges)
	for range rounds * m {
		e, f := &g.edges[rng.IntN(m)], &g.edges[rng.IntN(m)]
		a, b, c, d := e[0], e[1], f[0], f[1]
		if rng.Uint32()&1 == 0 {
			c, d = d, c
		}
		if a == c || a == d || b == c || b == d || g.joined(a, d) || g.joined(c, b) {
			continue
		}
		g.replace(a, b, d)
		g.replace(b, a, c)
		g.replace(c, d, b)
		g.replace(d, c, a)
		*e, *f = [2]int32{a, d}, [2]int32{c, b}
	}
}

// neighbours of a node.
func (g *regular) of(v int32) []int32 { return g.near[int(v)*g.d : (int(v)+1)*g.d] }

// joined reports whether two nodes are neighbours.
func (g *regular) joined(a, b int32) bool {
	for _, v := range g.of(a) {
		if v == b {
			return true
		}
	}
	return false
}

// replace makes one neighbour of a node another.
func (g *regular) replace(v, old, by int32) {
	near := g.of(v)
	for i := range near {
		if near[i] == old {
			near[i] = by
			return
		}
	}
}

// connected reports whether every node can be reached from every other.
func (g *regular) connected() bool {
	n := len(g.near) / g.d
	seen := make([]bool, n)
	seen[0] = true
	stack, reached := []int32{0}, 1
	for len(stack) > 0 {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, w := range g.of(v) {
			if !seen[w] {
				seen[w] = true
				reached++
				stack = append(stack, w)
			}
		}
	}
	return reached == n
}
