package chain

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

func TestTargetFromBits(t *testing.T) {
	for _, c := range []struct {
		bits uint32
		mant int64
		lsh  uint
	}{
		{0x01010000, 1, 0}, {0x017f0000, 0x7f, 0}, {0x02008000, 0x80, 0}, {0x03123456, 0x123456, 0},
		{0x1d00ffff, 0xffff, 208}, {0x1802aee8, 0x02aee8, 168}, {0x207fffff, 0x7fffff, 232}, {MaxBits, 0xffff, 240},
	} {
		got, err := TargetFromBits(c.bits)
		target := new(big.Int).Lsh(big.NewInt(c.mant), c.lsh)
		if err != nil || got.Int().Cmp(target) != 0 {
			t.Errorf("%08x: got %x, %v; want %x", c.bits, got, err, target)
		}
		if got.Bits() != c.bits {
			t.Errorf("%08x: round trip gives %08x", c.bits, got.Bits())
		}
		work := WorkOf(c.bits)
		want := new(big.Int).Lsh(big.NewInt(1), 256)
		want.Quo(want, target.Add(target, big.NewInt(1)))
		if new(big.Int).SetBytes(work[:]).Cmp(want) != 0 {
			t.Errorf("%08x: work %s, want %x", c.bits, work, want)
		}
	}
	for _, bits := range []uint32{
		0, 0x01000000, 0x00010000, 0x01003456, 0x1d80ffff, // zero, fractions, negative
		0x1d00007f, 0x04000001, 0x02000080, // not canonical
		0x21010000, 0x22000001, 0x2200ffff, 0xff000001, 0xff7fffff, // too large
	} {
		if got, err := TargetFromBits(bits); err == nil {
			t.Errorf("%08x: accepted as %x", bits, got)
		}
		if WorkOf(bits) != (Work{}) {
			t.Errorf("%08x: WorkOf is not zero", bits)
		}
	}
}

// Every compact form that is accepted is the canonical one, and compact forms round down by less than 2^-15.
func TestTarget_BitsRoundDown(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for range 20000 {
		bits := rng.Uint32() % 0x22000000
		if tg, err := TargetFromBits(bits); err == nil && tg.Bits() != bits {
			t.Fatalf("%08x: accepted, but canonical is %08x", bits, tg.Bits())
		}
		n := new(big.Int).SetUint64(rng.Uint64() | 1<<63)
		n.Lsh(n, rng.UintN(192))
		tg := TargetFromInt(n)
		back, err := TargetFromBits(tg.Bits())
		if err != nil {
			t.Fatalf("%x: %v", tg, err)
		}
		lost := new(big.Int).Sub(tg.Int(), back.Int())
		if lost.Sign() < 0 || lost.Lsh(lost, 15).Cmp(tg.Int()) >= 0 {
			t.Fatalf("%x became %x", tg, back)
		}
	}
}

func TestTargetFromInt_Clamps(t *testing.T) {
	huge := new(big.Int).Lsh(big.NewInt(1), 300)
	full := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	for _, c := range []struct {
		n    *big.Int
		want Target
	}{{big.NewInt(-5), Target{31: 1}}, {big.NewInt(0), Target{31: 1}}, {big.NewInt(258), Target{30: 1, 31: 2}}, {full, MaxTarget()}, {huge, MaxTarget()}} {
		if got := TargetFromInt(c.n); got != c.want {
			t.Errorf("%x: got %x, want %x", c.n, got, c.want)
		}
	}
}

func TestWork_Add(t *testing.T) {
	var top Work
	for i := range top {
		top[i] = 0xff
	}
	one := Work{31: 1}
	for _, c := range []struct{ a, b, want Work }{
		{Work{}, one, one},
		{Work{24: 0xff, 25: 0xff, 26: 0xff, 27: 0xff, 28: 0xff, 29: 0xff, 30: 0xff, 31: 0xff}, one, Work{23: 1}},
		{top, one, top},
		{top, top, top},
		{top, Work{}, top},
	} {
		if got := c.a.Add(c.b); got != c.want {
			t.Errorf("%s + %s: got %s, want %s", c.a, c.b, got, c.want)
		}
	}
	if one.Cmp(Work{}) != 1 || one.Cmp(one) != 0 || one.Cmp(top) != -1 {
		t.Error("Cmp does not order as numbers")
	}
}
