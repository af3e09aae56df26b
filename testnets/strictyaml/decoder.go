package strictyaml

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Decoder turns a tree of YAML nodes into values and collects the mistakes it meets.
type Decoder struct {
	File string // the file's name, for messages
	Src  []byte // its text, for excerpts
	Errs []*Error
}

// MaxExcerpts is the most mistakes of one file that are given an excerpt, which costs time. Fewer are reported.
const MaxExcerpts = 10 * MaxErrors

// failf records a mistake at a place.
func (d *Decoder) Failf(pos Pos, hint, format string, args ...any) {
	if len(d.Errs) >= MaxExcerpts {
		d.Errs = append(d.Errs, &Error{File: d.File, Pos: pos, Msg: fmt.Sprintf(format, args...), Hint: hint})
		return
	}
	d.Errs = append(d.Errs, ErrorAt(d.File, d.Src, pos, fmt.Sprintf(format, args...), hint))
}

// Field is a key that a mapping can have.
type Field struct {
	Key      string
	Required bool
	// Read decodes the value; at is where the key stands.
	Read func(at Pos, value ast.Node)
}

// object decodes a mapping. what names it in messages: "a fault". Unknown, doubled and missing keys are mistakes. It
// returns false when n is not a mapping, or has a key that may be a misspelt one of fields.
func (d *Decoder) Object(n ast.Node, what string, fields []Field) bool {
	entries, ok := d.Entries(n, what)
	if !ok {
		return false
	}
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.Key
	}
	seen := make(map[string]Pos, len(entries))
	known := true
	for _, e := range entries {
		at := NodePos(e.Key)
		key, ok := ScalarText(e.Key)
		if !ok {
			d.Failf(at, "valid keys: "+strings.Join(keys, ", "), "this cannot be a key")
			continue
		}
		if first, twice := seen[key]; twice {
			d.Failf(at, "", "key %q is given twice, first in line %d", Shorten(key), first.Line)
			continue
		}
		seen[key] = at
		i := slices.Index(keys, key)
		if i < 0 {
			d.Failf(at, Suggest(key, "keys", keys), "unknown key %q in %s", Shorten(key), what)
			// The key that was meant is not missing too.
			seen[Nearest(key, keys)] = at
			known = false
			continue
		}
		fields[i].Read(at, e.Value)
	}
	for _, f := range fields {
		if _, ok := seen[f.Key]; f.Required && !ok {
			d.Failf(NodePos(n), "", "%s has no %q", what, f.Key)
		}
	}
	return known
}

// entries returns a mapping's entries in order.
func (d *Decoder) Entries(n ast.Node, what string) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	d.Failf(NodePos(n), "", "%s must be a mapping of keys to values, not %s", what, Describe(n))
	return nil, false
}

// items returns a list's elements. An empty value is an empty list. It returns false when n is no list.
func (d *Decoder) Items(n ast.Node, what string) ([]ast.Node, bool) {
	switch n := n.(type) {
	case *ast.SequenceNode:
		return n.Values, true
	case *ast.NullNode, nil:
		return nil, true
	}
	d.Failf(NodePos(n), "", "%s must be a list, not %s", what, Describe(n))
	return nil, false
}

// text returns a scalar's text; what names it in messages.
func (d *Decoder) Text(n ast.Node, what string) (string, bool) {
	s, ok := ScalarText(n)
	if !ok {
		d.Failf(NodePos(n), "", "%s must be a single value, not %s", what, Describe(n))
	}
	return s, ok
}

// ScalarText returns the text of a scalar as written, without quotes. Empty values and null are no scalars here.
func ScalarText(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		if n.Value == nil {
			return "", true
		}
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// Describe says in words what a node is.
func Describe(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode, nil:
		return "nothing"
	}
	if s, ok := ScalarText(n); ok {
		return fmt.Sprintf("%q", Shorten(s))
	}
	return "this"
}
