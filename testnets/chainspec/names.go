package chainspec

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template/parse"

	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// maxNameErrors is the most mistakes that are found in one text.
const maxNameErrors = 20

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
	if t.tmpl == nil || t.tmpl.Tree == nil || t.tmpl.Root == nil {
		return c.used, nil
	}
	for _, other := range t.tmpl.Templates() {
		if other != t.tmpl && other.Tree != nil { // begins after the action that defines it
			c.fail(strings.LastIndex(t.Source[:other.Root.Pos], "{{")+len("{{"), "write it out where it is used", "a text cannot define templates of its own")
		}
	}
	c.list(t.tmpl.Root, root)
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
			if s := c.pipe(n.Pipe, dot); len(n.Pipe.Decl) == 0 {
				c.printable(int(n.Pipe.Pos), s)
			}
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
	for i, cmd := range p.Cmds {
		args := make([]*shape, len(cmd.Args))
		for i, arg := range cmd.Args {
			args[i] = c.operand(arg, dot)
		}
		name, ok := cmd.Args[0].(*parse.IdentifierNode)
		switch {
		case !ok:
			s = args[0]
		default:
			if i > 0 {
				args = append(args, s) // what the command before gives
			}
			s = c.result(int(cmd.Pos), name.Ident, args[1:])
		}
	}
	return s
}

// result is the shape of what a function gives.
func (c *nameChecker) result(at int, name string, args []*shape) *shape {
	switch name {
	case "index":
		if len(args) == 2 && args[0].kind == list {
			return args[0].elem
		}
		return unknownShape
	case "slice", "and", "or":
		if len(args) > 0 && slices.IndexFunc(args, func(s *shape) bool { return s.kind == list || s.kind == object }) == 0 {
			return args[0]
		}
		return unknownShape
	case "print", "printf", "println", "html", "js", "urlquery", "upper", "lower", "quote", "join":
		for _, arg := range args {
			c.printable(at, arg)
		}
	}
	return scalarShape
}

// printable refuses to write an object, or a list of objects, as text. A node contains its peers, and they contain it, so
// to write one would not end.
func (c *nameChecker) printable(at int, s *shape) {
	if s.kind == object || s.kind == list && s.elem.kind == object {
		c.fail(at, "name a part of it, or use range", "an object or a list of such cannot be written as text")
	}
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
	if len(c.errs) > maxNameErrors {
		return
	}
	c.errs = append(c.errs, c.text.from.ErrorAt(c.text.from.Offset(c.text.Pos, c.text.Source, offset), "template: "+fmt.Sprintf(format, args...), hint))
}

// shape is what is known of a value that templates can name.
type shape struct {
	kind shapeKind
	// fields are the parts of an object; what names it in messages.
	fields map[string]*shape
	what   string
	// elsewhere are names that are no parts of the object, each with a hint where they are.
	elsewhere map[string]string
	elem      *shape // of a list
}

type shapeKind int

const (
	anything shapeKind = iota // of which nothing is known
	opaque                    // which cannot be walked, and of whose parts nothing is known
	scalar                    // which has no parts and cannot be walked
	object
	list
)

var (
	unknownShape = &shape{kind: anything}
	opaqueShape  = &shape{kind: opaque}
	scalarShape  = &shape{kind: scalar}
)

// names lists the parts of an object in ascending order.
func (s *shape) names() []string { return slices.Sorted(maps.Keys(s.fields)) }

// objectOf is an object all of whose parts have the same shape.
func objectOf(what string, part *shape, names []string) *shape {
	s := &shape{kind: object, what: what, fields: make(map[string]*shape, len(names))}
	for _, name := range names {
		s.fields[name] = part
	}
	return s
}

// keyParts are the parts of a key.
var keyParts = []string{
	"Private", "Public", "Address", "PrivateHex", "PublicHex", "AddressHex", "PrivateBase64", "PublicBase64",
	"P2PKH", "WIF",
}

// roots builds what templates can name at the top, after the first steps captured what they capture.
func (c *Chain) roots(steps int) map[string]*shape {
	once := &shape{kind: object, what: ".captured", fields: map[string]*shape{}, elsewhere: map[string]string{}}
	each := &shape{kind: object, what: ".Node.captured", fields: map[string]*shape{}, elsewhere: map[string]string{}}
	for i, step := range c.Prepare {
		for _, capture := range step.Capture {
			name := capture.Name
			switch {
			case i >= steps:
				once.elsewhere[name] = "it is captured by this step or a later one"
				each.elsewhere[name] = once.elsewhere[name]
			case step.EachNode:
				each.fields[name] = scalarShape
				once.elsewhere[name] = "it is captured for each node: .Node.captured." + name
			default:
				once.fields[name] = scalarShape
				each.elsewhere[name] = "it is captured once: .captured." + name
			}
		}
	}
	node := &shape{kind: object, what: "a node", fields: map[string]*shape{
		"Name": scalarShape, "Index": scalarShape, "Addr": opaqueShape, "Role": scalarShape, "Mine": scalarShape,
		"Produces": scalarShape, "captured": each,
		"Keys": objectOf("Keys", objectOf("a key", scalarShape, keyParts), c.KeyNames),
	}}
	nodes := &shape{kind: list, elem: node}
	node.fields["Peers"] = nodes
	return map[string]*shape{
		"Network": scalarShape, "Seed": scalarShape, "Start": opaqueShape, "BlockInterval": opaqueShape,
		"Nodes": nodes, "Producers": nodes, "captured": once,
		"Ports": objectOf(".Ports", scalarShape, slices.Sorted(maps.Keys(c.Ports))),
		"Node":  node, "Peer": node,
		"Height": scalarShape, "Hash": scalarShape, "Last": unknownShape,
		"Nonce": scalarShape, "From": node, "To": node, "Amount": scalarShape, "Tx": scalarShape,
	}
}

// The top-level names that templates have, by where they stand.
var (
	namesOnce   = []string{"Network", "Seed", "Start", "BlockInterval", "Nodes", "Producers", "Ports", "captured"}
	namesNode   = append(slices.Clone(namesOnce), "Node")
	namesPeer   = append(slices.Clone(namesNode), "Peer")
	namesBlock  = append(slices.Clone(namesNode), "Height", "Hash")
	namesTx     = append(slices.Clone(namesNode), "Nonce", "From", "To", "Amount")
	namesSubmit = append(slices.Clone(namesTx), "Tx")
	namesCall   = append(slices.Clone(namesSubmit), "Peer", "Height", "Hash", "Last")
)

// only is the top of a template that has some of the names.
func only(roots map[string]*shape, names []string) *shape {
	s := &shape{kind: object, what: "this text", fields: make(map[string]*shape, len(names)), elsewhere: map[string]string{}}
	for name := range roots {
		s.elsewhere[name] = "known here: ." + strings.Join(names, ", .")
	}
	for _, name := range names {
		s.fields[name] = roots[name]
		delete(s.elsewhere, name)
	}
	return s
}
