package invariant

import (
	"fmt"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestGrowth_LastStepsUnderProofOfAuthority(t *testing.T) {
	for _, c := range []struct {
		steps int
		want  Verdict
	}{{2, Pass}, {3, Fail}} {
		h := newHistory(t, "a", "b", "c", "d").polled("poa", .5, 2)
		h.blocksUntil("x", 30*time.Second, "a", "b", "c", "d")
		h.cut("p", ids("a", "b"), ids("c", "d"))
		h.sleep(3 * time.Second)
		h.blocksUntil("l", h.now+time.Duration(c.steps)*time.Second, "a", "b")
		h.at(60 * time.Second)
		h.heal("p")
		h.report("y", "a", "b", "c", "d")
		h.blocks["y"] = trace.Block{Hash: "y", Parent: h.blocks["y"].Parent, Height: h.blocks["y"].Height}
		for i := range c.steps {
			for _, n := range ids("c", "d") {
				h.reportBlock(n, h.blocks[trace.Hash(fmt.Sprintf("l-%d", i+1))])
			}
		}
		h.adopt("c", "y")
		h.adopt("d", "y")
		h.blocksUntil("z", 120*time.Second, "a", "b", "c", "d")
		h.phase(trace.PhaseSettling)
		h.blocksUntil("s", 140*time.Second, "a", "b", "c", "d")
		h.stop()
		want(t, h.result("chain_growth"), c.want)
	}
}
