package invariant

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestUnobserved_NodeWithoutReports(t *testing.T) {
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

// The time without a report goes on when components change.
func TestUnobserved_ThroughManyFaults(t *testing.T) {
	for missing, verdict := range map[bool]Verdict{true: Unknown, false: Pass} {
		h := newHistory(t, "a", "b", "c", "d").polled("pow", 0, 6)
		h.blocksUntil("x", 10*time.Second, "a", "b", "c", "d")
		rest := ids("b", "c", "d")
		if missing {
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

func TestUnobserved_OldReports(t *testing.T) {
	unobserved := func(h *history) {
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
	unobserved(h)

	// While others come and go.
	changing := func(away string) *history {
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
	unobserved(changing("c"))
	want(t, changing("d").result("agreement"), Pass) // it was cut off, and reported as soon as it could

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
	unobserved(h)
}

func TestUnobserved_HaltedChain(t *testing.T) {
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

	// A restart begins the time anew.
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
