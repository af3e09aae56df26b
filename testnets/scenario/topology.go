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

// Edges is the topology asked for: each undirected edge once, no node joined to itself, all nodes connected. It depends
// on the seed alone where it is random, and takes time in proportion to the edges.
func (s *Spec) Edges() [][2]faults.NodeID { return s.edges(s.names()) }

// edges is Edges of a spec whose nodes were listed before.
func (s *Spec) edges(nodes []faults.NodeID) [][2]faults.NodeID {
	list := s.Topology.build(len(nodes), s.Seed)
	out := make([][2]faults.NodeID, len(list))
	for i, e := range list {
		out[i] = [2]faults.NodeID{nodes[e[0]], nodes[e[1]]}
	}
	return out
}

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
