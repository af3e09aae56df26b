package cli

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// withLeader is a chain of which every node calls itself the leader, but for one that does not know.
type withLeader struct {
	chain.Chain
	leads bool
}

func (l withLeader) Capabilities() chain.Capabilities {
	if !l.leads {
		return chain.Capabilities{}
	}
	return chain.Capabilities{Leader: l.leader}
}

func (l withLeader) leader(_ context.Context, node faults.NodeID) (faults.NodeID, error) {
	if node == "lost" {
		return "", errors.New("no such method")
	}
	return node, nil
}

func TestStatus_Leader(t *testing.T) {
	low, high := nodeStatus{Node: "low", Height: 3}, nodeStatus{Node: "high", Height: 5}
	for _, c := range []struct {
		name  string
		chain chain.Chain
		nodes []nodeStatus
		want  string
	}{
		{"the highest node knows", withLeader{leads: true}, []nodeStatus{low, high, {Node: "dead", Height: 9, Error: "no answer"}},
			"t: 2 of 3 nodes answer, one chain, high is the leader"},
		{"it does not", withLeader{leads: true}, []nodeStatus{low, {Node: "lost", Height: 4}},
			"t: 2 nodes, one chain, leader not known: no such method"},
		{"nobody answers", withLeader{leads: true}, []nodeStatus{{Node: "dead", Error: "no answer"}}, "t: 0 of 1 nodes answer"},
		{"the file does not say", withLeader{}, []nodeStatus{low}, "t: 1 node, one chain"},
	} {
		net := &testnet{Testnet: &run.Testnet{ID: "t", Chain: c.chain}}
		s := &testnetStatus{Testnet: "t", Nodes: c.nodes, Chains: min(1, answering(c.nodes))}
		net.leader(t.Context(), s)
		if got := s.summary(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// chainsOf sorts nodes given as "name:chain of blocks", one letter a block, and returns their letters. A node without a
// colon does not answer.
func chainsOf(t *testing.T, nodes string) (string, int) {
	t.Helper()
	blocks := make(map[string]string)
	var list []nodeStatus
	for _, n := range strings.Fields(nodes) {
		name, chain, ok := strings.Cut(n, ":")
		s := nodeStatus{Node: name, Height: uint64(len(chain))}
		if !ok {
			s.Error = "no answer"
		} else {
			blocks[name] = chain
			s.Head = trace.Hash(chain) // a block's hash covers all before it
		}
		list = append(list, s)
	}
	count := must.Get(sortChains(list, func(high, low *nodeStatus) (bool, error) {
		if high.Height < low.Height {
			t.Errorf("%s is queried for a block at height %d, it is at %d", high.Node, low.Height, high.Height)
		}
		return trace.Hash(blocks[high.Node][:low.Height]) == low.Head, nil
	}))(t)
	letters := ""
	for _, n := range list {
		if n.Chain == "" {
			n.Chain = "-"
		}
		letters += n.Chain
	}
	return letters, count
}

func TestSortChains(t *testing.T) {
	for _, c := range []struct {
		nodes, letters string
		chains         int
	}{
		{"", "", 0},
		{"a", "-", 0},
		{"a:xy", "A", 1},
		{"a:xy b:xy c:xy", "AAA", 1},
		{"a:xyz b:xy c:x", "AAA", 1}, // behind is no fork
		{"a:x b:xy c:xyz", "AAA", 1}, // nor is ahead
		{"a:xy b c:xz", "A-B", 2},
		{"a:xya b:xyb c:xyab d:xybb e:xybbc", "ABABB", 2},
		{"a: b:xy c:", "AAA", 1}, // at genesis, which all chains contain
		{"a:x b:y c:z", "ABC", 3},
	} {
		letters, chains := chainsOf(t, c.nodes)
		if letters != c.letters || chains != c.chains {
			t.Errorf("%s: %s on %d chains, want %s on %d", c.nodes, letters, chains, c.letters, c.chains)
		}
	}
}

func TestSortChains_Errors(t *testing.T) {
	lost := errors.New("lost")
	nodes := []nodeStatus{{Node: "a", Head: "x", Height: 1}, {Node: "b", Head: "yz", Height: 2}}
	if _, err := sortChains(nodes, func(_, _ *nodeStatus) (bool, error) { return false, lost }); !errors.Is(err, lost) {
		t.Errorf("error %v", err)
	}
}

func TestLetters(t *testing.T) {
	if got := letter(0) + letter(25) + letter(26) + letter(1000); got != "AZZZ" {
		t.Errorf("letters %s", got)
	}
}
