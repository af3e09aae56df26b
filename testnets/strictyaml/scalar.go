package strictyaml

import (
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Bounds of a duration, both included.
type Bounds struct{ Min, Max time.Duration }

// duration decodes a length of time such as 20s or 1m30s.
func (d *Decoder) Duration(n ast.Node, key string, b Bounds, out *time.Duration) {
	s, ok := d.Text(n, key)
	if !ok {
		return
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		hint := "write a number and a unit: 500ms, 20s, 1m30s"
		if _, err := strconv.ParseFloat(s, 64); err == nil {
			hint = "add the unit: " + Shorten(s) + "s"
		}
		d.Failf(NodePos(n), hint, "%s: %q is not a duration", key, Shorten(s))
		return
	}
	switch {
	case v < b.Min:
		d.Failf(NodePos(n), "", "%s: %s is too little, the least is %v", key, Shorten(s), b.Min)
	case v > b.Max:
		d.Failf(NodePos(n), "", "%s: %s is too much, the most is %v", key, Shorten(s), b.Max)
	default:
		*out = v
	}
}

// rate decodes a number per second such as 200/s.
func (d *Decoder) Rate(n ast.Node, key string, most float64, out *float64) {
	s, ok := d.Text(n, key)
	if !ok {
		return
	}
	number, slash := strings.CutSuffix(s, "/s")
	v, isNumber := Decimal(number)
	switch {
	case !isNumber || !slash:
		hint := "write a number per second: 20/s, 0.5/s"
		if isNumber && !slash {
			hint = "write it per second: " + Shorten(number) + "/s"
		}
		d.Failf(NodePos(n), hint, "%s: %q is not a rate", key, Shorten(s))
	case v > most:
		d.Failf(NodePos(n), "", "%s: %s is too much, the most is %s/s", key, s, strconv.FormatFloat(most, 'f', -1, 64))
	default:
		*out = v
	}
}

// decimal reads digits with at most one point, and nothing else that Go would take for a number.
func Decimal(s string) (float64, bool) {
	if s == "" || strings.Trim(s, "0123456789.") != "" || len(s) > 32 {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil
}

// integer decodes a whole number from least to most.
func (d *Decoder) Integer(n ast.Node, key string, least, most int, out *int) {
	s, ok := d.Text(n, key)
	if !ok {
		return
	}
	v, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err != nil:
		d.Failf(NodePos(n), "", "%s: %q is not a whole number from %d to %d", key, Shorten(s), least, most)
	case v < int64(least) || v > int64(most):
		d.Failf(NodePos(n), "", "%s: %d is out of range, %d to %d", key, v, least, most)
	default:
		*out = int(v)
	}
}

// boolean decodes true or false.
func (d *Decoder) Boolean(n ast.Node, key string, out *bool) {
	s, ok := d.Text(n, key)
	if !ok {
		return
	}
	switch s {
	case "true":
		*out = true
	case "false":
		*out = false
	default:
		d.Failf(NodePos(n), "", "%s: %q is neither true nor false", key, Shorten(s))
	}
}

// MaxName is the most bytes of a scenario's and of a role's name.
const (
	MaxName = 40
	MaxRole = 32
)

// name decodes a name of at most n bytes of a-z, 0-9 and -, with a letter or digit at both ends.
func (d *Decoder) Name(n ast.Node, key string, most int, out *string) {
	s, ok := d.Text(n, key)
	if !ok {
		return
	}
	if !validName(s, most) {
		d.Failf(NodePos(n), "use a-z, 0-9 and -, for example \"slow-links\"",
			"%s: %q is not a name of 1 to %d characters", key, Shorten(s), most)
		return
	}
	*out = s
}

// validName reports whether s can be a name of at most n bytes.
func validName(s string, n int) bool {
	return s != "" && len(s) <= n && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" &&
		s[0] != '-' && s[len(s)-1] != '-'
}

// Shorten cuts a text that is too long for a message.
func Shorten(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "..."
	}
	return s
}

// word decodes one of a few words.
func (d *Decoder) Word(n ast.Node, key string, valid []string, out *string) {
	s, ok := d.Text(n, key)
	if !ok {
		return
	}
	for _, v := range valid {
		if s == v {
			*out = s
			return
		}
	}
	d.Failf(NodePos(n), Suggest(s, "values", valid), "%s: unknown value %q", key, Shorten(s))
}
