package invariant

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// measured makes the history one whose seen events say how well their times are known.
func (h *history) measured() *history {
	h.run.Chain.Measured = true
	return h
}

// heardWithin lets a node tell of a block that came within some time, and take it as its head.
func (h *history) heardWithin(n trace.NodeID, b trace.Block, within time.Duration) {
	h.add(n, &trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{Hash: b.Hash, Parent: b.Parent, Height: b.Height, Within: within}})
	h.adopt(n, b.Hash)
}

func TestTheResolutionIsWhatWasMeasured(t *testing.T) {
	run := func(within time.Duration) *history {
		h := newBFT(t).measured()
		for i := range 40 {
			at := h.now
			b := h.block(trace.Hash(fmt.Sprint("x", i)), h.heads["a"])
			for _, n := range ids("a", "b", "c") {
				h.heardWithin(n, b, within)
				h.sleep(ms)
			}
			h.at(at + 400*ms)
			h.heardWithin("d", b, within)
			h.at(at + time.Second)
		}
		h.end(20 * time.Second)
		return h
	}
	for _, c := range []struct {
		within  time.Duration
		figure  string
		verdict Verdict // of p95 <= 350ms, where 400ms were measured
	}{
		{0, "p50 2ms, p95 400ms, p99 400ms (as nodes told)", Fail},
		{20 * ms, "p50 < 20ms, p95 400ms, p99 400ms (± 20ms)", Fail},
		{110 * ms, "p50 < 110ms, p95 400ms, p99 400ms (± 110ms)", Unknown},
		{700 * ms, "p50 < 700ms, p95 < 700ms", Unknown}, // slower answers than those every 100ms that were asked for
	} {
		h := run(c.within)
		r := h.result("block_propagation", "p95", "350ms")
		want(t, r, c.verdict)
		if !strings.Contains(r.Figure, c.figure) || math.Abs(r.Metrics["resolution_seconds"]-c.within.Seconds()) > 1e-3*c.within.Seconds() {
			t.Errorf("%s; resolution %v, want %s", r.Figure, r.Metrics["resolution_seconds"], c.figure)
		}
		if s := h.judge().Summary.Propagation; s.Resolution.Round(ms) != c.within {
			t.Errorf("summary states %v, want %v", s.Resolution, c.within)
		}
	}
}

// TestATraceWithoutMeasurementsIsJudgedByItsInterval: traces from before there was Within.
func TestATraceWithoutMeasurementsIsJudgedByItsInterval(t *testing.T) {
	h := newBFT(t)
	h.blocksUntil("x", 40*time.Second, "a", "b", "c", "d")
	h.end(20 * time.Second)
	if r := h.result("block_propagation"); r.Metrics["resolution_seconds"] != .1 || !strings.Contains(r.Figure, "< 100ms") {
		t.Errorf("%s; %v", r.Figure, r.Metrics)
	}
}

// TestWhatCameToLightLateMayHaveCrossedBefore: a block that a node may have had before the cut is no evidence against it.
func TestWhatCameToLightLateMayHaveCrossedBefore(t *testing.T) {
	for _, c := range []struct {
		within time.Duration
		want   Verdict
	}{{100 * ms, Fail}, {4 * time.Second, Pass}} {
		h := newHistory(t, "a", "b").asked("pow", 0, 6).measured()
		h.blocksUntil("x", 5*time.Second, "a", "b")
		h.cut("p", ids("a"), ids("b"))
		h.sleep(5 * time.Second)
		b := h.block("y", h.heads["a"])
		h.heardWithin("a", b, c.within)
		h.sleep(50 * ms)
		h.heardWithin("b", b, c.within)
		h.at(30 * time.Second)
		h.fault(trace.Fault{ID: "p", Kind: "partition", Phase: trace.FaultHealing})
		h.fault(trace.Fault{ID: "p", Kind: "partition", Phase: trace.FaultHealed, Dropped: 5})
		h.end(time.Second)
		want(t, h.result("isolation"), c.want)
	}
}

// TestANodeThatWasAwayHadNothingMeanwhile: it was not asked for 10 s because it was paused. What others made meanwhile it
// can only have taken after it came back, and what is older it may have had before.
func TestANodeThatWasAwayHadNothingMeanwhile(t *testing.T) {
	for _, c := range []struct {
		made time.Duration // after the pause began
		want string
	}{{5 * time.Second, " 50ms"}, {-50 * ms, " 10.09s"}} {
		h := newHistory(t, "a", "b").asked("pow", 0, 6).measured()
		h.at(10 * time.Second)
		b := h.block("y", h.heads["a"])
		if c.made < 0 {
			h.heardWithin("a", b, 0)
			h.sleep(-c.made)
		}
		h.state("b", trace.StatePaused, "p")
		h.sleep(max(c.made, 0))
		if c.made >= 0 {
			h.heardWithin("a", b, 0)
		}
		h.sleep(10*time.Second - max(c.made, 0))
		h.state("b", trace.StateUp, "p")
		h.sleep(50 * ms)
		h.heardWithin("b", b, 11*time.Second)
		h.end(20 * time.Second)
		if r := h.result("convergence"); !strings.Contains(r.Figure, c.want) {
			t.Errorf("made %v after the pause began: %s, want %s", c.made, r.Figure, c.want)
		}
	}
}
