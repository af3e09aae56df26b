package faults

import (
	"encoding/binary"
	"math/bits"
)

// maxTable is the most entries of a Matrix' table of states; above it states are composed at each lookup.
const maxTable = 1 << 16

// Matrix answers what a Links asks of any link between the nodes that it was compiled for. It is immutable, safe for
// concurrent use, and takes memory in proportion to the nodes and not to the links: nodes that the same rules name are
// one class, and a state is looked up by the classes of its two nodes.
type Matrix struct {
	rules []Rule // those that do something
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

// State returns what is asked of the link between two nodes, by their index in Compile's nodes.
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

// Empty reports that every link is whole.
func (m *Matrix) Empty() bool { return len(m.rules) == 0 }

// compose adds up the rules that apply from one class to another.
func (m *Matrix) compose(i, j int) LinkState {
	var s LinkState
	from, to := m.from.rules[i], m.to.rules[j]
	for w := range from {
		for set := from[w] & to[w]; set != 0; set &= set - 1 {
			s.add(&m.rules[w*64+bits.TrailingZeros64(set)])
		}
	}
	return s
}

// meet reports whether any rule applies from one class to another.
func (m *Matrix) meet(i, j int) bool {
	from, to := m.from.rules[i], m.to.rules[j]
	for w := range from {
		if from[w]&to[w] != 0 {
			return true
		}
	}
	return false
}
