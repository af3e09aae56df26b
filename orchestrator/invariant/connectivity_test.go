package invariant

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// triangle is a history of three nodes that are connected to each other.
func triangle(t *testing.T) *history {
	h := newHistory(t, "a", "b", "c")
	h.run.Started = time.Unix(1_700_000_000, 0)
	h.run.Edges = [][2]trace.NodeID{{"a", "b"}, {"b", "c"}, {"a", "c"}}
	for _, e := range h.run.Edges {
		h.link(e[0], e[1], true)
	}
	h.grow("x", 2, time.Second, "a", "b", "c")
	h.at(60 * time.Second)
	return h
}

// down lets a node report that a connection ended.
func (h *history) down(n, peer trace.NodeID, reason string, local bool) {
	h.add(n, &trace.Event{Kind: trace.KindPeer, Peer: &trace.Peer{Peer: peer, Reason: reason, Local: local}})
}

func (h *history) refuseBlock(n, peer trace.NodeID, banned bool) {
	h.add(n, &trace.Event{Kind: trace.KindRefuse, Refuse: &trace.Refuse{Peer: peer, Hash: "x-1", Reason: "invalid block", Banned: banned}})
}

// spreads lets b make count blocks, which a gets at once and c from b a second later; c answers that relayed of them came from a.
func (h *history) spreads(count int, relayed uint64) {
	for i := range count {
		h.sleep(time.Second)
		hash := trace.Hash(fmt.Sprint("y-", i+1))
		h.spread("b", hash, "a")
		h.sleep(time.Second)
		h.get("c", "b", hash)
	}
	for range 2 {
		h.sleep(time.Second)
		clock := h.run.Started.Add(h.now)
		h.answer("c", trace.Answer{
			Clock: clock, PeersClock: clock, Head: h.heads["c"], Height: h.blocks[h.heads["c"]].Height, PeerCount: 2,
			Peers: []trace.PeerAnswer{{Peer: "a", Relayed: relayed}, {Peer: "b", Relayed: 100}},
		})
	}
}

func TestConnectivity(t *testing.T) {
	for _, c := range []struct {
		name    string
		do      func(h *history)
		verdict Verdict
		says    string
	}{
		{"nothing happens", func(*history) {}, Pass, "no connection was lost"},
		{"an honest peer is banned", func(h *history) { h.refuseBlock("b", "c", true) }, Fail, "b refused c, an honest peer: invalid block"},
		{"all ban one", func(h *history) { h.refuseBlock("b", "c", true); h.refuseBlock("a", "c", true) }, Fail, "2 nodes refused it"},
		{"one bans all", func(h *history) { h.refuseBlock("b", "c", true); h.refuseBlock("b", "a", true) }, Fail, "it refused 2 peers"},
		{"a block from the future", func(h *history) { h.refuseBlock("b", "c", false) }, Pass, ""},
		{"a connection is closed", func(h *history) { h.down("b", "c", "bad luck", true); h.down("c", "b", "closed by peer", false) }, Fail,
			"b closed 1 connection without a fault, the first to c: bad luck"},
		{"an inbound connection is closed as surplus", func(h *history) {
			h.down("b", "c", "surplus connection", true)
			h.down("c", "b", "closed by peer", false)
		}, Fail, "b closed 1 connection without a fault, the first to c: surplus connection"},
		{"an outbound connection is closed as surplus", func(h *history) {
			h.down("b", "c", "duplicate connection", true)
			h.add("b", &trace.Event{Kind: trace.KindPeer, Peer: &trace.Peer{Peer: "c", Up: true, Outbound: true}})
			h.down("b", "c", "surplus connection", true)
			h.down("c", "b", "closed by peer", false)
			h.sleep(2 * time.Second)
			h.link("b", "c", true)
		}, Pass, ""},
		{"a time-out", func(h *history) {
			h.down("b", "c", "ping timeout", true)
			h.down("c", "b", "closed by peer", false)
			h.sleep(2 * time.Second)
			h.link("b", "c", true)
		}, Pass, "1 connection: connected in 2s"},
		{"four time-outs", func(h *history) {
			for range 4 {
				h.down("b", "c", "ping timeout", true)
				h.link("b", "c", true)
				h.sleep(time.Second)
			}
		}, Fail, "b closed 4 connections without a fault"},
		{"closed without a line in the log", func(h *history) {
			for range 4 {
				h.down("c", "b", "closed by peer", false)
				h.link("b", "c", true)
				h.sleep(time.Second)
			}
		}, Fail, "b closed 4 connections without a fault"},
		{"after a fault", func(h *history) {
			h.cut("p", ids("a", "b"), ids("c"))
			h.sleep(time.Second)
			h.heal("p")
			h.sleep(29 * time.Second)
			h.down("b", "c", "reset", true)
			h.down("c", "b", "closed by peer", false)
			h.link("b", "c", true)
		}, Pass, ""},
		{"taken back after a cut", func(h *history) {
			h.cut("p", ids("a", "b"), ids("c"))
			h.sleep(10 * time.Second)
			h.link("a", "c", false)
			h.link("b", "c", false)
			h.sleep(10 * time.Second)
			h.heal("p")
			h.sleep(2 * time.Second)
			h.link("a", "c", true)
			h.link("b", "c", true)
		}, Pass, "slowest of 2 connections: connected in 2s"},
		{"not taken back after a cut", func(h *history) {
			h.cut("p", ids("a", "b"), ids("c"))
			h.sleep(10 * time.Second)
			h.link("a", "c", false)
			h.link("b", "c", false)
			h.heal("p")
		}, Fail, "c was not connected again to a, b after"},
		{"taken back late after a restart", func(h *history) {
			h.state("c", trace.StateDown, "kill-1")
			h.link("a", "c", false)
			h.link("b", "c", false)
			h.sleep(5 * time.Second)
			h.state("c", trace.StateUp, "kill-1")
			h.link("a", "c", true)
			h.sleep(21 * time.Second)
			h.link("b", "c", true)
		}, Fail, "was connected again only"},
		{"cut until the end", func(h *history) {
			h.cut("p", ids("a", "b"), ids("c"))
			h.sleep(10 * time.Second)
			h.link("a", "c", false)
			h.link("b", "c", false)
		}, Unknown, ""}, // a fault that the run does not end
		{"all is passed on", func(h *history) { h.spreads(9, 9) }, Pass, "18 of 18 announcements"},
		{"nothing is passed on", func(h *history) { h.spreads(9, 0) }, Fail, "a had 9 blocks before its peers, which got 0 announcements of them from it: c"},
		{"too few to judge", func(h *history) { h.spreads(7, 0) }, Pass, ""},
		{"a gap in the log", func(h *history) { h.gap("a"); h.spreads(9, 0) }, Unknown, "may be missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := triangle(t)
			c.do(h)
			h.sleep(25 * time.Second)
			h.end(time.Second)
			r := h.result("connectivity")
			want(t, r, c.verdict)
			if !strings.Contains(r.Figure+"; "+r.Reason, c.says) {
				t.Errorf("%q; %q: want %q", r.Figure, r.Reason, c.says)
			}
		})
	}
}

