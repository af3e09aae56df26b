package run_test

import (
	"slices"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// TestSlowAnswersMakeTheResolutionWorse: what is stated is what was measured, not the interval that was asked for.
func TestSlowAnswersMakeTheResolutionWorse(t *testing.T) {
	worst := func(slow time.Duration) time.Duration {
		events, _, err := recordAsked(t, func(a *asked) { a.slow = slow })
		if err != nil {
			t.Fatal(err)
		}
		if run := events[0].Run; run == nil || !run.Chain.Measured {
			t.Fatalf("the run event does not say that times were measured: %+v", events[0])
		}
		var widths []time.Duration
		for _, e := range events {
			switch {
			case e.Kind != trace.KindSeen:
			case e.At < 0:
				if !e.Seen.Sync {
					t.Errorf("%s at %v of the first look is not told from what came later", e.Seen.Hash, e.At)
				}
			case !e.Seen.Sync:
				widths = append(widths, e.Seen.Within)
			}
		}
		if len(widths) < 15 {
			t.Fatalf("%d arrivals", len(widths))
		}
		slices.Sort(widths)
		return widths[len(widths)*95/100]
	}
	// The simulator answers in no time: what is left is the interval of 100ms.
	if got := worst(0); got != 100*time.Millisecond {
		t.Errorf("answers at once: known to %v", got)
	}
	if got := worst(150 * time.Millisecond); got < 250*time.Millisecond || got > 400*time.Millisecond {
		t.Errorf("answers after 150ms: known to %v", got)
	}
}
