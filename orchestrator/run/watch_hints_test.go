package run_test

import (
	"testing"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// parseNotification reads a block's arrival out of what a node prints.
func (a *asked) parseNotification(node faults.NodeID, line []byte) (chain.Notification, bool) {
	e, _, ok := a.Chain.ParseLog(node, line)
	if !ok || e.Kind != trace.KindSeen {
		return chain.Notification{}, false
	}
	return chain.Notification{Hash: e.Seen.Hash}, true
}

// TestHintsMakeTimesExact: nodes that are asked seldom, and hint at what they get.
func TestHintsMakeTimesExact(t *testing.T) {
	for _, hints := range []bool{false, true} {
		events, _, err := recordAsked(t, func(a *asked) { a.hints, a.every = hints, 2*time.Second })
		if err != nil {
			t.Fatal(err)
		}
		exact, all, heads := 0, 0, make(map[trace.Hash]time.Duration)
		for _, e := range events {
			switch {
			case e.Kind == trace.KindSeen && !e.Seen.Sync:
				all++
				if e.Seen.Within == 0 {
					exact++
				} else if e.Seen.Within > 2*time.Second {
					t.Errorf("within %v", e.Seen.Within)
				}
			case e.Kind == trace.KindHead:
				heads[e.Head.Hash] = e.At
			}
		}
		if !hints && exact > 0 || hints && (exact < all*9/10 || all < 15) {
			t.Errorf("hints %v: %d of %d arrivals are exact", hints, exact, all)
		}
	}
}
