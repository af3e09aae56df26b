package strictyaml

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Bounds of a duration, both included.
type Bounds struct{ Min, Max time.Duration }

// Duration decodes a length of time such as 20s or 1m30s.
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
		d.Failf(NodePos(n), "", "%s: %s is too short, the minimum is %v", key, Shorten(s), b.Min)
	case v > b.Max:
		d.Failf(NodePos(n), "", "%s: %s is too long, the maximum is %v", key, Shorten(s), b.Max)
	default:
		*out = v
	}
}

// Rate decodes a number per second such as 200/s.
func (d *Decoder) Rate(n ast.Node, key string, most float64, out *float64) {
	s, ok := d.Text(n, key)
	if !ok {
		return
	}
	number, slash := strings.CutSuffix(s, "/s")
	v, isNumber := decimal(number)
	switch {
	case !isNumber || !slash:
		hint := "write a number per second: 20/s, 0.5/s"
		if isNumber && !slash {
			hint = "write it per second: " + Shorten(number) + "/s"
		}
		d.Failf(NodePos(n), hint, "%s: %q is not a rate", key, Shorten(s))
	case v > most:
		d.Failf(NodePos(n), "", "%s: %s is too much, the maximum is %s/s", key, s, strconv.FormatFloat(most, 'f', -1, 64))
	default:
		*out = v
	}
}

// share decodes a number from 0 to less than 1, or such a fraction.
func (d *Decoder) share(n Node, out *float64) {
	s, ok := d.Text(n.Node, n.Name)
	if !ok {
		return
	}
	v, isNumber := decimal(s)
	if above, below, fraction := strings.Cut(s, "/"); fraction {
		a, errA := strconv.ParseUint(above, 10, 16)
		b, errB := strconv.ParseUint(below, 10, 16)
		v, isNumber = float64(a)/float64(b), errA == nil && errB == nil && b > 0
	}
	switch {
	case !isNumber:
		d.Failf(NodePos(n.Node), "write 0, 2/3 or 0.5", "%s: %q is neither a number nor a fraction", n.Name, Shorten(s))
	case v >= 1 || math.IsNaN(v):
		d.Failf(NodePos(n.Node), "write 0, 2/3 or 0.5", "%s: %s is out of range, 0 or more and less than 1", n.Name, Shorten(s))
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

// Integer decodes a whole number from least to most.
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

// unsigned decodes any whole number of 64 bits.
func (d *Decoder) unsigned(n Node, out *uint64) {
	s, ok := d.Text(n.Node, n.Name)
	if !ok {
		return
	}
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		d.Failf(NodePos(n.Node), "", "%s: %q is not a whole number from 0 to 18446744073709551615", n.Name, Shorten(s))
		return
	}
	*out = v
}

// Boolean decodes true or false.
func (d *Decoder) Boolean(n ast.Node, key string, out *bool) {
	s, ok := d.Text(n, key)
	if !ok {
		return
	}
	if s != "true" && s != "false" {
		d.Failf(NodePos(n), "", "%s: %q is neither true nor false", key, Shorten(s))
		return
	}
	*out = s == "true"
}

// Word decodes one of a few words.
func (d *Decoder) Word(n ast.Node, key string, valid []string, out *string) {
	s, ok := d.Text(n, key)
	if !ok {
		return
	}
	if !slices.Contains(valid, s) {
		d.Failf(NodePos(n), Suggest(s, "values", valid), "%s: unknown value %q", key, Shorten(s))
		return
	}
	*out = s
}

// Shorten cuts a text that is too long for a message.
func Shorten(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "..."
	}
	return s
}
