package external

import (
	"context"
	"fmt"
	"slices"

	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// How many blocks below a node's head are read before one is met that is known, and how many bytes of them.
const (
	maxBelow      = 5000
	maxBelowBytes = 64 << 20
)

// forget drops what was read on the way down from a head.
func (n *node) forget() { n.below, n.belowBytes = nil, 0 }

// byHash reports whether this chain's blocks are asked for by their hashes.
func (c *Chain) byHash() bool { return c.file.Observe.Block.ByHash }

// blockOf asks a node for the block with a hash, which stands at a height.
func (c *Chain) blockOf(ctx context.Context, n *node, hash trace.Hash, height uint64) (trace.Block, error) {
	o := c.file.Observe.Block
	fail := func(err error) (trace.Block, error) {
		return trace.Block{}, fmt.Errorf("block %s at height %d: %w", hash, height, err)
	}
	answer, err := c.call(ctx, n, o.Calls, map[string]any{"Height": height, "Hash": string(hash)})
	if err != nil {
		return fail(err)
	}
	b, err := c.readBlock(ctx, n, height, answer)
	if err == nil && b.Hash != hash {
		err = c.bad(n, "observe.block.hash", o.Hash, string(b.Hash), answer, "the hash that was asked for")
	}
	if err != nil {
		return fail(err)
	}
	return b, nil
}

// descend brings a walk to a node's head on chains whose blocks are asked for by hash: from the head down, parent by
// parent, to the highest block that is known. Nothing is committed before that is met; what was read until then is kept
// for the next look.
func (c *Chain) descend(ctx context.Context, n *node, t tip) ([]trace.Event, error) {
	w := &n.walk
	var down []trace.Block
	hash, height := t.hash, t.height
	for read, before := 0, n.belowBytes; height > w.base && (height > w.top() || w.hash(height) != hash); height-- {
		b, ok := n.below[hash]
		switch {
		case len(down) == maxBelow || n.belowBytes > maxBelowBytes:
			defer n.forget()
			return nil, fmt.Errorf("node %s: none of the %d blocks below its head at height %d is known; they take %d bytes",
				n.node.ID, len(n.below), t.height, n.belowBytes)
		case !ok && (read == maxLook || n.belowBytes-before > maxLookBytes):
			return nil, chain.ErrMoreBlocks
		case !ok:
			var err error
			if b, err = c.blockOf(ctx, n, hash, height); err != nil {
				return nil, err
			}
			read++
			if n.below == nil {
				n.below = make(map[trace.Hash]trace.Block)
			}
			n.below[hash] = b
			n.belowBytes += bytesOf(b)
		}
		b.Height = height
		down = append(down, b)
		hash = b.Parent
	}
	n.forget()
	slices.Reverse(down)
	n.awaitMade(ctx, down)
	return c.commit(n, height, down), nil
}

// blockAt finds the block at a height of a node's chain where blocks are asked for by hash: down from the head.
func (c *Chain) blockAt(ctx context.Context, n *node, height uint64) (trace.Block, error) {
	t, err := c.tip(ctx, n)
	if err != nil {
		return trace.Block{}, err
	}
	if t.height < height || t.height-height >= maxBelow {
		return trace.Block{}, fmt.Errorf("block at height %d: node %s, whose head is at height %d, gives blocks by hash alone", height,
			n.node.ID, t.height)
	}
	b, err := c.blockOf(ctx, n, t.hash, t.height)
	for err == nil && b.Height > height {
		b, err = c.blockOf(ctx, n, b.Parent, b.Height-1)
	}
	return b, err
}
