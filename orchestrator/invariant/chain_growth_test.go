package invariant

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestGrowth(t *testing.T) {
	// settle grows the chain by count blocks in the first minute, and then by one in settling.
	settle := func(count int) func(t *testing.T) *history {
		return func(t *testing.T) *history {
			h := newHistory(t, "a", "b")
			h.grow("x", count, time.Second, "a", "b")
			h.at(60 * time.Second)
			h.phase(trace.PhaseSettling)
			h.grow("y", 1, time.Second, "a", "b")
			h.stop()
			return h
		}
	}
	// halves grows the chain of a and b while c and d are cut off, with or without power.
	halves := func(step time.Duration, power float64) func(t *testing.T) *history {
		return func(t *testing.T) *history {
			h := newHistory(t, "a", "b", "c", "d")
			h.run.Nodes[2].Mine, h.run.Nodes[3].Mine = power, power
			h.cut("p", ids("a", "b"), ids("c", "d"))
			h.grow("x", 60, step, "a", "b")
			h.heal("p")
			h.sync("c", "a", "x", 60)
			h.sync("d", "a", "x", 60)
			h.phase(trace.PhaseSettling)
			h.grow("y", 1, time.Second, "a", "b", "c", "d")
			h.stop()
			return h
		}
	}
	// settling has no new block for d, after a minute of growth.
	settling := func(d time.Duration, onlyA bool) func(t *testing.T) *history {
		return func(t *testing.T) *history {
			h := newHistory(t, "a", "b")
			h.grow("x", 60, time.Second, "a", "b")
			h.phase(trace.PhaseSettling)
			if onlyA {
				h.grow("y", 1, time.Second, "a") // b does not get it
			}
			h.sleep(d)
			h.stop()
			return h
		}
	}
	judgeCases(t, "chain_growth", []verdictCase{
		{name: "as expected", run: settle(60), want: Pass, says: []string{"slowest of 2 periods: 100% of the expected blocks"},
			metrics: map[string]float64{"worst_share": 1, "height": 61, "expected_blocks": 60}},
		{name: "the chain stops", run: settle(5), want: Fail,
			says: []string{"2 nodes with 100% of the block-making power made 5 blocks from 0s to 1m0s: 60.0 were expected, at least 8 are required"}},
		{name: "a lower bound", run: settle(5), params: []string{"min_share", "25%"}, want: Pass}, // 15 on average: at least 1
		{name: "one component stops", run: halves(2*time.Second, 1), want: Fail, nodes: ids("c")},
		{name: "a component without power", run: halves(time.Second, 0), want: Pass},
		{name: "no new block in settling", run: settling(40*time.Second, false), want: Fail}, // 20 on average
		{name: "short settling", run: settling(5*time.Second, false), want: Unknown},
		{name: "a new block in settling that does not reach all", run: settling(40*time.Second, true), want: Fail},
		{name: "nobody makes blocks", run: func(t *testing.T) *history {
			h := newHistory(t, "a", "b")
			h.run.Nodes[0].Mine, h.run.Nodes[1].Mine = 0, 0
			h.at(time.Minute)
			h.stop()
			return h
		}, want: Vacuous},
		{name: "too short", run: func(t *testing.T) *history {
			h := newHistory(t, "a", "b")
			h.grow("x", 5, time.Second, "a", "b")
			h.stop()
			return h
		}, want: Vacuous},
		{name: "no block at all", run: func(t *testing.T) *history {
			h := newHistory(t, "a", "b")
			h.at(time.Minute)
			h.end(time.Minute)
			return h
		}, want: Fail},
	})
}

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

func TestGrowth_StoppedBeforeTheFault(t *testing.T) {
	for _, quorum := range []float64{2. / 3, 0} {
		h := newHistory(t, "a", "b", "c", "d").polled(map[bool]string{true: "bft", false: "pow"}[quorum > 0], quorum, 0)
		h.blocksUntil("x", 10*time.Second, "a", "b", "c", "d")
		h.at(20 * time.Second)
		h.cut("p", ids("a", "b"), ids("c", "d"))
		h.at(50 * time.Second)
		h.heal("p")
		h.at(120 * time.Second)
		h.end(60 * time.Second)
		want(t, h.result("chain_growth"), Fail)
		if quorum > 0 {
			want(t, h.result("convergence"), Fail)
		}
	}
}
