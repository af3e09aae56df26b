package invariant

import (
	"slices"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestAgreementHoldsOnAWholeNetwork(t *testing.T) {
	h := newHistory(t, "a", "b", "c")
	h.grow("x", 5, time.Second, "a", "b", "c")
	h.mine("b", "y1", "x-5")
	h.spread("a", "z1", "c")
	h.spread("a", "z2", "c", "b") // b drops y1
	h.end(time.Second)
	r := h.result("agreement")
	want(t, r, Pass)
	if r.Metrics["deepest_reorg"] != 1 {
		t.Errorf("deepest reorg %v, want 1", r.Metrics["deepest_reorg"])
	}
}

func TestAgreementFailsOnADeepReorgWithoutACut(t *testing.T) {
	h := newHistory(t, "a", "b", "c")
	h.grow("x", 3, time.Second, "a", "b")
	h.block("y-1", genesis)
	h.mine("c", "y-1", genesis)
	h.grow("z", 4, time.Second, "c")
	h.accept("a", "c", "y-1", false)
	for _, b := range []trace.Hash{"z-1", "z-2", "z-3", "z-4"} {
		h.get("a", "c", b)
	}
	h.stop()
	r := h.result("agreement")
	want(t, r, Fail)
	if r.Metrics["deepest_reorg_outside_partitions"] != 3 {
		t.Errorf("deepest unexcused reorg is %v, want 3", r.Metrics["deepest_reorg_outside_partitions"])
	}
	if e := r.Evidence[0]; !slices.Contains(e.Nodes, "a") || !slices.Contains(e.Blocks, "x-3") {
		t.Errorf("evidence names neither node a nor block x-3: %+v", e)
	}
	want(t, h.result("agreement", "depth", "3"), Pass)
}

func TestAgreementExcusesWhatACutCaused(t *testing.T) {
	h := newHistory(t, "a", "b", "c", "d")
	h.grow("x", 2, time.Second, "a", "b", "c", "d")
	h.cut("p", ids("a", "b"), ids("c", "d"))
	h.grow("l", 10, time.Second, "a", "b")
	h.grow("w", 11, time.Second, "c", "d")
	h.heal("p")
	// Before it has heard of the other side, the loser goes on a little.
	h.grow("late", 1, time.Second, "a", "b")
	h.grow("w2", 1, time.Second, "c", "d")
	for _, n := range ids("a", "b") {
		h.sync(n, "c", "w", 11)
		h.get(n, "c", "w2-1")
	}
	h.grow("y", 3, time.Second, "c", "a", "b", "d")
	h.end(time.Second)
	r := h.result("agreement")
	want(t, r, Pass)
	if r.Metrics["deepest_reorg"] != 11 || r.Metrics["deepest_reorg_outside_partitions"] != 0 {
		t.Errorf("metrics %v, want a reorg of 11 that is excused", r.Metrics)
	}
}

func TestAgreementDoesNotExcuseBlocksFromBeforeTheCut(t *testing.T) {
	h := newHistory(t, "a", "b")
	h.grow("x", 4, time.Second, "a", "b")
	h.mine("b", "y", genesis)
	for i, parent := range []trace.Hash{"y", "y2", "y3", "y4"} {
		h.mine("b", []trace.Hash{"y2", "y3", "y4", "y5"}[i], parent)
	}
	h.sleep(time.Second)
	h.cut("p", ids("a"), ids("b"))
	h.sleep(time.Second)
	h.heal("p")
	for _, b := range []trace.Hash{"y", "y2", "y3", "y4", "y5"} {
		h.accept("a", "b", b, true)
	}
	h.stop()
	want(t, h.result("agreement"), Fail)
}

func TestAgreementFailsWhenNodesEndOnDifferentChains(t *testing.T) {
	h := newHistory(t, "a", "b", "c")
	h.grow("x", 1, time.Second, "a", "b", "c")
	h.cut("p", ids("a"), ids("b", "c"))
	h.grow("l", 4, time.Second, "a")
	h.grow("w", 5, time.Second, "b", "c")
	h.heal("p")
	h.end(30 * time.Second) // a never takes the other chain
	want(t, h.result("agreement"), Fail)
}

func TestAgreementFailsWhenADeadNodeHadAnotherChain(t *testing.T) {
	h := newHistory(t, "a", "b", "c")
	h.mine("a", "l1", genesis)
	h.mine("a", "l2", "l1")
	h.mine("a", "l3", "l2")
	h.grow("w", 2, time.Second, "b", "c")
	h.state("a", trace.StateDown, "kill-1")
	h.grow("v", 9, time.Second, "b", "c")
	h.end(time.Second)
	want(t, h.result("agreement"), Fail)
}

func TestAgreementCountsFromTheChainBeforeATornTail(t *testing.T) {
	h := newHistory(t, "a", "b")
	h.grow("x", 6, time.Second, "a", "b")
	h.state("a", trace.StateDown, "kill-1")
	h.sleep(time.Second)
	h.state("a", trace.StateUp, "kill-1")
	h.add("a", &trace.Event{Kind: trace.KindHead, Head: &trace.Head{Hash: "x-1", Height: 1, Restored: true}})
	h.heads["a"] = "x-1"
	h.adopt("a", "x-6") // catches up: nothing was lost
	h.end(time.Second)
	r := h.result("agreement")
	want(t, r, Pass)
	if r.Metrics["reorgs"] != 0 {
		t.Errorf("%v reorgs, want none", r.Metrics["reorgs"])
	}
}

func TestAgreementIsVacuous(t *testing.T) {
	one := newHistory(t, "a")
	one.grow("x", 3, time.Second, "a")
	one.stop()
	want(t, one.result("agreement"), Vacuous)

	empty := newHistory(t, "a", "b")
	empty.stop()
	want(t, empty.result("agreement"), Vacuous)
}

func TestAgreementIsUnknown(t *testing.T) {
	h := newHistory(t, "a", "b")
	h.grow("x", 3, time.Second, "a", "b")
	h.add("b", &trace.Event{Kind: trace.KindHead, Head: &trace.Head{Hash: "strange", Height: 9}})
	h.stop()
	want(t, h.result("agreement"), Unknown)

	h = newHistory(t, "a", "b")
	h.grow("x", 3, time.Second, "a", "b")
	h.gap("b")
	h.stop()
	want(t, h.result("agreement"), Unknown)

	h = newHistory(t, "a", "b")
	h.grow("x", 3, time.Second, "a", "b") // no end
	want(t, h.result("agreement"), Unknown)

	h = newHistory(t, "a", "b")
	h.grow("x", 3, time.Second, "a", "b")
	h.add("b", &trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{Hash: "x-3", Parent: "x-1", Height: 2}})
	h.stop()
	want(t, h.result("agreement"), Unknown)
}
