package replay

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTopology_Components(t *testing.T) {
	rule := func(from, to []NodeIndex) Cut { return Cut{from, to} }
	n := func(x ...NodeIndex) []NodeIndex { return x }
	both := func(a, b []NodeIndex) []Cut { return []Cut{rule(a, b), rule(b, a)} }
	line := [][2]NodeIndex{{0, 1}, {1, 2}, {2, 3}}
	for _, c := range []struct {
		name  string
		g     Topology
		alive func(NodeIndex) bool
		cuts  []Cut
		want  []int32
	}{
		{"whole", Topology{nodes: 4, exchange: true}, nil, nil, []int32{0, 0, 0, 0}},
		{"halves", Topology{nodes: 4, exchange: true}, nil, both(n(0, 1), n(2, 3)), []int32{0, 0, 2, 2}},
		{"one way is enough", Topology{nodes: 4, exchange: true}, nil, []Cut{rule(n(0, 1), n(2, 3))}, []int32{0, 0, 2, 2}},
		{"a bridge joins", Topology{nodes: 5, exchange: true}, nil, both(n(0, 1), n(3, 4)), []int32{0, 0, 0, 0, 0}},
		{"isolated from all", Topology{nodes: 4, exchange: true}, nil, both(n(1), n(0, 2, 3)), []int32{0, 1, 0, 0}},
		{"all from all", Topology{nodes: 3, exchange: true}, nil, both(n(0, 1, 2), n(0, 1, 2)), []int32{0, 1, 2}},
		{"a group from itself, with a hub", Topology{nodes: 3, exchange: true}, nil, both(n(1, 2), n(1, 2)), []int32{0, 0, 0}},
		{"two cuts", Topology{nodes: 4, exchange: true}, nil, append(both(n(0), n(1, 2, 3)), both(n(0, 1), n(2, 3))...), []int32{0, 1, 2, 2}},
		{"down", Topology{nodes: 3, exchange: true}, func(i NodeIndex) bool { return i != 1 }, nil, []int32{0, 1, 0}},
		{"line", Topology{nodes: 4, edges: line}, nil, nil, []int32{0, 0, 0, 0}},
		{"line cut", Topology{nodes: 4, edges: line}, nil, []Cut{rule(n(2), n(1))}, []int32{0, 0, 2, 2}},
		{"line with a dead node", Topology{nodes: 4, edges: line}, func(i NodeIndex) bool { return i != 1 }, nil, []int32{0, 1, 2, 2}},
	} {
		if d := cmp.Diff(c.want, c.g.Components(c.alive, c.cuts)); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}
