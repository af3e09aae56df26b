package invariant

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

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
			h.catchUpWith("b", "a")
			h.blocksUntil(id+"-after", h.now+10*time.Second, append(ids("a"), rest...)...)
		}
		h.end(time.Second)
		want(t, h.result("agreement"), verdict)
	}
}

func TestUnobserved_OldReports(t *testing.T) {
	// others come and go
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
	r := changing("c").result("agreement")
	want(t, r, Unknown)
	if !strings.Contains(r.Reason, "node d reported nothing") {
		t.Errorf("reason %q", r.Reason)
	}
	want(t, changing("d").result("agreement"), Pass) // it was cut off, and reported as soon as it could
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
	h.heal("p")
	h.catchUp("d")
	h.stop()
	want(t, h.result("agreement"), Pass)
}

// A node that is cut off by halves gets nothing and has nothing to report: its answers show that it is there.
func TestUnobserved_AnswersWithTheHeadThatItReported(t *testing.T) {
	for head, verdict := range map[trace.Hash]Verdict{"x-2": Pass, "x-9": Unknown} {
		h := newHistory(t, "a", "b", "c")
		h.grow("x", 2, time.Second, "a", "b", "c")
		for i := range 30 {
			h.grow(fmt.Sprint("y", i), 1, time.Second, "a", "b")
			h.answer("c", trace.Answer{Head: head, Height: 2, PeerCount: 1})
		}
		h.end(time.Second)
		want(t, h.result("agreement"), verdict)
	}
}
