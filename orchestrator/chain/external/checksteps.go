package external

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// introduced gives nodes their first block and tells them of each other where the chain file has calls for that.
func (k *check) introduced(ctx context.Context) error {
	if k.file.FirstBlock != nil {
		if err := k.await(ctx, answerWithin, func() error { return k.firstBlock(ctx) }); err != nil {
			k.fail(ctx, rowFirst, err)
			k.skip("first_block failed", rowConnect)
			return nil
		}
		k.works(rowFirst, "given")
	}
	if len(k.order) < 2 {
		return nil
	}
	if len(k.file.Peers.Calls) == 0 {
		k.works(rowConnect, "by the start")
		return nil
	}
	if err := k.await(ctx, answerWithin, func() error { return k.introduceAll(ctx) }); err != nil {
		k.fail(ctx, rowConnect, err)
		return nil
	}
	k.works(rowConnect, "told")
	return nil
}

// warm makes the blocks that must be there first.
func (k *check) warm(ctx context.Context) error {
	if len(k.file.WarmUp) == 0 {
		return nil
	}
	k.progress("making the first blocks")
	if err := k.warmUp(ctx); err != nil {
		k.fail(ctx, rowWarm, err)
		return nil
	}
	height, _, err := k.height(ctx, k.order[0])
	if err != nil {
		k.fail(ctx, rowWarm, err)
		return nil
	}
	k.works(rowWarm, "to height %d", height)
	return nil
}

// connected waits until every node that has a neighbour counts a peer.
func (k *check) connected(ctx context.Context) error {
	o := k.file.Observe.Peers
	if o == nil {
		return nil
	}
	k.progress("waiting for the nodes to connect")
	for _, n := range k.order {
		err := k.await(ctx, answerWithin, func() error {
			count, err := k.peers(ctx, n)
			if err == nil && count < min(len(n.node.Peers), 1) {
				return &misfit{
					text: fmt.Sprintf("node %s counts no peer, although it was started with one", n.node.ID), at: k.at(o.JQ.Pos), node: n, look: true,
					hint: "is the peer's address in the start what the node wants, does the peer listen on 0.0.0.0, or is the jq wrong?",
				}
			}
			if err == nil && n == k.order[0] {
				k.works(rowPeers, "%d", count)
			}
			return err
		})
		if err != nil {
			k.fail(ctx, rowPeers, err)
			return nil
		}
	}
	return nil
}

// minGrown is the height at which a block and the one below can be looked at.
const minGrown = 2

// grow waits for blocks, or makes them.
func (k *check) grow(ctx context.Context) error {
	n := k.order[0]
	k.progress("waiting for blocks")
	began := k.clock.Now()
	first, _, err := k.height(ctx, n)
	if err != nil {
		k.fail(ctx, rowGrows, err)
		k.why = "the chain did not grow"
		return errStop
	}
	height := first
	higher := func(than uint64) func() error {
		return func() error {
			var err error
			if height, _, err = k.height(ctx, n); err == nil && height <= than {
				return &misfit{
					text: fmt.Sprintf("node %s is at height %d, and stays there", n.node.ID, height), at: k.at(k.file.Observe.Height.JQ.Pos), look: true,
					hint: "does this node make blocks, and is nothing that it waits for missing? What it printed may tell",
				}
			}
			return err
		}
	}
	if k.file.Act.MakeBlock != nil {
		return k.command(ctx, n, first, &height, higher)
	}
	if err := k.await(ctx, k.growWithin(), higher(max(first, minGrown-1))); err != nil {
		k.fail(ctx, rowGrows, err)
		k.why = "the chain did not grow"
		return errStop
	}
	k.works(rowGrows, "by itself, %d in %s", height-first, since(k.clock.Now()-began))
	k.works(rowHeight, "%d", height)
	return nil
}

