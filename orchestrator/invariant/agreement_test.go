package invariant

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestAgreement_Reorgs(t *testing.T) {
	deep := func(t *testing.T) *history { // a drops x-1..x-3 for z-1..z-4
		h := newHistory(t, "a", "b", "c")
		h.grow("x", 3, time.Second, "a", "b")
		h.mine("c", "y-1", genesis)
		h.grow("z", 4, time.Second, "c")
		for _, b := range []trace.Hash{"y-1", "z-1", "z-2", "z-3", "z-4"} {
			h.get("a", "c", b)
		}
		h.stop()
		return h
	}
	judgeCases(t, "agreement", []verdictCase{
		{name: "one block on a whole network", run: func(t *testing.T) *history {
			h := newHistory(t, "a", "b", "c")
			h.grow("x", 5, time.Second, "a", "b", "c")
			h.mine("b", "y1", "x-5")
			h.spread("a", "z1", "c")
			h.spread("a", "z2", "c", "b") // b drops y1
			h.end(time.Second)
			return h
		}, want: Pass, metrics: map[string]float64{"deepest_reorg": 1}, says: []string{"deepest reorg 1 block, outside partitions"}},
		{name: "deeper than the bound", run: deep, want: Fail, says: []string{"a dropped 3 blocks", "at most 2 may be dropped"},
			metrics: map[string]float64{"deepest_reorg_outside_partitions": 3}, nodes: ids("a"), blocks: []trace.Hash{"x-3"}},
		{name: "as deep as the bound", run: deep, params: []string{"depth", "3"}, want: Pass},
		{name: "explained by a cut", run: func(t *testing.T) *history {
			h := newHistory(t, "a", "b", "c", "d")
			h.grow("x", 2, time.Second, "a", "b", "c", "d")
			h.cut("p", ids("a", "b"), ids("c", "d"))
			h.grow("l", 10, time.Second, "a", "b")
			h.grow("w", 11, time.Second, "c", "d")
			h.heal("p")
			h.grow("late", 1, time.Second, "a", "b") // the other side's blocks have not arrived yet
			h.grow("w2", 1, time.Second, "c", "d")
			for _, n := range ids("a", "b") {
				h.sync(n, "c", "w", 11)
				h.get(n, "c", "w2-1")
			}
			h.grow("y", 3, time.Second, "c", "a", "b", "d")
			h.end(time.Second)
			return h
		}, want: Pass, says: []string{"deepest reorg 11 blocks, all explained by partitions"},
			metrics: map[string]float64{"deepest_reorg": 11, "deepest_reorg_outside_partitions": 0}},
		{name: "blocks from before the cut", run: func(t *testing.T) *history {
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
			return h
		}, want: Fail},
		{name: "two chains at the end", run: func(t *testing.T) *history {
			h := newHistory(t, "a", "b", "c")
			h.grow("x", 1, time.Second, "a", "b", "c")
			h.cut("p", ids("a"), ids("b", "c"))
			h.grow("l", 4, time.Second, "a")
			h.grow("w", 5, time.Second, "b", "c")
			h.heal("p")
			h.end(30 * time.Second) // a never takes the other chain
			return h
		}, want: Fail, says: []string{"at the end a has"}},
		{name: "another chain on a dead node", run: func(t *testing.T) *history {
			h := newHistory(t, "a", "b", "c")
			h.mine("a", "l1", genesis)
			h.mine("a", "l2", "l1")
			h.mine("a", "l3", "l2")
			h.grow("w", 2, time.Second, "b", "c")
			h.state("a", trace.StateDown, "kill-1")
			h.grow("v", 9, time.Second, "b", "c")
			h.end(time.Second)
			return h
		}, want: Fail},
		{name: "last blocks lost on disk", run: func(t *testing.T) *history {
			h := newHistory(t, "a", "b")
			h.grow("x", 6, time.Second, "a", "b")
			h.state("a", trace.StateDown, "kill-1")
			h.sleep(time.Second)
			h.state("a", trace.StateUp, "kill-1")
			h.add("a", &trace.Event{Kind: trace.KindHead, Head: &trace.Head{Hash: "x-1", Height: 1, Restored: true}})
			h.heads["a"] = "x-1"
			h.adopt("a", "x-6") // it catches up: nothing was dropped
			h.end(time.Second)
			return h
		}, want: Pass, metrics: map[string]float64{"reorgs": 0}, says: []string{"no reorg"}},
		{name: "one node", run: func(t *testing.T) *history {
			h := newHistory(t, "a")
			h.grow("x", 3, time.Second, "a")
			h.stop()
			return h
		}, want: Vacuous},
		{name: "no blocks", run: func(t *testing.T) *history {
			h := newHistory(t, "a", "b")
			h.stop()
			return h
		}, want: Vacuous},
	})
}

