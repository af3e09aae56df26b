package external

import (
	"encoding/json"
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestWhole(t *testing.T) {
	huge, _ := new(big.Int).SetString("99999999999999999999", 10)
	for _, c := range []struct {
		in   any
		want uint64
		ok   bool
	}{
		{7, 7, true}, {-1, 0, false}, {7.0, 7, true}, {7.5, 0, false}, {-7.0, 0, false}, {math.NaN(), 0, false}, {1e300, 0, false},
		{json.Number("18446744073709551615"), math.MaxUint64, true}, {json.Number("1.5"), 0, false},
		{"12", 12, true}, {"0x1f", 31, true}, {"0x", 0, false}, {"", 0, false}, {"x", 0, false}, {"-3", 0, false},
		{big.NewInt(5), 5, true}, {huge, 0, false}, {nil, 0, false}, {true, 0, false}, {[]any{}, 0, false},
	} {
		if got, ok := whole(c.in); ok != c.ok || ok && got != c.want {
			t.Errorf("%v (%T): %d, %v", c.in, c.in, got, ok)
		}
	}
}

func TestMoment(t *testing.T) {
	second := time.Unix(1_700_000_000, 0).UTC()
	for _, c := range []struct {
		in   any
		want time.Time
		ok   bool
	}{
		{1_700_000_000, second, true}, {json.Number("1700000000"), second, true}, {1_700_000_000.5, second.Add(time.Second / 2), true},
		{json.Number("1700000000.5"), second.Add(time.Second / 2), true}, {"0x6553f100", second, true},
		{"2023-11-14T22:13:20Z", second, true}, {"2023-11-14T23:13:20.25+01:00", second.Add(time.Second / 4), true},
		{"yesterday", time.Time{}, false}, {"", time.Time{}, false}, {nil, time.Time{}, false}, {-1, time.Time{}, false},
		{"0xffffffffffffffff", time.Time{}, false}, {1e30, time.Time{}, false}, {json.Number("1e999"), time.Time{}, false},
	} {
		if got, ok := moment(c.in); ok != c.ok || ok && !got.Equal(c.want) {
			t.Errorf("%v: %v, %v", c.in, got, ok)
		}
	}
}

func TestNormal(t *testing.T) {
	for in, want := range map[string]trace.Hash{
		"ABCdef01": "abcdef01", "0xAB": "0xab", "0XAB": "0xab", "": "", "qW5+/A==": "qW5+/A==", "Zz": "Zz",
	} {
		if got := normal(in); got != want {
			t.Errorf("%q became %q", in, got)
		}
	}
	for v, want := range map[any]bool{nil: false, false: false, true: true, 0: true, "": true} {
		if truth(v) != want {
			t.Errorf("truth of %v", v)
		}
	}
}
