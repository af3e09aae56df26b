package testnets

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/itchyny/gojq"
)

// Bounds of what a query makes on its way, and of what it works on.
const (
	// maxQueryBytes is what the values that operators and functions make in one run may take in memory, about, all
	// together and whether they are kept or not; or the comparisons that they need, four for each.
	maxQueryBytes = 256 << 20
	// maxResult is the most bytes that a result may have, about, as JSON; maxNested how deep it may be.
	maxResult = 64 << 20
	maxNested = 10_000
	// maxIndex is the length to which an index may make a list grow, and maxPath the length of a path.
	maxIndex = 1 << 20
	maxPath  = 1000
	// maxDigits is the most digits of a number. To read one takes time as the square of them.
	maxDigits = 1000
	// maxMatched is the most bytes of a text in which a regular expression is looked for again and again, which takes time
	// as the square of them.
	maxMatched = 16 << 10
)

// What values take in memory, about.
const (
	itemBytes  = 16 // in a list
	fieldBytes = 64 // in an object
)

// purse is what one run of a query may still spend.
type purse struct{ left int }

func (p *purse) pay(n int) error {
	if n < 0 || n > p.left {
		p.left = 0
		return fmt.Errorf("takes more than %d bytes of memory, or as much work", maxQueryBytes)
	}
	p.left -= n
	return nil
}

// toll is what the use of an operator or a function costs, given its input and its arguments; or why there is no use.
type toll func(in any, args []any) (cost int, err error)

// tolls by name and number of arguments. What begins with % is no function: see guard.
var tolls = map[string]toll{
	"+/2":          func(_ any, args []any) (int, error) { return extent(args[0]) + extent(args[1]), nil },
	"-/2":          func(_ any, args []any) (int, error) { return compared(len(listOf(args[0])), len(listOf(args[1]))), nil },
	"*/2":          product,
	"%index/1":     func(_ any, args []any) (int, error) { return 0, checkIndex(args[0]) },
	"%event/0":     event,
	"%match/0":     matched,
	"nth/1":        func(_ any, args []any) (int, error) { return 0, checkIndex(args[0]) },
	"getpath/1":    func(_ any, args []any) (int, error) { return 0, checkPath(args[0]) },
	"setpath/2":    func(_ any, args []any) (int, error) { return 0, checkPath(args[0]) },
	"join/1":       joined,
	"transpose/0":  transposed,
	"add/0":        added,
	"flatten/0":    measured,
	"flatten/1":    measured,
	"tojson/0":     measured,
	"tostring/0":   measured,
	"format/1":     measured,
	"error/0":      measured,
	"error/1":      func(_ any, args []any) (int, error) { return measured(args[0], nil) },
	"halt_error/0": measured,
	"halt_error/1": measured,
	"explode/0":    func(in any, _ []any) (int, error) { return itemBytes * len(textOf(in)), nil },
	"split/1":      func(in any, _ []any) (int, error) { return itemBytes * len(textOf(in)), nil },
	"fromjson/0":   fromJSON,
	"tonumber/0":   func(in any, _ []any) (int, error) { return 0, checkDigits(textOf(in)) },
	"contains/1":   searched,
	"inside/1":     searched,
	"index/1":      searched,
	"indices/1":    searched,
	"rindex/1":     searched,
}

// guarded are the names of functions that a query may not define.
var guarded = func() map[string]bool {
	names := map[string]bool{"fromstream": true}
	for _, name := range regexps {
		names[name] = true
	}
	for key := range tolls {
		name, _, _ := strings.Cut(key, "/")
		names[name] = true
	}
	return names
}()

// tollName is the name of the function that takes a toll. It cannot be written in jq.
func tollName(toll string, args int) string { return "%" + toll + "/" + strconv.Itoa(args) }

// tollOptions make the functions that take tolls known to the compiler. Their first argument is the purse.
func tollOptions() []gojq.CompilerOption {
	options := []gojq.CompilerOption{gojq.WithVariables([]string{purseName})}
	for key, t := range tolls {
		_, count, _ := strings.Cut(key, "/")
		args, _ := strconv.Atoi(count)
		options = append(options, gojq.WithFunction("%"+key, args+1, args+1, func(in any, args []any) any {
			cost, err := t(in, args[1:])
			if err == nil {
				err = args[0].(*purse).pay(cost)
			}
			if err != nil {
				return err
			}
			return nil
		}))
	}
	return options
}

// extent is what a copy of a value takes, without what is in its parts.
func extent(v any) int {
	switch v := v.(type) {
	case string:
		return len(v)
	case []any:
		return itemBytes * len(v)
	case map[string]any:
		return fieldBytes * len(v)
	}
	return 0
}

// compared is the cost of comparing each of some values with each of others.
func compared(a, b int) int {
	if b > 0 && a > maxQueryBytes/4/b {
		return maxQueryBytes + 1
	}
	return 4 * a * b
}

func listOf(v any) []any {
	list, _ := v.([]any)
	return list
}

func textOf(v any) string {
	text, _ := v.(string)
	return text
}

