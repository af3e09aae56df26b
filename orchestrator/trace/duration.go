package trace

import (
	"fmt"
	"strings"
	"time"
)

// Round rounds a duration to the three or four digits that people read: to 10ms from a second on, to 1ms from 100ms on, to
// 100µs from a millisecond on, else to a microsecond. Everything that prints a time of a run uses it.
func Round(d time.Duration) time.Duration {
	switch {
	case d.Abs() >= time.Second:
		return d.Round(10 * time.Millisecond)
	case d.Abs() >= 100*time.Millisecond:
		return d.Round(time.Millisecond)
	case d.Abs() >= time.Millisecond:
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Microsecond)
}

// roundUncertain is Round for times that are not known to fractions of a millisecond.
func roundUncertain(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return Round(d)
	}
	return Round(d.Round(time.Millisecond))
}

// FormatRange prints a duration that lies between low and high: "44.1ms" where they are equal, "< 512ms" where low is zero,
// else "150..650ms".
func FormatRange(low, high time.Duration) string {
	if low == high {
		return Round(high).String()
	}
	from, to := roundUncertain(low).String(), roundUncertain(high).String()
	switch {
	case from == to:
		return to
	case roundUncertain(low) <= 0:
		return "< " + to
	}
	const digits = "0123456789."
	if unit := strings.TrimLeft(to, digits); strings.TrimLeft(from, digits) == unit {
		from = strings.TrimSuffix(from, unit)
	}
	return from + ".." + to
}

// FormatUncertain prints a duration that was measured with a resolution: "1.56s" where that is zero (exact), "< 100ms" for
// a duration below it, else "1.56s ± 100ms".
func FormatUncertain(d, resolution time.Duration) string {
	switch {
	case resolution == 0:
		return Round(d).String()
	case d < resolution:
		return fmt.Sprintf("< %s", roundUncertain(resolution))
	}
	return fmt.Sprintf("%s ± %s", roundUncertain(d), roundUncertain(resolution))
}
