package invariant

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
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

// reportWithin lets a node tell of a block that came within some time, and take it as its head.
func (h *history) reportWithin(n trace.NodeID, b trace.Block, within time.Duration) {
	h.add(n, &trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{Hash: b.Hash, Parent: b.Parent, Height: b.Height, Within: within}})
	h.adopt(n, b.Hash)
}

func TestDelaysLieBetweenWhatWasMeasured(t *testing.T) {
	run := func(within time.Duration) *history {
		h := newBFT(t).measured()
		for i := range 40 {
			at := h.now
			b := h.block(trace.Hash(fmt.Sprint("x", i)), h.heads["a"])
			for _, n := range ids("a", "b", "c") {
				h.reportWithin(n, b, within)
				h.sleep(ms)
			}
			h.at(at + 400*ms)
			h.reportWithin("d", b, within)
			h.at(at + time.Second)
		}
		h.end(20 * time.Second)
		return h
	}
	for _, c := range []struct {
		within  time.Duration
		figure  string
		verdict Verdict // of p95 <= 350ms, where 400ms were told
	}{
		{0, "p50 2ms, p95 400ms, p99 400ms, times as reported by the nodes, coverage", Fail},
		{20 * ms, "p50 < 22ms, p95 380..420ms, p99 380..420ms, coverage", Fail},
		{110 * ms, "p50 < 112ms, p95 290..510ms, p99 290..510ms, coverage", Unknown},
		{700 * ms, "p50 < 702ms, p95 < 1.1s, p99 < 1.1s, coverage", Unknown}, // slower answers than those every 100ms that were asked for
	} {
		h := run(c.within)
		r := h.result("block_propagation", "p95", "350ms")
		want(t, r, c.verdict)
		if !strings.HasPrefix(r.Figure, c.figure) {
			t.Errorf("%s, want %s", r.Figure, c.figure)
		}
		s := h.judge().Summary.Propagation
		low, high := s.Ends()
		if s.Max != 400*ms || low.Max != max(0, 400*ms-c.within) || high.Max != 400*ms+c.within || (s.Low == nil) != (c.within == 0) {
			t.Errorf("summary states %v, %v to %v", s.Max, low.Max, high.Max)
		}
	}
}

// TestEachPercentileIsKnownByItself: 98 of 100 blocks are told of at once and come 10ms later. What is known of the other
// two decides p99 and the longest delay, and nothing else.
func TestEachPercentileIsKnownByItself(t *testing.T) {
	for _, c := range []struct {
		start, arrival time.Duration // how much earlier it may have been, of two blocks
		delay          time.Duration // as told, of these
		p99            string
		verdict        Verdict // of p99 <= 300ms
	}{
		{0, 0, 10 * ms, "10ms, times as reported by the nodes", Pass},
		{500 * ms, 0, 10 * ms, "10..510ms, exact times as reported by the nodes", Unknown},  // not a PASS by 10ms
		{0, 500 * ms, 450 * ms, "10..450ms, exact times as reported by the nodes", Unknown}, // not a FAIL by 450ms
		{0, 500 * ms, 900 * ms, "400..900ms, exact times as reported by the nodes", Fail},
		{100 * ms, 150 * ms, 190 * ms, "40..290ms, exact times as reported by the nodes", Pass},
	} {
		h := newHistory(t, "a", "b").polled("pow", 0, 6).measured()
		for i := range 100 {
			at, start, arrival, delay := h.now, time.Duration(0), time.Duration(0), 10*ms
			if i%50 == 49 {
				start, arrival, delay = c.start, c.arrival, c.delay
			}
			b := h.block(trace.Hash(fmt.Sprint("x", i)), h.heads["a"])
			h.reportWithin("a", b, start)
			h.at(at + delay)
			h.reportWithin("b", b, arrival)
			h.at(at + 2*time.Second)
		}
		h.end(20 * time.Second)
		r := h.result("block_propagation", "p99", "300ms", "p95", "11ms")
		want(t, r, c.verdict)
		if want := "p50 10ms, p95 10ms, p99 " + c.p99 + ", coverage 100.00%"; r.Figure != want {
			t.Errorf("%s, want %s", r.Figure, want)
		}
		if r.Verdict == Fail && !strings.Contains(r.Evidence[0].Text, " took 400..900ms to reach b") {
			t.Errorf("evidence %q", r.Evidence[0].Text)
		}
	}
}

