package invariant

import (
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// exchange is what a and b sent each other until now: a block or a transaction every second and direction, which arrives 100ms later.
type exchange struct {
	h *history
	// change changes what a node answers.
	change func(n trace.NodeID, a *trace.Answer)
	// lost is from when on nothing arrives, and after it nothing is sent by connections that count anew.
	lost, anew time.Duration
}

// answer records the answer of a node to its peer's questions.
func (x *exchange) answer(n, peer trace.NodeID) {
	count := func(at time.Duration) uint64 { return uint64(max(0, at/time.Second)) }
	b, clock := x.h.blocks[x.h.heads[n]], x.h.run.Started.Add(x.h.now)
	sent, got := count(x.h.now), count(x.h.now-100*ms)
	if x.lost > 0 {
		got = min(got, count(x.lost))
	}
	a := trace.Answer{
		Clock: clock, PeersClock: clock, Head: b.Hash, Height: b.Height, PeerCount: 1,
		Counters: &trace.Counters{Sent: sent, Received: got, Duplicates: got / 50, Announced: 3 * got},
		Peers:    []trace.PeerAnswer{{Peer: peer, Sent: sent - count(x.anew), Received: got - count(min(x.anew, x.h.now-100*ms))}},
	}
	if x.change != nil {
		x.change(n, &a)
	}
	x.h.answer(n, a)
}

// until lets both answer every 3 s.
func (x *exchange) until(end time.Duration) {
	for x.h.now < end {
		x.h.sleep(1500 * ms)
		x.answer("a", "b")
		x.h.sleep(1500 * ms)
		x.answer("b", "a")
	}
}

func TestConsistency_Traffic(t *testing.T) {
	only := func(n trace.NodeID, change func(a *trace.Answer)) func(trace.NodeID, *trace.Answer) {
		return func(m trace.NodeID, a *trace.Answer) {
			if m == n {
				change(a)
			}
		}
	}
	for _, c := range []struct {
		name    string
		do      func(x *exchange)
		verdict Verdict
		says    string
	}{
		{"both count alike", func(x *exchange) { x.until(60 * time.Second) }, Pass, "no contradiction"},
		{"every message sent counts twice in all", func(x *exchange) {
			x.change = func(_ trace.NodeID, a *trace.Answer) { a.Counters.Sent *= 2 }
			x.until(60 * time.Second)
		}, Fail, "a stated that it sent"},
		{"every message sent counts twice everywhere", func(x *exchange) {
			x.change = only("a", func(a *trace.Answer) { a.Counters.Sent *= 2; a.Peers[0].Sent *= 2 })
			x.until(60 * time.Second)
		}, Fail, "blocks and transactions to b, which got"},
		{"received messages count twice in all", func(x *exchange) {
			x.change = only("b", func(a *trace.Answer) { a.Counters.Received *= 2 })
			x.until(60 * time.Second)
		}, Fail, "b stated that it received"},
		{"half of what is received counts in all", func(x *exchange) {
			x.change = only("b", func(a *trace.Answer) { a.Counters.Received = 4 + a.Counters.Received/2 })
			x.until(60 * time.Second)
		}, Fail, "b stated that it received"},
		{"received messages count twice everywhere", func(x *exchange) {
			x.change = only("b", func(a *trace.Answer) { a.Counters.Received *= 2; a.Peers[0].Received *= 2 })
			x.until(60 * time.Second)
		}, Fail, "blocks and transactions to b, which had stated that it got"},
		{"nothing arrives any more", func(x *exchange) {
			x.lost = 20 * time.Second
			x.until(60 * time.Second)
		}, Fail, "which got 20 of them"},
		{"nothing arrives while a cut holds", func(x *exchange) {
			x.until(18 * time.Second)
			x.h.cut("p", ids("a"), ids("b"))
			x.lost = x.h.now
			x.until(60 * time.Second)
			x.h.heal("p")
		}, Pass, ""},
		{"what was sent before a connection ended is lost", func(x *exchange) {
			x.lost = 17 * time.Second
			x.until(18 * time.Second)
			x.h.link("a", "b", false)
			x.h.link("a", "b", true)
			x.lost, x.anew = 0, x.h.now
			x.until(60 * time.Second)
		}, Pass, ""},
		{"a connection was replaced while nobody was polled", func(x *exchange) {
			x.until(18 * time.Second)
			x.h.sleep(15 * time.Second)
			x.h.spread("a", "y", "b")
			x.h.sleep(time.Second)
			x.h.link("a", "b", false)
			x.h.link("a", "b", true)
			x.anew = x.h.now
			x.h.sleep(50 * time.Second) // both count more than before
			x.until(120 * time.Second)
		}, Pass, ""},
		{"a node counts anew after a restart", func(x *exchange) {
			x.until(18 * time.Second)
			x.h.state("b", trace.StateDown, "kill-1")
			x.h.link("a", "b", false)
			x.h.state("b", trace.StateUp, "kill-1")
			b := x.h.blocks[x.h.heads["b"]]
			x.h.add("b", &trace.Event{Kind: trace.KindHead, Head: &trace.Head{Hash: b.Hash, Height: b.Height, Restored: true}})
			x.h.link("a", "b", true)
			x.anew = x.h.now
			x.change = only("b", func(a *trace.Answer) {
				a.Counters.Sent, a.Counters.Received = a.Peers[0].Sent, a.Peers[0].Received
			})
			x.until(60 * time.Second)
		}, Pass, ""},
		{"more history in the log than was received", func(x *exchange) {
			x.h.block("y", x.h.heads["b"])
			x.h.mine("a", "y", x.h.heads["a"])
			x.h.accept("b", "a", "y", true)
			x.until(60 * time.Second)
		}, Fail, "b logged 1 block as history, and answered that it received 0 as history"},
		{"history that was received", func(x *exchange) {
			x.change = only("b", func(a *trace.Answer) { a.Counters.History = 1 })
			x.h.mine("a", "y", x.h.heads["a"])
			x.h.accept("b", "a", "y", true)
			x.until(60 * time.Second)
		}, Pass, ""},
		{"more relayed blocks in the log than were received", func(x *exchange) {
			x.change = only("b", func(a *trace.Answer) { a.Counters.Received, a.Peers[0].Received = 2, 2 })
			x.until(9 * time.Second)
		}, Fail, "b logged 4 blocks as relayed, and answered that it received 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := logging(t)
			c.do(&exchange{h: h})
			h.sleep(20 * time.Second)
			h.end(time.Second)
			r := h.result("consistency")
			want(t, r, c.verdict)
			if !strings.Contains(r.Figure+"; "+r.Bound+"; "+r.Reason, c.says) {
				t.Errorf("%q; %q: want %q", r.Figure, r.Reason, c.says)
			}
		})
	}
}

