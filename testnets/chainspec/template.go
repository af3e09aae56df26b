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
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// MaxRendered is the most bytes that a text renders to; captured values and replies may be large.
const MaxRendered = 4 << 20

// Text is a template of a chain file. The zero Text renders to nothing.
type Text struct {
	Source string
	Pos    strictyaml.Pos
	prefix string // comes before what is rendered
	tmpl   *template.Template
	from   *strictyaml.Source
}

// UnmarshalYAML decodes and parses the template. Of a field with the tag secret:"true" no message shows the value, unless it
// is a template. Names in it are checked by checkNames.
func (t *Text) UnmarshalYAML(d *strictyaml.Decoder, n strictyaml.Node) {
	*t = Text{Pos: strictyaml.NodePos(n.Node), from: d.Source}
	s, ok := strictyaml.ScalarText(n.Node)
	if !ok {
		hint, msg := "", n.Name+" must be a text, not "+strictyaml.Describe(n.Node)
		if m, ok := n.Node.(*ast.MappingNode); ok && m.IsFlowStyle {
			hint = quoteTemplates
		}
		if n.Tag.Get("secret") != "" {
			d.FailHidden(t.Pos, hint, msg)
		} else {
			d.Failf(t.Pos, hint, "%s", msg)
		}
		return
	}
	t.Source = s
	if mistake := t.parse(); mistake != nil && n.Tag.Get("secret") != "" && !strings.Contains(s, "{{") {
		d.FailHidden(mistake.Pos, mistake.Hint, mistake.Msg)
	} else if mistake != nil {
		d.Add(mistake)
	}
}

// parse parses the source. It returns nil or the mistake.
func (t *Text) parse() *strictyaml.Error {
	tmpl, err := template.New("t").Option("missingkey=error").Funcs(textFuncs).Parse(t.Source)
	if err != nil {
		return t.mistake(err)
	}
	t.tmpl = tmpl
	return nil
}

// prefixed is a text that renders to prefix and t.
func (t Text) prefixed(prefix string) Text {
	t.prefix = prefix
	return t
}

// Texts is a list of texts, or one alone.
type Texts []Text

// UnmarshalYAML decodes a text or a list of such.
func (t *Texts) UnmarshalYAML(d *strictyaml.Decoder, n strictyaml.Node) {
	items := []ast.Node{n.Node}
	if list, ok := n.Node.(*ast.SequenceNode); ok {
		items = list.Values
	}
	*t = make(Texts, len(items))
	for i, item := range items {
		d.Decode(strictyaml.Node{Node: item, Name: n.Name}, &(*t)[i])
	}
}

// Render renders the text with data, which has the names listed with the chain file's documentation as keys. Errors are
// *strictyaml.Error, at the place of the mistake.
func (t Text) Render(data any) (string, error) {
	if t.tmpl == nil {
		return t.prefix + t.Source, nil
	}
	out := &limitedBuilder{}
	if err := t.tmpl.Execute(out, data); err != nil {
		return "", t.mistake(err)
	}
	return t.prefix + out.String(), nil
}

// limitedBuilder is a text of at most MaxRendered bytes.
type limitedBuilder struct{ strings.Builder }

var errTooLong = fmt.Errorf("the text renders to more than %d bytes", MaxRendered)

func (b *limitedBuilder) Write(p []byte) (int, error) {
	if b.Len()+len(p) > MaxRendered {
		return 0, errTooLong
	}
	return b.Builder.Write(p)
}

// templatePlace is how text/template begins its messages: the place, and for mistakes in use what was executed.
var templatePlace = regexp.MustCompile(`^template: t:(\d+)(?::(\d+))?: (?:executing "t" at )?`)

// mistake puts an error of text/template into our form. The library gives the place in its text only.
func (t Text) mistake(err error) *strictyaml.Error {
	msg, pos := err.Error(), t.Pos
	if errors.Is(err, errTooLong) {
		return t.from.ErrorAt(pos, errTooLong.Error(), "")
	}
	if m := templatePlace.FindStringSubmatch(msg); m != nil {
		row, _ := strconv.Atoi(m[1])
		column := 1
		if m[2] != "" {
			column, _ = strconv.Atoi(m[2])
			column++ // text/template counts from 0
		}
		pos = t.from.Inside(t.Pos, t.Source, row, column)
		msg = msg[len(m[0]):]
	}
	return t.from.ErrorAt(pos, "template: "+msg, "")
}

// Value is a parameter of a call in its YAML shape. Exactly one of its fields counts: the first that is set.
type Value struct {
	Pos strictyaml.Pos
	// Text is a string. One that is exactly {{int ...}} renders to a number.
	Text *Text
	// List and Fields are a list and a mapping; they are not nil, but may be empty.
	List   []Value
	Fields []ValueField
	// Plain is nil, a bool or a json.Number.
	Plain any
}

// ValueField is an entry of a mapping.
type ValueField struct {
	Key   string
	Value Value
}

// Render returns the value with its texts rendered, as encoding/json would encode it: nil, bool, string, json.Number,
// []any or map[string]any. Errors are *strictyaml.Error.
func (v Value) Render(data any) (any, error) {
	switch {
	case v.Text != nil:
		s, err := v.Text.Render(data)
		if err != nil {
			return nil, err
		}
		if v.Text.isInt() {
			return json.Number(s), nil
		}
		return s, nil
	case v.List != nil:
		out := make([]any, len(v.List))
		for i, item := range v.List {
			var err error
			if out[i], err = item.Render(data); err != nil {
				return nil, err
			}
		}
		return out, nil
	case v.Fields != nil:
		out := make(map[string]any, len(v.Fields))
		for _, f := range v.Fields {
			var err error
			if out[f.Key], err = f.Value.Render(data); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v.Plain, nil
}

// isInt reports whether the text is one action and nothing else, whose last command is int.
func (t *Text) isInt() bool {
	if t.tmpl == nil || t.tmpl.Tree == nil || t.tmpl.Root == nil || len(t.tmpl.Root.Nodes) != 1 {
		return false
	}
	action, ok := t.tmpl.Root.Nodes[0].(*parse.ActionNode)
	if !ok || len(action.Pipe.Decl) > 0 {
		return false
	}
	last := action.Pipe.Cmds[len(action.Pipe.Cmds)-1]
	name, ok := last.Args[0].(*parse.IdentifierNode)
	return ok && name.Ident == "int"
}

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
	"upper":   func(v any) string { return strings.ToUpper(fmt.Sprint(v)) },
	"lower":   func(v any) string { return strings.ToLower(fmt.Sprint(v)) },
	"quote":   func(v any) (string, error) { return jsonText(fmt.Sprint(v)) }, // as a JSON string
}

func jsonText(v any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", fmt.Errorf("a %T has no JSON", v)
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
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
		parts[i] = fmt.Sprint(list.Index(i).Interface())
	}
	return strings.Join(parts, fmt.Sprint(between)), nil
}

func hexText(v any) (string, error) {
	switch v := v.(type) {
	case []byte:
		return hex.EncodeToString(v), nil
	case string:
		return hex.EncodeToString([]byte(v)), nil
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