func TestAgreement_IncompleteTrace(t *testing.T) {
	run := func(then func(h *history)) func(t *testing.T) *history {
		return func(t *testing.T) *history {
			h := newHistory(t, "a", "b")
			h.grow("x", 3, time.Second, "a", "b")
			then(h)
			return h
		}
	}
	judgeCases(t, "agreement", []verdictCase{
		{name: "head without its chain", want: Unknown, run: run(func(h *history) {
			h.add("b", &trace.Event{Kind: trace.KindHead, Head: &trace.Head{Hash: "unlinked", Height: 9}})
			h.stop()
		})},
		{name: "gap", want: Unknown, run: run(func(h *history) { h.gap("b"); h.stop() })},
		{name: "no end", want: Unknown, run: run(func(*history) {})},
		{name: "block with two parents", want: Unknown, run: run(func(h *history) {
			h.add("b", &trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{Hash: "x-3", Parent: "x-1", Height: 2}})
			h.stop()
		})},
	})
}

// produced records the contents of blocks, which state a producer.
func (h *history) produced(producer string, hashes ...trace.Hash) {
	for _, hash := range hashes {
		b := h.blocks[hash]
		b.Producer = producer
		h.add("", &trace.Event{Kind: trace.KindBlock, Block: &b})
	}
}

func TestAgreement_TwoFinalBlocks(t *testing.T) {
	twoSides := func(t *testing.T) *history {
		h := newBFT(t)
		h.blocksUntil("x", 20*time.Second, "a", "b", "c", "d")
		h.cut("p", ids("a", "b"), ids("c", "d"))
		h.sleep(ms)
		h.report("left", "a", "b")
		h.report("right", "c", "d")
		h.produced("validator-7", "left", "right") // one key signed both
		h.at(50 * time.Second)
		h.heal("p")
		h.end(time.Second)
		return h
	}
	says := []string{"height 21", "left on a, b", "right on c, d", "validator-7 made both"}
	judgeCases(t, "agreement", []verdictCase{
		{name: "under a cut", run: twoSides, want: Fail, says: says, nodes: ids("a", "b", "c", "d")},
		{name: "whatever the scenario's depth", run: twoSides, params: []string{"depth", "6"}, want: Fail, says: says, nodes: ids("a", "b", "c", "d")},
		{name: "replaced before the end", run: func(t *testing.T) *history {
			h := newBFT(t)
			h.blocksUntil("x", 10*time.Second, "a", "b", "c", "d")
			h.report("odd", "d")
			h.heads["a"] = "x-10"
			h.report("even", "a", "b", "c", "d") // d replaces it: at the end all agree
			h.blocksUntil("y", 40*time.Second, "a", "b", "c", "d")
			h.end(time.Second)
			return h
		}, want: Fail, metrics: map[string]float64{"conflicting_heights": 1, "deepest_reorg_outside_partitions": 1}, nodes: ids("d")},
	})
}

func TestAgreement_DoubleProduction(t *testing.T) {
	for producer, verdict := range map[string]Verdict{"0x7": Fail, "0x0000": Pass, "": Pass} {
		h := newHistory(t, "a", "b", "c", "d").polled("poa", .5, 2)
		h.blocksUntil("x", 5*time.Second, "a", "b", "c", "d")
		h.report("one", "a", "b")
		h.report("two", "c", "d")
		h.produced(producer, "one", "two")
		h.report("three", "a", "b", "c", "d")
		h.end(time.Second)
		r := h.result("agreement")
		want(t, r, verdict)
		if verdict == Fail && !strings.Contains(r.Reason, "0x7 made two blocks at height 6") {
			t.Errorf("reason %q", r.Reason)
		}
	}
}

