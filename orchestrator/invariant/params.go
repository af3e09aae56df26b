package invariant

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// ParamType is the type of a parameter's value.
type ParamType string

// The types of parameters.
const (
	TypeDuration ParamType = "duration" // Go syntax: "20s"
	TypeCount    ParamType = "count"    // whole number, at least 0
	TypeShare    ParamType = "share"    // 0..1, or a percentage "95%"
)

// Param is a parameter of an invariant.
type Param struct {
	Name    string
	Type    ParamType
	Default string
	Doc     string
}

// Values are the parsed parameters of one expectation, defaults filled in. A parameter without a value, whose default depends
// on the run, reads as zero; see Has.
type Values struct {
	durations map[string]time.Duration
	counts    map[string]int
	shares    map[string]float64
}

// Duration is the value of a TypeDuration parameter.
func (v Values) Duration(name string) time.Duration { return v.durations[name] }

// Count is the value of a TypeCount parameter.
func (v Values) Count(name string) int { return v.counts[name] }

// Share is the value of a TypeShare parameter, 0..1.
func (v Values) Share(name string) float64 { return v.shares[name] }

// Has says whether a parameter has a value.
func (v Values) Has(name string) bool {
	_, d := v.durations[name]
	_, c := v.counts[name]
	_, s := v.shares[name]
	return d || c || s
}

// maxCount bounds TypeCount parameters.
const maxCount = 1 << 30

// ParamError is a mistake in one expectation.
type ParamError struct {
	Index     int    // of the expectation in the list
	Invariant string // as written
	Param     string // as written; empty when the invariant itself is the mistake
	Msg       string
	Hint      string // what would be right; may be empty
}

// Error implements error.
func (e *ParamError) Error() string {
	var b strings.Builder
	b.WriteString(e.Invariant)
	if e.Param != "" {
		b.WriteString(": " + e.Param)
	}
	b.WriteString(": " + e.Msg)
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// Check validates expectations before anything is started: unknown invariants and parameters, values that do not parse
// or are out of range, invariants listed twice. The error joins one *ParamError for each mistake, in order.
func Check(expect []trace.Expectation) error {
	var errs []error
	seen := make(map[string]bool)
	for i, x := range expect {
		def, ok := Lookup(x.Name)
		if !ok {
			errs = append(errs, &ParamError{Index: i, Invariant: x.Name, Msg: "no such invariant", Hint: "known are " + names()})
			continue
		}
		if seen[x.Name] {
			errs = append(errs, &ParamError{Index: i, Invariant: x.Name, Msg: "listed twice"})
		}
		seen[x.Name] = true
		if _, perrs := def.parse(x.Params); len(perrs) > 0 {
			for _, e := range perrs {
				e.Index = i
				errs = append(errs, e)
			}
		}
	}
	return errors.Join(errs...)
}

func names() string {
	var all []string
	for _, d := range Definitions() {
		all = append(all, d.Name)
	}
	return strings.Join(all, ", ")
}

// parse gives the values of every parameter; errors come in order of the parameters' names.
func (d *Definition) parse(given map[string]string) (Values, []*ParamError) {
	v := Values{map[string]time.Duration{}, map[string]int{}, map[string]float64{}}
	var errs []*ParamError
	var known, keys []string
	for _, p := range d.Params {
		known = append(known, p.Name)
		text, ok := given[p.Name]
		if !ok {
			text = p.Default
		}
		if !ok && text == "" {
			continue
		}
		if msg := v.set(p, text); msg != "" {
			errs = append(errs, &ParamError{Invariant: d.Name, Param: p.Name, Msg: msg})
		}
	}
	for k := range given {
		if !slices.Contains(known, k) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		hint := "it has none"
		if len(known) > 0 {
			hint = "known are " + strings.Join(known, ", ")
		}
		errs = append(errs, &ParamError{Invariant: d.Name, Param: k, Msg: "no such parameter", Hint: hint})
	}
	slices.SortStableFunc(errs, func(a, b *ParamError) int { return strings.Compare(a.Param, b.Param) })
	return v, errs
}

// set parses text into p's value and returns what is wrong with it, if anything.
func (v Values) set(p Param, text string) string {
	switch p.Type {
	case TypeDuration:
		d, err := time.ParseDuration(text)
		switch {
		case err != nil:
			return fmt.Sprintf("%q is not a duration such as 20s or 150ms", text)
		case d < 0:
			return fmt.Sprintf("%s is negative", text)
		}
		v.durations[p.Name] = d
	case TypeCount:
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > maxCount {
			return fmt.Sprintf("%q is not a whole number in 0..%d", text, maxCount)
		}
		v.counts[p.Name] = n
	case TypeShare:
		number, percent := strings.CutSuffix(text, "%")
		s, err := strconv.ParseFloat(number, 64)
		if percent {
			s /= 100
		}
		if err != nil || !(s >= 0 && s <= 1) {
			return fmt.Sprintf("%q is not a share in 0..1 or 0%%..100%%", text)
		}
		v.shares[p.Name] = s
	default:
		return fmt.Sprintf("parameter has the unknown type %q", p.Type)
	}
	return ""
}
