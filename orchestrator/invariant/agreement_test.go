package invariant

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// produced records the contents of blocks, which state a producer.
func (h *history) produced(producer string, hashes ...trace.Hash) {
	for _, hash := range hashes {
		b := h.blocks[hash]
		b.Producer = producer
		h.add("", &trace.Event{Kind: trace.KindBlock, Block: &b})
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

// Two nodes make blocks at the same heights. Delay explains what each of them dropped that it made before it had the other's, as long
// as that was not on its way for too long.
func TestAgreement_Delays(t *testing.T) {
	const blocks = 8
	name := func(prefix string, i int) trace.Hash { return trace.Hash(fmt.Sprint(prefix, i)) }
	exchange := func(h *history, i int) {
		h.get("b", "a", name("l", i))
		h.get("a", "b", name("w", i))
	}
	mine := func(h *history, n trace.NodeID, prefix string, i int) {
		h.mine(n, name(prefix, i), h.heads[n])
	}
	run := func(events func(h *history)) Result {
		h := newHistory(t, "a", "b")
		h.grow("x", 2, time.Second, "a", "b")
		events(h)
		mine(h, "b", "w", blocks)
		h.get("a", "b", name("w", blocks))
		h.end(20 * time.Second)
		return h.result("agreement")
	}
	r := run(func(h *history) {
		for i := range blocks {
			h.sleep(3 * time.Second)
			mine(h, "a", "l", i)
			mine(h, "b", "w", i)
			h.sleep(2 * time.Second)
			exchange(h, i)
		}
	})
	if want(t, r, Pass); r.Metrics["deepest_reorg"] != blocks || r.Metrics["deepest_reorg_outside_partitions"] != 0 {
		t.Errorf("%s: %v", r.Figure, r.Metrics)
	}
	want(t, run(func(h *history) { // a builds on its own although it has what b made
		for i := range blocks {
			mine(h, "b", "w", i)
			b := h.blocks[name("w", i)]
			h.add("a", &trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{Hash: b.Hash, Parent: b.Parent, Height: b.Height, From: "b"}})
			h.sleep(time.Second)
			mine(h, "a", "l", i)
			h.get("b", "a", name("l", i))
		}
	}), Fail)
	want(t, run(func(h *history) {
		for i := range blocks {
			mine(h, "a", "l", i)
			mine(h, "b", "w", i)
		}
		h.sleep(11 * time.Second)
		for i := range blocks {
			exchange(h, i)
		}
	}), Fail)
	batch := func(held, delay time.Duration) Result { // a publishes its blocks at once, after b has made as many
		return run(func(h *history) {
			h.run.Edges = [][2]trace.NodeID{{"a", "b"}}
			rules := []trace.Rule{{From: ids("a", "b"), To: ids("a", "b"), Delay: delay}}
			h.fault(trace.Fault{ID: "l", Kind: "latency", Phase: trace.FaultBegin, Rules: rules})
			h.fault(trace.Fault{ID: "l", Kind: "latency", Phase: trace.FaultActive})
			for i := range blocks {
				mine(h, "a", "l", i)
				mine(h, "b", "w", i)
			}
			h.sleep(held)
			for i := range blocks {
				exchange(h, i)
			}
			h.fault(trace.Fault{ID: "l", Kind: "latency", Phase: trace.FaultHealing})
			h.fault(trace.Fault{ID: "l", Kind: "latency", Phase: trace.FaultHealed, Delayed: 9})
		})
	}
	want(t, batch(2*time.Second, time.Millisecond), Pass)
	want(t, batch(9*time.Second, time.Millisecond), Fail)
	want(t, batch(9*time.Second, 200*time.Millisecond), Fail)
	want(t, batch(9*time.Second, time.Second), Pass)
}
