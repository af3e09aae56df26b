package external

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// HashAt implements chain.Client.
func (l *Client) HashAt(ctx context.Context, height uint64) (trace.Hash, error) {
	n, err := l.chain.node(l.id)
	if err != nil {
		return "", err
	}
	b, err := l.chain.block(ctx, n, height)
	if err == nil {
		return b.Hash, nil
	}
	// What a node answers where it has no block differs from chain to chain; its height tells.
	if t, tipErr := l.chain.tip(ctx, n); tipErr == nil && t.height < height {
		return "", fmt.Errorf("node %s, height %d: %w", l.id, height, chain.ErrNoBlock)
	}
	return "", err
}

// ErrNoTxs is wrapped by Capabilities.NoFindTx where the chain file has no observe.block.txs.
var ErrNoTxs = errors.New("the chain does not show which transactions are in a block (observe.block.txs)")

// FindTx implements chain.Client. A node that does not answer is polled again. When ctx ends the error says what was seen
// last.
func (l *Client) FindTx(ctx context.Context, id trace.Hash, above uint64) (uint64, error) {
	n, err := l.chain.node(l.id)
	if err != nil {
		return 0, err
	}
	if l.chain.file.Observe.Block.Txs == nil {
		return 0, ErrNoTxs
	}
	s := search{chain: l.chain, node: n, id: normal(string(id)), above: above, last: trace.Block{Height: above}}
	var height uint64
	err = chain.PollTx(ctx, func() bool {
		found, err := s.on(ctx)
		if ctx.Err() == nil {
			s.failed = err
		}
		height = found
		return err == nil && found > 0
	})
	if err != nil {
		return 0, errors.Join(err, s.failed)
	}
	return height, nil
}

// search looks for a transaction in a node's blocks.
type search struct {
	chain *Chain
	node  *node
	id    trace.Hash
	above uint64
	last  trace.Block // up to which the chain was read
	// failed is why the last try was none.
	failed error
}

// on reads the blocks that are new, and returns the height of the one that holds the transaction, 0 if none does.
func (s *search) on(ctx context.Context) (uint64, error) {
	t, err := s.chain.tip(ctx, s.node)
	if err != nil {
		return 0, err
	}
	if s.last.Height > s.above {
		again, err := s.chain.block(ctx, s.node, min(s.last.Height, t.height))
		if err != nil {
			return 0, err
		}
		if again.Hash != s.last.Hash { // replaced: what was read may be too
			s.last = trace.Block{Height: s.above}
		}
	}
	for s.last.Height < t.height {
		b, err := s.chain.block(ctx, s.node, s.last.Height+1)
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
