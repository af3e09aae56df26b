package pow

import (
	"math"
	"math/big"
	"testing"

	"github.com/netsplit/netsplit/node/chain"
)

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
			t.Errorf("%g/s for %d ms: %08x stands for %g attempts, want %g", c.rate, c.interval, bits, got, c.attempts)
		}
	}
}

func TestInitialBitsAtTheLimits(t *testing.T) {
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

// Blocks found at InitialBits come once per interval's worth of attempts: the count over many is within 4 sigma.
func TestInitialBitsGivesTheInterval(t *testing.T) {
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
