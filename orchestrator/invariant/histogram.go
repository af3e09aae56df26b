package invariant

import (
	"math/bits"
	"time"
)

// histogram counts durations in microseconds, in buckets of relative width below 0.1 %: exact up to 2 ms. Its size does
// not depend on what it counts.
type histogram struct {
	counts []uint64
	total  uint64
	max    time.Duration
}

// mantissaBits is the precision of a bucket: 2^10 buckets for each doubling.
const mantissaBits = 10

func bucketOf(d time.Duration) int {
	us := uint64(max(0, d/time.Microsecond))
	if us < 2<<mantissaBits {
		return int(us)
	}
	shift := bits.Len64(us) - mantissaBits - 1
	return shift<<mantissaBits + int(us>>shift)
}

// bucketFloor is the least duration of a bucket.
func bucketFloor(i int) time.Duration {
	if i < 2<<mantissaBits {
		return time.Duration(i) * time.Microsecond
	}
	shift := i>>mantissaBits - 1
	return time.Duration(uint64(i-shift<<mantissaBits)<<shift) * time.Microsecond
}

func (h *histogram) add(d time.Duration) {
	i := bucketOf(d)
	for len(h.counts) <= i {
		h.counts = append(h.counts, make([]uint64, i+1-len(h.counts))...)
	}
	h.counts[i]++
	h.total++
	h.max = max(h.max, d)
}

// quantile is the smallest value with a share q of the values at or below it, rounded down to its bucket.
func (h *histogram) quantile(q float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	need := uint64(q * float64(h.total))
	if float64(need) < q*float64(h.total) || need == 0 {
		need++
	}
	var sum uint64
	for i, n := range h.counts {
		if sum += n; sum >= need {
			return bucketFloor(i)
		}
	}
	return h.max
}
