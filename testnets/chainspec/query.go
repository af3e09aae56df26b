package chainspec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/itchyny/gojq"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// Bounds of a query.
const (
	MaxQuery     = 4096        // bytes of its text
	MaxQueryTime = time.Second // of one run; see Query.Run for what may come on top
)

// Query is a jq expression of a chain file.
type Query struct {
	Source string
	Pos    strictyaml.Pos
	code   *gojq.Code
	from   *origin
}

// compileQuery reads a jq expression. Its error is nil or the mistake, at its place.
func compileQuery(from *origin, pos strictyaml.Pos, source string) (Query, *strictyaml.Error) {
	q := Query{Source: source, Pos: pos, from: from}
	if len(source) > MaxQuery {
		return q, from.errorAt(pos, fmt.Sprintf("the jq expression has more than %d bytes", MaxQuery), "")
	}
	if strings.TrimSpace(source) == "" {
		return q, from.errorAt(pos, "the jq expression is empty", `"." gives the whole reply`)
	}
	parsed, err := gojq.Parse(source)
	if err != nil {
		var at *gojq.ParseError
		if errors.As(err, &at) {
			// The offset is that of the token's end.
			before := source[:max(0, min(at.Offset-len(at.Token), len(source)))]
			line := strings.Count(before, "\n") + 1
			before = before[strings.LastIndexByte(before, '\n')+1:]
			pos = from.inside(pos, source, line, len([]rune(before))+1)
		}
		return q, from.errorAt(pos, "jq: "+err.Error(), "")
	}
	if q.code, err = gojq.Compile(parsed); err != nil {
		return q, from.errorAt(pos, "jq: "+err.Error(), "")
	}
	return q, nil
}

// Run applies the query to a JSON value as encoding/json decodes it and returns its result, of which there must be
// exactly one. Errors are *strictyaml.Error: the query's place, what went wrong, and the beginning of the value. It is safe for
// concurrent use.
//
// It takes at most MaxQueryTime and a little, and obeys ctx. gojq can be interrupted between the steps of a query only:
// from a function that takes longer, such as a comparison of huge lists, Run returns without its result, and a goroutine goes
// on until the function is done. What one function makes is bounded by the library alone, so an expression that lets the
// reply choose a size (.[.n] = 1, "x" * .n) lets it choose how much memory that takes, up to some gigabytes.
func (q Query) Run(ctx context.Context, in any) (any, error) {
	fail := func(format string, args ...any) error {
		return q.from.errorAt(q.Pos, fmt.Sprintf("jq %s: ", strictyaml.Shorten(q.Source))+fmt.Sprintf(format, args...),
			"the reply was "+rawJSON(in))
	}
	if q.code == nil {
		return nil, fail("the query was not compiled")
	}
	limit, cancel := context.WithTimeout(ctx, MaxQueryTime)
	defer cancel()
	type result struct {
		out any
		err error
	}
	done := make(chan result, 1)
	go func() {
		out, err := q.only(limit, in)
		done <- result{out, err}
	}()
	var r result
	select {
	case r = <-done:
	case <-limit.Done():
		late := time.NewTimer(lastStep)
		defer late.Stop()
		select {
		case r = <-done:
		case <-late.C:
			r.err = limit.Err()
		}
	}
	switch {
	case r.err != nil && ctx.Err() == nil && limit.Err() != nil:
		return nil, fail("does not end within %v", MaxQueryTime)
	case r.err != nil:
		return nil, fail("%v", r.err)
	}
	return r.out, nil
}

// lastStep is how long a query that ran out of time may take to end by itself.
const lastStep = 100 * time.Millisecond

// only returns the query's one result.
func (q Query) only(ctx context.Context, in any) (out any, err error) {
	// The library panics on values that are not JSON's; that must be an error about this query.
	defer func() {
		if p := recover(); p != nil {
			out, err = nil, fmt.Errorf("%v", p)
		}
	}()
	if err := checkDigits(in); err != nil {
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
