package external

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/testnets"
)

// FileError is something that the chain file says and that does not work, found before any node was started. Its text
// begins with the place in the file and holds no secrets.
type FileError struct {
	at    *testnets.Error
	cause error
}

// Error implements error.
func (e *FileError) Error() string { return e.at.Error() }

// Unwrap implements errors.Unwrap.
func (e *FileError) Unwrap() error { return e.cause }

// mistake makes a FileError of an error about a place in the file, unless it was the end of the context.
func (c *Chain) mistake(ctx context.Context, pos testnets.Pos, hint string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", c.at(pos), err)
	}
	text := c.told(err)
	return &FileError{c.hidden().ErrorAt(pos, text, hint), retold(err, text)}
}

// hidden is the chain file with stars in the place of secrets, wherever they stand in its text.
func (c *Chain) hidden() *testnets.Chain {
	file := *c.file
	file.Source = []byte(c.secrets.mask(string(file.Source)))
	return &file
}

// told is the text of an error without secrets. An excerpt of the file in it is made anew, of the file without them: it
// may have cut one in two.
func (c *Chain) told(err error) string {
	text := err.Error()
	var at *testnets.Error
	if errors.As(err, &at) && at.Excerpt != "" {
		text = strings.Replace(text, at.Error(), c.hidden().ErrorAt(at.Pos, at.Msg, at.Hint).Error(), 1)
	}
	return c.secrets.text(text)
}

// clean returns an error whose text is told's and which is err otherwise, nil for nil.
func (c *Chain) clean(err error) error {
	if err == nil {
		return nil
	}
	return retold(err, c.told(err))
}

// refused is clean for an error of a request. What a node said is shortened, too, once secrets are hidden in it.
func (c *Chain) refused(err error) error {
	var answered *RPCError
	var unfit *unfitError
	switch {
	case errors.As(err, &answered):
		return &RPCError{answered.Code, c.secrets.brief(answered.Message), c.secrets.brief(answered.Data)}
	case errors.As(err, &unfit):
		return &unfitError{unfit.problem, c.secrets.brief(unfit.text)}
	}
	return c.clean(err)
}

// imageHint is what to do about an image that cannot be had.
func (c *Chain) imageHint() string {
	switch i := c.file.Image; {
	case i.Go != "":
		program, _, _ := strings.Cut(i.Go, "@")
		return "`go install` must be able to build it; `go list -m -versions MODULE` lists the versions of the module that holds " + program
	case i.Binary != "":
		return "the path begins where the chain file is: " + absolute(i.Binary)
	case i.Dockerfile != "":
		return "the path begins where the chain file is: " + absolute(i.Dockerfile)
	}
	return "`docker images` lists what there is; nothing is pulled"
}

// absolute is a path in full, where that can be found out.
func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}

// CallError is a call that a node did not answer as it should. It holds no secrets.
type CallError struct {
	Node faults.NodeID
	Call string // its name in the chain file
	At   string // its place: file, line and column
	Err  error
}

// Error implements error.
func (e *CallError) Error() string {
	return fmt.Sprintf("node %s, call %s (%s): %v", e.Node, e.Call, e.At, e.Err)
}

// Unwrap implements errors.Unwrap.
func (e *CallError) Unwrap() error { return e.Err }

// methodNotFound is JSON-RPC's code for a method that there is not.
const methodNotFound = -32601

// Hint says what to look at first; it may be empty.
func (e *CallError) Hint() string {
	var answered *RPCError
	var record tls.RecordHeaderError
	switch {
	case errors.As(e.Err, &answered) && (answered.Code == http.StatusUnauthorized || answered.Code == http.StatusForbidden):
		return "the node wants other credentials: see rpc.basic and rpc.bearer"
	case errors.As(e.Err, &answered) && (answered.Code == methodNotFound || answered.Code == http.StatusNotFound):
		return "the node does not know this request: is it spelled right, and is that part of the API switched on in start?"
	case answered != nil:
		return "the node does not take this request: compare the call with what the node's documentation says"
	case errors.As(e.Err, &record), strings.Contains(e.Err.Error(), "server gave HTTP response to HTTPS client"):
		return "the node does not speak TLS on this port: leave out rpc.tls, or see ports"
	case strings.Contains(e.Err.Error(), "malformed HTTP response"):
		return "the node does not speak plain HTTP on this port: does it want rpc.tls: self-signed, or is it another port?"
	case errors.Is(e.Err, syscall.ECONNREFUSED):
		return "nothing listens there: does the node listen on 0.0.0.0, and on the port that `ports` and rpc.port say?"
	}
	var dial net.Error
	if errors.As(e.Err, &dial) && dial.Timeout() {
		return "the node took too long to answer"
	}
	return ""
}

