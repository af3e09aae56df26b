package invariant

import "github.com/netsplit/netsplit/orchestrator/trace"

// graph tells who can reach whom, over any number of hops, under a set of cut rules. Two nodes are neighbours when the
// testnet lets them be (any two with peer exchange, else those with an edge) and neither direction between them is cut:
// a TCP connection needs both.
type graph struct {
	nodes    int
	edges    [][2]nodeID
	exchange bool
}

// labels gives every node the number of its component: the lowest node number in it. Nodes that are not alive are
// alone. alive of nil means that all are.
func (g *graph) labels(alive func(nodeID) bool, cuts []cutRule) []int32 {
	uf := newUnion(g.nodes)
	if g.exchange {
		g.joinClasses(uf, alive, cuts)
	} else {
		from, to := signatures(g.nodes, cuts)
		for _, e := range g.edges {
			a, b := e[0], e[1]
			if alive != nil && (!alive(a) || !alive(b)) {
				continue
			}
			if len(cuts) > 0 && (from[a].meets(to[b]) || from[b].meets(to[a])) {
				continue
			}
			uf.join(int32(a), int32(b))
		}
	}
	out := make([]int32, g.nodes)
	for i := range out {
		out[i] = uf.find(int32(i))
	}
	return out
}

// joinClasses treats alike all nodes that are named by the same sides of the same rules: there are few such classes,
// and two of them are joined completely or not at all.
func (g *graph) joinClasses(uf *union, alive func(nodeID) bool, cuts []cutRule) {
	from, to := signatures(g.nodes, cuts)
	type class struct {
		first    nodeID
		from, to bitset
		members  []nodeID
	}
	var classes []*class
	byKey := make(map[string]*class)
	for i := nodeID(0); int(i) < g.nodes; i++ {
		if alive != nil && !alive(i) {
			continue
		}
		key := ""
		if len(cuts) > 0 {
			key = bitsetKey(from[i], to[i])
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
		linked := !a.from.meets(a.to) // among themselves
		for _, b := range classes[i+1:] {
			if !a.from.meets(b.to) && !b.from.meets(a.to) {
				uf.join(int32(a.first), int32(b.first))
				linked = true
				// Joined completely: every member of b is next to a.first.
				for _, m := range b.members {
					uf.join(int32(a.first), int32(m))
				}
			}
		}
		for _, b := range classes[:i] {
			linked = linked || !a.from.meets(b.to) && !b.from.meets(a.to)
		}
		if linked {
			for _, m := range a.members {
				uf.join(int32(a.first), int32(m))
			}
		}
	}
}

// cutRule is a trace.Rule that cuts, with node numbers.
type cutRule struct {
	from, to []nodeID
}

func (w *World) cutRules(rules []trace.Rule) []cutRule {
	var out []cutRule
	for _, r := range rules {
		if r.Cut {
			out = append(out, cutRule{w.ids(r.From), w.ids(r.To)})
		}
	}
	return out
}

// signatures tells for every node which rules name it on which side.
func signatures(nodes int, cuts []cutRule) (from, to []bitset) {
	if len(cuts) == 0 {
		return nil, nil
	}
	words := (len(cuts) + 63) / 64
	space := make([]uint64, 2*nodes*words)
	from, to = make([]bitset, nodes), make([]bitset, nodes)
	for i := range from {
		from[i], space = space[:words], space[words:]
		to[i], space = space[:words], space[words:]
	}
	for r, c := range cuts {
		for _, n := range c.from {
			from[n].add(nodeID(r))
		}
		for _, n := range c.to {
			to[n].add(nodeID(r))
		}
	}
	return from, to
}

func bitsetKey(a, b bitset) string {
	key := make([]byte, 0, 8*(len(a)+len(b)))
	for _, s := range [2]bitset{a, b} {
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

// refine gives the partition in which two nodes are together when they are in both.
func refine(a, b []int32) []int32 {
	out := make([]int32, len(a))
	first := make(map[[2]int32]int32)
	for i := range a {
		k := [2]int32{a[i], b[i]}
		f, ok := first[k]
		if !ok {
			f = int32(i)
			first[k] = f
		}
		out[i] = f
	}
	return out
}
