package invariant

import (
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestInclusion(t *testing.T) {
	h := newHistory(t, "a", "b")
	h.submit("a", "t1")
	h.grow("x", 3, time.Second, "a", "b")
	h.body("x-3", "t1")
	h.submit("b", "t2")
	h.add("b", &trace.Event{Kind: trace.KindSubmit, Submit: &trace.Submit{Tx: "no", Error: "no funds"}})
	h.grow("y", 1, time.Second, "a", "b")
	h.body("y-1", "t2")
	h.end(20 * time.Second)
	r := h.result("inclusion", "within", "3s")
	want(t, r, Pass)
	if r.Metrics["submitted"] != 2 || r.Metrics["refused"] != 1 || r.Metrics["included"] != 2 {
		t.Errorf("metrics %v", r.Metrics)
	}
	want(t, h.result("inclusion", "within", "2s"), Fail)
	want(t, h.result("inclusion", "within", "2s", "min_share", "0.5"), Pass)
	s := h.judge().Summary.Txs
	if s.Submitted != 2 || s.Included != 2 || s.Refused != 1 {
		t.Errorf("summary %+v", s)
	}
}

func TestInclusionFailsWhenATransactionIsLost(t *testing.T) {
	h := newHistory(t, "a", "b")
	h.submit("a", "t1")
	h.mine("a", "x", genesis)
	h.body("x", "t1") // but x does not make it onto the final chain
	h.spread("b", "y1")
	h.spread("b", "y2", "a")
	h.adopt("a", "y2")
	h.end(20 * time.Second)
	r := h.result("inclusion") // 10 block intervals
	want(t, r, Fail)
	if r.Metrics["lost"] != 1 || r.Evidence[0].Nodes[0] != "a" {
		t.Errorf("metrics %v, evidence %+v", r.Metrics, r.Evidence[0])
	}
}

func TestInclusionWaitsForTheEndOfASeparation(t *testing.T) {
	h := newHistory(t, "a", "b")
	h.cut("p", ids("a"), ids("b"))
	h.submit("a", "t1")
	h.grow("l", 1, time.Second, "a")
	h.body("l-1", "t1")
	h.grow("w", 2, time.Second, "b")
	h.at(30 * time.Second)
	h.heal("p")
	h.sync("a", "b", "w", 2)
	h.sleep(2 * time.Second)
	h.spread("b", "y", "a")
	h.body("y", "t1")
	h.end(20 * time.Second)
	r := h.result("inclusion", "within", "2s")
	want(t, r, Pass)
	if r.Metrics["submitted_while_separated"] != 1 || r.Metrics["of_them_included"] != 1 || !near(r.Metrics["p50_seconds"], 2) {
		t.Errorf("metrics %v", r.Metrics)
	}
}

func TestInclusionDoesNotJudgeWhatItCannot(t *testing.T) {
	h := newHistory(t, "a", "b")
	h.grow("x", 1, time.Second, "a", "b")
	h.submit("a", "t1")
	h.state("a", trace.StateDown, "kill-1") // it may not have passed t1 on
	h.grow("y", 1, 30*time.Second, "b")
	h.submit("b", "t2")
	h.end(time.Second) // too soon after t2
	want(t, h.result("inclusion"), Unknown)
	if s := h.judge().Summary.Txs; s.Open != 2 || s.Lost != 0 {
		t.Errorf("summary %+v, want two open", s)
	}
}

func TestInclusionIsVacuous(t *testing.T) {
	h := newHistory(t, "a", "b")
	h.grow("x", 3, time.Second, "a", "b")
	h.end(time.Minute)
	want(t, h.result("inclusion"), Vacuous)
}