// final lets nodes report the chain up to a block as final.
func (h *history) final(hash trace.Hash, nodes ...trace.NodeID) {
	for _, n := range nodes {
		h.add(n, &trace.Event{Kind: trace.KindFinal, Final: &trace.Final{Height: h.blocks[hash].Height, Hash: hash}})
	}
}

// branch lets nodes change to a branch of n blocks on parent, named prefix0, prefix1 ...
func (h *history) branch(prefix string, n int, parent trace.Hash, nodes ...trace.NodeID) {
	for i := range n {
		hash := trace.Hash(fmt.Sprint(prefix, i))
		b := h.block(hash, parent)
		for _, x := range nodes {
			h.add(x, &trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{Hash: hash, Parent: parent, Height: b.Height}})
		}
		parent = hash
	}
	for _, x := range nodes {
		h.adopt(x, parent)
	}
}

func TestAgreement_FinalHeights(t *testing.T) {
	all := ids("a", "b", "c", "d")
	// A chain whose blocks may be replaced up to a depth of 6, until nodes report them as final: here up to height 8 of 10.
	run := func(final bool, then func(h *history)) func(t *testing.T) *history {
		return func(t *testing.T) *history {
			h := newHistory(t, "a", "b", "c", "d").polled("poa", .5, 6).measured()
			h.blocksUntil("x", 10*time.Second, all...)
			if final {
				h.final("x-5", all...)
				h.final("x-8", all...)
			}
			then(h)
			h.blocksUntil("s", 40*time.Second, all...)
			h.end(20 * time.Second)
			return h
		}
	}
	replaced := func(h *history) { h.branch("y", 4, "x-7", all...) }
	judgeCases(t, "agreement", []verdictCase{
		{name: "reorg above it", want: Pass, says: []string{"final up to height 11"}, run: run(true, func(h *history) {
			h.branch("y", 3, "x-8", all...)
			h.final("y2", all...)
		})},
		{name: "reorg below it on every node", want: Fail, nodes: ids("a"), run: run(true, replaced),
			says: []string{"final blocks were replaced: a had reported height 8 as final", "fork after x-7 at height 7"}},
		{name: "the same reorg, not final", want: Pass, run: run(false, replaced)},
		{name: "decreasing", want: Fail, nodes: ids("c"), says: []string{"finality was reverted: the final height of c went from 8 to 6"},
			run: run(true, func(h *history) { h.final("x-6", "c") })},
		{name: "decreasing, without a hash", want: Fail, nodes: ids("b"), says: []string{"from 8 to 2"}, run: run(true, func(h *history) {
			h.add("b", &trace.Event{Kind: trace.KindFinal, Final: &trace.Final{Height: 2}})
		})},
		{name: "two blocks at one height", want: Fail, nodes: ids("a", "d"), says: []string{"two final blocks at height 11: l0", "and r0"},
			run: run(true, func(h *history) {
				h.branch("l", 3, "x-10", "a", "b")
				h.branch("r", 3, "x-10", "c", "d")
				h.final("l1", "a")
				h.final("r2", "d")
				h.branch("z", 1, "l2", "c", "d", "a", "b")
			})},
	})
	if r := run(false, replaced)(t).result("agreement"); strings.Contains(r.Figure, "final") {
		t.Errorf("nothing is final: figure %q", r.Figure)
	}
}

