package invariant

import (
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// cutAt is a history of a whole network until 2s, and of a from b then.
func cutAt(t *testing.T) *history {
	h := newHistory(t, "a", "b")
	h.grow("x", 2, time.Second, "a", "b")
	h.cut("p", ids("a"), ids("b"))
	return h
}

func TestIsolation(t *testing.T) {
	// during does something while a is cut from b, and heals the cut.
	during := func(do func(h *history)) func(t *testing.T) *history {
		return func(t *testing.T) *history {
			h := cutAt(t)
			do(h)
			h.heal("p")
			h.end(time.Second)
			return h
		}
	}
	probe := func(received int) trace.LinkProbe {
		return trace.LinkProbe{From: "a", To: "b", Sent: 5, Received: received, ExpectedCut: true}
	}
	// sent lets b get a block that a made before the cut, some time after it.
	sent := func(after time.Duration) func(t *testing.T) *history {
		return func(t *testing.T) *history {
			h := newHistory(t, "a", "b")
			h.grow("x", 2, time.Second, "a", "b")
			h.mine("a", "y", "x-2")
			h.cut("p", ids("a"), ids("b"))
			h.sleep(after)
			h.get("b", "a", "y")
			h.heal("p")
			h.end(time.Second)
			return h
		}
	}
	crosses := during(func(h *history) {
		h.grow("l", 1, time.Second, "a")
		h.sleep(10 * time.Millisecond)
		h.get("b", "", "l-1") // whichever peer it came from
	})
	judgeCases(t, "isolation", []verdictCase{
		{name: "holds", want: Pass, run: func(t *testing.T) *history {
			h := cutAt(t)
			h.grow("l", 3, time.Second, "a")
			h.probe("p", trace.ProbeDuring, probe(0))
			h.heal("p")
			h.sync("b", "a", "l", 3)
			h.end(time.Second)
			return h
		}},
		{name: "a block crosses", run: crosses, want: Fail, says: []string{"b has block l-1, which a made on the other side of the cut"}},
		{name: "a probe crosses", want: Fail, run: during(func(h *history) {
			h.sleep(time.Second)
			h.probe("p", trace.ProbeDuring, probe(1))
		})},
		{name: "a peer sends within the grace period", run: sent(2 * time.Second), want: Pass}, // it was in a buffer
		{name: "a peer sends after the grace period", run: sent(2*time.Second + 1), want: Fail,
			says: []string{"b received block y from a on the other side of the cut"}},
		{name: "gap", want: Unknown, run: during(func(h *history) {
			h.grow("l", 3, time.Second, "a")
			h.gap("b")
		})},
		{name: "no cut", want: Vacuous, run: func(t *testing.T) *history {
			h := newHistory(t, "a", "b")
			h.grow("x", 2, time.Second, "a", "b")
			h.end(time.Second)
			return h
		}},
		{name: "a cut that separates nobody", want: Vacuous, run: func(t *testing.T) *history {
			h := newHistory(t, "a", "b", "c")
			h.cut("p", ids("a"), ids("b"))
			h.grow("x", 3, 3*time.Second, "a", "c", "b")
			h.heal("p")
			h.end(time.Second)
			return h
		}},
		{name: "nothing sent meanwhile", want: Vacuous, run: func(t *testing.T) *history {
			h := newHistory(t, "a", "b")
			h.cut("p", ids("a"), ids("b"))
			h.heal("p")
			h.grow("x", 3, time.Second, "a", "b")
			h.end(time.Second)
			return h
		}},
	})
	if got := crosses(t).judge().ExitCode(false); got != ExitInfrastructure {
		t.Errorf("exit code %d, want %d", got, ExitInfrastructure)
	}
}

func TestIsolation_PolledNodes(t *testing.T) {
	run := func(crossing time.Duration, dropped int64) Result {
		h := newHistory(t, "a", "b").polled("pow", 0, 6)
		h.blocksUntil("x", 5*time.Second, "a", "b")
		h.cut("p", ids("a"), ids("b"))
		h.sleep(crossing)
		h.report("y", "a")
		h.sleep(50 * ms)
		h.reportBlock("b", h.blocks["y"]) // nobody reports from whom
		h.at(30 * time.Second)
		h.fault(trace.Fault{ID: "p", Kind: "partition", Phase: trace.FaultHealing})
		h.fault(trace.Fault{ID: "p", Kind: "partition", Phase: trace.FaultHealed, Dropped: dropped})
		h.end(time.Second)
		return h.result("isolation")
	}
	want(t, run(2100*ms, 5), Pass) // it may have been sent before
	want(t, run(2100*ms+1, 5), Fail)
	want(t, run(ms, 0), Vacuous)
	want(t, run(ms, -1), Pass) // the engine cannot count

	// Without blocks the probes decide, and without these nothing does.
	want(t, halvedQuorum(t, 60*time.Second).result("isolation"), Pass)
	noProbes := newBFT(t)
	noProbes.cut("p", ids("a", "b"), ids("c", "d"))
	noProbes.at(30 * time.Second)
	noProbes.heal("p")
	noProbes.blocksUntil("x", 40*time.Second, "a", "b", "c", "d")
	noProbes.end(time.Second)
	want(t, noProbes.result("isolation"), Vacuous)
}

// TestIsolation_UncertainArrival: a block that a node may have had before the cut is no evidence against it.
func TestIsolation_UncertainArrival(t *testing.T) {
	for _, c := range []struct {
		within time.Duration
		want   Verdict
	}{{100 * ms, Fail}, {4 * time.Second, Pass}} {
		h := newHistory(t, "a", "b").polled("pow", 0, 6).measured()
		h.blocksUntil("x", 5*time.Second, "a", "b")
		h.cut("p", ids("a"), ids("b"))
		h.sleep(5 * time.Second)
		b := h.block("y", h.heads["a"])
		h.reportWithin("a", b, c.within)
		h.sleep(50 * ms)
		h.reportWithin("b", b, c.within)
		h.at(30 * time.Second)
		h.fault(trace.Fault{ID: "p", Kind: "partition", Phase: trace.FaultHealing})
		h.fault(trace.Fault{ID: "p", Kind: "partition", Phase: trace.FaultHealed, Dropped: 5})
		h.end(time.Second)
		want(t, h.result("isolation"), c.want)
	}
}
