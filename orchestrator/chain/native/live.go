package native

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

var (
	_ chain.Accessible = (*Chain)(nil)
	_ chain.Historian  = (*Client)(nil)
	_ chain.Finder     = (*Client)(nil)
)

// Access implements driver.Accessible: the node's API needs no credentials, and accounts are used through `tx send`.
func (c *Chain) Access(node faults.NodeID) (chain.Access, error) {
	m, ok := c.members[node]
	if !ok {
		return chain.Access{}, fmt.Errorf("no node %s", node)
	}
	u := url.URL{Scheme: "http", Host: netip.AddrPortFrom(m.node.Addr, apiPort).String(), Path: "/v1/status"}
	return chain.Access{URL: u, Example: func(at string) string {
		u.Host = at
		return "curl -s " + u.String()
	}}, nil
}

// HashAt implements driver.Historian.
func (c *Client) HashAt(ctx context.Context, height uint64) (trace.Hash, error) {
	var b struct {
		Hash trace.Hash `json:"hash"`
	}
	err := c.do(ctx, http.MethodGet, fmt.Sprintf("/v1/blocks/%d", height), nil, &b)
	var refused *Refused
	if errors.As(err, &refused) && refused.Code == http.StatusNotFound {
		err = fmt.Errorf("height %d: %w", height, chain.ErrNoBlock)
	}
	return b.Hash, err
}

// CanFind implements driver.Finder.
func (c *Client) CanFind() error { return nil }

// Find implements driver.Finder. The node itself knows where a transaction is.
func (c *Client) Find(ctx context.Context, id trace.Hash, _ uint64) (height uint64, failed error) {
	err := chain.FindAgain(ctx, func() bool {
		s, err := c.Tx(ctx, id)
		height, failed = s.Height, err
		return err != nil || s.Status == "included"
	})
	if err != nil {
		return 0, err
	}
	return height, failed
}
