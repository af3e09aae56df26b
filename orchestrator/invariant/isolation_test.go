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

func TestIsolation_Holds(t *testing.T) {
	h := cutAt(t)
	h.grow("l", 3, time.Second, "a")
	h.probe("p", trace.ProbeDuring, trace.LinkProbe{From: "a", To: "b", Sent: 5, ExpectedCut: true})
	h.heal("p")
	h.sync("b", "a", "l", 3)
	h.end(time.Second)
	want(t, h.result("isolation"), Pass)
}

func TestIsolation_BlockCrosses(t *testing.T) {
	h := cutAt(t)
	h.grow("l", 1, time.Second, "a")
	h.sleep(10 * time.Millisecond)
	h.get("b", "", "l-1") // whoever it came from
	h.heal("p")
	h.end(time.Second)
	want(t, h.result("isolation"), Fail)
	if got := h.judge().ExitCode(false); got != ExitInfrastructure {
		t.Errorf("exit code %d, want %d", got, ExitInfrastructure)
	}
}

func TestIsolation_PeerOfTheOtherSideSends(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		want  Verdict
	}{{2 * time.Second, Pass}, {2*time.Second + 1, Fail}} {
		h := newHistory(t, "a", "b")
		h.grow("x", 2, time.Second, "a", "b")
		h.mine("a", "y", "x-2")
		h.cut("p", ids("a"), ids("b"))
		h.sleep(c.after)
		h.get("b", "a", "y") // within the grace it may have been in a buffer
		h.heal("p")
		h.end(time.Second)
		want(t, h.result("isolation"), c.want)
	}
}

func TestIsolation_ProbeCrosses(t *testing.T) {
	h := cutAt(t)
	h.sleep(time.Second)
	h.probe("p", trace.ProbeDuring, trace.LinkProbe{From: "a", To: "b", Sent: 5, Received: 1, ExpectedCut: true})
	h.heal("p")
	h.end(time.Second)
	want(t, h.result("isolation"), Fail)
}

func TestIsolation_Vacuous(t *testing.T) {
	h := newHistory(t, "a", "b")
	h.grow("x", 2, time.Second, "a", "b")
	h.end(time.Second)
	want(t, h.result("isolation"), Vacuous)

	// A cut between two of three nodes that can all be next to each other separates nobody.
	h = newHistory(t, "a", "b", "c")
	h.cut("p", ids("a"), ids("b"))
	h.grow("x", 3, 3*time.Second, "a", "c", "b")
	h.heal("p")
	h.end(time.Second)
	want(t, h.result("isolation"), Vacuous)

	h = newHistory(t, "a", "b")
	h.cut("p", ids("a"), ids("b"))
	h.heal("p")
	h.grow("x", 3, time.Second, "a", "b")
	h.end(time.Second)
	want(t, h.result("isolation"), Vacuous)
}

func TestIsolation_Gap(t *testing.T) {
	h := cutAt(t)
	h.grow("l", 3, time.Second, "a")
	h.gap("b")
	h.heal("p")
	h.end(time.Second)
	want(t, h.result("isolation"), Unknown)
}

func TestIsolation_PolledNodes(t *testing.T) {
	run := func(crossing time.Duration, dropped int64) Result {
		h := newHistory(t, "a", "b").polled("pow", 0, 6)
		h.blocksUntil("x", 5*time.Second, "a", "b")
		h.cut("p", ids("a"), ids("b"))
		h.sleep(crossing)
		h.report("y", "a")
		h.sleep(50 * ms)
		h.reportBlock("b", h.blocks["y"]) // nobody tells from whom
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