// command makes blocks by act.make_block.
func (k *check) command(ctx context.Context, n *node, first uint64, height *uint64, higher func(uint64) func() error) error {
	// Nothing is to happen; how long that takes is a matter of time alone.
	alone := k.await(ctx, k.interval, higher(first)) == nil
	for *height < max(first+1, minGrown) {
		before := *height
		err := k.makeBlock(ctx, n.node.ID)
		if err == nil {
			err = k.await(ctx, k.growWithin(), higher(before))
		}
		if err != nil {
			k.fail(ctx, rowMake, err)
			k.why = "no block could be made"
			return errStop
		}
		k.works(rowMake, "height %d to %d", before, *height)
	}
	if _, made := k.found[rowMake]; !made { // it had grown enough by itself
		if err := k.makeBlock(ctx, n.node.ID); err != nil {
			k.fail(ctx, rowMake, err)
		} else {
			k.works(rowMake, "done")
		}
	}
	k.works(rowHeight, "%d", *height)
	if alone {
		k.works(rowGrows, "on command, and by itself too")
		return nil
	}
	k.works(rowGrows, "on command only")
	return nil
}

// blocks reads every part of a block by itself.
func (k *check) blocks(ctx context.Context) error {
	names := []string{rowHash, rowParent, rowTime, rowProposer, rowTxs}
	for _, n := range k.order {
		var answer any
		b := trace.Block{}
		err := k.await(ctx, k.growWithin(), func() error {
			t, err := k.tip(ctx, n)
			if err == nil {
				b.Height = t.height
				answer, err = k.call(ctx, n, k.file.Observe.Block.Calls, map[string]any{"Height": t.height, "Hash": string(t.hash)})
			}
			return err
		})
		if err != nil {
			k.fail(ctx, rowHash, fmt.Errorf("block at height %d: %w", b.Height, err))
			k.skip("the call for the block failed", names...)
			k.why = "blocks cannot be read"
			return errStop
		}
		for _, part := range k.blockParts() {
			if k.found[part.name].Outcome == Failed {
				continue
			}
			if err := k.readPart(ctx, n, part, answer, &b); err != nil {
				k.fail(ctx, part.name, err)
			} else if n == k.order[0] {
				k.works(part.name, "%s", k.shown(part.name, b))
			}
		}
	}
	for _, name := range []string{rowHash, rowParent, rowTime} {
		if k.found[name].Outcome != Works {
			k.why = "blocks cannot be read"
			return errStop
		}
	}
	return nil
}

// shown writes a part of a block in short.
func (k *check) shown(name string, b trace.Block) string {
	switch name {
	case rowHash:
		return shortHash(b.Hash)
	case rowParent:
		return shortHash(b.Parent)
	case rowTime:
		return b.Time.Format(time.RFC3339)
	case rowProposer:
		for _, n := range k.order {
			if n.account != "" && b.Producer == n.account {
				return "node " + string(n.node.ID)
			}
		}
		if b.Producer == "" {
			return "none"
		}
		return shortHash(trace.Hash(b.Producer)) + ", no node's key"
	}
	return fmt.Sprintf("%d", len(b.Txs))
}

// finality asks for the final height, which no head may be below. Nodes may say for a while that nothing is final yet.
func (k *check) finality(ctx context.Context) error {
	o := k.file.Observe.Finalized
	if o == nil {
		return nil
	}
	k.progress("waiting for a final block")
	for _, n := range k.order {
		none := false
		err := k.await(ctx, k.growWithin(), func() error {
			answer, err := k.call(ctx, n, o.Calls, nil)
			if err != nil {
				return err
			}
			final, err := k.final(ctx, n, answer)
			if err != nil {
				return err
			}
			if none = final == nil; none {
				if pathHint(o.JQ.Source, answer) != "" {
					none = false // it is the expression that finds nothing
				}
				return k.bad(n, rowFinalized, o.JQ, nil, answer, "a height")
			}
			head, _, err := k.height(ctx, n)
			if err == nil && *final > head {
				err = &misfit{text: fmt.Sprintf("node %s calls height %d final, and its head is at %d", n.node.ID, *final, head), at: k.at(o.JQ.Pos)}
			}
			if err == nil && n == k.order[0] {
				k.works(rowFinalized, "%d", *final)
			}
			return err
		})
		switch {
		case none && ctx.Err() == nil:
			k.works(rowFinalized, "null: nothing yet")
		case err != nil:
			k.fail(ctx, rowFinalized, err)
			return nil
		}
	}
	return nil
}

// farTime is how far a block's time may be from now, ten block intervals on top.
const farTime = time.Minute

