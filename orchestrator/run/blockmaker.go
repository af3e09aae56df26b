package run

import (
	"context"
	"fmt"
	"time"

	"github.com/netsplit/netsplit/faults"
)

// makeBlockTimeout bounds the wait for a node to make one block.
const makeBlockTimeout = 10 * time.Second

// BlockMaking says how blocks are made on command.
type BlockMaking struct {
	// Start starts a task; it is called once for each node that makes blocks.
	Start func(name string, task func(context.Context) error)
	// Up reports whether a node is up; one that is not makes no block.
	Up func(faults.NodeID) bool
	// Failed decides what follows when a node that is up cannot make a block: an error ends its task, nil leaves the block
	// out.
	Failed func(faults.NodeID, error) error
}

// StartBlockMakers lets the nodes of a chain whose blocks are made on command make blocks, each by its power, at times from
// the seed as proof of work would have them; on other chains it does nothing. It returns at once; tasks go on until their
// context ends.
func StartBlockMakers(t *Testnet, m BlockMaking) {
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
		maker := blockMaker{
			BlockMaking: m, net: t, makeBlock: makeBlock, node: n.ID, index: uint64(i),
			mean: time.Duration(float64(t.Facts.BlockInterval) * power / n.Mine),
		}
		m.Start("make blocks on "+string(n.ID), maker.run)
	}
}

// blockMaker lets one node make blocks. It sees neither the other nodes' blocks nor the chain.
type blockMaker struct {
	BlockMaking
	net       *Testnet
	makeBlock func(context.Context, faults.NodeID) error
	node      faults.NodeID
	index     uint64        // of the node
	mean      time.Duration // between its blocks
}

// run makes blocks at times that are exponentially distributed, until ctx ends.
func (b *blockMaker) run(ctx context.Context) error {
	clock := b.net.Runtime.Clock()
	rng := b.net.random(b.index | 1<<62)
	for at := clock.Now(); ; {
		at += time.Duration(rng.ExpFloat64() * float64(b.mean))
		if err := clock.Sleep(ctx, at); err != nil {
			return nil //nolint:nilerr // the end of the run ends the task
		}
		if !b.Up(b.node) {
			continue
		}
		call, cancel := context.WithTimeout(ctx, makeBlockTimeout)
		err := b.makeBlock(call, b.node)
		cancel()
		if err == nil || ctx.Err() != nil || !b.Up(b.node) {
			continue
		}
		if err := b.Failed(b.node, err); err != nil {
			return fmt.Errorf("make a block on %s: %w", b.node, err)
		}
		at = max(at, clock.Now()) // what it missed is not made up for
	}
}
