package invariant

import (
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestInclusion_InTime(t *testing.T) {
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

func TestInclusion_Lost(t *testing.T) {
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

func TestInclusion_WaitsForReconciliation(t *testing.T) {
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

func TestInclusion_Open(t *testing.T) {
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

func TestInclusion_Vacuous(t *testing.T) {
	h := newHistory(t, "a", "b")
	h.grow("x", 3, time.Second, "a", "b")
	h.end(time.Minute)
	want(t, h.result("inclusion"), Vacuous)
}

// An earlier run on the same nodes may have left transactions of the same ids: these are not this run's.
func TestInclusion_TransactionsFromBeforeTheRun(t *testing.T) {
	for made, verdict := range map[time.Duration]Verdict{-time.Minute: Fail, time.Minute: Pass} {
		h := newBFT(t)
		h.run.Started = time.Unix(1_700_000_000, 0)
		h.blocks["x"] = trace.Block{Hash: "x", Height: 1, Time: h.run.Started.Add(made)}
		h.body("x", "t")
		for _, n := range ids("a", "b", "c", "d") {
			h.reportBlock(n, h.blocks["x"])
		}
		h.submit("a", "t")
		h.blocksUntil("y", time.Minute, "a", "b", "c", "d")
		h.end(time.Second)
		want(t, h.result("inclusion"), verdict)
	}
}

func TestInclusion_WithoutSubmitOrTransactions(t *testing.T) {
	h := newBFT(t)
	h.blocksUntil("x", 5*time.Second, "a", "b", "c", "d")
	h.add("a", &trace.Event{Kind: trace.KindSubmit, Submit: &trace.Submit{Tx: "t", Error: "no way to submit"}})
	h.end(time.Minute)
	r := h.result("inclusion")
	want(t, r, Unknown)
	if !strings.Contains(r.Reason, "no way to submit") {
		t.Errorf("reason %q", r.Reason)
	}
	h = newBFT(t)
	h.blocksUntil("x", 5*time.Second, "a", "b", "c", "d")
	h.submit("a", "t") // accepted, but blocks are recorded without transactions
	h.blocksUntil("y", time.Minute, "a", "b", "c", "d")
	h.end(time.Second)
	want(t, h.result("inclusion"), Unknown)
	h.body("y-1", "t2") // they are not
	e := h.events[len(h.events)-1]
	h.events = append(h.events[:len(h.events)-3], e, h.events[len(h.events)-3], h.events[len(h.events)-2])
	want(t, h.result("inclusion"), Fail)
}

func TestInclusion_WaitsForAQuorum(t *testing.T) {
	h := newBFT(t)
	h.blocksUntil("x", 5*time.Second, "a", "b", "c", "d")
	h.state("c", trace.StateDown, "kill-1")
	h.state("d", trace.StateDown, "kill-1")
	h.sleep(10 * time.Second)
	h.submit("a", "t")
	h.at(60 * time.Second)
	h.state("c", trace.StateUp, "kill-1")
	h.state("d", trace.StateUp, "kill-1")
	h.sleep(5 * time.Second)
	h.blocksUntil("y", 70*time.Second, "a", "b", "c", "d")
	h.body("y-2", "t")
	h.end(20 * time.Second)
	want(t, h.result("inclusion", "within", "5s"), Pass)
}
