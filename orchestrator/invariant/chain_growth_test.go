package invariant

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestGrowth_ComponentsWithAndWithoutQuorum(t *testing.T) {
	three := ids("a", "b", "c")
	majority := func() *history {
		h := newBFT(t)
		h.blocksUntil("x", 20*time.Second, "a", "b", "c", "d")
		h.cut("p", three, ids("d"))
		return h
	}
	finish := func(h *history) Result {
		h.at(60 * time.Second)
		h.heal("p")
		for i := 1; h.heads["d"] != h.heads["a"]; i++ {
			h.reportBlock("d", h.blocks[trace.Hash(fmt.Sprintf("y-%d", i))])
		}
		h.blocksUntil("z", 100*time.Second, "a", "b", "c", "d")
		h.phase(trace.PhaseSettling)
		h.blocksUntil("s", 120*time.Second, "a", "b", "c", "d")
		h.stop()
		return h.result("chain_growth")
	}
	h := majority()
	h.blocksUntil("y", 60*time.Second, three...)
	want(t, finish(h), Pass)
	p := h.judge().Summary.Partitions[0]
	if p.Idle || p.Canonical != 0 || !p.Sides[0].Quorate || p.Sides[1].Quorate || p.Sides[1].Mined != 0 {
		t.Errorf("partition %+v, want the side with a quorum to be canonical", p)
	}

	r := finish(majority()) // the majority makes no blocks either
	want(t, r, Fail)
	if !slices.Contains(r.Evidence[0].Nodes, "a") || r.Evidence[0].Windows[0] != "p" {
		t.Errorf("evidence %+v", r.Evidence[0])
	}

	h = majority()
	h.sleep(5 * time.Second)
	h.report("alone", "d") // one of four makes a block
	h.heads["d"] = "x-20"
	h.blocksUntil("y", 60*time.Second, three...)
	r = finish(h)
	want(t, r, Fail)
	if r.Evidence[0].Nodes[0] != "d" || !strings.Contains(r.Reason, "without a quorum") {
		t.Errorf("evidence %+v", r.Evidence[0])
	}
	want(t, h.result("agreement"), Fail) // and it is at the height of another's
}

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
