package external

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/netsplit/netsplit/orchestrator/chain"
)

// access is Capabilities.Access for a node. The example reads the height, as the chain file does.
func (c *caller) access(m *member) (chain.Access, error) {
	out, err := walletOf(c.file, c.net.with(m, nil))
	if err != nil {
		return out, err
	}
	base, err := url.Parse(c.base(m))
	if err != nil {
		return out, fmt.Errorf("%s: rpc.path: %w", at(c.file, c.file.RPC.Pos), bare(err))
	}
	out.URL = *base
	a, err := c.auth(m)
	if err != nil {
		return out, err
	}
	out.User, out.Password, out.Token = a.user, a.password, a.bearer
	q, err := c.request(m, c.file.Calls[c.file.Observe.Height.Calls[0].Name], c.net.with(m, nil))
	if err != nil {
		return out, err
	}
	body, err := c.rpc.body(q, 1)
	if err != nil {
		return out, err
	}
	out.Example = func(at string) string { return c.curl(q, *base, at, string(body)) }
	return out, nil
}

// curl writes a request to a node at an address as a command.
func (c *caller) curl(q request, base url.URL, at, body string) string {
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
	if q.path != "" {
		address = strings.TrimSuffix(address, "/") + q.path
	}
	return strings.Join(append(words, shellQuote(address)), " ")
}

// shellQuote makes one word of a shell command of any text.
func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
