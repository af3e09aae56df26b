package testnets

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/itchyny/gojq"
)

// gojq obeys a context between the steps of a query, but not inside of an operator or a built-in function, and has no
// bound on what these make: "ab" * .n is 2 GiB where the reply says so, .[.n] = 1 as many. guard rewrites a query so that
// each use of one that could be so large is preceded by a look at its operands (see tolls). What is left is quick for
// replies of the size that is read, or shown to take long by the clock alone (see Query.Run).
//
//	A * B   becomes   B as $r | A as $l | toll($run; $l; $r) as $paid | $l * $r
//
// The names that it uses cannot be written in jq. It returns what a query may not say, empty if there is nothing.
func guard(q *gojq.Query) (refused string) {
	g := queryGuard{}
	g.walk(reflect.ValueOf(q))
	if g.refused != "" {
		return g.refused
	}
	// The caller gives the run's purse by a name that can be written, and so could be bound to something else.
	inner := *q
	inner.Meta, inner.Imports = nil, nil
	*q = gojq.Query{Meta: q.Meta, Imports: q.Imports}
	bound := bind(callOf(purseName), purseVar, &inner)
	q.Left, q.Op, q.Right, q.Patterns = bound.Left, bound.Op, bound.Right, bound.Patterns
	return ""
}

// The names under which a query has its purse: the first can be given from outside, the second cannot be written.
const (
	purseName = "$__run"
	purseVar  = "$%run"
)

type queryGuard struct{ refused string }

func (g *queryGuard) refuse(format string, args ...any) {
	if g.refused == "" {
		g.refused = fmt.Sprintf(format, args...)
	}
}

// walk visits all parts of a query, the inner ones first.
func (g *queryGuard) walk(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		g.walk(v.Elem())
		switch part := v.Interface().(type) {
		case *gojq.Query:
			g.operator(part)
		case *gojq.Term:
			g.term(part)
		case *gojq.Index:
			g.index(part)
		case *gojq.String:
			g.text(part)
		case *gojq.FuncDef:
			g.definition(part)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			g.walk(v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			g.walk(v.Index(i))
		}
	}
}

// definition keeps a query from giving other meanings to what is guarded.
func (g *queryGuard) definition(d *gojq.FuncDef) {
	for _, name := range append([]string{d.Name}, d.Args...) {
		if guarded[name] || strings.HasPrefix(name, "_") {
			g.refuse("%s cannot be defined here: it is a name of jq's own", name)
		}
	}
}

// The operators that are guarded, and the assignments that use them.
var (
	paidOperators = []gojq.Operator{gojq.OpAdd, gojq.OpSub, gojq.OpMul}
	paidUpdates   = []gojq.Operator{gojq.OpUpdateAdd, gojq.OpUpdateSub, gojq.OpUpdateMul}
)

// operator guards + - * and the assignments that use them.
func (g *queryGuard) operator(q *gojq.Query) {
	var guarded *gojq.Query
	if slices.Contains(paidOperators, q.Op) {
		guarded = operation(q.Op, q.Left, q.Right)
	} else if i := slices.Index(paidUpdates, q.Op); i >= 0 {
		// P += V is V as $v | P |= . + $v
		sum := operation(paidOperators[i], identity(), callOf("$%v"))
		guarded = bind(q.Right, "$%v", &gojq.Query{Left: q.Left, Op: gojq.OpModify, Right: inParens(sum)})
	} else {
		return
	}
	q.Term, q.Left, q.Right, q.Op = inParens(guarded).Term, nil, nil, 0
}

// operation is LEFT OP RIGHT, guarded.
func operation(op gojq.Operator, left, right *gojq.Query) *gojq.Query {
	return paid(op.String(), []*gojq.Query{left, right}, func(args []*gojq.Query) *gojq.Query {
		return &gojq.Query{Left: args[0], Op: op, Right: args[1]}
	})
}

// term guards calls of functions and formats.
func (g *queryGuard) term(t *gojq.Term) {
	switch {
	case t.Type == gojq.TermTypeFormat && t.Str == nil:
		format := &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeFormat, Format: t.Format}}
		*t = gojq.Term{Type: gojq.TermTypeQuery, SuffixList: t.SuffixList,
			Query: paid("tojson", nil, func([]*gojq.Query) *gojq.Query { return format })}
	case t.Type == gojq.TermTypeFunc:
		g.call(t, t.Func)
	}
}

