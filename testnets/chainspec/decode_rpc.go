package chainspec

import (
	"encoding/json"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// rpc decodes how to talk to a node.
func (d *chainDecoder) rpc(at strictyaml.Pos, n ast.Node, r *RPC) {
	r.Pos = at
	var tls string
	var bearer strictyaml.Pos
	d.Object(n, "rpc", []field{
		{"kind", true, func(_ strictyaml.Pos, v ast.Node) { d.Word(v, "kind", []string{HTTPGet, JSONRPC1, JSONRPC2}, &r.Kind) }},
		{"port", false, func(at strictyaml.Pos, v ast.Node) { r.Port, _ = d.Text(v, "port"); r.Pos = strictyaml.NodePos(v) }},
		{"path", false, func(_ strictyaml.Pos, v ast.Node) {
			p, ok := d.Text(v, "path")
			if ok && (!strings.HasPrefix(p, "/") || len(p) > 1024 || strings.ContainsAny(p, " \t\r\n")) {
				d.Failf(strictyaml.NodePos(v), "begin with /", "path: %q is not a path", strictyaml.Shorten(p))
			} else if ok {
				r.Path = p
			}
		}},
		{"tls", false, func(_ strictyaml.Pos, v ast.Node) { d.Word(v, "tls", []string{"self-signed"}, &tls) }},
		{"basic", false, func(_ strictyaml.Pos, v ast.Node) { r.Basic = d.basic(v) }},
		{"bearer", false, func(at strictyaml.Pos, v ast.Node) {
			bearer = at
			t := d.secret(v, "bearer")
			r.Bearer = &t
		}},
	})
	r.SelfSigned = tls != ""
	if bearer.Line > 0 && r.Basic != nil {
		d.Failf(bearer, "", "rpc cannot have both basic and bearer")
	}
}

// basic decodes basic authentication. No message shows what stands there.
func (d *chainDecoder) basic(n ast.Node) *Basic {
	b := &Basic{}
	if _, ok := strictyaml.ScalarText(n); ok {
		d.hidden(n, "write basic: {user: ..., password: ...}", "basic must be a mapping with user and password")
		return b
	}
	d.Object(n, "basic", []field{
		{"user", true, func(_ strictyaml.Pos, v ast.Node) { b.User = d.secret(v, "user") }},
		{"password", true, func(_ strictyaml.Pos, v ast.Node) { b.Password = d.secret(v, "password") }},
	})
	return b
}

// secret decodes a text whose value no message shows, unless it is a template.
func (d *chainDecoder) secret(n ast.Node, what string) Text {
	s, ok := strictyaml.ScalarText(n)
	if !ok {
		d.hidden(n, quoteHint(n), what+" must be a text, not "+strictyaml.Describe(n))
		return Text{Pos: strictyaml.NodePos(n)}
	}
	t, mistake := compileText(d.from, strictyaml.NodePos(n), s)
	if mistake != nil {
		if !strings.Contains(s, "{{") {
			mistake.Excerpt = ""
		}
		d.Errs = append(d.Errs, mistake)
	}
	return t
}

// hidden records a mistake without an excerpt.
func (d *chainDecoder) hidden(n ast.Node, hint, msg string) {
	d.Errs = append(d.Errs, &strictyaml.Error{File: d.File, Pos: strictyaml.NodePos(n), Msg: msg, Hint: hint})
}

// calls decodes the named calls.
func (d *chainDecoder) calls(n ast.Node) map[string]Call {
	calls := make(map[string]Call)
	ok := d.named(n, "calls", func(name string, at strictyaml.Pos, v ast.Node) {
		c := Call{Name: name, Pos: at}
		d.Object(v, "call "+name, []field{
			{"method", false, func(_ strictyaml.Pos, v ast.Node) {
				if c.Method, _ = d.Text(v, "method"); c.Method == "" {
					d.Failf(strictyaml.NodePos(v), "", "call %s: the method is empty", name)
				}
			}},
			{"params", false, func(_ strictyaml.Pos, v ast.Node) { c.Params = d.params(v) }},
			{"path", false, func(_ strictyaml.Pos, v ast.Node) {
				t := d.template(v, "path")
				c.Path = &t
				if t.tmpl != nil && !strings.HasPrefix(t.Source, "/") && !strings.HasPrefix(t.Source, "{{") {
					d.Failf(t.Pos, "begin with /", "path: %q is not a path", strictyaml.Shorten(t.Source))
				}
			}},
		})
		calls[name] = c
	})
	if ok && len(calls) == 0 {
		d.Failf(strictyaml.NodePos(n), "for example: calls: {status: {method: getinfo}}", "calls is empty")
	}
	return calls
}

// params decodes the parameters of a call.
func (d *chainDecoder) params(n ast.Node) *Value {
	v := d.value(n)
	if v.List == nil && v.Fields == nil && n != nil {
		d.Failf(strictyaml.NodePos(n), "write params: [...]", "params must be a list or a mapping, not %s", strictyaml.Describe(n))
	}
	return &v
}

// value decodes a parameter in its YAML shape.
func (d *chainDecoder) value(n ast.Node) Value {
	v := Value{Pos: strictyaml.NodePos(n)}
	switch n := n.(type) {
	case *ast.NullNode, nil:
	case *ast.BoolNode:
		v.Plain = n.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		s := n.GetToken().Value
		if !json.Valid([]byte(s)) {
			d.Failf(v.Pos, "write it in decimal, or in quotes if it is meant as text", "%q is not a number of JSON", strictyaml.Shorten(s))
		}
		v.Plain = json.Number(s)
	case *ast.SequenceNode:
		v.List = make([]Value, 0, len(n.Values))
		for _, item := range n.Values {
			v.List = append(v.List, d.value(item))
		}
	case *ast.MappingNode, *ast.MappingValueNode:
		v.Fields = []ValueField{}
		d.mapping(n, "a parameter", func(key string, at strictyaml.Pos, item ast.Node) bool {
			v.Fields = append(v.Fields, ValueField{Key: key, Value: d.value(item)})
			return true
		})
	default:
		t := d.template(n, "a parameter")
		v.Text = &t
	}
	return v
}
