package chainspec

import (
	"fmt"
	"strings"
	"text/template/parse"

	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// nameChecker walks a template and finds names that do not exist.
type nameChecker struct {
	text Text
	root *shape
	// used are the names of the root that the template uses.
	used map[string]bool
	vars map[string]*shape
	errs []*strictyaml.Error
}

// checkNames returns what is wrong with the names in a text, and the top-level names that it uses.
func checkNames(t Text, root *shape) (used map[string]bool, mistakes []*strictyaml.Error) {
	c := &nameChecker{text: t, root: root, used: make(map[string]bool), vars: map[string]*shape{"$": root}}
	if t.tmpl != nil && t.tmpl.Tree != nil && t.tmpl.Root != nil {
		c.list(t.tmpl.Root, root)
	}
	return c.used, c.errs
}

// list walks a list of nodes with dot.
func (c *nameChecker) list(l *parse.ListNode, dot *shape) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		switch n := n.(type) {
		case *parse.ActionNode:
			c.pipe(n.Pipe, dot)
		case *parse.IfNode:
			c.pipe(n.Pipe, dot)
			c.list(n.List, dot)
			c.list(n.ElseList, dot)
		case *parse.WithNode:
			c.list(n.List, c.pipe(n.Pipe, dot))
			c.list(n.ElseList, dot)
		case *parse.RangeNode:
			c.list(n.List, c.ranged(n, dot))
			c.list(n.ElseList, dot)
		}
	}
}

// ranged returns the element of what is walked, and sets the variables of the range.
func (c *nameChecker) ranged(n *parse.RangeNode, dot *shape) *shape {
	over := c.value(n.Pipe, dot)
	elem := unknownShape
	switch over.kind {
	case list:
		elem = over.elem
	case scalar, opaque:
		// A number would do for text/template, and could be any number.
		c.fail(int(n.Pipe.Pos), "", "range needs a list")
	case object:
		for _, part := range over.fields {
			elem = part
			break
		}
	}
	switch len(n.Pipe.Decl) {
	case 1:
		c.vars[n.Pipe.Decl[0].Ident[0]] = elem
	case 2:
		c.vars[n.Pipe.Decl[0].Ident[0]] = scalarShape
		c.vars[n.Pipe.Decl[1].Ident[0]] = elem
	}
	return elem
}

// pipe walks a pipeline and sets the variable that it declares.
func (c *nameChecker) pipe(p *parse.PipeNode, dot *shape) *shape {
	s := c.value(p, dot)
	for _, v := range p.Decl {
		c.vars[v.Ident[0]] = s
	}
	return s
}

// value returns the shape of a pipeline's value.
func (c *nameChecker) value(p *parse.PipeNode, dot *shape) *shape {
	s := unknownShape
	for _, cmd := range p.Cmds {
		args := make([]*shape, len(cmd.Args))
		for i, arg := range cmd.Args {
			args[i] = c.operand(arg, dot)
		}
		name, ok := cmd.Args[0].(*parse.IdentifierNode)
		switch {
		case !ok:
			s = args[0]
		case name.Ident != walked && name.Ident != written: // which give what they get
			s = result(name.Ident, args[1:])
		}
	}
	return s
}

// result is the shape of what a function gives.
func result(name string, args []*shape) *shape {
	switch name {
	case "index":
		if len(args) == 2 && args[0].kind == list {
			return args[0].elem
		}
		return unknownShape
	case "slice", "and", "or":
		return unknownShape
	}
	return scalarShape
}

// operand returns the shape of an operand.
func (c *nameChecker) operand(n parse.Node, dot *shape) *shape {
	switch n := n.(type) {
	case *parse.DotNode:
		return dot
	case *parse.FieldNode:
		return c.parts(n.Pos, dot, n.Ident)
	case *parse.VariableNode:
		s, ok := c.vars[n.Ident[0]]
		if !ok {
			s = unknownShape
		}
		return c.parts(n.Pos, s, n.Ident[1:])
	case *parse.ChainNode:
		return c.parts(n.Pos, c.operand(n.Node, dot), n.Field)
	case *parse.PipeNode:
		return c.value(n, dot)
	case *parse.NumberNode, *parse.StringNode, *parse.BoolNode:
		return scalarShape
	}
	return unknownShape
}

// parts follows names from a value on. pos is where the first or the second of them stands in the text.
func (c *nameChecker) parts(pos parse.Pos, s *shape, names []string) *shape {
	at := int(pos)
	if len(names) > 1 {
		// The parser gives the place of the second where the first is no operand of its own.
		if first := at - len(names[0]) - 1; first >= 0 && strings.HasPrefix(c.text.Source[first:], "."+names[0]+".") {
			at = first
		}
	}
	for _, name := range names {
		if s == c.root {
			c.used[name] = true
		}
		switch s.kind {
		case anything, opaque:
			return unknownShape
		case scalar:
			c.fail(at, "", "this value has no parts, so no .%s", strictyaml.Shorten(name))
			return unknownShape
		case list:
			c.fail(at, "use range, or index LIST 0", "a list has no .%s", strictyaml.Shorten(name))
			return unknownShape
		}
		part, ok := s.fields[name]
		if !ok {
			hint, known := s.elsewhere[name]
			if !known {
				hint = strictyaml.Suggest(name, "names", s.names())
			}
			c.fail(at, hint, "%s has no .%s", s.what, strictyaml.Shorten(name))
			return unknownShape
		}
		s = part
		at += len(name) + 1
	}
	return s
}

// fail records a mistake at an offset of the text.
func (c *nameChecker) fail(offset int, hint, format string, args ...any) {
	if len(c.errs) > strictyaml.MaxErrors {
		return // more than that are not reported
	}
	c.errs = append(c.errs, c.text.from.errorAt(c.text.at(offset), "template: "+fmt.Sprintf(format, args...), hint))
}
