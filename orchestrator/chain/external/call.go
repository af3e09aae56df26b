package external

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/netsplit/netsplit/testnets"
)

// credentials renders every node's credentials once, so that they are known as secrets before the first request.
func (c *Chain) credentials() error {
	for _, n := range c.order {
		if _, err := c.auth(n); err != nil {
			return fmt.Errorf("credentials of node %s: %w", n.node.ID, err)
		}
		if _, err := c.wallet(c.with(n, nil)); err != nil {
			return fmt.Errorf("wallet of node %s: %w", n.node.ID, err)
		}
	}
	return nil
}

// foresee hides the credentials that data is enough for; what else they need is not known yet. A literal password may stand
// in what comes before credentials are needed: in the image and in the steps of the preparation.
func (c *Chain) foresee(data map[string]any) {
	_, _ = c.authOf(data)
	_, _ = c.wallet(data)
}

// auth renders a node's credentials.
func (c *Chain) auth(n *node) (auth, error) { return c.authOf(c.with(n, nil)) }

// authOf renders credentials with what texts about a node can use. Those that can be rendered are secrets from then on, also
// when it fails.
func (c *Chain) authOf(data map[string]any) (a auth, err error) {
	var parts []part
	if b := c.file.RPC.Basic; b != nil {
		parts = append(parts, part{&b.User, &a.user}, part{&b.Password, &a.password})
	}
	if b := c.file.RPC.Bearer; b != nil {
		parts = append(parts, part{b, &a.bearer})
	}
	err = fill(parts, data)
	c.secrets.add(a.password, a.bearer)
	if a.password != "" {
		c.secrets.add(base64.StdEncoding.EncodeToString([]byte(a.user + ":" + a.password)))
	}
	return a, err
}

// part is a text and what it is rendered into; nil: nothing.
type part struct {
	text *testnets.Text
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

// call makes calls in turn, each with the result of the one before as .Last, and returns the last one's result. The error
// of a call is a *CallError.
func (c *Chain) call(ctx context.Context, n *node, calls []testnets.CallRef, extra map[string]any) (any, error) {
	data := c.with(n, extra)
	var last any
	for _, ref := range calls {
		call, ok := c.file.Calls[ref.Name]
		if !ok {
			return nil, fmt.Errorf("%s: there is no call %s", c.at(ref.Pos), ref.Name)
		}
		var err error
		if last, err = c.one(ctx, n, call, data); err != nil {
			return nil, &CallError{Node: n.node.ID, Call: ref.Name, At: c.at(call.Pos), Err: c.refused(err)}
		}
		data["Last"] = last
	}
	return last, nil
}

// one makes a call.
func (c *Chain) one(ctx context.Context, n *node, call testnets.Call, data map[string]any) (any, error) {
	q, err := c.request(n, call, data)
	if err != nil {
		return nil, err
	}
	return c.rpc.do(ctx, q)
}

// request renders a call.
func (c *Chain) request(n *node, call testnets.Call, data map[string]any) (q request, err error) {
	q = request{base: c.base(n), method: call.Method}
	if q.auth, err = c.auth(n); err != nil {
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
func (c *Chain) base(n *node) string {
	scheme := "http"
	if c.file.RPC.SelfSigned {
		scheme = "https"
	}
	path := c.file.RPC.Path
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return scheme + "://" + net.JoinHostPort(n.node.Addr.String(), strconv.Itoa(c.file.Ports[c.file.RPC.Port])) + path
}

// URL returns the address of a node's RPC, empty for a node that is not known.
func (c *Chain) URL(id string) string {
	for _, n := range c.order {
		if string(n.node.ID) == id {
			return c.base(n)
		}
	}
	return ""
}
