package run

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestView_Snapshot(t *testing.T) {
	v := newView()
	add := func(events ...trace.Event) {
		for i := range events {
			v.add(&events[i])
		}
	}
	state := func(node trace.NodeID, s trace.State) trace.Event {
		return trace.Event{Kind: trace.KindNode, Node: node, Lifecycle: &trace.Lifecycle{State: s}}
	}
	fault := func(id string, phase trace.FaultPhase) trace.Event {
		return trace.Event{Kind: trace.KindFault, Fault: &trace.Fault{ID: id, Phase: phase}}
	}
	// block adds a block that a node has, at the given height after parent, as its head.
	block := func(node trace.NodeID, hash, parent trace.Hash, height uint64) {
		add(trace.Event{Kind: trace.KindSeen, Node: node, Seen: &trace.Seen{Hash: hash, Parent: parent, Height: height}},
			trace.Event{Kind: trace.KindHead, Node: node, Head: &trace.Head{Hash: hash, Height: height}})
	}
	want := func(what string, s Snapshot) {
		t.Helper()
		if diff := cmp.Diff(s, v.snapshot()); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	want("no event", Snapshot{})
	add(trace.Event{Kind: trace.KindPhase, Phase: &trace.Phase{Name: trace.PhaseScheduled}})
	for i, node := range []trace.NodeID{"a", "b", "c"} {
		add(state(node, trace.StateUp))
		block(node, "g", "", 0)
		if i == 0 {
			want("one node at genesis", Snapshot{Phase: "scheduled", Up: 1, Chains: 1})
		}
	}
	block("a", "1", "g", 1)
	block("a", "2", "1", 2)
	block("b", "1", "g", 1)
	want("nodes behind", Snapshot{Phase: "scheduled", Up: 3, MaxHeight: 2, Chains: 1})
	add(fault("partition-1", trace.FaultBegin), fault("partition-1", trace.FaultActive), fault("kill-1", trace.FaultActive))
	block("b", "2b", "1", 2)
	block("c", "1", "g", 1)
	want("fork, one node before it", Snapshot{
		Phase: "scheduled", Up: 3, MinHeight: 1, MaxHeight: 2, Chains: 2, ActiveFaults: []string{"partition-1", "kill-1"},
	})
	add(state("b", trace.StateDown), fault("partition-1", trace.FaultHealing))
	want("head of a node that is down", Snapshot{
		Phase: "scheduled", Up: 2, MinHeight: 1, MaxHeight: 2, Chains: 1, ActiveFaults: []string{"kill-1"},
	})
	for h := uint64(3); h < 100; h++ {
		block("a", trace.Hash(fmt.Sprint(h)), trace.Hash(fmt.Sprint(h-1)), h)
	}
	want("far behind", Snapshot{Phase: "scheduled", Up: 2, MinHeight: 1, MaxHeight: 99, Chains: 1, ActiveFaults: []string{"kill-1"}})
}

// TestView_Submitted: refused and skipped submissions have no transaction that a node could be polled for, or that is missing.
func TestView_Submitted(t *testing.T) {
	v := newView()
	for _, s := range []trace.Submit{{Skipped: true}, {Error: "busy"}} {
		v.add(&trace.Event{Kind: trace.KindSubmit, Submit: &s})
	}
	rng := rand.New(rand.NewPCG(1, 2))
	if tx, ok := v.submitted(rng); ok || v.missing("") > 0 {
		t.Errorf("transaction %q, %d missing", tx, v.missing(""))
	}
	v.add(&trace.Event{Kind: trace.KindSubmit, Node: "a", Submit: &trace.Submit{Tx: "x"}})
	for range 10 {
		if tx, ok := v.submitted(rng); !ok || tx != "x" {
			t.Errorf("transaction %q, %v", tx, ok)
		}
	}
}
