package external

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/testnets"
)

// access is Capabilities.Access. The example asks for the height, as the chain file does.
func (c *Chain) access(id faults.NodeID) (chain.Access, error) {
	n, err := c.node(id)
	if err != nil {
		return chain.Access{}, err
	}
	out, err := c.accessOf(n)
	if err != nil {
		return chain.Access{}, c.clean(fmt.Errorf("access to node %s: %w", id, err))
	}
	return out, nil
}

func (c *Chain) accessOf(n *node) (chain.Access, error) {
	out, err := c.wallet(c.with(n, nil))
	if err != nil {
		return out, err
	}
	base, err := url.Parse(c.base(n))
	if err != nil {
		return out, fmt.Errorf("%s: rpc.path: %w", c.at(c.file.RPC.Pos), bare(err))
	}
	out.URL = *base
	a, err := c.auth(n)
	if err != nil {
		return out, err
	}
	out.User, out.Password, out.Token = a.user, a.password, a.bearer
	q, err := c.request(n, c.file.Calls[c.file.Observe.Height.Calls[0].Name], c.with(n, nil))
	if err != nil {
		return out, err
	}
	body, err := c.body(q)
	if err != nil {
		return out, err
	}
	out.Example = func(at string) string { return c.curl(q, *base, at, body) }
	return out, nil
}

// body is what a request sends; empty for a GET.
func (c *Chain) body(q request) (string, error) {
	if c.rpc.kind != testnets.HTTPGet {
		text, err := c.rpc.message(q, 1)
		return string(text), err
	}
	if q.params == nil {
		return "", nil
	}
	text, err := json.Marshal(q.params)
	if err != nil {
		return "", fmt.Errorf("encode the request: %w", err)
	}
	return string(text), nil
}

// wallet renders what the chain file says of a node's account, with what texts about it can use. Its key is a secret from
// then on.
func (c *Chain) wallet(data map[string]any) (out chain.Access, err error) {
	w := c.file.Wallet
	if w == nil {
		return out, nil
	}
	err = fill([]part{
		{w.ChainID, &out.ChainID}, {w.Account, &out.Account}, {w.PrivateKey, &out.PrivateKey}, {w.Funds, &out.Funds},
	}, data)
	c.secrets.add(out.PrivateKey)
	return out, err
}

// curl writes a request to a node at an address as a command.
func (c *Chain) curl(q request, base url.URL, at, body string) string {
	base.Host = at
	words := []string{"curl", "-s"}
	if c.file.RPC.SelfSigned {
		words = append(words, "-k")
	}
	switch {
	case q.auth.bearer != "":
		words = append(words, "-H", shellQuote("Authorization: Bearer "+q.auth.bearer))
	case q.auth.user != "" || q.auth.password != "":
		words = append(words, "-u", shellQuote(q.auth.user+":"+q.auth.password))
	}
	if body != "" {
		words = append(words, "-H", shellQuote("Content-Type: application/json"), "-d", shellQuote(body))
	}
	address := base.String()
	if c.rpc.kind == testnets.HTTPGet {
		address = strings.TrimSuffix(address, "/") + q.path
	}
	return strings.Join(append(words, shellQuote(address)), " ")
}

// shellQuote makes one word of a shell command of any text.
func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