// AnswerError is an answer of which a query of the chain file makes nothing useful. It holds no secrets.
type AnswerError struct {
	Node    faults.NodeID
	What    string // "observe.height"
	At      string // the query's place: file, line and column
	JQ      string // the query
	Problem string // what came of it: "gives null, which is not a whole number"
	Reply   string // what the node answered, shortened
	hint    string
	cause   error
}

// Error implements error.
func (e *AnswerError) Error() string {
	return fmt.Sprintf("%s: node %s, %s: jq %s %s; the reply was %s", e.At, e.Node, e.What, e.JQ, e.Problem, e.Reply)
}

// Unwrap gives the end of the context, where that is why there is no result.
func (e *AnswerError) Unwrap() error { return e.cause }

// Hint says what to do.
func (e *AnswerError) Hint() string {
	if e.hint != "" {
		return e.hint
	}
	return "try the expression with jq on the reply"
}

// query applies a query to an answer. Its error is an *AnswerError.
func (c *Chain) query(ctx context.Context, n *node, what string, q testnets.Query, answer any) (any, error) {
	v, err := q.Run(ctx, answer)
	if err == nil {
		return v, nil
	}
	problem := err.Error()
	var at *testnets.Error
	if errors.As(err, &at) {
		problem = strings.TrimPrefix(at.Msg, "jq "+q.Source+": ")
	}
	return nil, c.answerError(n, what, q, "fails: "+problem, answer, ctx.Err())
}

// bad is the error for a query's result that is not what it should be.
func (c *Chain) bad(n *node, what string, q testnets.Query, result, answer any, want string) error {
	problem := fmt.Sprintf("gives %s, which is not %s", c.show(result), want)
	return c.answerError(n, what, q, problem, answer, nil)
}

func (c *Chain) answerError(n *node, what string, q testnets.Query, problem string, answer any, cause error) error {
	return &AnswerError{
		Node: n.node.ID, What: what, At: c.at(q.Pos), JQ: c.secrets.text(q.Source), Problem: c.secrets.text(problem),
		Reply: c.show(answer), hint: c.secrets.brief(pathHint(q.Source, answer)), cause: cause,
	}
}

// jqPath is the path that an expression begins with: .result.sync_info.height
var jqPath = regexp.MustCompile(`^\s*((?:\.[A-Za-z_][A-Za-z0-9_]*)+)`)

// pathHint says where in an answer the path ends that an expression begins with, and what there is instead; it is empty
// where the path does not end.
func pathHint(source string, answer any) string {
	m := jqPath.FindStringSubmatch(source)
	if m == nil {
		return ""
	}
	at := ""
	for _, name := range strings.Split(m[1][1:], ".") {
		object, ok := answer.(map[string]any)
		if !ok {
			return fmt.Sprintf("%s is %s and has no parts", cmp.Or(at, "the reply"), kindOf(answer))
		}
		if answer, ok = object[name]; !ok {
			has := slices.Sorted(maps.Keys(object))
			if near := faults.Nearest(name, has); near != "" {
				return fmt.Sprintf("%s has no %s; did you mean %s?", cmp.Or(at, "the reply"), name, near)
			}
			return fmt.Sprintf("%s has no %s; it has %s", cmp.Or(at, "the reply"), name, strings.Join(has, ", "))
		}
		at += "." + name
	}
	return ""
}

// kindOf names the kind of a JSON value.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "true or false"
	case string:
		return "a text"
	case []any:
		return "a list"
	case map[string]any:
		return "a mapping"
	}
	return "a number"
}

// show writes a decoded value without secrets, shortened.
func (c *Chain) show(v any) string { return c.secrets.brief(asText(v)) }

// redact is Capabilities.Redact: it hides, in a text that nodes printed, the private halves of all keys, the
// credentials of RPC, the private keys of accounts, and what steps captured that is not public.
func (c *Chain) redact(text string) string { return c.secrets.text(text) }