// fits compares what a node says in one place with what it says in another.
func (k *check) fits(ctx context.Context) error {
	n, o := k.order[0], k.file.Observe
	var t tip
	var b, below trace.Block
	err := k.await(ctx, useless+2*k.interval, func() (err error) {
		if t, err = k.tip(ctx, n); err != nil {
			return err
		}
		if b, err = k.block(ctx, n, t.height); err == nil && b.Hash != t.hash {
			err = &misfit{
				text: fmt.Sprintf("at height %d observe.head (%s) gives %s, observe.block.hash (%s) gives %s", t.height,
					k.at(o.Head.JQ.Pos), t.hash, k.at(o.Block.Hash.Pos), b.Hash),
				at: k.at(o.Head.JQ.Pos), hint: "both must name a block in the same way: look for the same field in both replies",
			}
		}
		return err
	})
	if err != nil {
		k.fail(ctx, rowSameHead, err)
	} else {
		k.works(rowSameHead, "at height %d", t.height)
		k.works(rowHead, "%s", shortHash(t.hash))
	}
	err = k.await(ctx, useless+2*k.interval, func() (err error) {
		if b, err = k.block(ctx, n, b.Height); err == nil {
			below, err = k.block(ctx, n, b.Height-1)
		}
		if err == nil && b.Parent != below.Hash {
			err = &misfit{
				text: fmt.Sprintf("the block at height %d says that it stands on %s, and the one at %d is %s", b.Height, b.Parent, below.Height, below.Hash),
				at:   k.at(o.Block.Parent.Pos), hint: "parent is the hash of the block below, named as observe.block.hash names it",
			}
		}
		return err
	})
	if err != nil {
		k.fail(ctx, rowLinked, err)
	} else {
		k.works(rowLinked, "at height %d", b.Height)
	}
	now := k.clock.Epoch().Add(k.clock.Now())
	away := now.Sub(b.Time)
	if away.Abs() > farTime+10*k.interval {
		k.fail(ctx, rowClock, &misfit{
			text: fmt.Sprintf("the newest block is of %s, and now it is %s", b.Time.Format(time.RFC3339), now.UTC().Format(time.RFC3339)),
			at:   k.at(o.Block.Time.Pos), hint: "times are seconds since 1970 or RFC 3339; divide milliseconds by 1000. Is the genesis of {{.Start}}?",
		})
		return nil
	}
	k.works(rowClock, "%s ago", since(max(away, 0)))
	return nil
}

// transaction submits a transaction to the first node and waits until the last node has it in a block.
func (k *check) transaction(ctx context.Context) error {
	act := k.file.Act
	if act.Submit == nil {
		return nil
	}
	from, to := k.order[0], k.order[len(k.order)-1]
	next, _, err := k.height(ctx, to)
	if err != nil {
		k.fail(ctx, rowSubmit, err)
		return nil
	}
	k.progress("submitting a transaction")
	var id trace.Hash
	began := k.clock.Now()
	err = k.await(ctx, k.growWithin(), func() (err error) {
		id, err = k.Client(from.node.ID).Transfer(ctx, to.node.ID, 1)
		return err
	})
	if err != nil {
		k.fail(ctx, rowSubmit, err)
		k.skip("act.submit failed", rowIncluded)
		return nil
	}
	k.works(rowSubmit, "%s", shortHash(id))
	if k.file.Observe.Block.Txs == nil || k.found[rowTxs].Outcome != Works {
		k.skip("observe.block.txs does not work", rowIncluded)
		return nil
	}
	var held []string
	scanned := next + 1
	produce := k.clock.Now()
	err = k.await(ctx, k.growWithin(), func() error {
		if act.MakeBlock != nil && k.clock.Now() >= produce {
			produce = k.clock.Now() + k.interval
			if err := k.makeBlock(ctx, from.node.ID); err != nil {
				return err
			}
		}
		height, _, err := k.height(ctx, to)
		for ; err == nil && scanned <= height; scanned++ {
			b, err := k.block(ctx, to, scanned)
			if err != nil {
				return err
			}
			if slices.Contains(b.Txs, id) {
				k.works(rowIncluded, "%s of %s, after %s", fmt.Sprint(b.Height), to.node.ID, since(k.clock.Now()-began))
				return nil
			}
			for _, tx := range b.Txs {
				held = append(held, shortHash(tx))
			}
		}
		if err != nil {
			return err
		}
		return k.lost(from, to, id, next, scanned, held)
	})
	if err != nil {
		k.fail(ctx, rowIncluded, err)
	}
	return nil
}

