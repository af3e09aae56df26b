package invariant

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// all asks for every invariant.
func (h *history) allResults() []Result {
	var all []trace.Expectation
	for _, d := range Definitions() {
		all = append(all, trace.Expectation{Name: d.Name})
	}
	return h.judge(all...).Results
}

func TestANodeThatIsNotHeardOfNeverPasses(t *testing.T) {
	h := newBFT(t)
	h.blocksUntil("x", 60*time.Second, "a", "b", "c") // d's RPC is down from the start
	h.phase(trace.PhaseSettling)
	h.blocksUntil("y", 80*time.Second, "a", "b", "c")
	h.stop()
	for _, r := range h.allResults() {
		if r.Verdict == Pass {
			t.Errorf("%s: PASS", r.Invariant)
		}
	}
	r := h.result("agreement")
	want(t, r, Unknown)
	if !strings.Contains(r.Reason, "node d") {
		t.Errorf("reason %q does not name the node", r.Reason)
	}

	h = newBFT(t)
	h.blocksUntil("x", 30*time.Second, "a", "b", "c", "d")
	h.blocksUntil("y", 55*time.Second, "a", "b", "c") // d's goes down later
	h.stop()
	want(t, h.result("agreement"), Unknown)

	h = newBFT(t)
	h.blocksUntil("x", 30*time.Second, "a", "b", "c", "d")
	h.state("d", trace.StateDown, "kill-1")
	h.gap("d") // nothing can be missing of a node that is down
	h.blocksUntil("y", 55*time.Second, "a", "b", "c")
	h.stop()
	want(t, h.result("agreement"), Pass)

	h = newBFT(t)
	h.blocksUntil("x", 30*time.Second, "a", "b", "c", "d")
	h.state("d", trace.StateDown, "kill-1")
	h.sleep(ms)
	h.gapSince("d", 25*time.Second) // it did not answer before it went down
	h.blocksUntil("y", 55*time.Second, "a", "b", "c")
	h.stop()
	want(t, h.result("agreement"), Unknown)

	h = newBFT(t)
	h.blocksUntil("x", 30*time.Second, "a", "b", "c", "d")
	h.gap("d")
	h.stop()
	r = h.result("agreement")
	want(t, r, Unknown)
	if !strings.Contains(r.Reason, "events of d") {
		t.Errorf("reason %q does not name the node", r.Reason)
	}

	h = newBFT(t)
	h.blocksUntil("x", 30*time.Second, "a", "b", "c", "d")
	h.add("d", &trace.Event{Kind: trace.KindStatus, Status: &trace.Status{Final: true, Error: "refused"}})
	h.stop()
	want(t, h.result("agreement"), Unknown)
}

