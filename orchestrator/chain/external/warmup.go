package external

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/netsplit/netsplit/testnets"
)

const (
	// warmWithin is how long a block of warm_up may take to reach every node.
	warmWithin = time.Minute
	// warmEvery is how often a node is asked whether it has it.
	warmEvery = 5 * time.Millisecond
)

// warmUp makes the blocks of the chain file's warm_up, as far as they have not been made.
func (c *Chain) warmUp(ctx context.Context) error {
	for ; c.warmed < len(c.file.WarmUp); c.warmed++ {
		w := c.file.WarmUp[c.warmed]
		makers, where := []*node{c.maker()}, string(c.maker().node.ID)
		if w.EachNode {
			makers, where = c.order, "each node"
		}
		c.progress(fmt.Sprintf("warming chain %s up: step %d of %d, at %s", c.file.Name, c.warmed+1, len(c.file.WarmUp), where))
		for _, maker := range makers {
			for range w.Times {
				if err := c.warm(ctx, maker, w.Calls); err != nil {
					return fmt.Errorf("%s: warm_up, step %d of %d: %w", c.at(w.Pos), c.warmed+1, len(c.file.WarmUp), err)
				}
			}
		}
	}
	return nil
}

// warm makes a block at one node and waits until all have it.
func (c *Chain) warm(ctx context.Context, maker *node, calls []testnets.CallRef) error {
	result, err := c.call(ctx, maker, calls, nil)
	if err != nil {
		return err
	}
	maker.madeHere(result)
	ctx, cancel := context.WithTimeoutCause(ctx, warmWithin, errLow)
	defer cancel()
	return c.level(ctx, maker)
}

// level waits until all nodes have as high a chain as one of them, or ctx ends.
func (c *Chain) level(ctx context.Context, as *node) error {
	top, _, err := c.height(ctx, as)
	if err != nil {
		return err
	}
	tick := time.NewTicker(warmEvery)
	defer tick.Stop()
	for _, n := range c.order {
		for {
			height, _, err := c.height(ctx, n)
			if err == nil && height >= top {
				break
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				low := fmt.Errorf("%s is at height %d, %s at %d: %w", as.node.ID, top, n.node.ID, height, context.Cause(ctx))
				return errors.Join(low, err)
			}
		}
	}
	return nil
}

// errLow ends the wait for a block of warm_up.
var errLow = fmt.Errorf("the block did not come within %v; are the nodes connected?", warmWithin)
