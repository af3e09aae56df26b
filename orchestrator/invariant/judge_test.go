package invariant

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name  string
		x     trace.Expectation
		param string
		msg   string // empty: correct
	}{
		{"no parameters", trace.Expectation{Name: "agreement"}, "", ""},
		{"a duration", trace.Expectation{Name: "convergence", Params: map[string]string{"within": "1m30s"}}, "", ""},
		{"a percentage", trace.Expectation{Name: "inclusion", Params: map[string]string{"min_share": "95%"}}, "", ""},
		{"unknown invariant", trace.Expectation{Name: "agrement"}, "", "no such invariant"},
		{"unknown parameter", trace.Expectation{Name: "convergence", Params: map[string]string{"whitin": "1s"}}, "whitin", "no such parameter"},
		{"no duration", trace.Expectation{Name: "convergence", Params: map[string]string{"within": "20"}}, "within", "not a duration"},
		{"negative", trace.Expectation{Name: "convergence", Params: map[string]string{"within": "-1s"}}, "within", "negative"},
		{"empty", trace.Expectation{Name: "convergence", Params: map[string]string{"within": ""}}, "within", "not a duration"},
		{"no count", trace.Expectation{Name: "agreement", Params: map[string]string{"depth": "1.5"}}, "depth", "whole number"},
		{"negative count", trace.Expectation{Name: "agreement", Params: map[string]string{"depth": "-1"}}, "depth", "whole number"},
		{"share above 1", trace.Expectation{Name: "inclusion", Params: map[string]string{"min_share": "1.01"}}, "min_share", "not a share"},
		{"share above 100%", trace.Expectation{Name: "inclusion", Params: map[string]string{"min_share": "101%"}}, "min_share", "not a share"},
		{"not a number", trace.Expectation{Name: "inclusion", Params: map[string]string{"min_share": "NaN"}}, "min_share", "not a share"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := Check([]trace.Expectation{{Name: "isolation"}, c.x})
			if c.msg == "" {
				must.Do(t, err)
				return
			}
			var bad *ParamError
			if !errors.As(err, &bad) {
				t.Fatalf("got %v, want a *ParamError", err)
			}
			if bad.Index != 1 || bad.Param != c.param || !strings.Contains(bad.Msg, c.msg) {
				t.Errorf("got %+v", bad)
			}
		})
	}
	if err := Check([]trace.Expectation{{Name: "agreement"}, {Name: "agreement"}}); err == nil {
		t.Error("an invariant that is listed twice is accepted")
	}
}

func TestDefinitions_Complete(t *testing.T) {
	for _, d := range Definitions() {
		if d.Title == "" || d.Doc == "" || d.Class == "" || d.New == nil {
			t.Errorf("%s: incomplete definition", d.Name)
		}
		if _, errs := d.parse(nil); len(errs) > 0 {
			t.Errorf("%s: its defaults are wrong: %v", d.Name, errs[0])
		}
		for _, p := range d.Params {
			if p.Doc == "" || p.Type == "" {
				t.Errorf("%s: parameter %s is not described", d.Name, p.Name)
			}
		}
	}
}

