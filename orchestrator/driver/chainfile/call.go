package chainfile

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
	}
	return nil
}

// auth renders a node's credentials.
func (c *Chain) auth(n *node) (a auth, err error) {
	data := c.with(n, nil)
	if b := c.file.RPC.Basic; b != nil {
		if a.user, err = b.User.Render(data); err != nil {
			return a, err
		}
		if a.password, err = b.Password.Render(data); err != nil {
			return a, err
		}
	}
	if b := c.file.RPC.Bearer; b != nil {
		if a.bearer, err = b.Render(data); err != nil {
			return a, err
		}
	}
	c.secrets.add(a.password, a.bearer)
	if a.password != "" {
		c.secrets.add(base64.StdEncoding.EncodeToString([]byte(a.user + ":" + a.password)))
	}
	return a, nil
}

// call makes calls in turn, each with the result of the one before as .Last, and returns the last one's result. Errors
// name the node, the call and its place, and hold no secrets.
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
			return nil, c.secrets.err(fmt.Errorf("node %s, call %s (%s): %w", n.node.ID, ref.Name, c.at(call.Pos), err))
		}
		data["Last"] = last
	}
	return last, nil
}

// one makes a call.
func (c *Chain) one(ctx context.Context, n *node, call testnets.Call, data map[string]any) (any, error) {
	q := request{base: c.base(n), method: call.Method}
	var err error
	if q.auth, err = c.auth(n); err != nil {
		return nil, err
	}
	if call.Path != nil {
		if q.path, err = call.Path.Render(data); err != nil {
			return nil, err
		}
		if !strings.HasPrefix(q.path, "/") {
			q.path = "/" + q.path
		}
		q.base = strings.TrimSuffix(q.base, "/")
	}
	if call.Params != nil {
		if q.params, err = call.Params.Render(data); err != nil {
			return nil, err
		}
	}
	return c.rpc.do(ctx, q)
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

// query applies a query to an answer. Errors show the answer, shortened, and hold no secrets.
func (c *Chain) query(ctx context.Context, n *node, what string, q testnets.Query, answer any) (any, error) {
	v, err := q.Run(ctx, answer)
	if err != nil {
		return nil, c.secrets.err(fmt.Errorf("node %s, %s: %w", n.node.ID, what, err))
	}
	return v, nil
}

// bad is the error for a query's result that is not what it should be.
func (c *Chain) bad(n *node, what string, q testnets.Query, result, answer any, want string) error {
	return c.secrets.err(fmt.Errorf("%s: node %s, %s: jq %s gives %s, which is not %s; the reply was %s",
		c.at(q.Pos), n.node.ID, what, q.Source, show(result), want, show(answer)))
}
