package invariant

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

const ms = time.Millisecond

// link is a measurement of 5 packets from a to b, all of which arrived after d.
func link(d time.Duration) trace.LinkProbe {
	return trace.LinkProbe{From: "a", To: "b", Sent: 5, Received: 5, Min: d, Median: d, Max: d}
}

// late is link with an expected delay.
func late(d, expected time.Duration) trace.LinkProbe {
	l := link(d)
	l.ExpectedDelay = expected
	return l
}

// cutLink is a measurement of a cut link that let some packets through.
func cutLink(through int) trace.LinkProbe {
	return trace.LinkProbe{From: "a", To: "b", Sent: 5, Received: through, ExpectedCut: true}
}

// linkFault is a history of one fault from 10s to 20s with the given measurements before, during and after it.
func linkFault(t *testing.T, rule trace.Rule, before, during, after trace.LinkProbe) *history {
	h := newHistory(t, "a", "b")
	h.grow("x", 5, time.Second, "a", "b")
	h.at(9 * time.Second)
	h.probe("f", trace.ProbeBefore, before)
	h.at(10 * time.Second)
	rule.From, rule.To = ids("a"), ids("b")
	f := trace.Fault{ID: "f", Kind: "test", PlannedAt: 10 * time.Second, PlannedFor: 10 * time.Second}
	f.Phase, f.Rules = trace.FaultBegin, []trace.Rule{rule}
	h.fault(f)
	f.Phase, f.Rules = trace.FaultActive, nil
	h.fault(f)
	h.at(15 * time.Second)
	h.probe("f", trace.ProbeDuring, during)
	h.at(20 * time.Second)
	f.Phase = trace.FaultHealing
	h.fault(f)
	f.Phase, f.Dropped, f.Delayed = trace.FaultHealed, 9, 9
	h.fault(f)
	h.at(21 * time.Second)
	h.probe("f", trace.ProbeAfter, after)
	h.end(time.Second)
	return h
}

func TestAccuracy_LinkFaults(t *testing.T) {
	cut, delay := trace.Rule{Cut: true}, trace.Rule{Delay: 100 * ms}
	lossy := late(101*ms, 100*ms)
	lossy.Received = 4
	jitter := trace.Rule{Delay: 100 * ms, Jitter: 20 * ms}
	dead := link(0)
	dead.Received = 0
	for _, c := range []struct {
		name                  string
		rule                  trace.Rule
		before, during, after trace.LinkProbe
		want                  Verdict
		reason                string
	}{
		{"a cut that holds", cut, link(ms), cutLink(0), link(ms), Pass, ""},
		{"a cut that leaks", cut, link(ms), cutLink(1), link(ms), Fail, "1 of 5 packets"},
		{"a link that was dead before", cut, dead, cutLink(0), link(ms), Fail, "before the fault"},
		{"a link that stays dead", cut, link(ms), cutLink(0), dead, Fail, "after the fault"},
		{"a delay", delay, link(ms), late(101*ms, 100*ms), link(ms), Pass, ""},
		{"a delay at its tolerance", delay, link(ms), late(111*ms, 100*ms), link(ms), Pass, ""},
		{"a delay that is too long", delay, link(ms), late(111*ms+1, 100*ms), link(ms), Fail, "off by"},
		{"a delay at its lower tolerance", delay, link(ms), late(91*ms, 100*ms), link(ms), Pass, ""},
		{"a delay that is too short", delay, link(ms), late(91*ms-1, 100*ms), link(ms), Fail, "off by"},
		{"a delay that does nothing", trace.Rule{Delay: 4 * ms}, link(ms), late(ms, 4*ms), link(ms), Fail, "expected are 4ms"},
		{"a delay that loses packets", delay, link(ms), lossy, link(ms), Fail, "lost 1 of 5"},
		{"a delay that stays", delay, link(ms), late(101*ms, 100*ms), link(50 * ms), Fail, "after the fault is off"},
		{"jitter widens the tolerance", jitter, link(ms), late(128*ms, 100*ms), link(ms), Pass, ""},
		{"two delays at once", delay, late(51*ms, 50*ms), late(151*ms, 150*ms), late(51*ms, 50*ms), Pass, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := linkFault(t, c.rule, c.before, c.during, c.after).result("fault_accuracy")
			want(t, r, c.want)
			if !strings.Contains(r.Reason, c.reason) {
				t.Errorf("reason %q does not say %q", r.Reason, c.reason)
			}
		})
	}
}

// without takes the events away that drop says.
func (h *history) without(drop func(*trace.Event) bool) *history {
	var keep []*trace.Event
	for _, e := range h.events {
		if !drop(e) {
			keep = append(keep, e)
		}
	}
	h.events = keep
	return h
}

