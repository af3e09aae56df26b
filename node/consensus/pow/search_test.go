package pow

import (
	"math"
	"testing"

	"github.com/netsplit/netsplit/node/chain"
)

func TestSearcherHashesAsTheHeaderDoes(t *testing.T) {
	h := chain.Header{Version: 1, Height: 7, Parent: chain.Hash{1}, TxRoot: chain.Hash{2}, StateRoot: chain.Hash{3},
		Miner: chain.Address{4}, Time: 5, Bits: chain.MaxBits}
	s := newSearcher(&h)
	for _, n := range []uint64{0, 1, 1 << 40, math.MaxUint64} {
		h.Nonce = n
		if got := s.hash(n); got != h.Hash() {
			t.Errorf("nonce %d: got %s, want %s", n, got, h.Hash())
		}
	}
}

func TestSearch(t *testing.T) {
	e := New(testGenesis())
	h := chain.Header{Version: 1, Bits: InitialBits(1000, 1000), Nonce: math.MaxUint64 - 10} // wraps on the way
	first := h
	tg := target(t, h.Bits)
	wanted := 1
	for ; !tg.Met(first.Hash()); first.Nonce++ {
		wanted++
	}
	if wanted < 20 {
		t.Fatalf("found after %d attempts: pick a header that shows more", wanted)
	}
	// In several calls, each going on where the last one stopped.
	total, found := 0, false
	for !found {
		var n int
		n, found = e.Search(&h, 7)
		if !found && n != 7 {
			t.Fatalf("gave up after %d of 7 attempts", n)
		}
		total += n
	}
	if h.Nonce != first.Nonce || total != wanted {
		t.Errorf("got nonce %d after %d attempts, want %d after %d", h.Nonce, total, first.Nonce, wanted)
	}
	if n, ok := e.Search(&h, 0); n != 0 || ok {
		t.Errorf("no attempts: got %d, %v", n, ok)
	}
	h.Bits = 0
	if n, ok := e.Search(&h, 5); n != 0 || ok {
		t.Errorf("malformed bits: got %d, %v", n, ok)
	}
}

func TestSearchAllocatesNothingPerAttempt(t *testing.T) {
	s := newSearcher(&chain.Header{})
	if n := testing.AllocsPerRun(100, func() { s.hash(1) }); n != 0 {
		t.Errorf("%v allocations per attempt", n)
	}
}

func BenchmarkSearch(b *testing.B) {
	e := New(testGenesis())
	h := chain.Header{Version: 1, Bits: 0x01010000}
	b.ReportAllocs()
	b.ResetTimer()
	e.Search(&h, b.N)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "hashes/s")
}

// BenchmarkSearchOne is what a call with a single attempt costs: a miner with a low rate makes many.
func BenchmarkSearchOne(b *testing.B) {
	e := New(testGenesis())
	h := chain.Header{Version: 1, Bits: 0x01010000}
	b.ReportAllocs()
	for b.Loop() {
		e.Search(&h, 1)
	}
}