func TestDefinition_Missing(t *testing.T) {
	missing := func(shown ...Observation) map[string][]Observation {
		out := make(map[string][]Observation)
		for _, d := range Definitions() {
			if m := d.Missing(shown); len(m) > 0 {
				out[d.Name] = m
			}
		}
		return out
	}
	for _, c := range []struct {
		name  string
		shown []Observation
		want  map[string][]Observation
	}{
		{"everything", []Observation{ObserveBlocks, ObserveEncoding, ObserveTxs, ObserveSubmit, ObserveRestored, ObserveAttacks, ObservePeers}, map[string][]Observation{}},
		{"external chain", []Observation{ObserveBlocks, ObserveTxs, ObserveSubmit, ObservePeers}, map[string][]Observation{
			"durability": {ObserveRestored}, "adversary": {ObserveAttacks},
			"validity": {ObserveEncoding}, "fork_choice": {ObserveEncoding},
		}},
		{"no transactions", []Observation{ObserveBlocks, ObservePeers}, map[string][]Observation{
			"durability": {ObserveRestored}, "adversary": {ObserveAttacks},
			"validity": {ObserveEncoding}, "fork_choice": {ObserveEncoding}, "inclusion": {ObserveSubmit, ObserveTxs},
		}},
		{"no blocks", []Observation{ObserveEncoding, ObserveTxs, ObserveSubmit}, map[string][]Observation{
			"durability": {ObserveRestored}, "adversary": {ObserveAttacks}, "connectivity": {ObservePeers},
			"agreement": {ObserveBlocks}, "validity": {ObserveBlocks}, "convergence": {ObserveBlocks}, "chain_growth": {ObserveBlocks},
			"block_propagation": {ObserveBlocks}, "inclusion": {ObserveBlocks},
			"fork_choice": {ObserveBlocks}, "consistency": {ObserveBlocks},
		}},
	} {
		if d := cmp.Diff(c.want, missing(c.shown...)); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

// What chain check says cannot be judged is what is NOT APPLICABLE in a run of polled nodes.
func TestDefinition_MissingIsNotApplicable(t *testing.T) {
	h := newBFT(t)
	h.blocksUntil("x", 10*time.Second, "a", "b", "c", "d")
	h.submit("a", "t")
	h.end(time.Second)
	shown := []Observation{ObserveBlocks, ObserveTxs, ObserveSubmit, ObservePeers}
	for _, d := range Definitions() {
		missing := d.Missing(shown)
		if r := h.result(d.Name); (r.Verdict == NotApplicable) != (len(missing) > 0) {
			t.Errorf("%s: %s (%s), missing %q", d.Name, r.Verdict, r.Reason, missing)
		}
	}
}

func TestJudgement_ExitCode(t *testing.T) {
	usual, strict, allow := Policy{}, Policy{Strict: true}, Policy{AllowUnknown: true}
	for _, c := range []struct {
		name   string
		j      Judgement
		policy Policy
		want   int
	}{
		{"nothing", Judgement{}, usual, 0},
		{"pass", Judgement{Results: []Result{{Verdict: Pass}}}, strict, 0},
		{"vacuous", Judgement{Results: []Result{{Verdict: Vacuous, Class: Safety}}}, usual, 0},
		{"vacuous, strict", Judgement{Results: []Result{{Verdict: Vacuous, Class: Safety}}}, strict, 1},
		{"vacuous about the testnet, strict", Judgement{Results: []Result{{Verdict: Vacuous, Class: Infrastructure}}}, strict, 0},
		{"the same, expected", Judgement{Results: []Result{{Verdict: Vacuous, Class: Infrastructure, Expected: true}}}, strict, 1},
		{"unknown", Judgement{Results: []Result{{Verdict: Unknown}}}, usual, 4},
		{"unknown, expected", Judgement{Results: []Result{{Verdict: Unknown, Expected: true}}}, usual, 4},
		{"unknown, allowed", Judgement{Results: []Result{{Verdict: Unknown, Expected: true}}}, allow, 0},
		{"unknown, strict", Judgement{Results: []Result{{Verdict: Unknown}}}, strict, 4},
		{"unknown and vacuous, strict and allowed", Judgement{Results: []Result{{Verdict: Unknown}, {Verdict: Vacuous}}},
			Policy{Strict: true, AllowUnknown: true}, 1},
		{"not applicable, strict", Judgement{Results: []Result{{Verdict: NotApplicable, Expected: true}}}, strict, 0},
		{"fail", Judgement{Results: []Result{{Verdict: Fail, Class: Safety}}}, usual, 1},
		{"fail over unknown", Judgement{Results: []Result{{Verdict: Unknown}, {Verdict: Fail}, {Verdict: Unknown}}}, usual, 1},
		{"infrastructure over fail", Judgement{Results: []Result{
			{Verdict: Fail, Class: Infrastructure}, {Verdict: Fail, Class: Safety}, {Verdict: Unknown}}}, usual, 3},
		{"error", Judgement{Error: "no engine", Results: []Result{{Verdict: Fail, Class: Safety}, {Verdict: Unknown}}}, allow, 3},
		{"interrupted", Judgement{Interrupted: true, Error: "x", Results: []Result{{Verdict: Unknown}}}, usual, 130},
	} {
		if got := c.j.ExitCode(c.policy); got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
	}
}

func TestJudge_Refuses(t *testing.T) {
	good := newHistory(t, "a", "b")
	good.stop()
	for _, c := range []struct {
		name   string
		change func(h *history)
		want   string
	}{
		{"no events", func(h *history) { h.events = nil }, "no run event"},
		{"no run first", func(h *history) { h.events = h.events[1:] }, "begins with"},
		{"another format", func(h *history) { h.run.Format = 1 }, "format 1"},
		{"a second run", func(h *history) { h.add("", &trace.Event{Kind: trace.KindRun, Run: &trace.Run{Format: trace.Format}}) }, "second run"},
		{"a node twice", func(h *history) { h.run.Nodes[1].ID = "a" }, "twice"},
		{"an edge to nowhere", func(h *history) { h.run.Edges = [][2]trace.NodeID{{"a", "z"}} }, "edge"},
		{"a wrong expectation", func(h *history) { h.run.Expect = []trace.Expectation{{Name: "nonsense"}} }, "no such invariant"},
	} {
		h := newHistory(t, "a", "b")
		c.change(h)
		if _, err := Judge(h.source, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.want)
		}
	}
	if _, err := Judge(good.source, []trace.Expectation{{Name: "nonsense"}}); err == nil {
		t.Error("a wrong expectation is accepted")
	}
}

func TestJudge_ExpectationsOfTheTrace(t *testing.T) {
	h := newHistory(t, "a", "b")
	h.run.Expect = []trace.Expectation{{Name: "convergence"}}
	h.grow("x", 2, time.Second, "a", "b")
	h.end(time.Second)
	j := must.Get(Judge(h.source, nil))(t)
	var got []string
	for _, r := range j.Results {
		got = append(got, r.Invariant)
		if r.Expected != (r.Invariant == "convergence") {
			t.Errorf("%s: expected is %v", r.Invariant, r.Expected)
		}
	}
	if d := cmp.Diff([]string{
		"agreement", "validity", "convergence", "fork_choice", "consistency", "connectivity", "no_crash", "isolation", "fault_accuracy",
	}, got); d != "" {
		t.Error(d)
	}
}

func TestJudge_TruncatedTrace(t *testing.T) {
	h := newHistory(t, "a", "b")
	h.grow("x", 2, time.Second, "a", "b")
	h.stop()
	cut := &trace.TruncatedError{Path: "t", Line: 7, Err: errors.New("end")}
	j := must.Get(Judge(func(fn func(*trace.Event) error) error { return errors.Join(h.source(fn), cut) }, nil))(t)
	if !strings.Contains(j.Incomplete, "line 7") {
		t.Errorf("incomplete: %q", j.Incomplete)
	}
	for _, r := range j.Results {
		if r.Verdict != Unknown {
			t.Errorf("%s: %s, want UNKNOWN", r.Invariant, r.Verdict)
		}
	}
	other := errors.New("disk")
	if _, err := Judge(func(func(*trace.Event) error) error { return other }, nil); !errors.Is(err, other) {
		t.Errorf("got %v, want the reader's error", err)
	}
}

func TestCount(t *testing.T) {
	for n, want := range []string{"0 blocks", "1 block", "2 blocks"} {
		if got := Count(n, "block"); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

// busy records how punctual the machine was, every second from now on, for a time; h.now does not change.
func (h *history) busy(length, late time.Duration, waiting float64) {
	for at := h.now; at < h.now+length; at += time.Second {
		h.events = append(h.events, &trace.Event{At: at + time.Second, Kind: trace.KindBusy, Busy: &trace.Busy{From: at, Timers: 50, Late: late, Waiting: waiting}})
	}
}

func TestJudge_LateMachine(t *testing.T) {
	late := func(d time.Duration) func(*history) {
		return func(h *history) { h.eachFault(func(f *trace.Fault) { f.PlannedAt -= d }) }
	}
	leak := func(h *history) {
		for _, e := range h.events {
			if e.Kind == trace.KindProbe && e.Probe.Phase == trace.ProbeDuring {
				e.Probe.Links = []trace.LinkProbe{cutLink(1)}
			}
		}
	}
	stays := func(h *history) {
		for _, e := range h.events {
			if e.Kind == trace.KindProbe && e.Probe.Phase == trace.ProbeAfter {
				for i := range e.Probe.Links {
					e.Probe.Links[i].Received = 0
				}
			}
		}
	}
	for _, c := range []struct {
		name    string
		change  func(*history)
		length  time.Duration
		late    time.Duration
		waiting float64
		want    Verdict
	}{
		{"late cut", late(4 * time.Second), 0, 0, 0, Fail},
		{"late cut, punctual machine", late(4 * time.Second), 20 * time.Second, 99 * ms, .89, Fail},
		{"late cut, a few late timers", late(4 * time.Second), time.Second, 200 * ms, 0, Unknown}, // all that was measured
		{"late cut, no free CPU", late(4 * time.Second), 20 * time.Second, ms, .95, Unknown},
		{"late cut, CPU not known", late(4 * time.Second), 20 * time.Second, ms, -1, Fail},
		{"late cut, a stall", late(4 * time.Second), 20 * time.Second, time.Second, 0, Unknown},
		{"good cut, late machine", func(*history) {}, 20 * time.Second, time.Second, 1, Pass},
		{"cut that stays, no free CPU", stays, 20 * time.Second, 99 * ms, 1, Fail},
		{"cut that stays, a stall", stays, 20 * time.Second, time.Second, 0, Unknown},
		{"leak, late machine", leak, 20 * time.Second, time.Second, 1, Fail},
	} {
		h := goodCut(t)
		c.change(h)
		h.at(0)
		h.busy(c.length, c.late, c.waiting)
		slices.SortStableFunc(h.events, func(a, b *trace.Event) int { return int(a.At - b.At) })
		if r := h.result("fault_accuracy"); r.Verdict != c.want || c.want == Unknown && !strings.Contains(r.Reason, "the machine was late by up to") {
			t.Errorf("%s: %s (%s), want %s", c.name, r.Verdict, r.Reason, c.want)
		}
	}
}
