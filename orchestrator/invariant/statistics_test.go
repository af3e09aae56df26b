package invariant

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// A count that comes at the rate of the estimate, or at the share of it that is demanded, breaks its bounds no more often than is
// stated, however few events the estimate is from.
func TestRatioBounds_FalseAlarmRate(t *testing.T) {
	const runs, alarm = 8000, .01
	rng := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct {
		from  int
		times float64 // how much longer the second count lasts
	}{{10, 1}, {10, 5}, {50, .5}, {100, 3}} {
		low, high := 0, 0
		for range runs {
			took := 0.0 // until the first count is reached, at a rate of 1
			for range c.from {
				took += rng.ExpFloat64()
			}
			length := c.times * float64(c.from)
			mean := length * float64(c.from) / took
			got := 0
			for at := rng.ExpFloat64(); at < length; at += rng.ExpFloat64() {
				got++
			}
			if got < ratioFloor(mean, c.from, alarm) {
				low++
			}
			if got > ratioCeiling(mean, c.from, alarm) {
				high++
			}
		}
		if limit := alarm*runs + 40; float64(low) > limit || float64(high) > limit || low == 0 || high == 0 {
			t.Errorf("%+v: %d below, %d above of %d at a rate of %v", c, low, high, runs, alarm)
		}
	}
	for _, c := range []struct {
		mean                 float64
		from, floor, ceiling int
	}{
		{400, 100, 253, 586}, {2e5, 1000, 175_000, 226_000}, {math.NaN(), 5, 0, math.MaxInt}, {math.Inf(1), 5, 0, math.MaxInt}, {5, 0, 0, math.MaxInt},
	} {
		floor, ceiling := ratioFloor(c.mean, c.from, 1e-4), ratioCeiling(c.mean, c.from, 1e-4)
		if math.Abs(float64(floor-c.floor)) > .02*float64(c.floor) || math.Abs(float64(ceiling)-float64(c.ceiling)) > .02*float64(c.ceiling) {
			t.Errorf("%+v: %d, %d", c, floor, ceiling)
		}
	}
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

func TestPoissonFloor(t *testing.T) {
	for _, c := range []struct {
		mean float64
		want int
	}{
		{-1, 0}, {0, 0}, {math.NaN(), 0}, {13.8, 0}, {13.9, 1}, {30, 8}, {100, 56},
	} {
		const alpha = 1e-6
		got := poissonFloor(c.mean, alpha)
		if got != c.want {
			t.Errorf("mean %v: got %d, want %d", c.mean, got, c.want)
		}
		if c.mean > 0 {
			if below(c.mean, got) >= alpha || below(c.mean, got+1) < alpha {
				t.Errorf("mean %v: %d is not the largest floor", c.mean, got)
			}
		}
	}
	if got := poissonFloor(1e6, 1e-6); got < 994_000 || got > 996_000 { // 4.75 standard deviations below
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

func TestPoissonCeiling(t *testing.T) {
	for _, alpha := range []float64{1e-3, 1e-6} {
		for _, mean := range []float64{0, .1, 1, 7.5, 30, 100, 5000} {
			got := poissonCeiling(mean, alpha)
			if mean > 0 && (1-below(mean, got+1) >= alpha || got > 0 && 1-below(mean, got) < alpha) {
				t.Errorf("mean %v, alpha %v: %d is not the least ceiling", mean, alpha, got)
			}
		}
	}
	if poissonCeiling(-1, .1) != 0 || poissonCeiling(math.Inf(1), .1) != math.MaxInt || poissonCeiling(math.NaN(), .1) != math.MaxInt {
		t.Error("means that are none")
	}
	// A hostile trace may state any block interval: large means take no time.
	if got := poissonCeiling(1e15, 1e-6); float64(got) < 1e15 || float64(got) > 1e15+1e9 {
		t.Errorf("mean 1e15: got %d", got)
	}
	if got := poissonFloor(1e15, 1e-6); float64(got) > 1e15 || float64(got) < 1e15-1e9 {
		t.Errorf("mean 1e15: got %d", got)
	}
}
