package invariant

import (
	"fmt"
	"strings"
	"time"
)

// Round gives a duration the precision that people read, three or four digits. All that prints times of a run uses it, so
// that a figure looks the same wherever it stands.
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

// coarse is Round for times that are not known to fractions of a millisecond.
func coarse(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return Round(d)
	}
	return Round(d.Round(time.Millisecond))
}

// Between prints a time that is known to lie from low to high: "44.1ms" where they are one, "< 512ms" where low is nothing,
// "150..650ms" else.
func Between(low, high time.Duration) string {
	if low == high {
		return Round(high).String()
	}
	from, to := coarse(low).String(), coarse(high).String()
	switch {
	case from == to:
		return to
	case coarse(low) <= 0:
		return "< " + to
	}
	const digits = "0123456789."
	if unit := strings.TrimLeft(to, digits); strings.TrimLeft(from, digits) == unit {
		from = strings.TrimSuffix(from, unit)
	}
	return from + ".." + to
}

// Count prints a number of things: "1 node", "2 nodes".
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
