package invariant

import (
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

func TestConvergenceAfterAHeal(t *testing.T) {
	h := split(t)
	h.sleep(time.Second)
	h.sync("a", "c", "w", 6)
	h.sleep(2 * time.Second)
	h.sync("b", "c", "w", 6)
	h.end(5 * time.Second)
	r := h.result("convergence", "within", "3s")
	want(t, r, Pass)
	if r.Metrics["worst_seconds"] != 3 || r.Metrics["deepest_reorg"] != 5 || r.Metrics["reorganised_nodes"] != 2 {
		t.Errorf("metrics %v, want 3 s, a reorg of 5 and 2 nodes", r.Metrics)
	}
	want(t, h.result("convergence", "within", "2999ms"), Fail)

	p := h.judge().Summary.Partitions
	if len(p) != 1 || len(p[0].Sides) != 2 {
		t.Fatalf("partitions %+v, want one with two sides", p)
	}
	got := p[0]
	if got.Sides[0].Mined != 5 || got.Sides[1].Mined != 6 || got.Sides[0].Height != 7 || got.Sides[1].Height != 8 {
		t.Errorf("sides %+v, want 5 and 6 blocks mined, heights 7 and 8", got.Sides)
	}
	if got.Canonical != 1 || got.DeepestReorg != 5 || got.Reorganised != 2 || !got.Converged || got.ConvergedIn != 3*time.Second {
		t.Errorf("got %+v, want side 1 to win within 3 s, 2 nodes dropping 5 blocks", got)
	}
}

func TestConvergenceOfATieNeedsTheNextBlock(t *testing.T) {
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
	r := h.result("convergence", "within", "4s")
	want(t, r, Pass)
	if r.Metrics["worst_seconds"] != 4 {
		t.Errorf("worst is %v s, want 4", r.Metrics["worst_seconds"])
	}
}

func TestConvergenceFailsWhenNodesStayApart(t *testing.T) {
	h := split(t)
	h.end(30 * time.Second)
	r := h.result("convergence")
	want(t, r, Fail)
	if r.Evidence[0].Windows[0] != "p" {
		t.Errorf("evidence is not put into the window of the fault: %+v", r.Evidence[0])
	}
}

func TestConvergenceOfANodeThatReturns(t *testing.T) {
	h := newHistory(t, "a", "b", "c")
	h.grow("x", 2, time.Second, "a", "b", "c")
	h.state("c", trace.StateDown, "kill-1")
	h.grow("y", 4, time.Second, "a", "b")
	h.at(10 * time.Second)
	h.state("c", trace.StateUp, "kill-1")
	h.at(12 * time.Second)
	h.sync("c", "a", "y", 4)
	h.end(time.Second)
	r := h.result("convergence", "within", "2s")
	want(t, r, Pass)
	if r.Metrics["worst_seconds"] != 2 {
		t.Errorf("worst is %v s, want 2", r.Metrics["worst_seconds"])
	}
}

func TestConvergenceLeavesOutWhatAnotherFaultInterrupts(t *testing.T) {
	h := split(t)
	h.sleep(time.Second)
	h.cut("q", ids("a", "b"), ids("c", "d"))
	h.at(50 * time.Second)
	h.heal("q")
	h.sleep(time.Second)
	h.sync("a", "c", "w", 6)
	h.sync("b", "c", "w", 6)
	h.end(time.Second)
	r := h.result("convergence")
	want(t, r, Pass)
	if r.Metrics["interrupted"] != 1 || r.Metrics["worst_seconds"] != 1 {
		t.Errorf("metrics %v, want one interrupted period and 1 s", r.Metrics)
	}
}

func TestConvergenceIsVacuous(t *testing.T) {
	h := newHistory(t, "a", "b")
	h.grow("x", 3, time.Second, "a", "b")
	h.stop() // neither faults nor settling
	want(t, h.result("convergence"), Vacuous)

	empty := newHistory(t, "a", "b")
	empty.cut("p", ids("a"), ids("b"))
	empty.heal("p")
	empty.end(time.Second)
	want(t, empty.result("convergence"), Vacuous)

	one := newHistory(t, "a")
	one.grow("x", 3, time.Second, "a")
	one.end(time.Second)
	want(t, one.result("convergence"), Vacuous)
}

func TestConvergenceIsUnknownWhenTheRunEndsTooSoon(t *testing.T) {
	h := split(t)
	h.end(time.Second)
	want(t, h.result("convergence"), Unknown)

	h = split(t)
	h.end(30 * time.Second)
	h.events[len(h.events)-1].End.Interrupted = true
	want(t, h.result("convergence"), Unknown)
}
