package invariant

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// asked makes the history that of a chain whose nodes are asked every 100ms.
func (h *history) polled(family string, quorum float64, depth int) *history {
	h.run.Chain = trace.Facts{
		Name: "other", Family: family, Quorum: quorum, ForkDepth: depth, BlockInterval: time.Second,
		Resolution: 100 * ms,
	}
	h.blocks[""] = trace.Block{}
	for n := range h.heads {
		h.heads[n] = ""
	}
	return h
}

func newBFT(t *testing.T) *history { return newHistory(t, "a", "b", "c", "d").polled("bft", 2./3, 0) }

// tell lets nodes tell, one after the other, of the next block on the first one's head, which they all take.
func (h *history) report(hash trace.Hash, nodes ...trace.NodeID) {
	b := h.block(hash, h.heads[nodes[0]])
	for _, n := range nodes {
		h.reportBlock(n, b)
		h.sleep(ms)
	}
}

// hear lets a node tell of a block and take it as its head.
func (h *history) reportBlock(n trace.NodeID, b trace.Block) {
	h.add(n, &trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{Hash: b.Hash, Parent: b.Parent, Height: b.Height}})
	h.adopt(n, b.Hash)
}

// blocksUntil lets nodes tell of a block a second until a time.
func (h *history) blocksUntil(prefix string, until time.Duration, nodes ...trace.NodeID) {
	for i := 1; h.now+time.Second <= until; i++ {
		at := h.now
		h.report(trace.Hash(fmt.Sprintf("%s-%d", prefix, i)), nodes...)
		h.at(at + time.Second)
	}
	h.at(until)
}

// TestNodesOnOtherBranchesHideBlocks: who has another block at a height does not show whether a block reached it, which
// counts neither way; who has none there did not get it.
// TestABlockBehindARivalIsNotLate: a node with another block at that height may have had it all the while that it did not show
// it. One that has none shows what it has.
func TestABlockBehindARivalIsNotLate(t *testing.T) {
	for rival, verdict := range map[bool]Verdict{true: Pass, false: Fail} {
		h := newHistory(t, "a", "b", "c").polled("poa", .5, 3)
		all := ids("a", "b", "c")
		for i := range 40 {
			at := h.now
			if base := h.heads["a"]; i%4 == 3 {
				if rival {
					h.reportBlock("c", h.block(trace.Hash(fmt.Sprint("rival-", i)), base))
				}
				h.report(trace.Hash(fmt.Sprint("y-", i)), "a", "b")
				h.at(at + 3*time.Second)
				h.reportBlock("c", h.blocks[trace.Hash(fmt.Sprint("y-", i))])
			} else {
				h.report(trace.Hash(fmt.Sprint("x-", i)), all...)
			}
			h.at(at + 4*time.Second)
		}
		h.end(20 * time.Second)
		want(t, h.result("block_propagation", "p95", "1s"), verdict)
	}
}

func TestNodesOnOtherBranchesHideBlocks(t *testing.T) {
	run := func(rounds, lost int, behind bool) Result {
		h := newHistory(t, "a", "b", "c").polled("poa", .5, 3)
		all := ids("a", "b", "c")
		h.blocksUntil("x", 10*time.Second, all...)
		for i := range rounds {
			base := h.heads["a"]
			if i < lost {
				h.reportBlock("c", h.block(trace.Hash(fmt.Sprintf("lost-%d", i)), base))
			}
			told := all
			if behind {
				told = ids("a", "b")
			}
			h.report(trace.Hash(fmt.Sprintf("y-%d", i)), told...)
			h.sleep(500 * ms)
		}
		h.end(20 * time.Second)
		return h.result("block_propagation", "p95", "5s")
	}
	r := run(10, 3, false)
	want(t, r, Pass)
	// Of each lost block a and b show nothing, and c shows the other one only when it gives the lost one up.
	if r.Metrics["pairs_hidden"] != 9 || r.Metrics["coverage"] != 1 {
		t.Errorf("metrics %v", r.Metrics)
	}
	want(t, run(10, 0, true), Fail)
	h := newHistory(t, "a", "b").polled("poa", .5, 3)
	h.report("x-1", "a", "b")
	for i := range 10 {
		h.reportBlock("a", h.block(trace.Hash(fmt.Sprintf("a-%d", i)), h.heads["a"]))
		h.reportBlock("b", h.block(trace.Hash(fmt.Sprintf("b-%d", i)), h.heads["b"]))
		h.sleep(time.Second)
	}
	h.end(20 * time.Second)
	want(t, h.result("block_propagation", "p95", "5s"), Unknown)
}

