package invariant

import "time"

// Delays are percentiles of how long blocks took to arrive, and the longest. Percentiles are to 0.1 %.
type Delays struct {
	P50 time.Duration `json:"p50"`
	P95 time.Duration `json:"p95"`
	P99 time.Duration `json:"p99"`
	Max time.Duration `json:"max"`
}

func (h *histogram) delays() Delays {
	return Delays{P50: h.quantile(.50), P95: h.quantile(.95), P99: h.quantile(.99), Max: h.max}
}

// span is a delay: as told, and the least and the most that it can have been.
type span struct{ told, low, high time.Duration }

// spans counts delays. When each lies between its ends, then each percentile lies between those of all lower and of all
// upper ends.
type spans struct {
	told, low, high histogram
	loose           bool // some delay is not known exactly
}

func (s *spans) add(d span) {
	s.told.add(d.told)
	s.low.add(d.low)
	s.high.add(d.high)
	s.loose = s.loose || d.low != d.high
}

// metrics are the figures for machines: p50_seconds and so on as told, and where they are not exact their ends
// p50_low_seconds and p50_high_seconds.
func (s *spans) metrics(into map[string]float64) {
	put := func(suffix string, d Delays) {
		into["p50"+suffix], into["p95"+suffix] = d.P50.Seconds(), d.P95.Seconds()
		into["p99"+suffix], into["max"+suffix] = d.P99.Seconds(), d.Max.Seconds()
	}
	put("_seconds", s.told.delays())
	if s.loose {
		put("_low_seconds", s.low.delays())
		put("_high_seconds", s.high.delays())
	}
}

// exactFigures says which figures are exact, with low and high for their ends: "times", "exact times" when some are ranges,
// or nothing.
func exactFigures(low, high Delays) string {
	switch {
	case low == high:
		return "times"
	case low.P50 == high.P50 || low.P95 == high.P95 || low.P99 == high.P99 || low.Max == high.Max:
		return "exact times"
	}
	return ""
}
