package invariant

import (
	"testing"
	"time"
)

func TestRound(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 1234 * time.Nanosecond: "1µs", 999 * time.Microsecond: "999µs", 1549 * time.Microsecond: "1.5ms",
		123456 * time.Microsecond: "123ms", 1591 * time.Millisecond: "1.59s", -1591 * time.Millisecond: "-1.59s",
		61234 * time.Millisecond: "1m1.23s",
	} {
		if got := Round(d).String(); got != want {
			t.Errorf("%v: %q, want %q", int64(d), got, want)
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range []string{"0 blocks", "1 block", "2 blocks"} {
		if got := Count(n, "block"); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
