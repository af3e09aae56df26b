package invariant

import (
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

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

	// Without blocks the probes decide.
	want(t, halvedQuorum(t, 60*time.Second).result("isolation"), Pass)
}

// A cut in one direction leaves connections that go on to carry blocks in the other one, also by way of a third node.
func TestIsolation_OneDirection(t *testing.T) {
	run := func(maker, from, to trace.NodeID) Result {
		h := newHistory(t, "a", "b", "c")
		h.grow("x", 2, time.Second, "a", "b", "c")
		h.fault(trace.Fault{ID: "p", Kind: "partition", Phase: trace.FaultBegin, PlannedAt: h.now,
			Rules: []trace.Rule{{From: ids("a"), To: ids("b", "c"), Cut: true}}})
		h.fault(trace.Fault{ID: "p", Kind: "partition", Phase: trace.FaultActive, PlannedAt: h.now})
		h.sleep(3 * time.Second)
		h.mine(maker, "y", "x-2")
		h.get(to, from, "y")
		h.heal("p")
		h.end(time.Second)
		return h.result("isolation")
	}
	want(t, run("b", "b", "a"), Pass)
	want(t, run("b", "c", "a"), Pass)
	want(t, run("b", "b", "c"), Pass)
	want(t, run("a", "a", "b"), Fail)
	want(t, run("a", "c", "b"), Fail) // c cannot have it either
	want(t, run("b", "a", "b"), Fail) // nothing comes from a
}

func TestIsolation_WorstFirst(t *testing.T) {
	h := newHistory(t, "a", "b")
	h.grow("x", 2, time.Second, "a", "b")
	h.cut("p", ids("a"), ids("b"))
	for i, name := range []trace.Hash{"y", "z"} {
		h.sleep(time.Duration(3+i) * time.Second)
		h.mine("a", name, h.heads["a"])
		h.get("b", "a", name)
	}
	h.probe("p", trace.ProbeDuring, cutLink(1), cutLink(3))
	h.heal("p")
	h.end(time.Second)
	r := h.result("isolation")
	want(t, r, Fail)
	wants := []string{"3 of 5 probe packets", "1 of 5 probe packets", "b has block z", "b has block y"}
	for i, e := range r.Evidence {
		if i >= len(wants) || !strings.HasPrefix(e.Text, wants[i]) {
			t.Errorf("evidence %d: %s", i, e.Text)
		}
	}
	if len(r.Evidence) != len(wants) {
		t.Errorf("%d pieces of evidence", len(r.Evidence))
	}
}
