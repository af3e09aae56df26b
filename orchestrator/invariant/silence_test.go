package invariant

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// catchUp lets a node tell of all that a has and it has not.
func (h *history) catchUp(n trace.NodeID) {
	var missed []trace.Block
	for b := h.blocks[h.heads["a"]]; b.Hash != h.heads[n]; b = h.blocks[b.Parent] {
		missed = append(missed, b)
	}
	for i := range missed {
		h.reportBlock(n, missed[len(missed)-1-i])
	}
}

func TestANodeThatAnswersWithOldNewsIsSilent(t *testing.T) {
	silent := func(h *history) {
		t.Helper()
		r := h.result("agreement")
		want(t, r, Unknown)
		if !strings.Contains(r.Reason, "node d reported nothing") {
			t.Errorf("reason %q", r.Reason)
		}
	}
	// Most of a short run.
	h := newBFT(t)
	h.blocksUntil("x", 2*time.Second, "a", "b", "c", "d")
	h.blocksUntil("y", 20*time.Second, "a", "b", "c")
	h.add("d", &trace.Event{Kind: trace.KindStatus, Status: &trace.Status{Final: true, Height: 2, Head: "x-2"}})
	h.stop()
	silent(h)

	// While others come and go.
	restless := func(away string) *history {
		h := newBFT(t)
		h.blocksUntil("x", 2*time.Second, "a", "b", "c", "d")
		for i := range 5 {
			id := fmt.Sprint("f", i)
			h.blocksUntil(id+"-y", h.now+5*time.Second, "a", "b", "c")
			if away == "c" {
				h.state("c", trace.StateDown, id)
			} else {
				h.cut(id, ids("a", "b", "c"), ids("d"))
			}
			h.blocksUntil(id+"-z", h.now+5*time.Second, "a", "b")
			if away == "c" {
				h.state("c", trace.StateUp, id)
			} else {
				h.heal(id)
				h.catchUp("d")
			}
			h.catchUp("c")
		}
		h.catchUp("d")
		h.blocksUntil("s", 60*time.Second, "a", "b", "c", "d")
		h.stop()
		return h
	}
	silent(restless("c"))
	want(t, restless("d").result("agreement"), Pass) // it was cut off, and spoke as soon as it could

	// And before it is killed.
	h = newBFT(t)
	h.blocksUntil("x", 2*time.Second, "a", "b", "c", "d")
	h.blocksUntil("y", 32*time.Second, "a", "b", "c")
	h.state("d", trace.StateDown, "kill-1")
	h.blocksUntil("z", 40*time.Second, "a", "b", "c")
	h.state("d", trace.StateUp, "kill-1")
	h.catchUp("d")
	h.blocksUntil("s", 60*time.Second, "a", "b", "c", "d")
	h.stop()
	silent(h)
}

func TestAHaltIsNoSilence(t *testing.T) {
	// Halves without quorum, cut in ever other ways, for a minute and until the end.
	h := newBFT(t)
	h.blocksUntil("x", 10*time.Second, "a", "b", "c", "d")
	for i := range 6 {
		id := fmt.Sprint("f", i)
		h.cut(id, ids("a", "b"), ids("c", "d"))
		h.sleep(10 * time.Second)
		h.heal(id)
		h.cut(id+"-2", ids("a", "c"), ids("b", "d"))
		h.sleep(10 * time.Second)
		h.heal(id + "-2")
	}
	h.stop()
	want(t, h.result("agreement"), Pass)

	// A node that is alone, whatever happens to others.
	h = newBFT(t)
	h.blocksUntil("x", 10*time.Second, "a", "b", "c", "d")
	h.cut("p", ids("a", "b", "c"), ids("d"))
	for i := range 5 {
		h.state("c", trace.StateDown, fmt.Sprint("k", i))
		h.blocksUntil(fmt.Sprint("y", i), h.now+5*time.Second, "a", "b")
		h.state("c", trace.StateUp, fmt.Sprint("k", i))
		h.catchUp("c")
		h.blocksUntil(fmt.Sprint("z", i), h.now+5*time.Second, "a", "b", "c")
	}
	h.stop()
	want(t, h.result("agreement"), Pass)

	// Whoever was started again begins anew.
	h = newBFT(t)
	h.blocksUntil("x", 10*time.Second, "a", "b", "c", "d")
	h.blocksUntil("y", 22*time.Second, "a", "b", "c")
	h.state("c", trace.StateDown, "kill-1")
	h.report("one-more", "a", "b")
	h.state("d", trace.StateDown, "kill-2")
	h.sleep(5 * time.Second)
	h.state("c", trace.StateUp, "kill-1")
	h.sleep(ms)
	h.state("d", trace.StateUp, "kill-2")
	h.blocksUntil("z", 39*time.Second, "a", "b", "c")
	h.cut("p", ids("a", "b", "c"), ids("d"))
	h.heal("p")
	h.catchUp("d")
	h.blocksUntil("s", 50*time.Second, "a", "b", "c", "d")
	h.stop()
	want(t, h.result("agreement"), Pass)

	// One that is a little behind at the end.
	h = newBFT(t)
	h.blocksUntil("x", 10*time.Second, "a", "b", "c", "d")
	h.blocksUntil("y", 19*time.Second, "a", "b", "c")
	h.stop()
	want(t, h.result("agreement"), Pass)
}