func (h *history) probes(p trace.ProbePhase, cut bool) {
	l := link(ms)
	if cut {
		l = cutLink(0)
	}
	h.probe("p", p, l)
}

// halves is a split of four makers from 20s to 50s, in which none goes on, with blocks again from resume on.
func halvedQuorum(t *testing.T, resume time.Duration) *history {
	h := newBFT(t)
	all := ids("a", "b", "c", "d")
	h.blocksUntil("x", 20*time.Second, all...)
	h.probes(trace.ProbeBefore, false)
	h.cut("p", ids("a", "b"), ids("c", "d"))
	h.sleep(500 * ms)
	h.report("in-flight", all...) // was decided before the cut
	h.at(35 * time.Second)
	h.probes(trace.ProbeDuring, true)
	h.at(50 * time.Second)
	h.heal("p")
	for _, e := range h.events {
		if e.Kind == trace.KindFault {
			e.Fault.PlannedAt, e.Fault.PlannedFor = 20*time.Second, 30*time.Second
		}
	}
	h.sleep(ms)
	h.probes(trace.ProbeAfter, false)
	h.at(resume)
	h.blocksUntil("y", 110*time.Second, all...)
	h.phase(trace.PhaseSettling)
	h.blocksUntil("z", 150*time.Second, all...)
	h.stop()
	return h
}

func TestAHalvedQuorumStandsStillAndGoesOn(t *testing.T) {
	h := halvedQuorum(t, 68*time.Second)
	for _, name := range []string{"agreement", "convergence", "chain_growth", "isolation", "fault_accuracy", "block_propagation"} {
		want(t, h.result(name), Pass)
	}
	r := h.result("convergence")
	if got := r.Metrics["worst_seconds"]; got < 18 || got > 18.1 || !strings.Contains(r.Figure, "± 100ms") {
		t.Errorf("worst %v s (%s), want 18 ± 100ms: the first new block, not the old agreement", got, r.Figure)
	}
	want(t, h.result("convergence", "within", "17s"), Fail)
	p := h.judge().Summary.Partitions
	if len(p) != 1 || !p[0].Idle || p[0].Canonical != -1 || !p[0].Converged || p[0].Sides[0].Quorate || p[0].Sides[0].Power != .5 ||
		p[0].Sides[0].Mined != 0 || p[0].Sides[0].Height != p[0].Sides[1].Height {
		t.Errorf("partitions %+v, want two idle sides at one height", p)
	}
	if r := h.result("validity"); r.Verdict != Unknown || r.Reason != cannotExecute || !r.Inherent {
		t.Errorf("validity %+v", r)
	}
	if code := h.judge().ExitCode(false); code != ExitPass {
		t.Errorf("exit code %d", code)
	}
	if code := h.judge().ExitCode(true); code != ExitPass {
		t.Errorf("strict, validity not asked for: exit code %d", code)
	}
	if code := h.judge(trace.Expectation{Name: "validity"}).ExitCode(true); code != ExitFail {
		t.Errorf("strict, validity asked for: exit code %d", code)
	}
}

func TestAHealThatDoesNotHappen(t *testing.T) {
	h := newBFT(t)
	h.blocksUntil("x", 20*time.Second, "a", "b", "c", "d")
	h.cut("p", ids("a", "b"), ids("c", "d"))
	h.at(50 * time.Second)
	h.heal("p") // says the engine
	h.at(120 * time.Second)
	h.end(60 * time.Second)
	want(t, h.result("agreement"), Pass) // they still agree: that is no evidence
	r := h.result("convergence")
	want(t, r, Fail)
	if !strings.Contains(r.Reason, "new block") {
		t.Errorf("reason %q", r.Reason)
	}
	r = h.result("chain_growth")
	want(t, r, Fail)
	if len(r.Evidence) < 2 {
		t.Errorf("%d pieces of evidence, want growth after the heal and in settling", len(r.Evidence))
	}

	h = newBFT(t)
	h.blocksUntil("x", 20*time.Second, "a", "b", "c", "d")
	h.cut("p", ids("a", "b"), ids("c", "d"))
	h.at(60 * time.Second)
	h.end(60 * time.Second) // nobody healed it
	want(t, h.result("convergence"), Vacuous)
	want(t, h.result("fault_accuracy"), Fail)
}

func TestQuorumDecidesWhoMustGrow(t *testing.T) {
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
		t.Errorf("partition %+v, want the side with quorum to win", p)
	}

	r := finish(majority()) // the majority stands still too
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

func TestProofOfAuthorityMayTakeItsLastSteps(t *testing.T) {
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
