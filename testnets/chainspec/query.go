package chainspec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/itchyny/gojq"

	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// MaxQueryTime is how long one run of a query may take.
const MaxQueryTime = time.Second

// Query is a jq expression of a chain file.
type Query struct {
	Source string
	Pos    strictyaml.Pos
	code   *gojq.Code
	from   *strictyaml.Source
}

// UnmarshalYAML decodes and compiles the expression.
func (q *Query) UnmarshalYAML(d *strictyaml.Decoder, n strictyaml.Node) {
	*q = Query{Pos: strictyaml.NodePos(n.Node), from: d.Source}
	s, ok := strictyaml.ScalarText(n.Node)
	if !ok {
		hint := ""
		switch n.Node.(type) {
		case *ast.MappingNode, *ast.MappingValueNode, *ast.SequenceNode:
			hint = "put the expression in quotes"
		}
		d.Failf(q.Pos, hint, "%s must be a jq expression, not %s", n.Name, strictyaml.Describe(n.Node))
		return
	}
	q.Source = s
	if mistake := q.compile(); mistake != nil {
		d.Add(mistake)
	}
}

// compile compiles the source. It returns nil or the mistake.
func (q *Query) compile() *strictyaml.Error {
	if strings.TrimSpace(q.Source) == "" {
		return q.from.ErrorAt(q.Pos, "the jq expression is empty", `"." gives the whole reply`)
	}
	parsed, err := gojq.Parse(q.Source)
	if err == nil {
		q.code, err = gojq.Compile(parsed)
	}
	if err != nil {
		at := q.Pos
		var token *gojq.ParseError
		if errors.As(err, &token) { // its offset is that of the token's end
			at = q.from.Offset(at, q.Source, token.Offset-len(token.Token))
		}
		return q.from.ErrorAt(at, "jq: "+err.Error(), "")
	}
	return nil
}

// Run applies the query to a JSON value as encoding/json decodes it and returns its result, of which there must be
// exactly one. Errors are *strictyaml.Error: the query's place, what went wrong, and the beginning of the value. It takes at
// most MaxQueryTime, but for a single function that a chain file applies to something huge of its own making, and obeys ctx.
// It is safe for concurrent use.
func (q Query) Run(ctx context.Context, in any) (any, error) {
	limit, cancel := context.WithTimeout(ctx, MaxQueryTime)
	defer cancel()
	out, err := q.only(limit, in)
	if err != nil && ctx.Err() == nil && limit.Err() != nil {
		err = fmt.Errorf("does not end within %v", MaxQueryTime)
	}
	if err != nil {
		return nil, q.from.ErrorAt(q.Pos, fmt.Sprintf("jq %s: %v", strictyaml.Shorten(q.Source), err), "the reply was "+rawJSON(in))
	}
	return out, nil
}

// only returns the query's one result.
func (q Query) only(ctx context.Context, in any) (out any, err error) {
	// The library panics on values that are not JSON's; that must be an error about this query.
	defer func() {
		if p := recover(); p != nil {
			out, err = nil, fmt.Errorf("%v", p)
		}
	}()
	if err := checkNumbers(in); err != nil {
		return nil, err
	}
	results := q.code.RunWithContext(ctx, in)
	out, some := results.Next()
	if err, ok := out.(error); ok {
		return nil, err
	}
	if !some {
		return nil, errors.New("gives nothing")
	}
	second, more := results.Next()
	if err, ok := second.(error); ok {
		return nil, err
	}
	if more {
		return nil, errors.New("gives more than one result")
	}
	return out, nil
}

// maxDigits is the most characters of a number in a reply. gojq takes time as the square of them and cannot be interrupted
// meanwhile: a million digits are seconds, and a node may reply with sixteen million where it should have a height.
const maxDigits = 1000

// checkNumbers looks for numbers that are too long, written as such or as text.
func checkNumbers(v any) (err error) {
	text := ""
	switch v := v.(type) {
	case json.Number:
		text = string(v)
	case string:
		text = v
	case []any:
		for i := 0; i < len(v) && err == nil; i++ {
			err = checkNumbers(v[i])
		}
	case map[string]any:
		for _, field := range v {
			if err = checkNumbers(field); err != nil {
				break
			}
		}
	}
	if len(text) > maxDigits && strings.Trim(text, "0123456789+-.eE ") == "" {
		return fmt.Errorf("a number has %d characters, at most %d are read", len(text), maxDigits)
	}
	return err
}

// maxRaw is the most characters of a reply that an error shows.
const maxRaw = 300

// rawJSON returns the beginning of a value as JSON.
func rawJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("a %T", v)
	}
	if r := []rune(string(b)); len(r) > maxRaw {
		return string(r[:maxRaw]) + "..."
	}
	return string(b)
}
