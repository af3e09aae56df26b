package chainfile

import (
	"context"
	"fmt"
	"strings"

	"github.com/netsplit/netsplit/orchestrator/trace"
	"github.com/netsplit/netsplit/testnets"
)

// tip is a node's head as the node states it.
type tip struct {
	hash   trace.Hash // may be empty at height 0
	height uint64
}

// tip asks a node for its head. Where height and head come from the same calls they come from one answer.
func (c *Chain) tip(ctx context.Context, n *node) (tip, error) {
	o := c.file.Observe
	answer, err := c.call(ctx, n, o.Height.Calls, nil)
	if err != nil {
		return tip{}, err
	}
	height, err := c.number(ctx, n, "observe.height", o.Height.JQ, answer)
	if err != nil {
		return tip{}, err
	}
	if !sameCalls(o.Height.Calls, o.Head.Calls) {
		if answer, err = c.call(ctx, n, o.Head.Calls, map[string]any{"Height": height}); err != nil {
			return tip{}, err
		}
	}
	v, err := c.query(ctx, n, "observe.head", o.Head.JQ, answer)
	if err != nil {
		return tip{}, err
	}
	hash, ok := v.(string)
	if height == 0 && v == nil {
		ok = true
	}
	if !ok || hash == "" && height > 0 {
		return tip{}, c.bad(n, "observe.head", o.Head.JQ, v, answer, "a hash")
	}
	return tip{normal(hash), height}, nil
}

func sameCalls(a, b []testnets.CallRef) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Name != b[i].Name {
			return false
		}
	}
	return true
}

// number applies a query that gives a whole number.
func (c *Chain) number(ctx context.Context, n *node, what string, q testnets.Query, answer any) (uint64, error) {
	v, err := c.query(ctx, n, what, q, answer)
	if err != nil {
		return 0, err
	}
	number, ok := whole(v)
	if !ok {
		return 0, c.bad(n, what, q, v, answer, "a whole number")
	}
	return number, nil
}

// peers asks a node for the number of its peers; -1 where the chain file does not say how.
func (c *Chain) peers(ctx context.Context, n *node) (int, error) {
	o := c.file.Observe.Peers
	if o == nil {
		return -1, nil
	}
	answer, err := c.call(ctx, n, o.Calls, nil)
	if err != nil {
		return 0, err
	}
	count, err := c.number(ctx, n, "observe.peers", o.JQ, answer)
	return int(min(count, 1<<31-1)), err
}

// block asks a node for the block at a height of its chain.
func (c *Chain) block(ctx context.Context, n *node, height uint64) (trace.Block, error) {
	o := c.file.Observe.Block
	answer, err := c.call(ctx, n, o.Calls, map[string]any{"Height": height})
	if err != nil {
		return trace.Block{}, fmt.Errorf("block at height %d: %w", height, err)
	}
	b, err := c.readBlock(ctx, n, height, answer)
	if err != nil {
		return trace.Block{}, fmt.Errorf("block at height %d: %w", height, err)
	}
	return b, nil
}

func (c *Chain) readBlock(ctx context.Context, n *node, height uint64, answer any) (trace.Block, error) {
	o := c.file.Observe.Block
	b := trace.Block{Height: height}
	v, err := c.query(ctx, n, "observe.block.hash", o.Hash, answer)
	if err != nil {
		return b, err
	}
	hash, _ := v.(string)
	if hash == "" {
		return b, c.bad(n, "observe.block.hash", o.Hash, v, answer, "a hash")
	}
	b.Hash = normal(hash)
	if v, err = c.query(ctx, n, "observe.block.parent", o.Parent, answer); err != nil {
		return b, err
	}
	// The first block of a chain may have no parent.
	parent, ok := v.(string)
	if !ok && v != nil || parent == "" && height > 1 {
		return b, c.bad(n, "observe.block.parent", o.Parent, v, answer, "a hash")
	}
	b.Parent = normal(parent)
	if v, err = c.query(ctx, n, "observe.block.time", o.Time, answer); err != nil {
		return b, err
	}
	if b.Time, ok = moment(v); !ok {
		return b, c.bad(n, "observe.block.time", o.Time, v, answer, "unix seconds or an RFC 3339 time")
	}
	return b, c.readMore(ctx, n, answer, &b)
}

// readMore reads what a chain file need not say of blocks.
func (c *Chain) readMore(ctx context.Context, n *node, answer any, b *trace.Block) error {
	o := c.file.Observe.Block
	if o.Proposer != nil {
		v, err := c.query(ctx, n, "observe.block.proposer", *o.Proposer, answer)
		if err != nil {
			return err
		}
		name, ok := v.(string)
		if !ok && v != nil {
			return c.bad(n, "observe.block.proposer", *o.Proposer, v, answer, "text")
		}
		b.Producer = c.producer(name)
	}
	if o.Txs == nil {
		return nil
	}
	v, err := c.query(ctx, n, "observe.block.txs", *o.Txs, answer)
	if err != nil {
		return err
	}
	list, ok := v.([]any)
	if !ok && v != nil {
		return c.bad(n, "observe.block.txs", *o.Txs, v, answer, "a list of texts")
	}
	for _, item := range list {
		id, ok := item.(string)
		if !ok {
			return c.bad(n, "observe.block.txs", *o.Txs, v, answer, "a list of texts")
		}
		b.Txs = append(b.Txs, normal(id))
	}
	return nil
}

// producer gives a block's maker his account where he is one of the nodes.
func (c *Chain) producer(name string) string {
	h := string(normal(name))
	if account, ok := c.makes[strings.TrimPrefix(h, "0x")]; ok {
		return account
	}
	return h
}
