package invariant

import (
	"math"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestPoissonFloor(t *testing.T) {
	for _, c := range []struct {
		mean float64
		want int
	}{
		{-1, 0}, {0, 0}, {math.NaN(), 0}, {13.8, 0}, {13.9, 1}, {30, 8}, {100, 56},
	} {
		got := poissonFloor(c.mean)
		if got != c.want {
			t.Errorf("mean %v: got %d, want %d", c.mean, got, c.want)
		}
		if c.mean > 0 {
			if below(c.mean, got) >= maxFalseAlarm || below(c.mean, got+1) < maxFalseAlarm {
				t.Errorf("mean %v: %d is not the largest floor", c.mean, got)
			}
		}
	}
	if got := poissonFloor(1e6); got < 994_000 || got > 996_000 { // 4.75 standard deviations below
		t.Errorf("mean 1e6: got %d", got)
	}
}

// below is P(X < k), summed from the other end than poissonFloor does.
func below(mean float64, k int) float64 {
	sum := 0.0
	for i := k - 1; i >= 0; i-- {
		lg, _ := math.Lgamma(float64(i + 1))
		sum += math.Exp(float64(i)*math.Log(mean) - mean - lg)
	}
	return sum
}

func TestGrowthHolds(t *testing.T) {
	h := newHistory(t, "a", "b")
	h.grow("x", 60, time.Second, "a", "b")
	h.phase(trace.PhaseSettling)
	h.grow("y", 1, time.Second, "a", "b")
	h.stop()
	r := h.result("chain_growth")
	want(t, r, Pass)
	if r.Metrics["worst_share"] != 1 || r.Metrics["height"] != 61 || r.Metrics["expected_blocks"] != 60 {
		t.Errorf("metrics %v, want all of 60 blocks, and one more in settling", r.Metrics)
	}
}

func TestGrowthFailsWhenTheChainStops(t *testing.T) {
	h := newHistory(t, "a", "b")
	h.grow("x", 5, time.Second, "a", "b")
	h.at(60 * time.Second)
	h.phase(trace.PhaseSettling)
	h.grow("y", 1, time.Second, "a", "b")
	h.stop()
	want(t, h.result("chain_growth"), Fail)
	want(t, h.result("chain_growth", "min_share", "25%"), Pass) // 15 are demanded on average: at least 1
}

func TestGrowthJudgesEachComponent(t *testing.T) {
	h := newHistory(t, "a", "b", "c", "d")
	h.cut("p", ids("a", "b"), ids("c", "d"))
	h.grow("x", 60, 2*time.Second, "a", "b") // c and d stand still, with half of the power
	h.heal("p")
	h.sync("c", "a", "x", 60)
	h.sync("d", "a", "x", 60)
	h.phase(trace.PhaseSettling)
	h.grow("y", 1, time.Second, "a", "b", "c", "d")
	h.stop()
	r := h.result("chain_growth")
	want(t, r, Fail)
	if r.Evidence[0].Nodes[0] != "c" {
		t.Errorf("evidence %+v does not name c", r.Evidence[0])
	}
}

func TestGrowthDemandsNothingOfNodesWithoutPower(t *testing.T) {
	h := newHistory(t, "a", "b", "c", "d")
	h.run.Nodes[2].Mine, h.run.Nodes[3].Mine = 0, 0
	h.cut("p", ids("a", "b"), ids("c", "d"))
	h.grow("x", 60, time.Second, "a", "b")
	h.heal("p")
	h.sync("c", "a", "x", 60)
	h.sync("d", "a", "x", 60)
	h.phase(trace.PhaseSettling)
	h.grow("y", 1, time.Second, "a", "b", "c", "d")
	h.stop()
	want(t, h.result("chain_growth"), Pass)
}

func TestGrowthDemandsAFreshBlockInSettling(t *testing.T) {
	h := newHistory(t, "a", "b")
	h.grow("x", 60, time.Second, "a", "b")
	h.end(40 * time.Second) // 20 demanded on average
	want(t, h.result("chain_growth"), Fail)

	h = newHistory(t, "a", "b")
	h.grow("x", 60, time.Second, "a", "b")
	h.end(5 * time.Second)
	want(t, h.result("chain_growth"), Unknown)

	h = newHistory(t, "a", "b")
	h.grow("x", 60, time.Second, "a", "b")
	h.phase(trace.PhaseSettling)
	h.grow("y", 1, time.Second, "a") // b does not get it
	h.sleep(40 * time.Second)
	h.stop()
	want(t, h.result("chain_growth"), Fail)
}

func TestGrowthIsVacuous(t *testing.T) {
	h := newHistory(t, "a", "b")
	h.run.Nodes[0].Mine, h.run.Nodes[1].Mine = 0, 0
	h.at(time.Minute)
	h.stop()
	want(t, h.result("chain_growth"), Vacuous)

	h = newHistory(t, "a", "b")
	h.grow("x", 5, time.Second, "a", "b")
	h.stop()
	want(t, h.result("chain_growth"), Vacuous)
}

func TestGrowthFailsWithoutAnyBlock(t *testing.T) {
	h := newHistory(t, "a", "b")
	h.at(time.Minute)
	h.end(time.Minute)
	want(t, h.result("chain_growth"), Fail)
}
