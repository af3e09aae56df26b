package testnets

import (
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// bounds of a duration, both included.
type bounds struct{ min, max time.Duration }

// duration decodes a length of time such as 20s or 1m30s.
func (d *decoder) duration(n ast.Node, key string, b bounds, out *time.Duration) {
	s, ok := d.text(n, key)
	if !ok {
		return
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		hint := "write a number and a unit: 500ms, 20s, 1m30s"
		if _, err := strconv.ParseFloat(s, 64); err == nil {
			hint = "add the unit: " + shorten(s) + "s"
		}
		d.failf(nodePos(n), hint, "%s: %q is not a duration", key, shorten(s))
		return
	}
	switch {
	case v < b.min:
		d.failf(nodePos(n), "", "%s: %s is too little, the least is %v", key, shorten(s), b.min)
	case v > b.max:
		d.failf(nodePos(n), "", "%s: %s is too much, the most is %v", key, shorten(s), b.max)
	default:
		*out = v
	}
}

// rate decodes a number per second such as 200/s.
func (d *decoder) rate(n ast.Node, key string, most float64, out *float64) {
	s, ok := d.text(n, key)
	if !ok {
		return
	}
	number, slash := strings.CutSuffix(s, "/s")
	v, isNumber := decimal(number)
	switch {
	case !isNumber || !slash:
		hint := "write a number per second: 20/s, 0.5/s"
		if isNumber && !slash {
			hint = "write it per second: " + shorten(number) + "/s"
		}
		d.failf(nodePos(n), hint, "%s: %q is not a rate", key, shorten(s))
	case v > most:
		d.failf(nodePos(n), "", "%s: %s is too much, the most is %s/s", key, s, strconv.FormatFloat(most, 'f', -1, 64))
	default:
		*out = v
	}
}

// decimal reads digits with at most one point, and nothing else that Go would take for a number.
func decimal(s string) (float64, bool) {
	if s == "" || strings.Trim(s, "0123456789.") != "" || len(s) > 32 {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil
}

// integer decodes a whole number from least to most.
func (d *decoder) integer(n ast.Node, key string, least, most int, out *int) {
	s, ok := d.text(n, key)
	if !ok {
		return
	}
	v, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err != nil:
		d.failf(nodePos(n), "", "%s: %q is not a whole number from %d to %d", key, shorten(s), least, most)
	case v < int64(least) || v > int64(most):
		d.failf(nodePos(n), "", "%s: %d is out of range, %d to %d", key, v, least, most)
	default:
		*out = int(v)
	}
}

// seed decodes a number of 64 bits.
func (d *decoder) seed(n ast.Node, out *uint64) {
	s, ok := d.text(n, "seed")
	if !ok {
		return
	}
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		d.failf(nodePos(n), "", "seed: %q is not a whole number from 0 to 18446744073709551615", shorten(s))
		return
	}
	*out = v
}

// boolean decodes true or false.
func (d *decoder) boolean(n ast.Node, key string, out *bool) {
	s, ok := d.text(n, key)
	if !ok {
		return
	}
	switch s {
	case "true":
		*out = true
	case "false":
		*out = false
	default:
		d.failf(nodePos(n), "", "%s: %q is neither true nor false", key, shorten(s))
	}
}

// maxName is the most bytes of a scenario's and of a role's name.
const (
	maxName = 40
	maxRole = 32
)

// name decodes a name of at most n bytes of a-z, 0-9 and -, with a letter or digit at both ends.
func (d *decoder) name(n ast.Node, key string, most int, out *string) {
	s, ok := d.text(n, key)
	if !ok {
		return
	}
	if !validName(s, most) {
		d.failf(nodePos(n), "use a-z, 0-9 and -, for example \"slow-links\"",
			"%s: %q is not a name of 1 to %d characters", key, shorten(s), most)
		return
	}
	*out = s
}

// validName reports whether s can be a name of at most n bytes.
func validName(s string, n int) bool {
	return s != "" && len(s) <= n && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" &&
		s[0] != '-' && s[len(s)-1] != '-'
}

// shorten cuts a text that is too long for a message.
func shorten(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "..."
	}
	return s
}

// word decodes one of a few words.
func (d *decoder) word(n ast.Node, key string, valid []string, out *string) {
	s, ok := d.text(n, key)
	if !ok {
		return
	}
	for _, v := range valid {
		if s == v {
			*out = s
			return
		}
	}
	d.failf(nodePos(n), suggest(s, "values", valid), "%s: unknown value %q", key, shorten(s))
}
