package invariant

import (
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// split is a history of a partition of 4 nodes from 2s on, with 5 blocks lost on a and b, and 6 won on c and d, healed
// at 20s.
func split(t *testing.T) *history {
	h := newHistory(t, "a", "b", "c", "d")
	h.grow("x", 2, time.Second, "a", "b", "c", "d")
	h.cut("p", ids("a", "b"), ids("c", "d"))
	h.grow("l", 5, time.Second, "a", "b")
	h.grow("w", 6, time.Second, "c", "d")
	h.at(20 * time.Second)
	h.heal("p")
	return h
}

func TestConvergence(t *testing.T) {
	healed := func(t *testing.T) *history { // a follows c 1s, b 3s after the heal
		h := split(t)
		h.sleep(time.Second)
		h.sync("a", "c", "w", 6)
		h.sleep(2 * time.Second)
		h.sync("b", "c", "w", 6)
		h.end(5 * time.Second)
		return h
	}
	ended := func(d time.Duration, interrupted bool) func(t *testing.T) *history {
		return func(t *testing.T) *history {
			h := split(t)
			h.end(d)
			h.events[len(h.events)-1].End.Interrupted = interrupted
			return h
		}
	}
	judgeCases(t, "convergence", []verdictCase{
		{name: "at the bound", run: healed, params: []string{"within", "3s"}, want: Pass, says: []string{"1 recovery: 3s"},
			metrics: map[string]float64{"worst_seconds": 3, "deepest_reorg": 5, "reorganised_nodes": 2}},
		{name: "above the bound", run: healed, params: []string{"within", "2999ms"}, want: Fail,
			says: []string{"4 nodes converged on one chain only 3s after p at 20s; at most 2.999s is allowed"}},
		{name: "a tie needs the next block", run: func(t *testing.T) *history {
			h := newHistory(t, "a", "b")
			h.cut("p", ids("a"), ids("b"))
			h.grow("l", 3, time.Second, "a")
			h.grow("w", 3, time.Second, "b")
			h.at(10 * time.Second)
			h.heal("p")
			h.sync("a", "b", "w", 3) // as high as its own: not taken
			h.sync("b", "a", "l", 3)
			h.at(14 * time.Second)
			h.grow("w2", 1, 0, "b", "a")
			h.end(time.Second)
			return h
		}, params: []string{"within", "4s"}, want: Pass, metrics: map[string]float64{"worst_seconds": 4}},
		{name: "never", run: ended(30*time.Second, false), want: Fail, says: []string{"4 nodes had not converged on one chain"}},
		{name: "the run ends too soon", run: ended(time.Second, false), want: Unknown},
		{name: "interrupted run", run: ended(30*time.Second, true), want: Unknown},
		{name: "a node returns", run: func(t *testing.T) *history {
			h := newHistory(t, "a", "b", "c")
			h.grow("x", 2, time.Second, "a", "b", "c")
			h.state("c", trace.StateDown, "kill-1")
			h.grow("y", 4, time.Second, "a", "b")
			h.at(10 * time.Second)
			h.state("c", trace.StateUp, "kill-1")
			h.at(12 * time.Second)
			h.sync("c", "a", "y", 4)
			h.end(time.Second)
			return h
		}, params: []string{"within", "2s"}, want: Pass, metrics: map[string]float64{"worst_seconds": 2}},
		{name: "interrupted by another fault", run: func(t *testing.T) *history {
			h := split(t)
			h.sleep(time.Second)
			h.cut("q", ids("a", "b"), ids("c", "d"))
			h.at(50 * time.Second)
			h.heal("q")
			h.sleep(time.Second)
			h.sync("a", "c", "w", 6)
			h.sync("b", "c", "w", 6)
			h.end(time.Second)
			return h
		}, want: Pass, metrics: map[string]float64{"interrupted": 1, "worst_seconds": 1}},
		{name: "neither faults nor settling", run: func(t *testing.T) *history {
			h := newHistory(t, "a", "b")
			h.grow("x", 3, time.Second, "a", "b")
			h.stop()
			return h
		}, want: Vacuous},
		{name: "no blocks", run: func(t *testing.T) *history {
			h := newHistory(t, "a", "b")
			h.cut("p", ids("a"), ids("b"))
			h.heal("p")
			h.end(time.Second)
			return h
		}, want: Vacuous},
		{name: "one node", run: func(t *testing.T) *history {
			h := newHistory(t, "a")
			h.grow("x", 3, time.Second, "a")
			h.end(time.Second)
			return h
		}, want: Vacuous},
	})
	if e := ended(30*time.Second, false)(t).result("convergence").Evidence[0]; e.Windows[0] != "p" {
		t.Errorf("evidence does not name the fault window: %+v", e)
	}
	p := healed(t).judge().Summary.Partitions
	if len(p) != 1 || len(p[0].Sides) != 2 {
		t.Fatalf("partitions %+v, want one with two sides", p)
	}
	got := p[0]
	if got.Sides[0].Mined != 5 || got.Sides[1].Mined != 6 || got.Sides[0].Height != 7 || got.Sides[1].Height != 8 {
		t.Errorf("sides %+v, want 5 and 6 blocks, heights 7 and 8", got.Sides)
	}
	if got.Canonical != 1 || got.DeepestReorg != 5 || got.Reorganised != 2 || !got.Converged || got.ConvergedIn != 3*time.Second {
		t.Errorf("got %+v, want side 1 to be canonical within 3 s, 2 nodes dropping 5 blocks", got)
	}
}

func TestJudge_HalvedQuorum(t *testing.T) {
	h := halvedQuorum(t, 68*time.Second)
	for _, name := range []string{"agreement", "convergence", "chain_growth", "isolation", "fault_accuracy", "block_propagation"} {
		want(t, h.result(name), Pass)
	}
	r := h.result("convergence")
	if got := r.Metrics["worst_seconds"]; got < 18 || got > 18.1 || !strings.Contains(r.Figure, "± 100ms") {
		t.Errorf("worst %v s (%s), want 18 ± 100ms: the first new block, not the old agreement", got, r.Figure)
	}
	want(t, h.result("convergence", "within", "17s"), Fail)
	p := h.judge().Summary.Partitions
	if len(p) != 1 || !p[0].Idle || p[0].Canonical != -1 || !p[0].Converged || p[0].Sides[0].Quorate || p[0].Sides[0].Power != .5 ||
		p[0].Sides[0].Mined != 0 || p[0].Sides[0].Height != p[0].Sides[1].Height {
		t.Errorf("partitions %+v, want two idle sides at one height", p)
	}
	if r := h.result("validity"); r.Verdict != Unknown || r.Reason != cannotExecute || !r.Inherent {
		t.Errorf("validity %+v", r)
	}
	if code := h.judge().ExitCode(false); code != ExitPass {
		t.Errorf("exit code %d", code)
	}
	if code := h.judge().ExitCode(true); code != ExitPass {
		t.Errorf("strict, validity not expected: exit code %d", code)
	}
	if code := h.judge(trace.Expectation{Name: "validity"}).ExitCode(true); code != ExitFail {
		t.Errorf("strict, validity expected: exit code %d", code)
	}
}

func TestJudge_HealThatDoesNotHappen(t *testing.T) {
	h := newBFT(t)
	h.blocksUntil("x", 20*time.Second, "a", "b", "c", "d")
	h.cut("p", ids("a", "b"), ids("c", "d"))
	h.at(50 * time.Second)
	h.heal("p") // says the engine
	h.at(120 * time.Second)
	h.end(60 * time.Second)
	want(t, h.result("agreement"), Pass) // they still agree: that is no evidence
	r := h.result("convergence")
	want(t, r, Fail)
	if !strings.Contains(r.Reason, "new block") {
		t.Errorf("reason %q", r.Reason)
	}
	r = h.result("chain_growth")
	want(t, r, Fail)
	if len(r.Evidence) < 2 {
		t.Errorf("%d pieces of evidence, want growth after the heal and in settling", len(r.Evidence))
	}

	h = newBFT(t)
	h.blocksUntil("x", 20*time.Second, "a", "b", "c", "d")
	h.cut("p", ids("a", "b"), ids("c", "d"))
	h.at(60 * time.Second)
	h.end(60 * time.Second) // nobody healed it
	want(t, h.result("convergence"), Vacuous)
	want(t, h.result("fault_accuracy"), Fail)
}

// Where no quorum is needed, equal heads count as convergence at once; of a chain that makes no blocks they show nothing.
func TestConvergence_OldHeadsShowNothing(t *testing.T) {
	for from, verdict := range map[time.Duration]Verdict{time.Hour: Vacuous, 70 * time.Second: Pass} {
		h := newHistory(t, "a", "b", "c", "d").polled("pow", 0, 3)
		h.blocksUntil("x", 10*time.Second, "a", "b", "c", "d")
		h.at(20 * time.Second)
		h.cut("p", ids("a", "b"), ids("c", "d"))
		h.at(50 * time.Second)
		h.heal("p")
		h.at(70 * time.Second)
		if from == h.now {
			h.blocksUntil("y", 90*time.Second, "a", "b", "c", "d")
		}
		h.at(90 * time.Second)
		h.end(60 * time.Second)
		r := h.result("convergence")
		want(t, r, verdict)
		if verdict == Vacuous && !strings.Contains(r.Reason, "no new block") {
			t.Errorf("reason %q", r.Reason)
		}
		var expected []trace.Expectation
		for _, name := range []string{"agreement", "convergence", "block_propagation"} {
			expected = append(expected, trace.Expectation{Name: name})
		}
		if code := h.judge(expected...).ExitCode(true); verdict == Vacuous && code == ExitPass {
			t.Error("strict: the run passes")
		}
	}
}

// A node was paused, so that it was not polled for 10 s. Blocks that others made meanwhile it can only have got after it
// resumed; older ones it may have had before.
func TestConvergence_ArrivalAfterAPause(t *testing.T) {
	for _, c := range []struct {
		made time.Duration // after the pause began
		want float64       // seconds by which the arrival is uncertain
	}{{5 * time.Second, .05}, {-50 * ms, 10.1}} {
		h := newHistory(t, "a", "b").polled("pow", 0, 6).measured()
		h.at(10 * time.Second)
		b := h.block("y", h.heads["a"])
		if c.made < 0 {
			h.reportWithin("a", b, 0)
			h.sleep(-c.made)
		}
		h.state("b", trace.StatePaused, "p")
		h.sleep(max(c.made, 0))
		if c.made >= 0 {
			h.reportWithin("a", b, 0)
		}
		h.sleep(10*time.Second - max(c.made, 0))
		h.state("b", trace.StateUp, "p")
		h.sleep(50 * ms)
		h.reportWithin("b", b, 11*time.Second)
		h.end(20 * time.Second)
		if r := h.result("convergence"); !near(r.Metrics["resolution_seconds"], c.want) {
			t.Errorf("made %v after the pause began: %v, want %v s", c.made, r.Metrics, c.want)
		}
	}
}