func TestAgreement_ReorgAfterTheHealOfPolledNodes(t *testing.T) {
	h := newHistory(t, "a", "b", "c", "d").polled("pow", 0, 3)
	all := ids("a", "b", "c", "d")
	h.blocksUntil("x", 10*time.Second, all...)
	h.cut("p", ids("a", "b"), ids("c", "d"))
	h.sleep(200 * ms)
	h.blocksUntil("l", h.now+5*time.Second, "a", "b")
	h.heads["c"], h.heads["d"] = "x-10", "x-10"
	h.blocksUntil("w", h.now+10*time.Second, "c", "d")
	h.heal("p")
	for i := range 10 {
		for _, n := range ids("a", "b") {
			h.reportBlock(n, h.blocks[trace.Hash(fmt.Sprintf("w-%d", i+1))])
		}
	}
	h.blocksUntil("y", 40*time.Second, all...)
	// While the network is whole again, c and d publish a branch that they withheld.
	base := h.heads["a"]
	h.blocksUntil("public", 45*time.Second, "a", "b")
	h.heads["c"] = base
	for i := range 6 {
		h.report(trace.Hash(fmt.Sprintf("withheld-%d", i)), all[2], all[3])
	}
	for i := range 6 {
		for _, n := range ids("a", "b") {
			h.reportBlock(n, h.blocks[trace.Hash(fmt.Sprintf("withheld-%d", i))])
		}
	}
	h.end(time.Second)
	r := h.result("agreement")
	want(t, r, Fail)
	if r.Metrics["deepest_reorg_outside_partitions"] != 5 || r.Metrics["deepest_reorg"] != 5 || r.Evidence[0].Nodes[0] != "a" {
		t.Errorf("metrics %v, evidence %+v: want the reorg of 5 after the heal, not that of the cut", r.Metrics, r.Evidence[0])
	}
	want(t, h.result("agreement", "depth", "5"), Pass)
	p := h.judge().Summary.Partitions[0]
	if p.Idle || p.Canonical != 1 || p.Sides[0].Mined != 5 || p.Sides[1].Mined != 10 {
		t.Errorf("partition %+v", p)
	}
}

func TestAgreement_SeparateNetworks(t *testing.T) {
	for _, from := range []uint64{0, 7} { // known from genesis on, and from some height on
		for _, family := range []string{"pow", "bft"} {
			h := newHistory(t, "a", "b", "c", "d").polled(family, map[string]float64{"bft": 2. / 3}[family], 0)
			h.blocks["g1"] = trace.Block{Hash: "g1", Height: from}
			h.blocks["g2"] = trace.Block{Hash: "g2", Height: from}
			h.heads["a"], h.heads["d"] = "g1", "g2"
			for i := range 30 {
				h.report(trace.Hash(fmt.Sprint("x", i)), "a", "b", "c")
				h.report(trace.Hash(fmt.Sprint("y", i)), "d")
				h.sleep(time.Second)
			}
			h.end(30 * time.Second)
			r := h.result("agreement")
			want(t, r, Fail)
			if family == "pow" && !strings.Contains(r.Reason, "separate networks") || !strings.Contains(fmt.Sprint(r.Evidence), " d") {
				t.Errorf("%s from %d: %s; %+v", family, from, r.Reason, r.Evidence)
			}
			if r := h.result("convergence"); r.Verdict == Pass {
				t.Errorf("%s from %d: convergence passes", family, from)
			}
		}
	}
	// A node on another genesis, where the run states the right one.
	h := newHistory(t, "a", "b", "c").polled("pow", 0, 6)
	h.run.Chain.GenesisHash = genesis
	h.blocks["other"] = trace.Block{Hash: "other"}
	h.heads["a"], h.heads["c"] = genesis, "other"
	h.report("x", "a", "b")
	h.report("y", "c")
	h.end(time.Second)
	want(t, h.result("agreement"), Fail)
}

// tall is a chain of which a, b and c are known from height 1400 on only, and d as it says, for 30s.
func tall(t *testing.T, d func(h *history, second int)) *history {
	h := newHistory(t, "a", "b", "c", "d").polled("pow", 0, 6)
	h.run.Chain.GenesisHash = genesis
	h.blocks["base"] = trace.Block{Hash: "base", Height: 1400}
	h.heads["a"] = "base"
	for i := range 30 {
		h.report(trace.Hash(fmt.Sprint("x", i)), "a", "b", "c")
		d(h, i)
		h.sleep(time.Second)
	}
	h.end(10 * time.Second)
	return h
}

// reportRange lets a node report blocks of the tall chain, named by their heights.
func (h *history) reportRange(n trace.NodeID, from, to uint64) {
	name := func(height uint64) trace.Hash {
		if special, ok := map[uint64]trace.Hash{0: genesis, 1400: "base", 1401: "x0"}[height]; ok {
			return special
		}
		return trace.Hash(fmt.Sprint("h", height))
	}
	for height := from; height <= to; height++ {
		b := trace.Block{Hash: name(height), Parent: name(height - 1), Height: height}
		h.blocks[b.Hash] = b
		h.reportBlock(n, b)
	}
}

