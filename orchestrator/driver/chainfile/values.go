package chainfile

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
		return time.Unix(int64(sec), int64(frac*1e9)).UTC(), true
	}
	if s, ok := v.(json.Number); ok {
		if f, err := s.Float64(); err == nil {
			return moment(f)
		}
	}
	if n, ok := whole(v); ok {
		return time.Unix(int64(n), 0).UTC(), n < 1<<40
	}
	s, _ := v.(string)
	t, err := time.Parse(time.RFC3339Nano, s)
	return t.UTC(), err == nil
}

// truth reports what jq takes for true: all but null and false.
func truth(v any) bool { return v != nil && v != false }

// normal gives a hash the one form in which it is compared: hex in lower case; what is not hex stays as it is.
func normal(s string) trace.Hash {
	digits := strings.TrimPrefix(strings.TrimPrefix(s, "0x"), "0X")
	if strings.Trim(digits, "0123456789abcdefABCDEF") == "" {
		return trace.Hash(strings.ToLower(s))
	}
	return trace.Hash(s)
}
