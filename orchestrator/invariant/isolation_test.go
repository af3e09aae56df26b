package invariant

import (
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
