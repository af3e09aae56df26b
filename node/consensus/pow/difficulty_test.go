package pow

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/node/chain"
)

func target(t testing.TB, bits uint32) chain.Target {
	t.Helper()
	tg := must.Get(chain.TargetFromBits(bits))(t)
	return tg
}

// The sample of the Bitcoin Cash specification, in its seconds.
func TestNextTarget_PublishedSample(t *testing.T) {
	got := NextTarget(target(t, 0x1802aee8), 600, 172800, 1310, 3-1).Bits()
	if got != 0x1802ad91 {
		t.Errorf("got %08x, want 1802ad91", got)
	}
}

func TestNextTarget_WholeHalfLives(t *testing.T) {
	const interval, halfLife = 2000, 60_000
	ref := target(t, 0x1d00ffff)
	shift := func(n int) chain.Target {
		x := ref.Int()
		if n < 0 {
			return chain.TargetFromInt(x.Rsh(x, uint(-n)))
		}
		return chain.TargetFromInt(x.Lsh(x, uint(n)))
	}
	for _, heights := range []int64{0, 1, 7, 1000} {
		onTime := chain.Millis((heights + 1) * interval)
		for _, n := range []int{-200, -3, -2, -1, 0, 1, 2, 3, 31} {
			got := NextTarget(ref, interval, halfLife, onTime+chain.Millis(n*halfLife), heights)
			if want := shift(n); got != want {
				t.Errorf("%d half-lives off schedule at +%d: got %x, want %x", n, heights, got, want)
			}
		}
	}
}

// The integer arithmetic must follow the formula it approximates. By its source the cubic's error is below 0.013 %.
func TestNextTarget_Formula(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	ref := target(t, 0x1802aee8)
	for range 5000 {
		interval := 1 + rng.Int64N(1_000_000)
		halfLife := 1 + rng.Int64N(200_000_000)
		heights := rng.Int64N(10_000)
		late := int64((rng.Float64() - .5) * 60 * float64(halfLife)) // ref has room for 60 doublings either way
		timeDiff := late + interval*(heights+1)

		got := NextTarget(ref, chain.Millis(interval), chain.Millis(halfLife), chain.Millis(timeDiff), heights)
		want, _ := new(big.Float).SetInt(ref.Int()).Float64()
		want *= math.Exp2(float64(late) / float64(halfLife))
		have, _ := new(big.Float).SetInt(got.Int()).Float64()
		// The exponent has 16 fraction bits: up to ln(2)/65536 more.
		if dev := math.Abs(have/want - 1); dev > .00013+.0000107 {
			t.Fatalf("interval %d, half-life %d, late %d, +%d: %g off", interval, halfLife, late, heights, dev)
		}
	}
}

// The cubic fits 64 bits and joins the next power of two without a step back, over every fraction.
func TestNextTarget_Monotonic(t *testing.T) {
	ref := target(t, 0x1802aee8)
	last := NextTarget(ref, 1, 1<<radixBits, 1-2, 0)
	for x := chain.Millis(-1); x <= 1<<radixBits+1; x++ { // one unit of time is one unit of the exponent
		next := NextTarget(ref, 1, 1<<radixBits, 1+x, 0)
		if next.Cmp(last) < 0 {
			t.Fatalf("exponent %d: target went down", x)
		}
		last = next
	}
}

func TestNextTarget_Extremes(t *testing.T) {
	ref := target(t, 0x1802aee8)
	easiest, hardest := chain.MaxTarget(), chain.TargetFromInt(new(big.Int))
	for _, c := range []struct {
		name               string
		interval, halfLife chain.Millis
		timeDiff           chain.Millis
		heightDiff         int64
		want               chain.Target
	}{
		{"latest", 600, 1, math.MaxInt64, 0, easiest},
		{"earliest", 600, 1, math.MinInt64, 0, hardest},
		{"highest", 600, 1, 0, math.MaxInt64, hardest},
		{"lowest", 600, 1, 0, math.MinInt64, easiest},
		{"all high", math.MaxInt64, math.MaxInt64, math.MaxInt64, math.MaxInt64, hardest},
		{"latest and lowest", math.MaxInt64, 1, math.MaxInt64, math.MinInt64, easiest},
	} {
		if got := NextTarget(ref, c.interval, c.halfLife, c.timeDiff, c.heightDiff); got != c.want {
			t.Errorf("%s: got %x, want %x", c.name, got, c.want)
		}
	}
}

func TestInitialBits(t *testing.T) {
	for _, c := range []struct {
		rate     float64
		interval chain.Millis
		attempts float64
	}{
		{1200, 2000, 2400}, {16, 1000, 16}, {2, 1000, 2}, {1, 1500, 1.5}, {1e6, 600_000, 6e8}, {1e18, 600_000, 6e20},
	} {
		bits := InitialBits(c.rate, c.interval)
		tg := target(t, bits)
		// Expected attempts are 2^256 / (target + 1).
		n := new(big.Float).SetInt(tg.Int())
		n.Quo(new(big.Float).SetMantExp(big.NewFloat(1), 256), n.Add(n, big.NewFloat(1)))
		got, _ := n.Float64()
		if dev := math.Abs(got/c.attempts - 1); dev > 1./65536 {
			t.Errorf("%g/s for %d ms: %08x needs %g attempts, want %g", c.rate, c.interval, bits, got, c.attempts)
		}
	}
}

func TestInitialBits_Limits(t *testing.T) {
	for _, rate := range []float64{0, -1, .5, 1, math.NaN(), math.Inf(-1)} {
		if got := InitialBits(rate, 1000); got != chain.MaxBits {
			t.Errorf("rate %v: got %08x, want the easiest", rate, got)
		}
	}
	for _, rate := range []float64{math.Inf(1), 1e300} {
		if got := InitialBits(rate, 1000); got != 0x01010000 {
			t.Errorf("rate %v: got %08x, want the hardest", rate, got)
		}
	}
}

// At InitialBits one block is found per interval's worth of attempts: the count over many is within 4 sigma.
func TestInitialBits_BlockInterval(t *testing.T) {
	const per, trials = 50, 200_000
	e := New(testGenesis())
	h := chain.Header{Version: 1, Bits: InitialBits(per, 1000)}
	found := 0
	for tried := 0; tried < trials; {
		n, ok := e.Search(&h, trials-tried)
		tried += n
		if ok {
			found++
			h.Nonce++
		}
	}
	want := float64(trials) / per
	if math.Abs(float64(found)-want) > 4*math.Sqrt(want) {
		t.Errorf("found %d blocks, want about %g", found, want)
	}
}
