package chainspec

import (
	"encoding/json"
	"text/template/parse"

	"github.com/netsplit/netsplit/testnets/strictyaml"
)

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