// product is the toll of A * B: a text is repeated, two objects are merged, digits add up.
func product(_ any, args []any) (int, error) {
	for i, v := range args {
		if times, ok := gojq.ToFloat64(args[1-i]); ok {
			if text, ok := v.(string); ok && text != "" && times > 0 {
				return int(min(float64(len(text))*times, maxQueryBytes+1)), nil
			}
		}
	}
	if a, ok := args[0].(map[string]any); ok {
		one, err := measured(a, nil)
		if err != nil {
			return 0, err
		}
		other, err := measured(args[1], nil)
		return one + other, err
	}
	bits := 0
	for _, v := range args {
		if n, ok := v.(*big.Int); ok {
			bits += n.BitLen()
		}
	}
	if bits > 4*maxDigits {
		return 0, errDigits
	}
	return 0, nil
}

var errDigits = fmt.Errorf("a number has more than %d digits", maxDigits)

func checkDigits(number string) error {
	if len(number) > maxDigits {
		return errDigits
	}
	return nil
}

// checkIndex looks at what a list or an object is asked for.
func checkIndex(v any) error {
	if _, ok := v.([]any); ok {
		return errors.New("a list is not looked for in a list here; use indices")
	}
	if n, ok := gojq.ToFloat64(v); ok && n >= maxIndex {
		return fmt.Errorf("an index of a list may be %d at most", maxIndex-1)
	}
	return nil
}

func checkPath(v any) error {
	path := listOf(v)
	if len(path) > maxPath {
		return fmt.Errorf("a path may have %d parts at most", maxPath)
	}
	for _, part := range path {
		if err := checkIndex(part); err != nil {
			return err
		}
	}
	return nil
}

// event is the toll of one event of fromstream.
func event(in any, _ []any) (int, error) {
	if list := listOf(in); len(list) > 0 {
		return 0, checkPath(list[0])
	}
	return 0, nil
}

func matched(in any, _ []any) (int, error) {
	if n := len(textOf(in)); n > maxMatched {
		return 0, fmt.Errorf("matches are looked for in a text of at most %d bytes; this one has %d", maxMatched, n)
	}
	return 0, nil
}

func joined(in any, args []any) (int, error) {
	list := listOf(in)
	n, err := added(in, nil)
	between := len(textOf(args[0]))
	if between > 0 && len(list) > maxQueryBytes/between {
		return maxQueryBytes + 1, err
	}
	return n + between*len(list), err
}

func transposed(in any, _ []any) (int, error) {
	rows, longest := listOf(in), 0
	for _, row := range rows {
		longest = max(longest, len(listOf(row)))
	}
	if longest > 0 && len(rows) > maxQueryBytes/itemBytes/longest {
		return maxQueryBytes + 1, nil
	}
	return itemBytes * len(rows) * longest, nil
}

func added(in any, _ []any) (int, error) {
	n := 0
	add := func(v any) {
		if n <= maxQueryBytes {
			n += extent(v)
		}
	}
	for _, v := range listOf(in) {
		add(v)
	}
	if fields, ok := in.(map[string]any); ok {
		for _, v := range fields {
			add(v)
		}
	}
	return n, nil
}

// searched is the toll of looking for a value in another: lists are compared item by item.
func searched(in any, args []any) (int, error) {
	if in, ok := in.(string); ok {
		// Each place may have to be compared with what is looked for, sixteen bytes at a time.
		return compared(len(in), 1+len(textOf(args[0]))/64), nil
	}
	a, err := measured(in, nil)
	if err != nil {
		return 0, err
	}
	b, err := measured(args[0], nil)
	return compared(a/itemBytes+1, b/itemBytes+1), err
}

// fromJSON is the toll of reading JSON, which takes up to some 40 bytes for each of its own.
func fromJSON(in any, _ []any) (int, error) {
	text := textOf(in)
	digits := 0
	for i := range len(text) {
		if digits++; text[i] < '0' || text[i] > '9' {
			digits = 0
		}
		if digits > maxDigits {
			return 0, errDigits
		}
	}
	return itemBytes * len(text), nil
}

// measured is what a value has as JSON, about. Values that share parts, as [.,.] does, may have much more than they take.
func measured(in any, _ []any) (int, error) {
	return measure(in, maxResult, 0)
}

var errDeep = fmt.Errorf("a value is more than %d lists and objects deep", maxNested)

// measure returns how many bytes a value has as JSON, about, and fails if they are more than limit.
func measure(v any, limit, depth int) (size int, err error) {
	add := func(v any) bool {
		var n int
		n, err = measure(v, limit-size, depth+1)
		size += n
		return err == nil
	}
	switch v := v.(type) {
	case nil, bool, int, float64:
		size = 1
	case string:
		size = len(v) + 2
	case json.Number:
		size, err = len(v), checkDigits(string(v))
	case *big.Int:
		size = v.BitLen()/4 + 1
	case []any:
		size = 2
		for i := 0; i < len(v) && add(v[i]); i++ {
		}
	case map[string]any:
		size = 2
		for name, field := range v {
			if size += len(name) + 3; !add(field) {
				break
			}
		}
	default:
		return 0, fmt.Errorf("a %T is no JSON", v)
	}
	switch {
	case err != nil:
	case size > limit:
		err = fmt.Errorf("a value has more than %d bytes", maxResult)
	case depth > maxNested:
		err = errDeep
	}
	return size, err
}
