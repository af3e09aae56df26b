package external

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// ErrUnknownBlock is wrapped by the error for a block that a node has not shown, or that is neither kept nor on the
// node's chain any more.
var ErrUnknownBlock = errors.New("the node has not shown this block, or no longer does")

// ErrNoTxs is wrapped by Capabilities.NoFindTx where the chain file has no observe.block.txs.
var ErrNoTxs = errors.New("the chain does not show which transactions are in a block (observe.block.txs)")

// Client is a chain.Client for one node of a prepared network.
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
	r := l.chain.reader
	if l.chain.file.Ready != nil && !n.ready.Load() {
		if err := r.ready(ctx, n.member); err != nil {
			return trace.Status{}, err
		}
		n.ready.Store(true)
	}
	t, err := r.tip(ctx, n.member)
	if err != nil {
		return trace.Status{}, err
	}
	peers, err := r.peers(ctx, n.member)
	if err != nil {
		return trace.Status{}, err
	}
	return trace.Status{Head: t.hash, Height: t.height, Peers: peers, Mempool: -1}, nil
}

// Block implements chain.Client, for blocks that polls of the node have shown.
func (l *Client) Block(ctx context.Context, hash trace.Hash) (trace.Block, error) {
	c := l.chain
	n, err := c.node(l.id)
	if err != nil {
		return trace.Block{}, err
	}
	height, ok := n.poller.heightOf(hash)
	if !ok {
		return trace.Block{}, fmt.Errorf("node %s, block %s: %w", l.id, hash, ErrUnknownBlock)
	}
	if b, ok := c.store.get(hash); ok {
		return b, nil
	}
	if c.reader.byHash() {
		return c.reader.blockByHash(ctx, n.member, hash, height)
	}
	b, err := c.reader.block(ctx, n.member, height)
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
	from, err := l.chain.node(l.id)
	if err != nil {
		return "", err
	}
	dest, err := l.chain.node(to)
	if err != nil {
		return "", err
	}
	return from.sender.transfer(ctx, dest.member, amount)
}

// HashAt implements chain.Client.
func (l *Client) HashAt(ctx context.Context, height uint64) (trace.Hash, error) {
	n, err := l.chain.node(l.id)
	if err != nil {
		return "", err
	}
	b, err := l.chain.reader.block(ctx, n.member, height)
	if err == nil {
		return b.Hash, nil
	}
	// What a node answers where it has no block differs from chain to chain, so its height is compared.
	if t, tipErr := l.chain.reader.tip(ctx, n.member); tipErr == nil && t.height < height {
		return "", fmt.Errorf("node %s, height %d: %w", l.id, height, chain.ErrNoBlock)
	}
	return "", err
}

// FindTx implements chain.Client. A node that does not answer is polled again. When ctx ends the error says what was seen
// last.
func (l *Client) FindTx(ctx context.Context, id trace.Hash, above uint64) (uint64, error) {
	n, err := l.chain.node(l.id)
	if err != nil {
		return 0, err
	}
	if cause := l.chain.noFindTx(); cause != nil {
		return 0, cause
	}
	s := search{reader: l.chain.reader, member: n.member, id: normal(string(id)), above: above, last: trace.Block{Height: above}}
	var height uint64
	var failed error // why the last poll failed
	err = chain.PollTx(ctx, func() bool {
		found, err := s.poll(ctx)
		if ctx.Err() == nil {
			failed = err
		}
		height = found
		return err == nil && found > 0
	})
	if err != nil {
		return 0, errors.Join(err, failed)
	}
	return height, nil
}

// search looks for a transaction in a node's blocks.
type search struct {
	reader
	member *member
	id     trace.Hash
	above  uint64
	last   trace.Block // up to which the chain was read
}

// poll reads the blocks that are new, and returns the height of the one that holds the transaction, 0 if none does.
func (s *search) poll(ctx context.Context) (uint64, error) {
	t, err := s.tip(ctx, s.member)
	if err != nil {
		return 0, err
	}
	if s.last.Height > s.above {
		again, err := s.block(ctx, s.member, min(s.last.Height, t.height))
		if err != nil {
			return 0, err
		}
		if again.Hash != s.last.Hash { // replaced: what was read may be too
			s.last = trace.Block{Height: s.above}
		}
	}
	for s.last.Height < t.height {
		height := s.last.Height + 1
		b, err := s.block(ctx, s.member, height)
		for err != nil && noBlock(err) && height < t.height { // the chain may skip heights
			height++
			b, err = s.block(ctx, s.member, height)
		}
		if err != nil {
			return 0, err
		}
		s.last = trace.Block{Hash: b.Hash, Height: b.Height}
		if slices.Contains(b.Txs, s.id) {
			return b.Height, nil
		}
	}
	return 0, nil
}