func goodCut(t *testing.T) *history {
	return linkFault(t, trace.Rule{Cut: true}, link(ms), cutLink(0), link(ms))
}

func TestAccuracy_MissingMeasurements(t *testing.T) {
	for _, p := range []trace.ProbePhase{trace.ProbeBefore, trace.ProbeDuring, trace.ProbeAfter} {
		h := goodCut(t).without(func(e *trace.Event) bool { return e.Kind == trace.KindProbe && e.Probe.Phase == p })
		r := h.result("fault_accuracy")
		want(t, r, Fail)
		if !strings.Contains(r.Reason, "not measured "+string(p)) {
			t.Errorf("reason %q", r.Reason)
		}
	}
	h := goodCut(t)
	for _, e := range h.events {
		if e.Kind == trace.KindProbe {
			e.Probe.Links, e.Probe.Error = nil, "no agent"
		}
	}
	want(t, h.result("fault_accuracy"), Fail)
}

func TestAccuracy_MissingPhases(t *testing.T) {
	for _, p := range []trace.FaultPhase{trace.FaultActive, trace.FaultHealed} {
		h := goodCut(t).without(func(e *trace.Event) bool { return e.Kind == trace.KindFault && e.Fault.Phase == p })
		want(t, h.result("fault_accuracy"), Fail)
		h.events[len(h.events)-1].End.Interrupted = true
		want(t, h.result("fault_accuracy"), Unknown)
	}
}

func TestAccuracy_Times(t *testing.T) {
	for _, c := range []struct {
		at, length time.Duration // planned; 10s and 10s is what happened
		want       Verdict
	}{
		{8 * time.Second, 12 * time.Second, Pass},
		{8*time.Second - 1, 12 * time.Second, Fail},
		{10 * time.Second, 8*time.Second - 1, Fail},
		{10 * time.Second, 12*time.Second + 1, Fail},
	} {
		h := goodCut(t)
		h.eachFault(func(f *trace.Fault) { f.PlannedAt, f.PlannedFor = c.at, c.length })
		want(t, h.result("fault_accuracy"), c.want)
	}
}

func TestAccuracy_NothingMeasured(t *testing.T) {
	h := goodCut(t)
	for _, e := range h.events {
		if e.Kind == trace.KindProbe && e.Probe.Phase == trace.ProbeDuring {
			e.Probe.Links = nil // the fault was too short
		}
	}
	want(t, h.result("fault_accuracy"), Unknown)
}

func TestAccuracy_LinksOfStoppedNodes(t *testing.T) {
	h := newHistory(t, "a", "b")
	h.grow("x", 2, time.Second, "a", "b")
	h.state("b", trace.StateDown, "")
	dead := link(0)
	dead.Received = 0
	h.probe("f", trace.ProbeDuring, dead)
	h.end(time.Second)
	want(t, h.result("fault_accuracy"), Vacuous) // neither a fault nor a contradiction
}

// nodeFault is a history of the kill of b from 10s to 20s.
func nodeFault(t *testing.T, meanwhile func(*history)) *history {
	h := newHistory(t, "a", "b")
	h.grow("x", 5, time.Second, "a", "b")
	h.at(10 * time.Second)
	f := trace.Fault{ID: "kill-1", Kind: "kill", PlannedAt: 10 * time.Second, PlannedFor: 10 * time.Second, Nodes: ids("b")}
	f.Phase = trace.FaultBegin
	h.fault(f)
	f.Nodes = nil
	h.state("b", trace.StateDown, "kill-1")
	f.Phase = trace.FaultActive
	h.fault(f)
	h.at(15 * time.Second)
	meanwhile(h)
	h.at(20 * time.Second)
	f.Phase = trace.FaultHealing
	h.fault(f)
	h.sleep(10 * ms)
	h.adopt("b", "x-5") // it may report before the call that starts it returns
	h.sleep(10 * ms)
	h.state("b", trace.StateUp, "kill-1")
	f.Phase = trace.FaultHealed
	h.fault(f)
	h.end(time.Second)
	return h
}

func status(h *history, n trace.NodeID, err string) {
	h.add(n, &trace.Event{Kind: trace.KindStatus, Status: &trace.Status{Error: err}})
}