// call guards a call of a function.
func (g *queryGuard) call(t *gojq.Term, f *gojq.Func) {
	var q *gojq.Query
	_, ok := tolls[f.Name+"/"+strconv.Itoa(len(f.Args))]
	switch {
	case strings.HasPrefix(f.Name, "_"):
		g.refuse("%s is not jq: names that begin with _ are the library's own", f.Name)
		return
	case f.Name == "add" && len(f.Args) == 1: // add(f) is [f] | add
		list := &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeArray, Array: &gojq.Array{Query: f.Args[0]}}}
		q = &gojq.Query{Left: list, Op: gojq.OpPipe, Right: inParens(paid("add", nil, func([]*gojq.Query) *gojq.Query { return callOf("add") }))}
	case f.Name == "fromstream" && len(f.Args) == 1: // every event that it takes is looked at
		seen := paid("%event", nil, func([]*gojq.Query) *gojq.Query { return identity() })
		q = callOf(f.Name, &gojq.Query{Left: f.Args[0], Op: gojq.OpPipe, Right: inParens(seen)})
	case slices.Contains(regexps, f.Name) && !matchesOnce(f):
		q = paid("%match", nil, func([]*gojq.Query) *gojq.Query { return callOf(f.Name, f.Args...) })
	case ok:
		q = paid(f.Name, f.Args, func(args []*gojq.Query) *gojq.Query { return callOf(f.Name, args...) })
	default:
		return
	}
	*t = gojq.Term{Type: gojq.TermTypeQuery, Query: q, SuffixList: t.SuffixList}
}

// regexps are the functions that may look for a regular expression again and again.
var regexps = []string{"match", "capture", "scan", "split", "splits", "sub", "gsub"}

// matchesOnce reports whether a call of one of the regexps looks for one match, or is split(TEXT).
func matchesOnce(f *gojq.Func) bool {
	literal := len(f.Args) > 0 && f.Args[0].Term != nil && f.Args[0].Term.Type == gojq.TermTypeString
	switch f.Name {
	case "split":
		return len(f.Args) == 1
	case "match", "capture":
		return len(f.Args) == 1 && literal // else there are flags, or may be
	case "sub":
		return len(f.Args) == 2 && literal
	}
	return false
}

// index guards .[I]: an assignment makes a list that long. One that stands there as a number is refused at once.
func (g *queryGuard) index(i *gojq.Index) {
	if i.Start == nil || i.IsSlice {
		return
	}
	if t := i.Start.Term; t != nil && t.Type == gojq.TermTypeNumber {
		if n, err := strconv.ParseFloat(t.Number, 64); err != nil || n >= maxIndex {
			g.refuse("an index of a list may be %d at most", maxIndex-1)
		}
		return
	}
	i.Start = paid("%index", []*gojq.Query{i.Start}, func(args []*gojq.Query) *gojq.Query { return args[0] })
}

// text guards what is put into a string.
func (g *queryGuard) text(s *gojq.String) {
	for i, q := range s.Queries {
		if q.Term != nil && q.Term.Str != nil {
			continue
		}
		small := paid("tojson", nil, func([]*gojq.Query) *gojq.Query { return identity() })
		s.Queries[i] = inParens(&gojq.Query{Left: q, Op: gojq.OpPipe, Right: inParens(small)})
	}
}

// paid returns a query that evaluates operands, in jq's order, pays the toll for them and goes on with what use makes of
// them.
func paid(toll string, operands []*gojq.Query, use func(args []*gojq.Query) *gojq.Query) *gojq.Query {
	args := make([]*gojq.Query, len(operands))
	for i := range operands {
		args[i] = callOf("$%" + strconv.Itoa(i))
	}
	q := bind(callOf(tollName(toll, len(operands)), append([]*gojq.Query{callOf(purseVar)}, args...)...), "$%paid", use(args))
	for i, operand := range operands {
		q = bind(operand, args[i].Term.Func.Name, q)
	}
	return q
}

// bind is VALUE as $NAME | BODY.
func bind(value *gojq.Query, name string, body *gojq.Query) *gojq.Query {
	return &gojq.Query{Left: inParens(value), Patterns: []*gojq.Pattern{{Name: name}}, Op: gojq.OpPipe, Right: body}
}

func identity() *gojq.Query {
	return &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeIdentity}}
}

func inParens(q *gojq.Query) *gojq.Query {
	return &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeQuery, Query: q}}
}

func callOf(name string, args ...*gojq.Query) *gojq.Query {
	return &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeFunc, Func: &gojq.Func{Name: name, Args: args}}}
}