// TestTheTrueDelayIsBetween lets deliveries happen and be told of later, and compares what is stated with what happened.
func TestTheTrueDelayIsBetween(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 5))
		upTo := func(d time.Duration) time.Duration { return time.Duration(rng.Int64N(int64(d))) }
		h := newHistory(t, "a", "b").polled("pow", 0, 6).measured()
		var delays []time.Duration
		for i := range 60 {
			made := h.now + time.Second
			came := made + upTo(400*ms)
			told := [2]time.Duration{made, came}
			var within [2]time.Duration
			for k, at := range told {
				if rng.IntN(4) == 0 { // it was asked
					told[k] += upTo(500 * ms)
					within[k] = told[k] - at + upTo(300*ms)
				}
			}
			if told[1] <= told[0] { // the maker tells first
				told[0], within[0] = made, 0
			}
			b := h.block(trace.Hash(fmt.Sprint("x", i)), h.heads["a"])
			h.at(told[0])
			h.reportWithin("a", b, within[0])
			h.at(max(told[1], told[0]))
			h.reportWithin("b", b, within[1])
			delays = append(delays, came-made)
		}
		h.end(20 * time.Second)
		s := h.judge().Summary.Propagation
		low, high := s.Ends()
		slices.Sort(delays)
		for _, q := range []struct {
			name      string
			rank      int
			low, high time.Duration
		}{{"p50", 30, low.P50, high.P50}, {"p95", 57, low.P95, high.P95}, {"p99", 60, low.P99, high.P99}, {"max", 60, low.Max, high.Max}} {
			truth := delays[q.rank-1]
			if q.low > truth || q.high < truth-truth/1000 {
				t.Errorf("seed %d: %s is %v, and %v to %v are stated", seed, q.name, truth, q.low, q.high)
			}
			if q.name == "max" {
				continue
			}
			if r := h.result("block_propagation", "p95", "10s", q.name, (truth + truth/100).String()); r.Verdict == Fail {
				t.Errorf("seed %d: FAIL of a bound above the true %s", seed, q.name)
			}
			if r := h.result("block_propagation", "p95", "10s", q.name, (truth - truth/100).String()); r.Verdict == Pass {
				t.Errorf("seed %d: PASS of a bound below the true %s", seed, q.name)
			}
		}
	}
}

func TestTheSummaryAsJSONHoldsTheEnds(t *testing.T) {
	exact := PropagationSummary{Deliveries: 1, Delays: Delays{P50: 1, P95: 2, P99: 3, Max: 4}}
	wide := exact
	wide.Low, wide.High = &Delays{}, &Delays{P50: 5, P95: 6, P99: 7, Max: 8}
	const figures = `{"blocks":0,"deliveries":1,"p50":1,"p95":2,"p99":3,"max":4,`
	for want, s := range map[string]PropagationSummary{
		figures + `"polled":false,"coverage":0}`: exact,
		figures + `"low":{"p50":0,"p95":0,"p99":0,"max":0},"high":{"p50":5,"p95":6,"p99":7,"max":8},"polled":false,"coverage":0}`: wide,
	} {
		if text, err := json.Marshal(s); err != nil || string(text) != want {
			t.Errorf("%s, %v", text, err)
		}
	}
}

// TestATraceWithoutMeasurementsIsJudgedByItsInterval: traces from before there was Within.
func TestATraceWithoutMeasurementsIsJudgedByItsInterval(t *testing.T) {
	h := newBFT(t)
	h.blocksUntil("x", 40*time.Second, "a", "b", "c", "d")
	h.end(20 * time.Second)
	if r := h.result("block_propagation"); !strings.HasPrefix(r.Figure, "p50 < 102ms, p95 < 103ms, p99 < 103ms, coverage") {
		t.Errorf("%s; %v", r.Figure, r.Metrics)
	}
}

// TestWhatCameToLightLateMayHaveCrossedBefore: a block that a node may have had before the cut is no evidence against it.
func TestWhatCameToLightLateMayHaveCrossedBefore(t *testing.T) {
	for _, c := range []struct {
		within time.Duration
		want   Verdict
	}{{100 * ms, Fail}, {4 * time.Second, Pass}} {
		h := newHistory(t, "a", "b").polled("pow", 0, 6).measured()
		h.blocksUntil("x", 5*time.Second, "a", "b")
		h.cut("p", ids("a"), ids("b"))
		h.sleep(5 * time.Second)
		b := h.block("y", h.heads["a"])
		h.reportWithin("a", b, c.within)
		h.sleep(50 * ms)
		h.reportWithin("b", b, c.within)
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
		want float64       // seconds by which the arrival is uncertain
	}{{5 * time.Second, .05}, {-50 * ms, 10.1}} {
		h := newHistory(t, "a", "b").polled("pow", 0, 6).measured()
		h.at(10 * time.Second)
		b := h.block("y", h.heads["a"])
		if c.made < 0 {
			h.reportWithin("a", b, 0)
			h.sleep(-c.made)
		}
		h.state("b", trace.StatePaused, "p")
		h.sleep(max(c.made, 0))
		if c.made >= 0 {
			h.reportWithin("a", b, 0)
		}
		h.sleep(10*time.Second - max(c.made, 0))
		h.state("b", trace.StateUp, "p")
		h.sleep(50 * ms)
		h.reportWithin("b", b, 11*time.Second)
		h.end(20 * time.Second)
		if r := h.result("convergence"); !near(r.Metrics["resolution_seconds"], c.want) {
			t.Errorf("made %v after the pause began: %v, want %v s", c.made, r.Metrics, c.want)
		}
	}
}
