package invariant

import (
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// TestConsistency_ReturnedHistory: b, which has x-1 to x-4, is down while a makes x-5 to x-8, returns, and gets these as history and
// one more block by relay, which it has twice.
func TestConsistency_ReturnedHistory(t *testing.T) {
	for _, c := range []struct {
		name    string
		history uint64
		after   time.Duration // from its start to its answer
		before  func(h *history)
		verdict Verdict
	}{
		{"what it lacked", 4, 2 * time.Second, nil, Pass},
		{"and what came meanwhile", 6, 2 * time.Second, nil, Pass},
		{"one more", 7, 2 * time.Second, nil, Fail},
		{"all again, later", 9, 11 * time.Second, nil, Pass},
		{"all again after a cut", 9, 2 * time.Second, func(h *history) {
			h.cut("p", ids("a"), ids("b"))
			h.sleep(time.Second)
			h.heal("p")
		}, Pass},
		{"all again while messages are late", 9, 2 * time.Second, func(h *history) {
			rules := []trace.Rule{{From: ids("a"), To: ids("b"), Delay: time.Second}}
			h.fault(trace.Fault{ID: "latency-1", Kind: "latency", Phase: trace.FaultBegin, PlannedAt: h.now, Rules: rules})
			h.fault(trace.Fault{ID: "latency-1", Kind: "latency", Phase: trace.FaultActive, PlannedAt: h.now})
		}, Pass},
		{"all again after another was killed", 9, 2 * time.Second, func(h *history) {
			h.fault(trace.Fault{ID: "kill-2", Kind: "kill", Phase: trace.FaultBegin, Nodes: ids("a")})
		}, Fail},
		{"all again and a gap", 9, 2 * time.Second, func(h *history) { h.gap("b") }, Unknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := logging(t)
			h.state("b", trace.StateDown, "kill-1")
			h.add("a", &trace.Event{Kind: trace.KindPeer, Peer: &trace.Peer{Peer: "b"}})
			for _, hash := range []trace.Hash{"x-5", "x-6", "x-7", "x-8"} {
				h.sleep(time.Second)
				h.mine("a", hash, h.heads["a"])
			}
			if c.before != nil && !strings.HasSuffix(c.name, "gap") {
				c.before(h)
			}
			h.state("b", trace.StateUp, "kill-1")
			h.add("b", &trace.Event{Kind: trace.KindHead, Head: &trace.Head{Hash: "x-4", Height: 4, Restored: true}})
			h.heads["b"] = "x-4"
			h.link("a", "b", true)
			h.sleep(100 * ms)
			for _, hash := range []trace.Hash{"x-5", "x-6", "x-7", "x-8"} {
				h.accept("b", "a", hash, true)
			}
			if strings.HasSuffix(c.name, "gap") {
				c.before(h)
			}
			h.spread("a", "x-9", "b")
			h.sleep(c.after - 100*ms)
			h.answer("b", trace.Answer{
				Clock: h.run.Started.Add(h.now), Head: "x-9", Height: 9, PeerCount: 1, Counters: &trace.Counters{Received: 1, History: c.history},
			})
			if strings.HasSuffix(c.name, "late") {
				h.fault(trace.Fault{ID: "latency-1", Kind: "latency", Phase: trace.FaultHealing})
				h.fault(trace.Fault{ID: "latency-1", Kind: "latency", Phase: trace.FaultHealed})
			}
			h.sleep(12 * time.Second)
			h.stop()
			r := h.result("consistency")
			if r.Verdict != c.verdict || c.verdict == Fail && !strings.Contains(r.Reason, "b received") {
				t.Errorf("%s %s, want %s", r.Verdict, r.Reason, c.verdict)
			}
		})
	}
}
