package invariant

import (
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// logging is a history of two nodes with a start, a connection and four blocks in their logs.
func logging(t *testing.T) *history {
	h := newHistory(t, "a", "b")
	h.run.Started = time.Unix(1_700_000_000, 0)
	for _, n := range h.all {
		h.add(n, &trace.Event{Kind: trace.KindHead, Head: &trace.Head{Hash: genesis, Restored: true}})
	}
	h.link("a", "b", true)
	h.grow("x", 4, time.Second, "a", "b")
	h.sleep(time.Second)
	return h
}

// link lets two nodes report that their connection came up or went down.
func (h *history) link(a, b trace.NodeID, up bool) {
	h.add(a, &trace.Event{Kind: trace.KindPeer, Peer: &trace.Peer{Peer: b, Up: up}})
	h.add(b, &trace.Event{Kind: trace.KindPeer, Peer: &trace.Peer{Peer: a, Up: up}})
}

// answers records a's true answer, changed as wanted.
func (h *history) answers(change func(*trace.Answer)) {
	b := h.blocks[h.heads["a"]]
	clock := h.run.Started.Add(h.now)
	a := trace.Answer{
		Clock: clock, PeersClock: clock, Head: b.Hash, Height: b.Height, PeerCount: 1, Peers: []trace.PeerAnswer{{Peer: "b"}},
		Blocks: []trace.BlockAnswer{{Height: b.Height, Hash: b.Hash}, {Height: b.Height - 1, Hash: b.Parent}},
	}
	if change != nil {
		change(&a)
	}
	h.answer("a", a)
}

// makesFor lets a make a block whose content names a producer; a's account is "aa".
func (h *history) makesFor(producer string) {
	h.run.Nodes[0].Account = "aa"
	h.mine("a", "y", "x-4")
	b := h.blocks["y"]
	b.Time, b.Producer, b.Raw = h.run.Started.Add(h.now), producer, []byte{1}
	h.add("", &trace.Event{Kind: trace.KindBlock, Block: &b})
	h.answers(nil)
}

// unanswered lets a fail to answer polls in a row.
func (h *history) unanswered(polls int) {
	for range polls {
		h.answer("a", trace.Answer{Error: "timeout"})
		h.sleep(2 * time.Second)
	}
}

func TestConsistency(t *testing.T) {
	for _, c := range []struct {
		name    string
		do      func(h *history)
		verdict Verdict
		says    string
	}{
		{"true answers", func(h *history) { h.answers(nil) }, Pass, "3 answers compared"},
		{"four polls without an answer", func(h *history) { h.unanswered(4) }, Pass, ""},
		{"five polls without an answer", func(h *history) { h.unanswered(5) }, Unknown, "a gave no answer from 5s to 13s, to 5 polls: timeout"},
		{"polls without an answer before a restart and after it", func(h *history) {
			h.unanswered(3)
			h.state("a", trace.StateDown, "")
			h.state("a", trace.StateUp, "")
			h.unanswered(3)
		}, Pass, ""},
		{"a block for its own account", func(h *history) { h.makesFor("aa") }, Pass, ""},
		{"a block for another account", func(h *history) { h.makesFor("bb") }, Fail, `a made block y at height 5 for the account "bb", and its own is aa`},
		{"an old head", func(h *history) {
			h.answers(func(a *trace.Answer) { a.Head, a.Height, a.Blocks = "x-2", 2, nil })
		}, Fail, "a answered that its head is x-2 at height 2, while its log says x-4 at height 4"},
		{"a head that it is about to have", func(h *history) {
			h.block("x-5", "x-4")
			h.answers(func(a *trace.Answer) { a.Head, a.Height, a.Blocks = "x-5", 5, nil })
			h.sleep(time.Second)
			h.mine("a", "x-5", "x-4")
		}, Fail, "its log says x-4"},
		{"the log says it at that very moment", func(h *history) {
			h.block("x-5", "x-4")
			h.answers(func(a *trace.Answer) { a.Head, a.Height, a.Blocks = "x-5", 5, nil })
			h.mine("a", "x-5", "x-4")
		}, Pass, "no contradiction"},
		{"a wrong height", func(h *history) { h.answers(func(a *trace.Answer) { a.Height, a.Blocks = 9, nil }) }, Fail, "and its height 9"},
		{"no such block", func(h *history) { h.answers(func(a *trace.Answer) { a.Blocks[0].Hash = "" }) }, Fail, "gave no block at height 4"},
		{"another block below", func(h *history) { h.answers(func(a *trace.Answer) { a.Blocks[1].Hash = "x-1" }) }, Fail, "gave x-1 at height 3"},
		{"too many peers", func(h *history) { h.answers(func(a *trace.Answer) { a.PeerCount = 4 }) }, Fail, "answered that it has 4 peers"},
		{"a peer is not listed", func(h *history) { h.answers(func(a *trace.Answer) { a.Peers = nil }) }, Fail, "did not list b"},
		{"a peer that it has lost", func(h *history) {
			h.link("a", "b", false)
			h.sleep(time.Second)
			h.answers(nil)
		}, Fail, "a answered that it"},
		{"answers that are frozen", func(h *history) {
			h.answers(nil)
			clock := h.run.Started.Add(h.now)
			h.sleep(9 * time.Second)
			h.answers(func(a *trace.Answer) { a.Clock, a.PeersClock = clock, clock })
		}, Fail, "its clock advanced by 0s"},
		{"a clock that is 30s ahead", func(h *history) {
			h.answers(func(a *trace.Answer) {
				a.Clock, a.PeersClock = a.Clock.Add(30*time.Second), a.PeersClock.Add(30*time.Second)
			})
		}, Pass, ""},
		{"a block accepted twice", func(h *history) { h.get("b", "a", "x-2") }, Fail, "b accepted block x-2 at height 2 twice"},
		{"again after a restart", func(h *history) {
			h.state("b", trace.StateDown, "kill-1")
			h.state("b", trace.StateUp, "kill-1")
			h.add("b", &trace.Event{Kind: trace.KindHead, Head: &trace.Head{Hash: "x-3", Height: 3, Restored: true}})
			h.heads["b"] = "x-3"
			h.get("b", "a", "x-4")
		}, Pass, ""},
		{"a head that it has not accepted", func(h *history) {
			h.block("y", "x-4")
			h.adopt("b", "y")
		}, Fail, "b reported the head y at height 5, a block that it has not accepted"},
		{"a head at another height", func(h *history) {
			h.add("b", &trace.Event{Kind: trace.KindHead, Head: &trace.Head{Hash: "x-4", Height: 5, Old: "x-4"}})
		}, Fail, "b logged the height 5 of its head x-4, which is at height 4"},
		{"a head that replaces another one", func(h *history) {
			h.add("b", &trace.Event{Kind: trace.KindHead, Head: &trace.Head{Hash: "x-4", Height: 4, Old: "x-2"}})
		}, Fail, "b logged that the head x-4 at height 4 replaced x-2, and had logged the head x-4"},
		{"a connection that comes up twice", func(h *history) { h.link("a", "b", true) }, Fail, "logged twice that it is connected to"},
		{"a connection that goes down twice", func(h *history) {
			h.link("a", "b", false)
			h.link("a", "b", false)
		}, Fail, "logged twice that its connection with"},
		{"a connection that comes up again", func(h *history) {
			h.answers(nil)
			h.link("a", "b", false)
			h.link("a", "b", true)
		}, Pass, ""},
		{"a log in another time zone", func(h *history) {
			h.add("b", &trace.Event{Kind: trace.KindHead, Ahead: time.Hour, Head: &trace.Head{Hash: "x-4", Height: 4, Old: "x-4"}})
		}, Fail, "b logged a time 1h0m0s after the line arrived"},
		{"a reorganisation that drops nothing", func(h *history) {
			h.block("y-4", "x-3")
			h.block("y-5", "y-4")
			h.accept("b", "", "y-4", false)
			h.accept("b", "", "y-5", false)
		}, Fail, "dropped 0 blocks, and it dropped 1"},
		{"a block from a node that did not log it", func(h *history) {
			h.block("y", "x-4")
			h.get("b", "a", "y")
		}, Fail, "a sent block y at height 5 to b and did not log that it had it"},
		{"a block from a node that was killed", func(h *history) {
			h.block("y", "x-4")
			h.get("b", "a", "y")
			h.state("a", trace.StateDown, "kill-1")
		}, Unknown, ""}, // its last line is lost

	} {
		t.Run(c.name, func(t *testing.T) {
			h := logging(t)
			c.do(h)
			h.sleep(20 * time.Second) // lines of the log may come late
			h.end(time.Second)
			r := h.result("consistency")
			want(t, r, c.verdict)
			if !strings.Contains(r.Figure+"; "+r.Bound+"; "+r.Reason, c.says) {
				t.Errorf("%q; %q: want %q", r.Figure, r.Reason, c.says)
			}
		})
	}
}

func TestConsistency_NothingToJudge(t *testing.T) {
	h := newHistory(t, "a", "b")
	h.end(time.Second)
	want(t, h.result("consistency"), Vacuous)
	h = newHistory(t, "a", "b")
	h.grow("x", 3, time.Second, "a", "b")
	h.phase(trace.PhaseStopping) // nobody was polled
	h.add("", &trace.Event{Kind: trace.KindEnd, End: &trace.End{}})
	want(t, h.result("consistency"), Unknown)
}

// A polled node whose head is not its block at that height names itself.
func TestConsistency_Polled(t *testing.T) {
	for bad, verdict := range map[trace.Hash]Verdict{"x-5": Pass, "x-4": Fail} {
		h := newBFT(t)
		h.blocksUntil("x", 5*time.Second, "a", "b", "c", "d")
		h.answer("c", trace.Answer{Head: "x-5", Height: 5, PeerCount: 3, Blocks: []trace.BlockAnswer{{Height: 5, Hash: bad}}})
		h.end(time.Second)
		r := h.result("consistency")
		want(t, r, verdict)
		if verdict == Fail && r.Evidence[0].Nodes[0] != "c" {
			t.Errorf("evidence %+v", r.Evidence[0])
		}
	}
}
