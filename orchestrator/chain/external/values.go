package external

import (
	"encoding/json"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// whole reads a whole number from 0, as a JSON number or as decimal or 0x text.
func whole(v any) (uint64, bool) {
	switch v := v.(type) {
	case int:
		return uint64(v), v >= 0
	case float64:
		return uint64(v), v >= 0 && v == math.Trunc(v) && v < 1<<63
	case *big.Int:
		return v.Uint64(), v.IsUint64()
	case json.Number:
		return whole(string(v))
	case string:
		base := 10
		if digits, ok := strings.CutPrefix(v, "0x"); ok {
			v, base = digits, 16
		}
		n, err := strconv.ParseUint(v, base, 64)
		return n, err == nil
	}
	return 0, false
}

// moment reads a time: unix seconds, with a fraction or not, as whole does; or RFC 3339.
func moment(v any) (time.Time, bool) {
	if f, ok := v.(float64); ok && f >= 0 && f < 1<<40 {
		sec, frac := math.Modf(f)
		return fits(time.Unix(int64(sec), int64(frac*1e9)))
	}
	if s, ok := v.(json.Number); ok {
		if f, err := s.Float64(); err == nil {
			return moment(f)
		}
	}
	if n, ok := whole(v); ok {
		if n >= 1<<40 {
			return time.Time{}, false
		}
		return fits(time.Unix(int64(n), 0))
	}
	s, _ := v.(string)
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, false
	}
	return fits(t)
}

// fits reports whether a time can be written down in UTC: RFC 3339, and so the trace, has four digits for the year.
func fits(t time.Time) (time.Time, bool) {
	t = t.UTC()
	return t, t.Year() >= 1 && t.Year() <= 9999
}

// truth reports what jq takes for true: all but null and false.
func truth(v any) bool { return v != nil && v != false }

const (
	// maxHash is the most bytes of a hash, of a transaction's id, and of the name of a block's maker. The longest that are in
	// use have some 100; what is longer is a mistake of the chain file, or an attempt to fill the trace.
	maxHash = trace.MaxName
	// maxTxs is the most bytes that the ids of a block's transactions take in the trace together, so that the block's event
	// fits into a line with room to spare.
	maxTxs = trace.MaxLine / 2
)

// short reports whether a text may be a hash, or something else of which many are kept.
func short(s string) bool { return len(s) <= maxHash }

// hashText reads a hash that is not empty. The hash shares no memory with v, which may be cut out of a whole answer.
func hashText(v any) (trace.Hash, bool) {
	s, _ := v.(string)
	if s == "" || !short(s) {
		return "", false
	}
	return normal(strings.Clone(s)), true
}

// onLine is the most bytes that a text takes in the trace, with its quotes and the comma. A character that JSON escapes
// takes six at most.
func onLine(s string) int {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return 6*len(s) + 3
		}
	}
	return len(s) + 3
}

// normal gives a hash the one form in which it is compared: hex in lower case; what is not hex stays as it is.
func normal(s string) trace.Hash {
	digits := strings.TrimPrefix(strings.TrimPrefix(s, "0x"), "0X")
	if strings.Trim(digits, "0123456789abcdefABCDEF") == "" {
		return trace.Hash(strings.ToLower(s))
	}
	return trace.Hash(s)
}
