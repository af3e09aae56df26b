package invariant

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestFaultOnNodesCountsAnswers(t *testing.T) {
	h := newHistory(t, "a", "b", "c")
	h.state("c", trace.StateDown, "")
	f := trace.Fault{ID: "kill-1", Kind: "kill", PlannedAt: 10 * time.Second, PlannedFor: 10 * time.Second, Nodes: ids("b", "c")}
	phase := func(p trace.FaultPhase) {
		g := f
		g.Phase = p
		h.fault(g)
	}
	ask := func(n trace.NodeID, s trace.Status) {
		h.sleep(time.Second)
		h.add(n, &trace.Event{Kind: trace.KindStatus, Status: &s})
	}
	ask("b", trace.Status{}) // before any fault: counts for none
	h.at(10 * time.Second)
	phase(trace.FaultBegin)
	h.state("b", trace.StateDown, "kill-1")
	phase(trace.FaultActive)
	ask("b", trace.Status{Error: "no answer"})
	ask("c", trace.Status{Error: "no answer"})
	ask("c", trace.Status{})
	h.at(20 * time.Second)
	phase(trace.FaultHealing)
	h.state("b", trace.StateUp, "kill-1")
	phase(trace.FaultHealed)
	ask("b", trace.Status{})
	ask("c", trace.Status{Error: "no answer"})
	ask("c", trace.Status{Final: true, Error: "no answer"}) // the last word is not about the fault
	h.end(10 * time.Second)

	got := h.judge().Summary.Faults[0]
	want := &AnswerSummary{UpBefore: 1, PolledDuring: 3, AnsweredDuring: 1, PolledAfter: 2, AnsweredAfter: 1}
	if d := cmp.Diff(want, got.Answers); d != "" {
		t.Errorf("answers (-want +got):\n%s", d)
	}
	if d := cmp.Diff(ids("b", "c"), got.Nodes); d != "" {
		t.Errorf("nodes (-want +got):\n%s", d)
	}
}

func TestFaultOnLinksHasNoAnswers(t *testing.T) {
	h := newHistory(t, "a", "b")
	h.cut("partition-1", ids("a"), ids("b"))
	h.heal("partition-1")
	h.end(time.Second)
	if f := h.judge().Summary.Faults[0]; f.Answers != nil || f.Nodes != nil {
		t.Errorf("got %+v", f)
	}
}
