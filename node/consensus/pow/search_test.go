package pow

import (
	"math"
	"testing"

	"github.com/netsplit/netsplit/node/chain"
)

func TestSearcher_Hash(t *testing.T) {
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
	needed := 1
	for ; !tg.Met(first.Hash()); first.Nonce++ {
		needed++
	}
	if needed < 20 {
		t.Fatalf("found after %d attempts: pick another header", needed)
	}
	// In several calls, each of which continues where the last one stopped.
	total, found := 0, false
	for !found {
		var n int
		n, found = e.Search(&h, 7)
		if !found && n != 7 {
			t.Fatalf("stopped after %d of 7 attempts", n)
		}
		total += n
	}
	if h.Nonce != first.Nonce || total != needed {
		t.Errorf("got nonce %d after %d attempts, want %d after %d", h.Nonce, total, first.Nonce, needed)
	}
	if n, ok := e.Search(&h, 0); n != 0 || ok {
		t.Errorf("no attempts: got %d, %v", n, ok)
	}
	h.Bits = 0
	if n, ok := e.Search(&h, 5); n != 0 || ok {
		t.Errorf("malformed bits: got %d, %v", n, ok)
	}
}

func TestSearcher_DoesNotAllocate(t *testing.T) {
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
