package external

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/testnets/chainspec"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// caller makes the named calls of a chain file at the nodes of its network, and applies jq expressions to the replies. It has
// no state, and does not know what a reply means. Types that embed it share its file, network and redactor, and nothing else.
type caller struct {
	file    *chainspec.Chain
	net     *network
	rpc     *rpc
	secrets *redactor
}

// call makes calls in turn, each with the result of the one before as .Last, and returns the last one's result. The error
// of a call is a *CallError.
func (c *caller) call(ctx context.Context, m *member, calls []chainspec.CallRef, extra map[string]any) (any, error) {
	data := c.net.with(m, extra)
	var last any
	for _, ref := range calls {
		call, ok := c.file.Calls[ref.Name]
		if !ok {
			return nil, fmt.Errorf("%s: there is no call %s", at(c.file, ref.Pos), ref.Name)
		}
		q, err := c.request(m, call, data)
		if err == nil {
			last, err = c.rpc.do(ctx, q)
		}
		if err != nil {
			return nil, &CallError{Node: m.ID, Call: ref.Name, At: at(c.file, call.Pos), Err: c.redact(err)}
		}
		data["Last"] = last
	}
	return last, nil
}

// redact returns the error of a request without secrets. What a node said is shortened, too.
func (c *caller) redact(err error) error {
	var answered *RPCError
	var reply *replyError
	switch {
	case errors.As(err, &answered):
		return &RPCError{answered.Code, c.secrets.brief(answered.Message), c.secrets.brief(answered.Data)}
	case errors.As(err, &reply):
		return &replyError{reply.problem, c.secrets.brief(reply.text)}
	}
	return c.secrets.err(err)
}

// request renders a call.
func (c *caller) request(m *member, call chainspec.Call, data map[string]any) (q request, err error) {
	q = request{base: c.base(m), method: call.Method}
	if q.auth, err = c.auth(m); err != nil {
		return q, err
	}
	if call.Path != nil {
		if q.path, err = call.Path.Render(data); err != nil {
			return q, err
		}
		if !strings.HasPrefix(q.path, "/") {
			q.path = "/" + q.path
		}
		q.base = strings.TrimSuffix(q.base, "/")
	}
	if call.Params != nil {
		if q.params, err = call.Params.Render(data); err != nil {
			return q, err
		}
	}
	return q, nil
}

// base is the URL of a node's RPC.
func (c *caller) base(m *member) string {
	path := c.file.RPC.Path
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return c.host(m, c.file.RPC.Port) + path
}

// host is the URL of one of a node's ports, without a path.
func (c *caller) host(m *member, port string) string {
	scheme := "http"
	if c.file.RPC.SelfSigned {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(m.Addr.String(), strconv.Itoa(c.file.Ports[port]))
}

// auth renders a node's credentials.
func (c *caller) auth(m *member) (auth, error) { return authOf(c.file, c.net.with(m, nil)) }

// query applies an expression to a reply. Its error is an *AnswerError.
func (c *caller) query(ctx context.Context, m *member, what string, q chainspec.Query, answer any) (any, error) {
	v, err := c.secrets.run(ctx, q, answer)
	if err == nil {
		return v, nil
	}
	problem := err.Error()
	var at *strictyaml.Error
	if errors.As(err, &at) {
		problem = strings.TrimPrefix(at.Msg, "jq "+q.Source+": ")
	}
	return nil, c.answerError(m, what, q, "fails: "+problem, answer, ctx.Err())
}

// unexpected is the error for an expression's result that is not what it should be.
func (c *caller) unexpected(m *member, what string, q chainspec.Query, result, answer any, want string) error {
	problem := fmt.Sprintf("gives %s, which is not %s", c.secrets.show(result), want)
	return c.answerError(m, what, q, problem, answer, nil)
}

func (c *caller) answerError(m *member, what string, q chainspec.Query, problem string, answer any, cause error) error {
	return &AnswerError{
		Node: m.ID, What: what, At: at(c.file, q.Pos), JQ: c.secrets.text(q.Source), Problem: c.secrets.text(problem),
		Reply: c.secrets.show(answer), hint: c.secrets.brief(pathHint(q.Source, answer)), cause: cause,
	}
}

// read makes calls and applies an expression to the last reply.
func (c *caller) read(ctx context.Context, m *member, what string, o chainspec.Observation) (v, answer any, err error) {
	if answer, err = c.call(ctx, m, o.Calls, nil); err != nil {
		return nil, nil, err
	}
	v, err = c.query(ctx, m, what, o.JQ, answer)
	return v, answer, err
}

// auth is how a node wants to be convinced; empty fields are not sent.
type auth struct{ user, password, bearer string }

func (a auth) basic() string {
	return base64.StdEncoding.EncodeToString([]byte(a.user + ":" + a.password))
}

// set adds the credentials to a request's header.
func (a auth) set(h http.Header) {
	switch {
	case a.bearer != "":
		h.Set("Authorization", "Bearer "+a.bearer)
	case a.user != "" || a.password != "":
		h.Set("Authorization", "Basic "+a.basic())
	}
}

// authOf renders credentials with what templates about a node can use, as far as they can be rendered.
func authOf(file *chainspec.Chain, data map[string]any) (a auth, err error) {
	var parts []part
	if b := file.RPC.Basic; b != nil {
		parts = append(parts, part{&b.User, &a.user}, part{&b.Password, &a.password})
	}
	if b := file.RPC.Bearer; b != nil {
		parts = append(parts, part{b, &a.bearer})
	}
	return a, fill(parts, data)
}

// walletOf renders what the chain file says of a node's account, as far as it can be rendered.
func walletOf(file *chainspec.Chain, data map[string]any) (out chain.Access, err error) {
	w := file.Wallet
	if w == nil {
		return out, nil
	}
	err = fill([]part{
		{w.ChainID, &out.ChainID}, {w.Account, &out.Account}, {w.PrivateKey, &out.PrivateKey}, {w.Funds, &out.Funds},
	}, data)
	return out, err
}

// part is a template and what it is rendered into; nil: nothing.
type part struct {
	text *chainspec.Text
	into *string
}

// fill renders all parts that can be rendered, and returns the first error.
func fill(parts []part, data map[string]any) (first error) {
	for _, p := range parts {
		if p.text == nil {
			continue
		}
		var err error
		if *p.into, err = p.text.Render(data); err != nil && first == nil {
			first = err
		}
	}
	return first
}