func TestConnectivity_Polled(t *testing.T) {
	for peers, verdict := range map[int]Verdict{2: Pass, 0: Fail, -1: NotApplicable} {
		h := newBFT(t)
		h.blocksUntil("x", 5*time.Second, "a", "b", "c", "d")
		h.all = nil // no answers but these
		for range 25 {
			h.sleep(5 * time.Second)
			h.answer("c", trace.Answer{Head: "x-5", Height: 5, PeerCount: peers})
		}
		h.end(time.Second)
		r := h.result("connectivity")
		want(t, r, verdict)
		if verdict == Fail && !strings.Contains(r.Reason, "c had no peer for 1m") {
			t.Errorf("reason %q", r.Reason)
		}
	}
}

// Polled nodes say how many peers they have, not which: a cut that ends leaves nothing to wait for.
func TestConnectivity_PolledAfterCut(t *testing.T) {
	h := newBFT(t)
	h.run.Edges = [][2]trace.NodeID{{"a", "b"}, {"a", "c"}, {"b", "d"}, {"c", "d"}}
	h.blocksUntil("x", 5*time.Second, "a", "b", "c", "d")
	h.all = nil // no answers but these
	h.answer("c", trace.Answer{Head: "x-5", Height: 5, PeerCount: 2})
	h.cut("p", ids("a", "b"), ids("c", "d"))
	h.sleep(30 * time.Second)
	h.heal("p")
	for range 6 {
		h.sleep(5 * time.Second)
		h.answer("c", trace.Answer{Head: "x-5", Height: 5, PeerCount: 2})
	}
	h.end(time.Second)
	r := h.result("connectivity")
	want(t, r, Pass)
	if r.Figure != "no connection was lost" {
		t.Errorf("figure %q", r.Figure)
	}
}

func TestConnectivity_NothingToJudge(t *testing.T) {
	h := newHistory(t, "a")
	h.grow("x", 2, time.Second, "a")
	h.end(time.Second)
	want(t, h.result("connectivity"), Vacuous)
	h = newHistory(t, "a", "b") // that log nothing of each other
	h.grow("x", 2, time.Second, "a", "b")
	h.end(time.Second)
	want(t, h.result("connectivity"), Unknown)
}
