package trace

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

func TestFormatRange(t *testing.T) {
	const us, ms = time.Microsecond, time.Millisecond
	for _, c := range []struct {
		low, high time.Duration
		want      string
	}{
		{0, 0, "0s"}, {44_120 * us, 44_120 * us, "44.1ms"}, {0, 512 * ms, "< 512ms"}, {150 * ms, 650 * ms, "150..650ms"},
		{650 * ms, 1200 * ms, "650ms..1.2s"}, {1200 * ms, 3456 * ms, "1.2..3.46s"}, {44_120 * us, 44_130 * us, "44ms"},
		{900 * us, 12 * ms, "900µs..12ms"}, {5800 * us, 7 * ms, "5.8..7ms"}, {55 * time.Second, 65 * time.Second, "55s..1m5s"},
		{63 * time.Second, 65 * time.Second, "1m3s..1m5s"}, {200 * time.Nanosecond, ms, "< 1ms"},
	} {
		if got := FormatRange(c.low, c.high); got != c.want {
			t.Errorf("%v to %v: %q, want %q", c.low, c.high, got, c.want)
		}
	}
}

func TestFormatUncertain(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		d, resolution time.Duration
		want          string
	}{
		{1562 * ms, 0, "1.56s"}, {40 * ms, 100 * ms, "< 100ms"}, {1562 * ms, 100 * ms, "1.56s ± 100ms"},
	} {
		if got := FormatUncertain(c.d, c.resolution); got != c.want {
			t.Errorf("%v ± %v: %q, want %q", c.d, c.resolution, got, c.want)
		}
	}
}