func TestAccuracy_NodeFaults(t *testing.T) {
	unanswered := func(h *history) { status(h, "b", "no answer") }
	want(t, nodeFault(t, unanswered).result("fault_accuracy"), Pass)
	want(t, nodeFault(t, func(h *history) { status(h, "b", "") }).result("fault_accuracy"), Fail)
	want(t, nodeFault(t, func(h *history) { h.mine("b", "while-down", "x-5") }).result("fault_accuracy"), Fail)

	h := nodeFault(t, func(*history) {}).without(func(e *trace.Event) bool { return e.Kind == trace.KindNode && e.At > 0 })
	r := h.result("fault_accuracy")
	want(t, r, Fail)
	if !strings.Contains(r.Reason, "the state of node b never changed") {
		t.Errorf("reason %q", r.Reason)
	}

	h = nodeFault(t, unanswered)
	last := h.events[len(h.events)-2:]
	h.events = h.events[:len(h.events)-2]
	h.now = 25 * time.Second
	status(h, "b", "no answer")
	h.events = append(h.events, last...)
	want(t, h.result("fault_accuracy"), Fail)
}

func TestFaultSummary_Links(t *testing.T) {
	h := linkFault(t, trace.Rule{Delay: 100 * ms}, link(ms), late(104*ms, 100*ms), link(2*ms))
	f := h.judge().Summary.Faults
	if len(f) != 1 {
		t.Fatalf("%d faults, want 1", len(f))
	}
	if d := f[0].During; !f[0].OK || d.Delay != 103*ms || d.Median != 104*ms || d.ExpectedDelay != 100*ms || d.Sent != 5 {
		t.Errorf("got %+v, during %+v", f[0], d)
	}
	if f[0].Active != 10*time.Second || f[0].Healed != 20*time.Second || f[0].Reached != trace.FaultHealed {
		t.Errorf("got %+v", f[0])
	}
}

func TestAccuracy_IdleCut(t *testing.T) {
	h := goodCut(t)
	h.eachFault(func(f *trace.Fault) { f.Dropped = 0 })
	r := h.result("fault_accuracy")
	want(t, r, Vacuous)
	if !strings.Contains(r.Reason, "f: the cut dropped no packet") {
		t.Errorf("reason %q", r.Reason)
	}
	want(t, h.result("isolation"), Vacuous)
}

func TestAccuracy_IdleDelay(t *testing.T) {
	for delayed, verdict := range map[int64]Verdict{0: Vacuous, 1: Pass, -1: Pass} { // -1: the engine cannot count
		h := linkFault(t, trace.Rule{Delay: 100 * ms}, link(ms), late(101*ms, 100*ms), link(ms))
		h.eachFault(func(f *trace.Fault) { f.Dropped, f.Delayed = 0, delayed })
		r := h.result("fault_accuracy")
		want(t, r, verdict)
		if verdict == Vacuous && !strings.Contains(r.Reason, "f: the delay held up no packet") {
			t.Errorf("reason %q", r.Reason)
		}
	}
	// A cut delays nothing, and a delay drops nothing.
	h := goodCut(t)
	h.eachFault(func(f *trace.Fault) { f.Delayed = 0 })
	want(t, h.result("fault_accuracy"), Pass)
	// Neither rule: there is no such count to judge a loss by.
	h = linkFault(t, trace.Rule{}, link(ms), link(ms), link(ms))
	h.eachFault(func(f *trace.Fault) { f.Delayed = 0 })
	want(t, h.result("fault_accuracy"), Pass)
}

func TestFaultSummary_Answers(t *testing.T) {
	h := newHistory(t, "a", "b", "c")
	h.state("c", trace.StateDown, "")
	f := trace.Fault{ID: "kill-1", Kind: "kill", PlannedAt: 10 * time.Second, PlannedFor: 10 * time.Second, Nodes: ids("b", "c")}
	phase := func(p trace.FaultPhase) {
		g := f
		g.Phase = p
		h.fault(g)
	}
	poll := func(n trace.NodeID, s trace.Status) {
		h.sleep(time.Second)
		h.add(n, &trace.Event{Kind: trace.KindStatus, Status: &s})
	}
	poll("b", trace.Status{}) // before any fault: counts for none
	h.at(10 * time.Second)
	phase(trace.FaultBegin)
	h.state("b", trace.StateDown, "kill-1")
	phase(trace.FaultActive)
	poll("b", trace.Status{Error: "no answer"})
	poll("c", trace.Status{Error: "no answer"})
	poll("c", trace.Status{})
	h.at(20 * time.Second)
	phase(trace.FaultHealing)
	h.state("b", trace.StateUp, "kill-1")
	phase(trace.FaultHealed)
	poll("b", trace.Status{})
	poll("c", trace.Status{Error: "no answer"})
	poll("c", trace.Status{Final: true, Error: "no answer"}) // the poll at the end is not about the fault
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

func TestFaultSummary_NoAnswersForLinkFaults(t *testing.T) {
	h := newHistory(t, "a", "b")
	h.cut("partition-1", ids("a"), ids("b"))
	h.heal("partition-1")
	h.end(time.Second)
	if f := h.judge().Summary.Faults[0]; f.Answers != nil || f.Nodes != nil {
		t.Errorf("got %+v", f)
	}
}
