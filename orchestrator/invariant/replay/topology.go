package replay

import (
	"fmt"
	"slices"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// Topology is which nodes the testnet lets connect: any two with peer exchange, else those with an edge.
type Topology struct {
	nodes    int
	edges    [][2]NodeIndex
	exchange bool
	partial  bool // the edges do not join all nodes: which connections there are besides is not known
}

func newTopology(run *trace.Run, nodes *Nodes) (Topology, error) {
	t := Topology{nodes: nodes.Len(), exchange: run.PeerExchange}
	for _, e := range run.Edges {
		a, aok := nodes.Index(e[0])
		b, bok := nodes.Index(e[1])
		if !aok || !bok {
			return t, fmt.Errorf("run event has an edge between %s and %s, and one of them is no node", e[0], e[1])
		}
		t.edges = append(t.edges, [2]NodeIndex{a, b})
	}
	t.partial = slices.ContainsFunc(t.Linked(nil, nil), func(c int32) bool { return c != 0 })
	return t, nil
}

// Cut is one rule that cuts all links from a node in from to one in to.
type Cut struct {
	from, to []NodeIndex
}

// Components returns, for every node, the number of its component under the cuts: the lowest node number in it. Nodes are in
// one component when they can reach each other over any number of hops between nodes that may connect and of which neither
// direction is cut, since a TCP connection needs both. Nodes that are not alive are alone; a nil alive means that all are.
func (g *Topology) Components(alive func(NodeIndex) bool, cuts []Cut) []int32 {
	if !g.exchange {
		return g.Linked(alive, cuts)
	}
	uf := newUnion(g.nodes)
	g.joinClasses(uf, alive, cuts)
	return uf.components()
}

// Linked is Components over planned edges alone, without connections that nodes have yet to make by peer exchange. Where the
// plan leaves connections to peer exchange from the start, it is the same as Components.
func (g *Topology) Linked(alive func(NodeIndex) bool, cuts []Cut) []int32 {
	if g.partial && g.exchange {
		return g.Components(alive, cuts)
	}
	uf := newUnion(g.nodes)
	from, to := signatures(g.nodes, cuts)
	for _, e := range g.edges {
		a, b := e[0], e[1]
		if alive != nil && (!alive(a) || !alive(b)) {
			continue
		}
		if len(cuts) > 0 && (from[a].intersects(to[b]) || from[b].intersects(to[a])) {
			continue
		}
		uf.join(int32(a), int32(b))
	}
	return uf.components()
}

// joinClasses joins nodes under peer exchange. Nodes that are named by the same sides of the same rules form a class: there
// are few classes, and two of them are joined completely or not at all.
func (g *Topology) joinClasses(uf *union, alive func(NodeIndex) bool, cuts []Cut) {
	from, to := signatures(g.nodes, cuts)
	type class struct {
		first    NodeIndex
		from, to NodeSet
		members  []NodeIndex
	}
	var classes []*class
	byKey := make(map[string]*class)
	for i := NodeIndex(0); int(i) < g.nodes; i++ {
		if alive != nil && !alive(i) {
			continue
		}
		key := ""
		if len(cuts) > 0 {
			key = signatureKey(from[i], to[i])
		}
		c := byKey[key]
		if c == nil {
			c = &class{first: i}
			if len(cuts) > 0 {
				c.from, c.to = from[i], to[i]
			}
			byKey[key] = c
			classes = append(classes, c)
		}
		c.members = append(c.members, i)
	}
	for i, a := range classes {
		linked := !a.from.intersects(a.to) // among themselves
		for _, b := range classes[i+1:] {
			if !a.from.intersects(b.to) && !b.from.intersects(a.to) {
				uf.join(int32(a.first), int32(b.first))
				linked = true
				// Joined completely: every member of b is next to a.first.
				for _, m := range b.members {
					uf.join(int32(a.first), int32(m))
				}
			}
		}
		for _, b := range classes[:i] {
			linked = linked || !a.from.intersects(b.to) && !b.from.intersects(a.to)
		}
		if linked {
			for _, m := range a.members {
				uf.join(int32(a.first), int32(m))
			}
		}
	}
}

// Hops is the least number of planned connections between honest nodes that lead from one node to another; when they do not, or
// are not known, it is the most that there can be.
func (g *Topology) Hops(from, to NodeIndex, nodes *Nodes) int {
	most := max(1, nodes.Honest()-1)
	far := make([]int, g.nodes) // 0: not reached
	far[from] = 1
	for queue := []NodeIndex{from}; len(queue) > 0 && far[to] == 0; queue = queue[1:] {
		for _, e := range g.edges {
			a, b := e[0], e[1]
			if b == queue[0] {
				a, b = b, a
			}
			if a == queue[0] && far[b] == 0 && !nodes.At(b).Adversary {
				far[b] = far[a] + 1
				queue = append(queue, b)
			}
		}
	}
	if far[to] == 0 {
		return most
	}
	return max(1, far[to]-1)
}

// reach returns the nodes that what source sends can reach, source included: over links that are not cut in that direction,
// and any number of hops.
func (g *Topology) reach(source NodeIndex, cuts []Cut) NodeSet {
	from, to := signatures(g.nodes, cuts)
	near := make([][]NodeIndex, g.nodes) // by planned edges; under peer exchange all are near each other
	if !g.exchange {
		for _, e := range g.edges {
			near[e[0]], near[e[1]] = append(near[e[0]], e[1]), append(near[e[1]], e[0])
		}
	}
	seen := NewNodeSet(g.nodes)
	seen.Add(source)
	for queue := []NodeIndex{source}; len(queue) > 0; queue = queue[1:] {
		a := queue[0]
		visit := func(b NodeIndex) {
			if !seen.Has(b) && (from == nil || !from[a].intersects(to[b])) {
				seen.Add(b)
				queue = append(queue, b)
			}
		}
		if g.exchange {
			for b := range NodeIndex(g.nodes) {
				visit(b)
			}
			continue
		}
		for _, b := range near[a] {
			visit(b)
		}
	}
	return seen
}

// signatures are, for every node, the rules that name it on either side.
func signatures(nodes int, cuts []Cut) (from, to []NodeSet) {
	if len(cuts) == 0 {
		return nil, nil
	}
	words := (len(cuts) + 63) / 64
	space := make([]uint64, 2*nodes*words)
	from, to = make([]NodeSet, nodes), make([]NodeSet, nodes)
	for i := range from {
		from[i], space = space[:words], space[words:]
		to[i], space = space[:words], space[words:]
	}
	for r, c := range cuts {
		for _, n := range c.from {
			from[n].Add(NodeIndex(r))
		}
		for _, n := range c.to {
			to[n].Add(NodeIndex(r))
		}
	}
	return from, to
}

func signatureKey(a, b NodeSet) string {
	key := make([]byte, 0, 8*(len(a)+len(b)))
	for _, s := range [2]NodeSet{a, b} {
		for _, v := range s {
			for i := range 8 {
				key = append(key, byte(v>>(8*i)))
			}
		}
	}
	return string(key)
}

// union is a disjoint-set forest whose representatives are the lowest members.
type union struct{ parent []int32 }

func newUnion(n int) *union {
	u := &union{make([]int32, n)}
	for i := range u.parent {
		u.parent[i] = int32(i)
	}
	return u
}

// components is the representative of every member.
func (u *union) components() []int32 {
	out := make([]int32, len(u.parent))
	for i := range out {
		out[i] = u.find(int32(i))
	}
	return out
}

func (u *union) find(i int32) int32 {
	for u.parent[i] != i {
		u.parent[i] = u.parent[u.parent[i]]
		i = u.parent[i]
	}
	return i
}

func (u *union) join(a, b int32) {
	a, b = u.find(a), u.find(b)
	if a < b {
		u.parent[b] = a
	} else {
		u.parent[a] = b
	}
}
