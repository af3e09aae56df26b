package invariant

import (
	"fmt"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// datedRun is a run of a minute with a block a second. date is the time that a block states, from the run time of its first
// report. Block number holder has a transaction that was submitted before the first block.
func datedRun(t *testing.T, holder int, date func(started time.Time, at time.Duration) time.Time) *history {
	h := newBFT(t)
	h.run.Started = time.Unix(1_700_000_000, 0)
	h.at(100 * ms)
	h.submit("a", "t")
	h.at(200 * ms)
	for i := range 60 {
		at := h.now
		hash := trace.Hash(fmt.Sprint("x", i))
		b := h.block(hash, h.heads["a"])
		b.Time = date(h.run.Started, at)
		if i == holder {
			b.Txs = []trace.Hash{"t"}
		}
		h.add("", &trace.Event{Kind: trace.KindBlock, Block: &b})
		for _, n := range ids("a", "b", "c", "d") {
			h.reportBlock(n, b)
			h.sleep(ms)
		}
		h.at(at + time.Second)
	}
	h.end(20 * time.Second)
	return h
}

// Blocks that first appear in the run are new, even if the time that they state is constant or long ago.
func TestPreexisting_NewBlocksWithOldTimes(t *testing.T) {
	for name, date := range map[string]func(time.Time, time.Duration) time.Time{
		"zero":                func(time.Time, time.Duration) time.Time { return time.Unix(0, 0) },
		"that of the genesis": func(s time.Time, _ time.Duration) time.Time { return s.Add(-5 * time.Second) },
		"a little behind":     func(s time.Time, at time.Duration) time.Time { return s.Add(at - 2*time.Second) },
	} {
		for _, holder := range []int{0, 9} {
			h := datedRun(t, holder, date)
			r := h.result("inclusion")
			if r.Verdict != Pass || r.Metrics["included"] != 1 {
				t.Errorf("times are %s: inclusion is %s (%s), %v", name, r.Verdict, r.Reason, r.Metrics)
			}
			r = h.result("block_propagation")
			if r.Verdict != Pass || r.Metrics["blocks"] != 60 {
				t.Errorf("times are %s: block_propagation is %s (%s), %v", name, r.Verdict, r.Reason, r.Metrics)
			}
		}
	}
}

// A node that syncs during the run shows blocks from before it.
func TestPreexisting_BlocksOfASyncingNode(t *testing.T) {
	h := newBFT(t)
	h.run.Started = time.Unix(1_700_000_000, 0)
	var old []trace.Block
	h.at(-900 * ms)
	for i := range 50 {
		b := h.block(trace.Hash(fmt.Sprint("old", i)), h.heads["a"])
		b.Time = h.run.Started.Add(time.Duration(i-100) * time.Minute)
		b.Txs = []trace.Hash{"t"} // of an earlier run
		old = append(old, b)
		h.add("", &trace.Event{Kind: trace.KindBlock, Block: &b})
		for _, n := range ids("a", "b", "c") {
			h.reportBlock(n, b)
		}
	}
	h.at(time.Second)
	for _, b := range old {
		h.reportBlock("d", b)
	}
	h.submit("a", "t")
	h.at(2 * time.Second)
	h.blocksUntil("y", time.Minute, "a", "b", "c", "d")
	h.end(time.Second)
	want(t, h.result("inclusion"), Fail)
	want(t, h.result("block_propagation"), Pass)
}

// A node that could not be polled in the beginning shows what existed before, whenever that is.
func TestPreexisting_LateFirstPoll(t *testing.T) {
	h := newHistory(t, "a", "b").polled("pow", 0, 6)
	h.run.Started = time.Unix(1_700_000_000, 0)
	h.at(5 * time.Second)
	for i := range 50 {
		b := h.block(trace.Hash(fmt.Sprint("old", i)), h.heads["a"])
		b.Time = h.run.Started.Add(time.Duration(i-100) * time.Minute)
		b.Txs = []trace.Hash{"t"} // of an earlier run
		h.add("", &trace.Event{Kind: trace.KindBlock, Block: &b})
		h.add("a", &trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{Hash: b.Hash, Parent: b.Parent, Height: b.Height, Sync: true}})
		h.adopt("a", b.Hash)
	}
	h.submit("a", "t")
	h.catchUp("b")
	h.at(time.Minute)
	h.end(time.Second)
	want(t, h.result("inclusion"), Fail)
	want(t, h.result("block_propagation"), Vacuous)
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
