package external

import (
	"context"
	"errors"
	"fmt"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/trace"
	"github.com/netsplit/netsplit/testnets"
)

// ErrNoSubmit is wrapped by the error of a transfer on a chain whose file has no act.submit.
var ErrNoSubmit = errors.New("the chain does not say how to submit a transaction")

// ErrUnknownBlock is wrapped by the error for a block that a node has not shown, or that is neither kept nor on the
// node's chain any more.
var ErrUnknownBlock = errors.New("the node has not shown this block, or no longer does")

// Client is a chain.Client for one node.
type Client struct {
	chain *Chain
	id    faults.NodeID
}

// Status implements chain.Client. It fails until the node is ready as the chain file says. Peers is -1 where the file
// does not say how to count them, Mempool always.
func (l *Client) Status(ctx context.Context) (trace.Status, error) {
	n, err := l.chain.node(l.id)
	if err != nil {
		return trace.Status{}, err
	}
	if err := l.chain.ready(ctx, n); err != nil {
		return trace.Status{}, err
	}
	t, err := l.chain.tip(ctx, n)
	if err != nil {
		return trace.Status{}, err
	}
	peers, err := l.chain.peers(ctx, n)
	if err != nil {
		return trace.Status{}, err
	}
	return trace.Status{Head: t.hash, Height: t.height, Peers: peers, Mempool: -1}, nil
}

// ready returns nil when a node is or was ready.
func (c *Chain) ready(ctx context.Context, n *node) error {
	r := c.file.Ready
	n.mu.Lock()
	done := n.ready || r == nil
	n.mu.Unlock()
	if done {
		return nil
	}
	answer, err := c.call(ctx, n, r.Calls, nil)
	if err != nil {
		return fmt.Errorf("not ready: %w", err)
	}
	v, err := c.query(ctx, n, "ready", r.JQ, answer)
	if err != nil {
		return fmt.Errorf("not ready: %w", err)
	}
	if !truth(v) {
		return fmt.Errorf("not ready: %w", c.bad(n, "ready", r.JQ, v, answer, "true"))
	}
	n.mu.Lock()
	n.ready = true
	n.mu.Unlock()
	return nil
}

// Block implements chain.Client, for blocks that looks at the node have shown.
func (l *Client) Block(ctx context.Context, hash trace.Hash) (trace.Block, error) {
	c := l.chain
	n, err := c.node(l.id)
	if err != nil {
		return trace.Block{}, err
	}
	height, ok := n.heightOf(hash)
	if !ok {
		return trace.Block{}, fmt.Errorf("node %s, block %s: %w", l.id, hash, ErrUnknownBlock)
	}
	if b, ok := c.seen.get(hash); ok {
		return b, nil
	}
	if c.byHash() {
		return c.blockOf(ctx, n, hash, height)
	}
	b, err := c.block(ctx, n, height)
	if err != nil {
		return trace.Block{}, err
	}
	if b.Hash != hash {
		return trace.Block{}, fmt.Errorf("node %s, block %s: %w: it has %s at height %d", l.id, hash, ErrUnknownBlock, b.Hash, height)
	}
	return b, nil
}

// Transfer implements chain.Client. Where the chain file has no act.submit the error wraps ErrNoSubmit.
func (l *Client) Transfer(ctx context.Context, to faults.NodeID, amount uint64) (trace.Hash, error) {
	c := l.chain
	from, err := c.node(l.id)
	if err != nil {
		return "", err
	}
	dest, err := c.node(to)
	if err != nil {
		return "", err
	}
	if c.file.Act.Submit == nil {
		return "", fmt.Errorf("submit a transaction: %w (chain %s, act.submit)", ErrNoSubmit, c.file.Name)
	}
	from.submit.Lock()
	defer from.submit.Unlock()
	id, err := c.send(ctx, from, dest, amount)
	if err != nil {
		return "", c.secrets.err(fmt.Errorf("submit a transaction: %w", err))
	}
	from.nonce++
	return id, nil
}

func (c *Chain) send(ctx context.Context, from, to *node, amount uint64) (trace.Hash, error) {
	act := c.file.Act
	extra := map[string]any{"From": from.data, "To": to.data, "Amount": amount, "Nonce": from.nonce}
	switch {
	case act.Coins != nil:
		return c.spend(ctx, from, to, amount, extra)
	case act.Tx != nil:
		tx, err := act.Tx.Render(c.with(from, extra))
		if err != nil {
			return "", err
		}
		extra["Tx"] = tx
	}
	return c.handOver(ctx, from, extra)
}

// handOver submits a transaction and returns its id.
func (c *Chain) handOver(ctx context.Context, from *node, extra map[string]any) (trace.Hash, error) {
	act := c.file.Act
	answer, err := c.call(ctx, from, act.Submit.Calls, extra)
	if err != nil {
		return "", err
	}
	id, q := answer, testnets.Query{Source: ".", Pos: act.Submit.Pos}
	if act.Submit.JQ != nil {
		q = *act.Submit.JQ
		if id, err = c.query(ctx, from, "act.submit", q, answer); err != nil {
			return "", err
		}
	}
	hash, ok := hashText(id)
	if s, isText := id.(string); isText && !short(s) {
		return "", c.bad(from, "act.submit", q, id, answer, fmt.Sprintf("a transaction's id of at most %d bytes", maxHash))
	}
	if !ok {
		return "", c.bad(from, "act.submit", q, id, answer, "a transaction's id")
	}
	return hash, nil
}
