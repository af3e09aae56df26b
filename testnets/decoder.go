package testnets

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// decoder turns a tree of YAML nodes into a Spec and collects the mistakes it meets.
type decoder struct {
	file string
	src  []byte
	errs []*Error
	// names collects where the fault that is being decoded names nodes and roles.
	names map[string]Pos
}

// maxExcerpts is the most mistakes of one file that are given an excerpt, which costs time. Fewer are reported.
const maxExcerpts = 10 * maxErrors

// failf records a mistake at a place.
func (d *decoder) failf(pos Pos, hint, format string, args ...any) {
	if len(d.errs) >= maxExcerpts {
		d.errs = append(d.errs, &Error{File: d.file, Pos: pos, Msg: fmt.Sprintf(format, args...), Hint: hint})
		return
	}
	d.errs = append(d.errs, errorAt(d.file, d.src, pos, fmt.Sprintf(format, args...), hint))
}

// field is a key that a mapping can have.
type field struct {
	key      string
	required bool
	// read decodes the value; at is where the key stands.
	read func(at Pos, value ast.Node)
}

// object decodes a mapping. what names it in messages: "a fault". Unknown, doubled and missing keys are mistakes. It
// returns false when n is not a mapping, or has a key that may be a misspelt one of fields.
func (d *decoder) object(n ast.Node, what string, fields []field) bool {
	entries, ok := d.entries(n, what)
	if !ok {
		return false
	}
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	seen := make(map[string]Pos, len(entries))
	known := true
	for _, e := range entries {
		at := nodePos(e.Key)
		key, ok := scalarText(e.Key)
		if !ok {
			d.failf(at, "valid keys: "+strings.Join(keys, ", "), "this cannot be a key")
			continue
		}
		if first, twice := seen[key]; twice {
			d.failf(at, "", "key %q is given twice, first in line %d", shorten(key), first.Line)
			continue
		}
		seen[key] = at
		i := slices.Index(keys, key)
		if i < 0 {
			d.failf(at, suggest(key, "keys", keys), "unknown key %q in %s", shorten(key), what)
			// The key that was meant is not missing too.
			seen[Nearest(key, keys)] = at
			known = false
			continue
		}
		fields[i].read(at, e.Value)
	}
	for _, f := range fields {
		if _, ok := seen[f.key]; f.required && !ok {
			d.failf(nodePos(n), "", "%s has no %q", what, f.key)
		}
	}
	return known
}

// entries returns a mapping's entries in order.
func (d *decoder) entries(n ast.Node, what string) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	d.failf(nodePos(n), "", "%s must be a mapping of keys to values, not %s", what, describe(n))
	return nil, false
}

// items returns a list's elements. An empty value is an empty list. It returns false when n is no list.
func (d *decoder) items(n ast.Node, what string) ([]ast.Node, bool) {
	switch n := n.(type) {
	case *ast.SequenceNode:
		return n.Values, true
	case *ast.NullNode, nil:
		return nil, true
	}
	d.failf(nodePos(n), "", "%s must be a list, not %s", what, describe(n))
	return nil, false
}

// text returns a scalar's text; what names it in messages.
func (d *decoder) text(n ast.Node, what string) (string, bool) {
	s, ok := scalarText(n)
	if !ok {
		d.failf(nodePos(n), "", "%s must be a single value, not %s", what, describe(n))
	}
	return s, ok
}

// scalarText returns the text of a scalar as written, without quotes. Empty values and null are no scalars here.
func scalarText(n ast.Node) (string, bool) {
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

// describe says in words what a node is.
func describe(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode, nil:
		return "nothing"
	}
	if s, ok := scalarText(n); ok {
		return fmt.Sprintf("%q", shorten(s))
	}
	return "this"
}
