package cli

import (
	"context"
	"errors"
	"testing"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/run"
)

// led is a chain of which every node says that it leads itself, but for one that does not know.
type led struct {
	chain.Chain
	leads bool
}

func (l led) Capabilities() chain.Capabilities {
	if !l.leads {
		return chain.Capabilities{}
	}
	return chain.Capabilities{Leader: l.leader}
}

func (l led) leader(_ context.Context, node faults.NodeID) (faults.NodeID, error) {
	if node == "lost" {
		return "", errors.New("no such method")
	}
	return node, nil
}

func TestStatusSaysWhoLeadsNext(t *testing.T) {
	low, high := nodeStatus{Node: "low", Height: 3}, nodeStatus{Node: "high", Height: 5}
	for _, c := range []struct {
		name  string
		chain chain.Chain
		nodes []nodeStatus
		want  string
	}{
		{"the highest node knows", led{leads: true}, []nodeStatus{low, high, {Node: "dead", Height: 9, Error: "no answer"}},
			"t: 3 nodes, one chain, high leads next"},
		{"it does not", led{leads: true}, []nodeStatus{low, {Node: "lost", Height: 4}},
			"t: 2 nodes, one chain, who leads next is not known: no such method"},
		{"nobody answers", led{leads: true}, []nodeStatus{{Node: "dead", Error: "no answer"}}, "t: 1 nodes, one chain"},
		{"the file does not say", led{}, []nodeStatus{low}, "t: 1 nodes, one chain"},
	} {
		a := &attached{Testnet: &run.Testnet{ID: "t", Chain: c.chain}}
		s := &testnetStatus{Testnet: "t", Nodes: c.nodes, Chains: 1}
		a.leader(t.Context(), s)
		if got := s.summary(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
