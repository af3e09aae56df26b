package pow

import (
	"errors"
	"math"
	"testing"

	"github.com/netsplit/netsplit/node/chain"
)

const startTime = chain.Millis(1_700_000_000_000)

func testGenesis() *chain.Genesis {
	return &chain.Genesis{
		Network:  "pow-test",
		Time:     startTime,
		Bits:     InitialBits(16, 1000),
		Interval: 1000,
		HalfLife: 60_000,
		Subsidy:  50,
	}
}

// grow mines a header with the given time on top of hs.
func grow(t *testing.T, e *Engine, hs chain.Headers, at chain.Millis) chain.Headers {
	t.Helper()
	parent := hs.Ancestor(0)
	h := &chain.Header{Version: 1, Height: parent.Height + 1, Parent: parent.Hash(), Time: at, Bits: e.NextBits(hs)}
	if _, ok := e.Search(h, 1<<20); !ok {
		t.Fatalf("height %d: no proof found", h.Height)
	}
	return append(hs[:len(hs):len(hs)], h)
}

func TestCheckHeader(t *testing.T) {
	g := testGenesis()
	e := New(g)
	hs := chain.Headers{&g.Block().Header}
	for i := range 20 {
		hs = grow(t, e, hs, startTime+chain.Millis(i+1)*1000)
	}
	median := hs[len(hs)-6].Time // of the last 11
	if got := e.MinTime(hs); got != median+1 {
		t.Fatalf("MinTime: got %d, want %d", got, median+1)
	}
	unmined := *grow(t, e, hs, startTime+21_000).Ancestor(0)
	hard := target(t, unmined.Bits)
	for unmined.Nonce = 0; hard.Met(unmined.Hash()); unmined.Nonce++ {
	}
	otherBits := *grow(t, e, hs, startTime+21_000).Ancestor(0)
	otherBits.Bits = chain.MaxBits

	for _, c := range []struct {
		name string
		h    *chain.Header
		now  chain.Millis
		want error
	}{
		{"on time", grow(t, e, hs, startTime+21_000).Ancestor(0), startTime + 21_000, nil},
		{"earliest", grow(t, e, hs, median+1).Ancestor(0), startTime + 21_000, nil},
		{"at the median", grow(t, e, hs, median).Ancestor(0), startTime + 21_000, chain.ErrTimeOld},
		{"before all", grow(t, e, hs, math.MinInt64).Ancestor(0), startTime + 21_000, chain.ErrTimeOld},
		{"as far ahead as allowed", grow(t, e, hs, startTime+21_000+MaxAhead).Ancestor(0), startTime + 21_000, nil},
		{"too far ahead", grow(t, e, hs, startTime+21_001+MaxAhead).Ancestor(0), startTime + 21_000, chain.ErrFuture},
		{"end of time", grow(t, e, hs, math.MaxInt64).Ancestor(0), startTime + 21_000, chain.ErrFuture},
		{"no proof", &unmined, startTime + 21_000, chain.ErrProof},
		{"easier bits", &otherBits, startTime + 21_000, chain.ErrBits},
	} {
		err := e.CheckHeader(c.h, hs, c.now)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
		if invalid := errors.Is(err, chain.ErrInvalid); invalid != (c.want != nil && c.want != chain.ErrFuture) {
			t.Errorf("%s: wraps ErrInvalid: %v (%v)", c.name, invalid, err)
		}
	}
}

func TestMinTime_ShortBranches(t *testing.T) {
	e := New(testGenesis())
	var hs chain.Headers
	for _, c := range []struct{ time, want chain.Millis }{
		{0, 1},
		{10, 11}, // the upper one of two
		{5, 6},   // times need not ascend
	} {
		hs = append(hs, &chain.Header{Time: startTime + c.time})
		if got := e.MinTime(hs); got != startTime+c.want {
			t.Errorf("%d headers: got +%d, want +%d", len(hs), got-startTime, c.want)
		}
	}
}

func TestNextBits_ReferenceIsBlockOne(t *testing.T) {
	g := testGenesis()
	e := New(g)
	hs := chain.Headers{&g.Block().Header}
	if got := e.NextBits(hs); got != g.Bits {
		t.Fatalf("block 1: got %08x, want genesis' %08x", got, g.Bits)
	}
	// Mining starts an hour after genesis: the schedule counts from block 1.
	late := startTime + 3_600_000
	for i := range chain.Millis(5) {
		hs = append(hs, &chain.Header{Height: chain.Height(i) + 1, Time: late + i*g.Interval})
		if got := e.NextBits(hs); got != g.Bits {
			t.Errorf("on schedule, child of %d: got %08x, want %08x", i+1, got, g.Bits)
		}
	}
	hs = append(hs, &chain.Header{Height: 6, Time: late + 5*g.Interval + g.HalfLife})
	want := target(t, g.Bits).Int()
	if got := e.NextBits(hs); got != chain.TargetFromInt(want.Lsh(want, 1)).Bits() {
		t.Errorf("one half-life late: got %08x, want twice %08x", got, g.Bits)
	}
}

func TestNew_PanicsOnInvalidGenesis(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	New(&chain.Genesis{})
}
