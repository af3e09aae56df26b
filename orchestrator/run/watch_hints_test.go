package run_test

import (
	"context"
	"testing"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// Subscribes, Listen and Heard make asked a driver.Announcer: what its nodes print hints at their blocks.
func (a *asked) Subscribes() bool { return a.listen != nil }

func (a *asked) Listen(ctx context.Context, node faults.NodeID, tell func(chain.Hint)) error {
	return a.listen(ctx, a, node, tell)
}

func (a *asked) Heard(node faults.NodeID, line []byte) (chain.Hint, bool) {
	if !a.hints {
		return chain.Hint{}, false
	}
	e, _, ok := a.Chain.Parse(node, line)
	if !ok || e.Kind != trace.KindSeen {
		return chain.Hint{}, false
	}
	return chain.Hint{Hash: e.Seen.Hash}, true
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
