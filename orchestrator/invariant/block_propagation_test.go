package invariant

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// delayed lets a make a block that b gets after db and c after dc.
func delayed(h *history, hash trace.Hash, db, dc time.Duration) {
	at := h.now
	h.mine("a", hash, h.heads["a"])
	h.at(at + db)
	h.get("b", "a", hash)
	h.at(at + dc)
	h.get("c", "a", hash)
}

func TestPropagationPercentiles(t *testing.T) {
	h := newHistory(t, "a", "b", "c")
	delayed(h, "x1", 100*time.Millisecond, 2*time.Second)
	h.sleep(time.Second)
	delayed(h, "x2", 200*time.Millisecond, 500*time.Millisecond)
	h.end(20 * time.Second)
	r := h.result("block_propagation")
	want(t, r, Pass) // p95 is 2s, the bound
	if r.Metrics["deliveries"] != 4 || r.Metrics["coverage"] != 1 || !near(r.Metrics["p50_seconds"], .2) {
		t.Errorf("metrics %v", r.Metrics)
	}
	r = h.result("block_propagation", "p95", "1999ms")
	want(t, r, Fail)
	if !slices.Contains(r.Evidence[0].Nodes, "c") || !slices.Contains(r.Evidence[0].Blocks, "x1") {
		t.Errorf("evidence %+v, want block x1 at c", r.Evidence[0])
	}
	want(t, h.result("block_propagation", "p50", "199ms"), Fail)
	want(t, h.result("block_propagation", "p99", "1s"), Fail)
}

func TestPropagationCoverage(t *testing.T) {
	h := newHistory(t, "a", "b", "c")
	h.spread("a", "x1", "b", "c")
	h.sleep(time.Second)
	h.spread("a", "x2", "b") // c never gets it
	h.end(20 * time.Second)
	r := h.result("block_propagation")
	want(t, r, Fail)
	if r.Metrics["coverage"] != .75 || !slices.Contains(r.Evidence[0].Nodes, "c") {
		t.Errorf("metrics %v, evidence %+v", r.Metrics, r.Evidence[0])
	}
	want(t, h.result("block_propagation", "coverage", "75%"), Pass)
}

func TestPropagationCountsHistoryForCoverageOnly(t *testing.T) {
	h := newHistory(t, "a", "b")
	h.mine("a", "x", genesis)
	h.sleep(9 * time.Second)
	h.accept("b", "a", "x", true)
	h.end(20 * time.Second)
	r := h.result("block_propagation")
	want(t, r, Pass)
	if r.Metrics["deliveries"] != 0 || r.Metrics["coverage"] != 1 {
		t.Errorf("metrics %v", r.Metrics)
	}
}

func TestPropagationLeavesOutNodesThatCouldNotBeReached(t *testing.T) {
	h := newHistory(t, "a", "b", "c", "d")
	h.grow("x", 2, time.Second, "a", "b", "c", "d")
	h.cut("p", ids("a", "b"), ids("c", "d"))
	h.grow("l", 2, time.Second, "a", "b")
	h.mine("a", "cut-off", h.heads["a"]) // the cut does not hold any more when the others could get it
	h.heal("p")
	h.spread("a", "y", "b") // c and d have not converged yet
	h.get("b", "a", "cut-off")
	h.sleep(time.Second)
	for _, n := range ids("c", "d") {
		h.sync(n, "a", "l", 2)
		h.accept(n, "a", "cut-off", true)
		h.accept(n, "a", "y", true)
	}
	h.state("d", trace.StatePaused, "pause-1")
	h.spread("a", "z", "b", "c")
	h.mine("a", "last", "z")
	h.state("c", trace.StateDown, "kill-1") // before it got the last one
	h.get("b", "a", "last")
	h.end(20 * time.Second)
	r := h.result("block_propagation", "coverage", "100%")
	want(t, r, Pass)
	if r.Metrics["pairs"] != 6+2+1+1+2+1 {
		t.Errorf("%v pairs, want 13", r.Metrics["pairs"])
	}
}

func TestPropagationIsVacuous(t *testing.T) {
	h := newHistory(t, "a", "b")
	h.end(time.Minute)
	want(t, h.result("block_propagation"), Vacuous)
	h = newHistory(t, "a")
	h.grow("x", 3, time.Second, "a")
	h.end(time.Minute)
	want(t, h.result("block_propagation"), Vacuous)
	h = newHistory(t, "a", "b")
	h.mine("a", "x", genesis)
	h.end(time.Second) // too late to tell
	want(t, h.result("block_propagation"), Vacuous)
}

func TestPropagationIsUnknownWithAGap(t *testing.T) {
	h := newHistory(t, "a", "b")
	h.grow("x", 3, time.Second, "a", "b")
	h.gap("b")
	h.grow("y", 3, time.Second, "a")
	h.end(time.Minute)
	want(t, h.result("block_propagation"), Unknown)
}

func TestHistogram(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var h histogram
	if h.quantile(.5) != 0 {
		t.Error("an empty histogram has a median")
	}
	var all []time.Duration
	for range 10_000 {
		d := time.Duration(rng.ExpFloat64() * float64(time.Second))
		all = append(all, d)
		h.add(d)
	}
	slices.Sort(all)
	for _, q := range []float64{0, .01, .5, .95, .99, 1} {
		exact := all[max(0, int(q*float64(len(all)))-1)]
		got := h.quantile(q)
		if got > exact || float64(exact-got) > .001*float64(exact)+1000 {
			t.Errorf("quantile %v: got %s, exactly %s", q, got, exact)
		}
	}
	for _, d := range []time.Duration{0, 1, time.Microsecond, 2047 * time.Microsecond, 2048 * time.Microsecond, time.Hour, 1 << 62} {
		f := bucketFloor(bucketOf(d))
		if f > d || bucketFloor(bucketOf(d)+1) <= d || bucketOf(f) != bucketOf(d) {
			t.Errorf("%s is put into the bucket that begins with %s", d, f)
		}
	}
	if bucketOf(-time.Second) != 0 {
		t.Error("a negative duration is not counted as zero")
	}
}
