package strictyaml

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/netsplit/netsplit/faults"
)

// Decoder turns YAML nodes into values and collects the mistakes it meets. Its zero value, with a source, is ready.
type Decoder struct {
	*Source
	errs []*Error
}

// Err returns the mistakes as one error, nil where there are none; see Source.Join.
func (d *Decoder) Err() error { return d.Join(d.errs) }

// Failf records a mistake at a place.
func (d *Decoder) Failf(pos Pos, hint, format string, args ...any) {
	d.Add(&Error{File: d.File, Pos: pos, Msg: fmt.Sprintf(format, args...), Hint: hint})
}

// FailHidden records a mistake whose line no message may show.
func (d *Decoder) FailHidden(pos Pos, hint, msg string) {
	d.Add(&Error{File: d.File, Pos: pos, Msg: msg, Hint: hint, hidden: true})
}

// Add records a mistake that somebody else found.
func (d *Decoder) Add(e *Error) { d.errs = append(d.errs, e) }

// Field is a key that a mapping can have.
type Field struct {
	Key      string
	Required bool
	// Read decodes the value; at is where the key stands.
	Read func(at Pos, value ast.Node)
}

// Object decodes a mapping by its keys. what names it in messages: "a fault". Unknown, doubled and missing keys are
// mistakes. It returns false when n is not a mapping, or has a key that may be a misspelt one of fields.
func (d *Decoder) Object(n ast.Node, what string, fields []Field) bool {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.Key
	}
	meant := make(map[string]bool) // keys that an unknown one may stand for: they are not missing too
	given := make(map[string]bool)
	good := d.mapping(n, what, "valid keys: "+strings.Join(keys, ", "), func(key string, at Pos, value ast.Node) bool {
		i := slices.Index(keys, key)
		if i < 0 {
			d.Failf(at, Suggest(key, "keys", keys), "unknown key %q in %s", Shorten(key), what)
			meant[faults.Nearest(key, keys)] = true
			return false
		}
		given[key] = true
		fields[i].Read(at, value)
		return true
	})
	for _, f := range fields {
		if isMapping(n) && f.Required && !given[f.Key] && !meant[f.Key] {
			d.Failf(NodePos(n), "", "%s has no %q", what, f.Key)
		}
	}
	return good
}

// Mapping decodes a mapping with any keys. It returns false when there was a mistake, or read returned false.
func (d *Decoder) Mapping(n ast.Node, what string, read func(key string, at Pos, value ast.Node) bool) bool {
	return d.mapping(n, what, "", read)
}

func (d *Decoder) mapping(n ast.Node, what, keyHint string, read func(key string, at Pos, value ast.Node) bool) bool {
	entries, good := d.Entries(n, what)
	seen := make(map[string]Pos, len(entries))
	for _, e := range entries {
		at := NodePos(e.Key)
		key, ok := ScalarText(e.Key)
		if !ok {
			d.Failf(at, keyHint, "this cannot be a key")
			good = false
			continue
		}
		if first, twice := seen[key]; twice {
			d.Failf(at, "", "key %q is given twice, first in line %d", Shorten(key), first.Line)
			good = false
			continue
		}
		seen[key] = at
		good = read(key, at, e.Value) && good
	}
	return good
}

// Entries returns a mapping's entries in order.
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

// Items returns a list's elements. An empty value is an empty list. It returns false when n is no list.
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

// Text returns a scalar's text; what names it in messages.
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

func isMapping(n ast.Node) bool {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return true
	}
	return false
}