func TestAgreement_ChainsKnownFromSomeHeightOn(t *testing.T) {
	x := func(h *history, i int) trace.Block { return h.blocks[trace.Hash(fmt.Sprint("x", i))] }
	other := func(height uint64) func(h *history, i int) {
		return func(h *history, i int) {
			if i == 0 {
				h.blocks["other"] = trace.Block{Hash: "other", Height: height}
				h.heads["d"] = "other"
			}
			h.report(trace.Hash(fmt.Sprint("y", i)), "d")
		}
	}
	for _, c := range []struct {
		name string
		d    func(h *history, i int)
		want Verdict
		says string
	}{
		{"behind, known from 1300 on", func(h *history, i int) { h.reportRange("d", uint64(1300+i), uint64(1300+i)) }, Unknown, "does not have"},
		{"syncing from genesis", func(h *history, i int) { h.reportRange("d", uint64(2*i+1), uint64(2*i+2)) }, Unknown, "does not have"},
		{"back at height 39", func(h *history, i int) {
			switch {
			case i < 10:
				h.reportBlock("d", x(h, i))
			case i < 12:
				h.reportRange("d", uint64(39+i-10), uint64(39+i-10))
			}
		}, Unknown, "does not have"},
		{"caught up, known from genesis", func(h *history, i int) {
			if i < 28 {
				h.reportRange("d", uint64(50*i+1), uint64(50*i+50))
				return
			}
			for k := map[bool]int{true: 0, false: i}[i == 28]; k <= i; k++ {
				h.reportBlock("d", x(h, k))
			}
		}, Pass, ""},
		{"another network from the same height on", other(1400), Fail, "separate networks"},
		{"another network from a lower height on", other(1390), Fail, "separate networks"},
		{"another network from a higher height on", other(1410), Fail, "separate networks"},
		{"another chain, known from genesis", func(h *history, i int) {
			for height := uint64(50*i + 1); height <= uint64(50*i+50); height++ {
				b := trace.Block{Hash: trace.Hash(fmt.Sprint("z", height)), Parent: trace.Hash(fmt.Sprint("z", height-1)), Height: height}
				if height == 1 {
					b.Parent = genesis
				}
				h.reportBlock("d", b)
			}
		}, Fail, ""},
	} {
		r := tall(t, c.d).result("agreement")
		if r.Verdict != c.want || !strings.Contains(r.Reason, c.says) {
			t.Errorf("%s: agreement is %s: %s", c.name, r.Verdict, r.Reason)
		}
	}
	r := tall(t, func(h *history, i int) { h.reportRange("d", uint64(1300+i), uint64(1300+i)) }).result("chain_growth")
	want(t, r, Unknown)
	if !strings.Contains(r.Reason, "share no known block") {
		t.Errorf("reason %q", r.Reason)
	}
}

func TestJudge_NodesPolledFromSomeHeightOn(t *testing.T) {
	h := newBFT(t)
	h.run.Chain.GenesisHash = genesis
	h.blocks["p"] = trace.Block{Hash: "p", Height: 40}
	h.heads["a"] = "p"
	h.at(-500 * ms)
	h.report("x-0", "a", "b", "c")
	h.at(0)
	h.blocksUntil("y", 5*time.Second, "a", "b", "c", "d")
	// d is polled again, from lower down.
	h.blocks["low"] = trace.Block{Hash: "low", Height: 39}
	h.add("d", &trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{Hash: "p", Parent: "low", Height: 40}})
	h.blocksUntil("z", 50*time.Second, "a", "b", "c", "d")
	h.phase(trace.PhaseSettling)
	h.blocksUntil("s", 60*time.Second, "a", "b", "c", "d")
	h.stop()
	for _, name := range []string{"agreement", "chain_growth", "convergence"} {
		want(t, h.result(name), Pass)
	}
	if s := h.judge().Summary; s.Height != 101 || s.Stale != 0 {
		t.Errorf("height %d, %d stale", s.Height, s.Stale)
	}
}
