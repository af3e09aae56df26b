package chainspec

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"

	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// text/template has no context and no limits: a template that calls itself, walks a number or writes nothing in nested
// loops would never come back, and a node written as text, whose peers have it for a peer, would end the program. guard
// refuses the first when the file is read. It makes every range look at what it walks, and every turn of it write, if only
// nothing, so that bounded can count them; and every action look at what it writes.
func (t *Text) guard() *strictyaml.Error {
	g := guardian{text: t, own: -1}
	for _, other := range t.tmpl.Templates() {
		if other != t.tmpl && other.Tree != nil {
			// It begins after the action that defines it.
			g.refuse(strings.LastIndex(t.Source[:other.Root.Pos], "{{") + len("{{"))
		}
	}
	if t.tmpl.Tree != nil {
		g.list(t.tmpl.Root)
	}
	if g.own < 0 {
		return nil
	}
	return t.from.errorAt(t.at(g.own), "a text cannot define or call templates of its own", "write it out where it is used")
}

// guardian changes a template's tree.
type guardian struct {
	text *Text
	own  int // where the text first defines or calls a template; -1: nowhere
}

func (g *guardian) list(l *parse.ListNode) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		switch n := n.(type) {
		case *parse.ActionNode:
			if len(n.Pipe.Decl) == 0 && givesAnything(n.Pipe) {
				add(n.Pipe, written)
			}
		case *parse.IfNode:
			g.branch(&n.BranchNode)
		case *parse.WithNode:
			g.branch(&n.BranchNode)
		case *parse.RangeNode:
			g.branch(&n.BranchNode)
			add(n.Pipe, walked)
			n.List.Nodes = append([]parse.Node{&parse.TextNode{NodeType: parse.NodeText, Pos: n.List.Pos}}, n.List.Nodes...)
		case *parse.TemplateNode:
			g.refuse(int(n.Pos))
		}
	}
}

// add appends a function to a pipeline.
func add(p *parse.PipeNode, function string) {
	name := parse.NewIdentifier(function).SetPos(p.Pos)
	p.Cmds = append(p.Cmds, &parse.CommandNode{NodeType: parse.NodeCommand, Pos: p.Pos, Args: []parse.Node{name}})
}

// givesAnything reports whether a pipeline may give a list or an object: it ends with no function, or with one that hands
// on what it was given. The others make text or numbers.
func givesAnything(p *parse.PipeNode) bool {
	name, ok := p.Cmds[len(p.Cmds)-1].Args[0].(*parse.IdentifierNode)
	return !ok || slices.Contains([]string{"and", "or", "index", "slice", "call"}, name.Ident)
}

func (g *guardian) branch(b *parse.BranchNode) {
	g.list(b.List)
	g.list(b.ElseList)
}

// refuse notes where the text has templates of its own.
func (g *guardian) refuse(at int) {
	if g.own < 0 || at < g.own {
		g.own = at
	}
}

// The functions that every range, and every action that may need it, end with. Both give what they get, or an error.
const (
	walked  = "_list"
	written = "_text"
)

// guardFuncs are the functions of text/template whose results grow with every use, bounded, and walkable.
var guardFuncs = template.FuncMap{
	walked:     walkable,
	written:    writable,
	"print":    printer(fmt.Sprint),
	"println":  printer(fmt.Sprintln),
	"html":     printer(template.HTMLEscaper),
	"js":       printer(template.JSEscaper),
	"urlquery": printer(template.URLQueryEscaper),
	"printf": func(format string, v ...any) (string, error) {
		return printer(func(v ...any) string { return fmt.Sprintf(format, v...) })(v...)
	},
}

// printer bounds a function that makes text of its arguments.
func printer(text func(v ...any) string) func(v ...any) (string, error) {
	return func(v ...any) (string, error) {
		for _, one := range v {
			if _, err := writable(one); err != nil {
				return "", err
			}
		}
		return printed(text(v...))
	}
}

// printed is the result of a function that makes text. A text that doubles a variable with every turn
// of a range would take all memory before it writes anything.
func printed(s string) (string, error) {
	if len(s) > MaxRendered {
		return "", errTooLong
	}
	return s, nil
}

// walkable gives back what a range may walk: a list or an object. A number, of which there may be any, and a function
// that makes values are none.
func walkable(v any) (any, error) {
	switch reflect.ValueOf(v).Kind() {
	case reflect.Invalid, reflect.Slice, reflect.Array, reflect.Map:
		return v, nil
	}
	return nil, errors.New("range needs a list")
}

// writable gives back what can be written as text. A node knows its peers, and they know it: to write an object, or a
// list of objects or lists, need not end.
func writable(v any) (any, error) {
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Map:
		return nil, errNotText
	case reflect.Slice, reflect.Array:
		for i := range r.Len() {
			elem := r.Index(i)
			if elem.Kind() == reflect.Interface {
				elem = elem.Elem()
			}
			switch elem.Kind() {
			case reflect.Map, reflect.Slice, reflect.Array:
				return nil, errNotText
			}
		}
	}
	return v, nil
}

var errNotText = errors.New("an object or a list of such cannot be written as text: name a part of it, or use range or json")
