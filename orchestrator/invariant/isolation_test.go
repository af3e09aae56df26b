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

func TestIsolationHolds(t *testing.T) {
	h := cutAt(t)
	h.grow("l", 3, time.Second, "a")
	h.probe("p", trace.ProbeDuring, trace.LinkProbe{From: "a", To: "b", Sent: 5, ExpectedCut: true})
	h.heal("p")
	h.sync("b", "a", "l", 3)
	h.end(time.Second)
	want(t, h.result("isolation"), Pass)
}

func TestIsolationFailsWhenABlockCrosses(t *testing.T) {
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

func TestIsolationFailsWhenAPeerOfTheOtherSideSends(t *testing.T) {
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

func TestIsolationFailsWhenAProbeCrosses(t *testing.T) {
	h := cutAt(t)
	h.sleep(time.Second)
	h.probe("p", trace.ProbeDuring, trace.LinkProbe{From: "a", To: "b", Sent: 5, Received: 1, ExpectedCut: true})
	h.heal("p")
	h.end(time.Second)
	want(t, h.result("isolation"), Fail)
}

func TestIsolationIsVacuous(t *testing.T) {
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

func TestIsolationIsUnknownWithAGap(t *testing.T) {
	h := cutAt(t)
	h.grow("l", 3, time.Second, "a")
	h.gap("b")
	h.heal("p")
	h.end(time.Second)
	want(t, h.result("isolation"), Unknown)
}

func TestNoCrash(t *testing.T) {
	h := newHistory(t, "a", "b")
	h.grow("x", 2, time.Second, "a", "b")
	h.state("a", trace.StateDown, "kill-1")
	h.end(time.Second)
	want(t, h.result("no_crash"), Pass)

	h = newHistory(t, "a", "b")
	h.grow("x", 2, time.Second, "a", "b")
	h.state("a", trace.StateDied, "")
	h.end(time.Second)
	want(t, h.result("no_crash"), Fail)

	want(t, func() Result { h := newHistory(t); h.end(time.Second); return h.result("no_crash") }(), Vacuous)

	h = newHistory(t, "a")
	h.grow("x", 2, time.Second, "a")
	want(t, h.result("no_crash"), Unknown)
}