// What a node requests from everybody arrives several times, unless a fault makes peers late.
func TestConnectivity_ReceivedTwice(t *testing.T) {
	for _, c := range []struct {
		name    string
		share   float64 // of what is received
		cut     bool
		pushed  bool // nothing is announced
		verdict Verdict
	}{
		{"nothing", 0, false, false, Pass},
		{"a twelfth", .083, false, false, Pass},
		{"an eighth", .125, false, false, Fail},
		{"an eighth, during a fault", .125, true, false, Pass},
		{"half, where nodes flood", .5, false, true, Pass},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := logging(t)
			h.run.Edges = [][2]trace.NodeID{{"a", "b"}}
			x := &exchange{h: h, change: func(_ trace.NodeID, a *trace.Answer) {
				a.Counters.Duplicates = uint64(c.share * float64(a.Counters.Received))
				if c.pushed {
					a.Counters.Announced = 0
				}
			}}
			if c.cut {
				h.cut("p", ids("a"), ids("b"))
			}
			x.until(150 * time.Second)
			if c.cut {
				h.heal("p")
			}
			h.end(5 * time.Second)
			r := h.result("connectivity")
			want(t, r, c.verdict)
			if says := "requested them from several peers"; c.verdict == Fail && !strings.Contains(r.Reason, says) {
				t.Errorf("%q: want %q", r.Reason, says)
			}
		})
	}
}
