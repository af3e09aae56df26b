package invariant

import (
	"math"
	"math/bits"
	"slices"
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

// Delays are percentiles of how long blocks took to arrive, and the longest. Percentiles are rounded by at most 0.1 %.
type Delays struct {
	P50 time.Duration `json:"p50"`
	P95 time.Duration `json:"p95"`
	P99 time.Duration `json:"p99"`
	Max time.Duration `json:"max"`
}

func (h *histogram) delays() Delays {
	return Delays{P50: h.quantile(.50), P95: h.quantile(.95), P99: h.quantile(.99), Max: h.max}
}

// span is a delay: the difference of the recorded times, and the least and the most that it can have been.
type span struct{ recorded, low, high time.Duration }

// spans counts delays. When each lies between its ends, then each percentile lies between those of all lower and of all
// upper ends.
type spans struct {
	recorded, low, high histogram
	uncertain           bool // some delay is not known exactly
}

func (s *spans) add(d span) {
	s.recorded.add(d.recorded)
	s.low.add(d.low)
	s.high.add(d.high)
	s.uncertain = s.uncertain || d.low != d.high
}

// metrics are the figures for machines: p50_seconds and so on, and where they are not exact their ends
// p50_low_seconds and p50_high_seconds.
func (s *spans) metrics(into map[string]float64) {
	put := func(suffix string, d Delays) {
		into["p50"+suffix], into["p95"+suffix] = d.P50.Seconds(), d.P95.Seconds()
		into["p99"+suffix], into["max"+suffix] = d.P99.Seconds(), d.Max.Seconds()
	}
	put("_seconds", s.recorded.delays())
	if s.uncertain {
		put("_low_seconds", s.low.delays())
		put("_high_seconds", s.high.delays())
	}
}

// poissonFloor is the largest k with P(X < k) < alpha for X Poisson-distributed with the given mean: fewer than k when mean
// were expected are no random variation.
func poissonFloor(mean, alpha float64) int {
	if !(mean > 0) || math.IsInf(mean, 1) {
		return 0
	}
	if mean > largePoisson {
		return int(min(max(0, mean-sigmas(alpha)*math.Sqrt(mean)-1), math.MaxInt/2))
	}
	sum := 0.0
	logTerm := -mean // log P(X = k)
	for k := 0; ; k++ {
		if sum += math.Exp(logTerm); sum >= alpha {
			return k
		}
		logTerm += math.Log(mean) - math.Log(float64(k+1))
	}
}

// poissonCeiling is the least k with P(X > k) < alpha for X Poisson-distributed with the given mean: more than k when mean were
// expected are no random variation.
func poissonCeiling(mean, alpha float64) int {
	if math.IsInf(mean, 1) || math.IsNaN(mean) {
		return math.MaxInt
	}
	mean = max(mean, 0)
	if mean > largePoisson {
		return int(min(mean+sigmas(alpha)*math.Sqrt(mean)+sigmas(alpha)*sigmas(alpha), math.MaxInt/2))
	}
	// P(X > k) is summed from far above, where terms no longer count, down to k.
	k := int(mean+40*math.Sqrt(mean)) + 100
	sum := 0.0
	for ; k > 0; k-- {
		lg, _ := math.Lgamma(float64(k + 1))
		if sum += math.Exp(float64(k)*math.Log(mean) - mean - lg); sum >= alpha {
			return k
		}
	}
	return 0
}

// ratioFloor is poissonFloor for a mean that is itself an estimate, in proportion to a count of from Poisson-distributed events:
// of both counts together, the second has the share mean / (mean + from) (binomial). Fewer than the floor are no random variation.
func ratioFloor(mean float64, from int, alpha float64) int {
	if !(mean > 0) || from <= 0 || math.IsInf(mean, 1) {
		return 0
	}
	n := float64(from)
	if mean+n > largeRatio {
		return int(min(max(0, mean-sigmas(alpha)*math.Sqrt(mean+mean*mean/n)-1), math.MaxInt/2))
	}
	// P(X <= k) of from+k is P(the second count reaches k+1 after the first reaches from) (negative binomial): it is summed up.
	logP, logQ := math.Log(mean/(mean+n)), math.Log(n/(mean+n))
	sum := 0.0
	for k := 0; ; k++ {
		if sum += math.Exp(logChoose(from+k-1, k) + float64(k)*logP + n*logQ); sum >= alpha {
			return k
		}
	}
}

// ratioCeiling is poissonCeiling for such a mean.
func ratioCeiling(mean float64, from int, alpha float64) int {
	if !(mean >= 0) || from <= 0 || math.IsInf(mean, 1) {
		return math.MaxInt
	}
	n := float64(from)
	if mean+n > largeRatio {
		z := sigmas(alpha)
		return int(min(mean+z*math.Sqrt(mean+mean*mean/n)+z*z*(1+mean/n), math.MaxInt/2))
	}
	logP, logQ := math.Log(mean/(mean+n)), math.Log(n/(mean+n))
	sum := 0.0
	for k := 0; ; k++ {
		term := n * logQ
		if k > 0 {
			term += logChoose(from+k-1, k) + float64(k)*logP
		}
		if sum += math.Exp(term); 1-sum < alpha {
			return k
		}
	}
}

// largeRatio is from where on the distribution of such counts is taken for a normal one.
const largeRatio = 1e5

// logChoose is the logarithm of the number of ways to choose b of a.
func logChoose(a, b int) float64 {
	x, _ := math.Lgamma(float64(a + 1))
	y, _ := math.Lgamma(float64(b + 1))
	z, _ := math.Lgamma(float64(a - b + 1))
	return x - y - z
}

// largePoisson is the mean from which on a Poisson distribution is taken for a normal one.
const largePoisson = 1e5

// sigmas is how many standard deviations a normal distribution exceeds with a probability.
func sigmas(alpha float64) float64 { return math.Sqrt2 * math.Erfinv(1-2*alpha) }

// maxFalseAlarm is the probability with which one bound of fault_accuracy may fail an engine that does as it should.
const maxFalseAlarm = 1e-6

// median of a list, which it sorts; zero for an empty one.
func median(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[len(d)/2]
}

// varyingDelays are the delays of packets on links whose delay varies evenly in a range: how far each is from the middle.
type varyingDelays struct {
	errors  []time.Duration
	jitters []time.Duration // half the range, of each
}

func (v *varyingDelays) add(off, jitter time.Duration) {
	v.errors, v.jitters = append(v.errors, off), append(v.jitters, jitter)
}

// medianZ is the number of standard errors that a median exceeds, on either side, with a probability of maxFalseAlarm.
const medianZ = 4.9

// median returns the median error with its standard error: 1 / (2 f sqrt(n)), with the density f = 1 / (2 jitter) of the
// packets that vary most; for a small n the true tails are shorter.
func (v *varyingDelays) median() delayError {
	standard := float64(slices.Max(v.jitters)) / math.Sqrt(float64(len(v.errors)))
	return delayError{off: median(slices.Clone(v.errors)), standard: time.Duration(standard)}
}

// spread estimates the jitter of packets that should have the given one: the middle half of an even distribution is as wide
// as half its range.
func (v *varyingDelays) spread(jitter time.Duration) time.Duration {
	scaled := make([]time.Duration, len(v.errors))
	for i, off := range v.errors {
		scaled[i] = time.Duration(float64(off) / float64(v.jitters[i]) * float64(jitter))
	}
	slices.Sort(scaled)
	n := len(scaled)
	return scaled[(3*n-1)/4] - scaled[n/4]
}

// distance compares the distribution of the packets' places in their ranges with the even one: the Kolmogorov-Smirnov
// distance, and the limit that it exceeds with a probability of maxFalseAlarm at most (Dvoretzky, Kiefer, Wolfowitz, Massart).
// An error that all packets have in common, up to shift, is left aside, and so are packets with less jitter than that.
func (v *varyingDelays) distance(shift time.Duration) (d, limit float64) {
	common := min(max(v.median().off, -shift), shift)
	var plain, shifted []float64
	for i, off := range v.errors {
		if j := float64(v.jitters[i]); v.jitters[i] >= shift {
			plain = append(plain, (float64(off)/j+1)/2)
			shifted = append(shifted, (float64(off-common)/j+1)/2)
		}
	}
	n := float64(len(plain))
	if n == 0 {
		return 0, 1
	}
	return min(fromEven(plain), fromEven(shifted)), math.Sqrt(math.Log(2/maxFalseAlarm) / (2 * n))
}

// fromEven is the largest difference between the distribution of values and the even one on 0..1.
func fromEven(values []float64) (d float64) {
	slices.Sort(values)
	n := float64(len(values))
	for i, x := range values {
		x = min(max(x, 0), 1)
		d = max(d, x-float64(i)/n, float64(i+1)/n-x)
	}
	return d
}

// edgeOfRange is how far from the middle the end of a range begins in which all n packets of one of a number of links lie
// with a probability of maxFalseAlarm, for both ends together.
func edgeOfRange(jitter time.Duration, n, links int) time.Duration {
	share := math.Pow(maxFalseAlarm/2/float64(links), 1/float64(n)) // of the range
	return time.Duration((1 - 2*share) * float64(jitter))
}
