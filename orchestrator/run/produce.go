package run

import (
	"context"
	"fmt"
	"time"

	"github.com/netsplit/netsplit/faults"
)

// makeWithin bounds the wait for a node to make one block.
const makeWithin = 10 * time.Second

// Produce lets the nodes of a chain whose blocks are made on command make blocks, each by its power, at times from the
// seed as proof of work would have them; on other chains it does nothing. It hands one lane for each node that makes
// blocks to start, and returns. Lanes go on until their context ends. A node of which up reports false makes none; where
// one that is up cannot, failed decides: an error ends the lane.
func (t *Testnet) Produce(start func(name string, lane func(context.Context) error), up func(faults.NodeID) bool,
	failed func(faults.NodeID, error) error) {
	makeBlock := t.Chain.Capabilities().MakeBlock
	if makeBlock == nil {
		return
	}
	var power float64
	for _, n := range t.Network.Nodes {
		power += n.Mine
	}
	for i, n := range t.Network.Nodes {
		if n.Mine <= 0 {
			continue
		}
		l := produceLane{
			net: t, makeBlock: makeBlock, node: n.ID, index: uint64(i), up: up, failed: failed,
			mean: time.Duration(float64(t.Facts.BlockInterval) * power / n.Mine),
		}
		start("produce "+string(n.ID), l.run)
	}
}

// produceLane lets one node make blocks.
type produceLane struct {
	net       *Testnet
	makeBlock func(context.Context, faults.NodeID) error
	node      faults.NodeID
	index     uint64        // of the node
	mean      time.Duration // between its blocks
	up        func(faults.NodeID) bool
	failed    func(faults.NodeID, error) error
}

// run makes blocks at times that are exponentially distributed, until ctx ends.
func (l *produceLane) run(ctx context.Context) error {
	clock := l.net.Runtime.Clock()
	rng := l.net.rng(l.index | 1<<62)
	for at := clock.Now(); ; {
		at += time.Duration(rng.ExpFloat64() * float64(l.mean))
		if err := clock.Sleep(ctx, at); err != nil {
			return nil //nolint:nilerr // the end of the run ends the lane
		}
		if !l.up(l.node) {
			continue
		}
		ask, cancel := context.WithTimeout(ctx, makeWithin)
		err := l.makeBlock(ask, l.node)
		cancel()
		if err == nil || ctx.Err() != nil || !l.up(l.node) {
			continue
		}
		if err := l.failed(l.node, err); err != nil {
			return fmt.Errorf("make a block on %s: %w", l.node, err)
		}
		at = max(at, clock.Now()) // what it missed is not made up for
	}
}