func TestAHeightThatIsFrozenSinceBeforeTheFaultFails(t *testing.T) {
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

// Where any power makes blocks, equal heads are agreement at once: of a chain that stands still that shows nothing, whoever
// asks for growth.
func TestTheOldHeadIsNoConvergence(t *testing.T) {
	for from, verdict := range map[time.Duration]Verdict{time.Hour: Vacuous, 70 * time.Second: Pass} {
		h := newHistory(t, "a", "b", "c", "d").polled("pow", 0, 3)
		h.blocksUntil("x", 10*time.Second, "a", "b", "c", "d")
		h.at(20 * time.Second)
		h.cut("p", ids("a", "b"), ids("c", "d"))
		h.at(50 * time.Second)
		h.heal("p")
		h.at(70 * time.Second)
		if from == h.now {
			h.blocksUntil("y", 90*time.Second, "a", "b", "c", "d")
		}
		h.at(90 * time.Second)
		h.end(60 * time.Second)
		r := h.result("convergence")
		want(t, r, verdict)
		if verdict == Vacuous && !strings.Contains(r.Reason, "no new block") {
			t.Errorf("reason %q", r.Reason)
		}
		var asked []trace.Expectation
		for _, name := range []string{"agreement", "convergence", "block_propagation"} {
			asked = append(asked, trace.Expectation{Name: name})
		}
		if code := h.judge(asked...).ExitCode(true); verdict == Vacuous && code == ExitPass {
			t.Error("strict: the run passes")
		}
	}
}

func TestOneAskedNodeIsVacuous(t *testing.T) {
	h := newHistory(t, "a").polled("bft", 2./3, 0)
	h.blocksUntil("x", 60*time.Second, "a")
	h.end(30 * time.Second)
	for _, name := range []string{"agreement", "convergence", "block_propagation", "isolation"} {
		want(t, h.result(name), Vacuous)
	}
}

func TestPropagationOfAskedNodes(t *testing.T) {
	run := func(late time.Duration) *history {
		h := newBFT(t)
		for i := range 40 {
			at := h.now
			h.report(trace.Hash(fmt.Sprint("x", i)), "a", "b", "c")
			h.at(at + late)
			h.reportBlock("d", h.blocks[trace.Hash(fmt.Sprint("x", i))])
			h.at(at + time.Second)
		}
		h.end(20 * time.Second)
		return h
	}
	r := run(400*ms).result("block_propagation", "p95", "1s")
	want(t, r, Pass)
	if !strings.Contains(r.Figure, "p50 < 102ms, p95 300..500ms") || r.Metrics["p50_low_seconds"] != 0 ||
		!near(r.Metrics["p50_high_seconds"], .102) || r.Metrics["deliveries"] != 120 {
		t.Errorf("%s; %v", r.Figure, r.Metrics)
	}
	r = run(400*ms).result("block_propagation", "p95", "350ms")
	want(t, r, Unknown)
	if !strings.Contains(r.Reason, "is not known") {
		t.Errorf("reason %q", r.Reason)
	}
	want(t, run(400*ms).result("block_propagation", "p95", "200ms"), Fail)
	if s := run(400 * ms).judge().Summary.Propagation; s.Low.Max != 300*ms || s.Max != 400*ms || s.High.Max != 500*ms || s.Blocks != 40 {
		t.Errorf("summary %+v", s)
	}
}

// Nodes that have run for long show all their blocks when they are asked first: that is no propagation.
func TestBlocksFromBeforeTheRunDoNotSpread(t *testing.T) {
	run := func(before, during int) Result {
		h := newBFT(t)
		h.run.Started = time.Unix(1_700_000_000, 0)
		h.at(-900 * ms) // the first look
		for i := range before + during {
			if i == before {
				h.at(0)
			}
			hash := trace.Hash(fmt.Sprint("x", i))
			b := trace.Block{Hash: hash, Parent: h.heads["a"], Height: uint64(i + 1), Time: h.run.Started.Add(time.Duration(i-before) * time.Second)}
			h.add("", &trace.Event{Kind: trace.KindBlock, Block: &b})
			h.report(hash, "a", "b", "c", "d")
		}
		h.at(max(h.now, 0))
		h.end(20 * time.Second)
		return h.result("block_propagation")
	}
	want(t, run(100, 0), Vacuous)
	r := run(100, 7)
	want(t, r, Pass)
	if r.Metrics["blocks"] != 7 {
		t.Errorf("%v blocks count", r.Metrics["blocks"])
	}
}

// An earlier run on the same nodes may have left transactions of the same ids: these are not this run's.
func TestTransactionsFromBeforeTheRunAreNotIncluded(t *testing.T) {
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

// TestANodeThatIsSilentThroughManyFaults: its silence goes on when the components change.
func TestANodeThatIsSilentThroughManyFaults(t *testing.T) {
	for silent, verdict := range map[bool]Verdict{true: Unknown, false: Pass} {
		h := newHistory(t, "a", "b", "c", "d").polled("pow", 0, 6)
		h.blocksUntil("x", 10*time.Second, "a", "b", "c", "d")
		rest := ids("b", "c", "d")
		if silent {
			rest = ids("b", "c")
		}
		for i := range 3 {
			id := fmt.Sprint("p", i)
			h.cut(id, ids("a"), ids("b", "c", "d"))
			h.blocksUntil(id, h.now+10*time.Second, rest...)
			h.heal(id)
			h.adopt("a", h.heads["b"])
			h.blocksUntil(id+"-after", h.now+10*time.Second, append(ids("a"), rest...)...)
		}
		h.end(time.Second)
		want(t, h.result("agreement"), verdict)
	}
}

func TestIsolationOfAskedNodes(t *testing.T) {
	run := func(crossing time.Duration, dropped int64) Result {
		h := newHistory(t, "a", "b").polled("pow", 0, 6)
		h.blocksUntil("x", 5*time.Second, "a", "b")
		h.cut("p", ids("a"), ids("b"))
		h.sleep(crossing)
		h.report("y", "a")
		h.sleep(50 * ms)
		h.reportBlock("b", h.blocks["y"]) // nobody tells from whom
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

	// Without blocks the probes decide, and without these nothing does.
	want(t, halvedQuorum(t, 60*time.Second).result("isolation"), Pass)
	noProbes := newBFT(t)
	noProbes.cut("p", ids("a", "b"), ids("c", "d"))
	noProbes.at(30 * time.Second)
	noProbes.heal("p")
	noProbes.blocksUntil("x", 40*time.Second, "a", "b", "c", "d")
	noProbes.end(time.Second)
	want(t, noProbes.result("isolation"), Vacuous)
}

func TestACutThatTouchedNoConnectionIsVacuous(t *testing.T) {
	h := goodCut(t)
	for _, e := range h.events {
		if e.Kind == trace.KindFault {
			e.Fault.Dropped = 0
		}
	}
	r := h.result("fault_accuracy")
	want(t, r, Vacuous)
	if !strings.Contains(r.Reason, "f: the cut dropped no packet") {
		t.Errorf("reason %q", r.Reason)
	}
	want(t, h.result("isolation"), Vacuous)
}

func TestADelayThatTouchedNoConnectionIsVacuous(t *testing.T) {
	for delayed, verdict := range map[int64]Verdict{0: Vacuous, 1: Pass, -1: Pass} { // -1: the engine cannot count
		h := linkFault(t, trace.Rule{Delay: 100 * ms}, link(ms), late(101*ms, 100*ms), link(ms))
		for _, e := range h.events {
			if e.Kind == trace.KindFault {
				e.Fault.Dropped, e.Fault.Delayed = 0, delayed
			}
		}
		r := h.result("fault_accuracy")
		want(t, r, verdict)
		if verdict == Vacuous && !strings.Contains(r.Reason, "f: the delay held up no packet") {
			t.Errorf("reason %q", r.Reason)
		}
	}
	// A cut delays nothing, and a delay drops nothing.
	h := goodCut(t)
	for _, e := range h.events {
		if e.Kind == trace.KindFault {
			e.Fault.Delayed = 0
		}
	}
	want(t, h.result("fault_accuracy"), Pass)
	// Neither rule: there is no such count to judge a loss by.
	h = linkFault(t, trace.Rule{}, link(ms), link(ms), link(ms))
	for _, e := range h.events {
		if e.Kind == trace.KindFault {
			e.Fault.Delayed = 0
		}
	}
	want(t, h.result("fault_accuracy"), Pass)
}

func TestLinksOfAChainThatCannotBeExecuted(t *testing.T) {
	broken := newBFT(t)
	broken.blocksUntil("x", 5*time.Second, "a", "b", "c", "d")
	broken.blocks["nobody-has-it"] = trace.Block{Hash: "nobody-has-it", Height: 5}
	broken.heads["c"] = "nobody-has-it"
	broken.report("y", "c")
	broken.end(time.Second)
	r := broken.result("validity")
	want(t, r, Fail)
	if r.Evidence[0].Nodes[0] != "c" || !strings.Contains(r.Reason, "nobody-has") {
		t.Errorf("evidence %+v", r.Evidence[0])
	}

	two := newBFT(t)
	two.blocksUntil("x", 5*time.Second, "a", "b", "c", "d")
	two.add("b", &trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{Hash: "x-5", Parent: "x-3", Height: 5}})
	two.end(time.Second)
	want(t, two.result("validity"), Fail)

	none := newBFT(t)
	none.end(time.Second)
	want(t, none.result("validity"), Vacuous)
}

func TestInclusionOfAChainThatTakesNothing(t *testing.T) {
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

func TestInclusionWaitsForAQuorum(t *testing.T) {
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
