package report

import (
	"fmt"
	"testing"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestNodeList(t *testing.T) {
	var many, alone []trace.NodeID
	for i := range 600 {
		if i%7 != 0 {
			many = append(many, trace.NodeID(fmt.Sprintf("miner-%d", i)))
		}
	}
	for i := range 9 {
		alone = append(alone, trace.NodeID(fmt.Sprintf("node%d", i)))
	}
	for _, c := range []struct {
		ids  []trace.NodeID
		want string
	}{
		{nil, ""},
		{ids("a"), "a"},
		{ids("miner-1"), "miner-1"},
		{ids("miner-1", "miner-2"), "miner-1, miner-2"},
		{ids("miner-1", "miner-2", "miner-3"), "miner-1..3"},
		{ids("miner-3", "miner-10", "miner-1", "miner-2"), "miner-1..3, miner-10"},
		{ids("full-1", "miner-1", "full-2", "full-3", "miner-7"), "full-1..3, miner-1, miner-7"},
		{ids("a-b-1", "a-b-2", "a-b-3", "a-1"), "a-b-1..3, a-1"},
		{ids("x-01", "x-1", "-1", "x-"), "x-01, x-1, -1, x-"},
		{append(ids("full-1", "full-2"), many...), "2 full, 514 miner"},
		{alone, "node0, node1, node2, node3, node4, node5, and 3 more"},
	} {
		if got := nodeList(c.ids); got != c.want {
			t.Errorf("%v: %q, want %q", c.ids, got, c.want)
		}
	}
}

func ids(n ...trace.NodeID) []trace.NodeID { return n }
