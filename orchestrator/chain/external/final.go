package external

import (
	"context"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// sight is what one look asks a node first: its head and, where the chain file says how, the height that it calls final;
// nil: none yet, or the file does not say.
//
// A final height that needs calls of its own is asked for before the head. A node that keeps its promises then has the
// block that it called final on the chain that is read afterwards; the other way round it could have changed chains in
// between, and called a block final that was not the one which was read.
func (c *Chain) sight(ctx context.Context, n *node) (t tip, final *uint64, err error) {
	o := c.file.Observe
	same := o.Finalized != nil && sameCalls(o.Finalized.Calls, o.Height.Calls)
	if o.Finalized != nil && !same {
		answer, err := c.call(ctx, n, o.Finalized.Calls, nil)
		if err != nil {
			return tip{}, nil, err
		}
		if final, err = c.final(ctx, n, answer); err != nil {
			return tip{}, nil, err
		}
	}
	height, answer, err := c.height(ctx, n)
	if err != nil {
		return tip{}, nil, err
	}
	if same {
		if final, err = c.final(ctx, n, answer); err != nil {
			return tip{}, nil, err
		}
	}
	t, err = c.head(ctx, n, height, answer)
	return t, final, err
}

// final reads the height that a node calls final, nil where it gives null: nothing is final yet.
func (c *Chain) final(ctx context.Context, n *node, answer any) (*uint64, error) {
	q := c.file.Observe.Finalized.JQ
	v, err := c.query(ctx, n, rowFinalized, q, answer)
	if err != nil || v == nil {
		return nil, err
	}
	height, ok := whole(v)
	if !ok {
		return nil, c.bad(n, rowFinalized, q, v, answer, "a whole number")
	}
	return &height, nil
}

// finalized returns the event that tells of a node's final height, if that changed. The hash is that of the block there on
// the node's chain, as far as it was read.
func (n *node) finalized(height uint64) []trace.Event {
	if height == n.final {
		return nil
	}
	n.final = height
	f := &trace.Final{Height: height}
	if w := &n.walk; w.begun && height >= w.base && height <= w.top() {
		f.Hash = w.hash(height)
	}
	return []trace.Event{{Kind: trace.KindFinal, Final: f}}
}
