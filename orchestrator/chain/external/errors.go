package external

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/testnets/chainspec"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// FileError is something that the chain file says and that does not work, found before any node was started. Its text
// begins with the place in the file and holds no secrets.
type FileError struct {
	at    *strictyaml.Error
	cause error
}

// Error implements error.
func (e *FileError) Error() string { return e.at.Error() }

// Unwrap implements errors.Unwrap.
func (e *FileError) Unwrap() error { return e.cause }

// RPCError is an error that a node itself answered with. In an error of a Chain its texts are shortened and hold no
// secrets; before that they are what the node said.
type RPCError struct {
	Code    int64 // of JSON-RPC; the HTTP status where the reply is no JSON-RPC error
	Message string
	Data    string // what else the node said; may be empty
}

// Error implements error.
func (e *RPCError) Error() string {
	s := fmt.Sprintf("the node answered with error %d: %s", e.Code, e.Message)
	if e.Data != "" {
		s += " (" + e.Data + ")"
	}
	return s
}

// replyError is a reply without a result. Its text is the reply: see RPCError.
type replyError struct {
	problem error
	text    string
}

// Error implements error.
func (e *replyError) Error() string { return fmt.Sprintf("%v: %s", e.problem, e.text) }

// Unwrap implements errors.Unwrap.
func (e *replyError) Unwrap() error { return e.problem }

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

// unknownRequest reports whether the node answers that it has no such method or path.
func (e *CallError) unknownRequest() bool {
	var answered *RPCError
	return errors.As(e.Err, &answered) && (answered.Code == methodNotFound || answered.Code == http.StatusNotFound)
}

// Hint says what to do; it may be empty.
func (e *CallError) Hint() string {
	var answered *RPCError
	var record tls.RecordHeaderError
	switch {
	case errors.As(e.Err, &answered) && (answered.Code == http.StatusUnauthorized || answered.Code == http.StatusForbidden):
		return "the node wants other credentials: see rpc.basic and rpc.bearer"
	case e.unknownRequest():
		return "the node does not know this request: is it spelled right, and is that part of the API switched on in start?"
	case answered != nil:
		return "the node refuses this request: compare the call with the node's documentation"
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

// AnswerError is a reply to which a jq expression of the chain file does not fit. It holds no secrets.
type AnswerError struct {
	Node    faults.NodeID
	What    string // "observe.height"
	At      string // the expression's place: file, line and column
	JQ      string // the expression
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
	return cmp.Or(e.hint, "try the expression with jq on the reply")
}

// nodeError makes a chain.NodeError of an error about one node's reply.
func nodeError(err error) error {
	var call *CallError
	var answer *AnswerError
	switch {
	case errors.As(err, &call):
		return &chain.NodeError{Node: call.Node, Err: err}
	case errors.As(err, &answer):
		return &chain.NodeError{Node: answer.Node, Err: err}
	}
	return err
}

// at names a place in the chain file.
func at(file *chainspec.Chain, pos strictyaml.Pos) string {
	if pos.Line == 0 {
		return file.File
	}
	return fmt.Sprintf("%s:%d:%d", file.File, pos.Line, pos.Column)
}

// jqPath is the path that an expression begins with: .result.sync_info.height
var jqPath = regexp.MustCompile(`^\s*((?:\.[A-Za-z_][A-Za-z0-9_]*)+)`)

// pathHint says where in a reply the path ends that an expression begins with, and what there is instead; it is empty where
// the path does not end.
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
