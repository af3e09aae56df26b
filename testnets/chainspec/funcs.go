package chainspec

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"reflect"
	"strconv"
	"strings"
	"text/template"
	"time"
)

// textFuncs are the functions of a text, beside those of text/template. Their errors do not quote values, which may be
// secrets.
var textFuncs = template.FuncMap{
	"json":    jsonText,    // a value as JSON
	"int":     wholeNumber, // a number, decimal text or 0x text as a whole number
	"join":    joinText,    // a list and what to put between; in either order
	"hex":     hexText,     // bytes, text or a whole number in hex, without 0x
	"add":     func(n ...any) (int64, error) { return fold(0, n, addInt) },
	"mul":     func(n ...any) (int64, error) { return fold(1, n, mulInt) },
	"seconds": seconds, // a duration as a number of seconds
	"millis":  millis,  // a duration as a whole number of milliseconds
	"upper":   printer(func(v ...any) string { return strings.ToUpper(fmt.Sprint(v...)) }),
	"lower":   printer(func(v ...any) string { return strings.ToLower(fmt.Sprint(v...)) }),
	"quote":   quoted, // as a JSON string
}

func quoted(v any) (string, error) {
	if _, err := writable(v); err != nil {
		return "", err
	}
	return jsonText(fmt.Sprint(v))
}

func jsonText(v any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", fmt.Errorf("a %T has no JSON", v)
	}
	return printed(strings.TrimSuffix(b.String(), "\n"))
}

var errNotWhole = errors.New("the value is not a whole number of 64 bits")

func wholeNumber(v any) (int64, error) {
	switch r := reflect.ValueOf(v); {
	case !r.IsValid():
		return 0, errNotWhole
	case r.CanInt():
		return r.Int(), nil
	case r.CanUint():
		if r.Uint() > math.MaxInt64 {
			return 0, errNotWhole
		}
		return int64(r.Uint()), nil
	case r.CanFloat():
		// 2^63 itself is a float, and one too many.
		if f := r.Float(); f == math.Trunc(f) && f >= math.MinInt64 && f < math.MaxInt64 {
			return int64(f), nil
		}
		return 0, errNotWhole
	case r.Kind() == reflect.String:
		s := strings.TrimSpace(r.String())
		base := 10
		if digits, ok := strings.CutPrefix(s, "0x"); ok {
			s, base = digits, 16
		}
		n, err := strconv.ParseInt(s, base, 64)
		if err != nil {
			return 0, errNotWhole
		}
		return n, nil
	}
	return 0, errNotWhole
}

func joinText(a, b any) (string, error) {
	list, between := reflect.ValueOf(a), b
	if list.Kind() != reflect.Slice {
		list, between = reflect.ValueOf(b), a
	}
	if list.Kind() != reflect.Slice {
		return "", errors.New("there is no list to join")
	}
	parts := make([]string, list.Len())
	for i := range parts {
		v, err := writable(list.Index(i).Interface())
		if err != nil {
			return "", err
		}
		parts[i] = fmt.Sprint(v)
	}
	if _, err := writable(between); err != nil {
		return "", err
	}
	text := fmt.Sprint(between)
	size := len(text) * len(parts)
	for _, part := range parts {
		size += len(part)
	}
	if size > MaxRendered {
		return "", errTooLong
	}
	return strings.Join(parts, text), nil
}

func hexText(v any) (string, error) {
	switch v := v.(type) {
	case []byte:
		return printed(hex.EncodeToString(v))
	case string:
		return printed(hex.EncodeToString([]byte(v)))
	case uint64:
		return strconv.FormatUint(v, 16), nil
	}
	n, err := wholeNumber(v)
	if err != nil || n < 0 {
		return "", errors.New("the value is neither bytes nor text nor a whole number from 0")
	}
	return strconv.FormatInt(n, 16), nil
}

var errOverflow = errors.New("the result does not fit into 64 bits")

func fold(n int64, values []any, op func(a, b int64) (int64, bool)) (int64, error) {
	for _, v := range values {
		m, err := wholeNumber(v)
		if err != nil {
			return 0, err
		}
		var ok bool
		if n, ok = op(n, m); !ok {
			return 0, errOverflow
		}
	}
	return n, nil
}

func addInt(a, b int64) (int64, bool) {
	sum := a + b
	return sum, (sum > a) == (b > 0)
}

func mulInt(a, b int64) (int64, bool) {
	hi, lo := bits.Mul64(magnitude(a), magnitude(b))
	if hi != 0 || lo > math.MaxInt64 {
		return 0, false
	}
	return a * b, true
}

// magnitude is the absolute value, which for the least number does not fit its type.
func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

func seconds(v any) (any, error) {
	d, err := toDuration(v)
	if err != nil {
		return nil, err
	}
	if d%time.Second == 0 {
		return int64(d / time.Second), nil
	}
	return d.Seconds(), nil
}

func millis(v any) (int64, error) {
	d, err := toDuration(v)
	return d.Milliseconds(), err
}

func toDuration(v any) (time.Duration, error) {
	switch v := v.(type) {
	case time.Duration:
		return v, nil
	case string:
		if d, err := time.ParseDuration(v); err == nil {
			return d, nil
		}
	}
	return 0, errors.New("the value is not a duration")
}