// lost is the error about a transaction that is in no block.
func (k *check) lost(from, to *node, id trace.Hash, above, scanned uint64, held []string) error {
	const listed = 3
	m := &misfit{
		text: fmt.Sprintf("transaction %s, given to %s, is in none of the blocks %d to %d of %s", id, from.node.ID, above+1, max(above+1, scanned)-1, to.node.ID),
		at:   k.at(k.file.Observe.Block.Txs.Pos), hint: "these blocks list no transactions: does the node take this one in at all?",
		look: true,
	}
	if len(held) > 0 {
		m.text += "; they list " + strings.Join(held[:min(len(held), listed)], ", ")
		m.hint = "the jq of act.submit must name a transaction as that of observe.block.txs does"
	}
	return m
}

// together checks that two nodes are one network: they share blocks, and a new one goes from the first to the second.
func (k *check) together(ctx context.Context) error {
	if len(k.order) < 2 {
		return nil
	}
	k.progress("comparing the nodes")
	a, b := k.order[0], k.order[1]
	err := k.await(ctx, k.growWithin(), func() error {
		low, _, err := k.height(ctx, a)
		if err != nil {
			return err
		}
		other, _, err := k.height(ctx, b)
		if err != nil {
			return err
		}
		if low = min(low, other); low == 0 {
			return &misfit{text: fmt.Sprintf("node %s still has no block", b.node.ID), node: b, look: true, hint: "are the nodes connected? What they printed may tell"}
		}
		one, err := k.block(ctx, a, low)
		if err != nil {
			return err
		}
		two, err := k.block(ctx, b, low)
		if err != nil {
			return err
		}
		if one.Hash != two.Hash {
			return &misfit{
				text: fmt.Sprintf("at height %d node %s has block %s and node %s has %s", low, a.node.ID, one.Hash, b.node.ID, two.Hash), node: b, look: true,
				hint: "these are two networks: do both nodes have the same genesis, and do they know of each other?",
			}
		}
		k.works(rowOneChain, "at height %d", low)
		return nil
	})
	if err != nil {
		k.fail(ctx, rowOneChain, err)
		k.skip("the nodes have no common chain", rowPropagate)
		return nil
	}
	return k.propagate(ctx, a, b)
}

// propagate follows the next block of the first node to the second.
func (k *check) propagate(ctx context.Context, a, b *node) error {
	from, _, err := k.height(ctx, a)
	if err == nil && k.file.Act.MakeBlock != nil {
		err = k.makeBlock(ctx, a.node.ID)
	}
	if err != nil {
		k.fail(ctx, rowPropagate, err)
		return nil
	}
	var seen time.Duration
	var hash trace.Hash
	err = k.await(ctx, k.growWithin(), func() error {
		height, _, err := k.height(ctx, a)
		if err == nil && height <= from {
			err = fmt.Errorf("node %s makes no more blocks", a.node.ID)
		}
		if err != nil {
			return err
		}
		x, err := k.block(ctx, a, from+1)
		seen, hash = k.clock.Now(), x.Hash
		return err
	})
	if err == nil {
		err = k.await(ctx, k.growWithin(), func() error {
			height, _, err := k.height(ctx, b)
			if err == nil && height <= from {
				err = &misfit{
					text: fmt.Sprintf("node %s has block %s at height %d, node %s is still at height %d", a.node.ID, hash, from+1, b.node.ID, height), node: b, look: true,
					hint: "are the nodes connected? What they printed may tell",
				}
			}
			if err != nil {
				return err
			}
			x, err := k.block(ctx, b, from+1)
			if err == nil && x.Hash != hash {
				err = &misfit{text: fmt.Sprintf("at height %d node %s has block %s and node %s has %s", from+1, a.node.ID, hash, b.node.ID, x.Hash)}
			}
			return err
		})
	}
	if err != nil {
		k.fail(ctx, rowPropagate, err)
		return nil
	}
	k.works(rowPropagate, "within %s", since(max(k.clock.Now()-seen, askAgain)))
	return nil
}
