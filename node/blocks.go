package node

import (
	"errors"
	"slices"

	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// origin is where a block came from.
type origin struct {
	peer   *peer // nil: made here, or the peer has disconnected
	id     chain.PeerID
	made   bool
	synced bool        // received in answer to GetBlocks
	msg    *wire.Block // the message it came in, relayed as it is; nil: make one
}

// receiveBlock handles a relayed block.
func (n *Node) receiveBlock(p *peer, m *wire.Block) {
	n.counters.Received++
	p.received++
	p.relayed++
	h := m.Block.Hash()
	n.markKnown(p, &h)
	n.requests.Done(h)
	if n.tree.Has(h) {
		n.counters.Duplicates++
		p.hasBlock(h, m.Block.Height)
		return
	}
	if n.orphans.has(h) {
		n.counters.Duplicates++
		p.ahead = true
		n.reviewSync()
		return
	}
	n.addBlock(m.Block, origin{peer: p, id: p.id, msg: m})
}

// addBlock adds a block to the tree, and then the orphans that waited for it. It reports whether the block is valid and new.
func (n *Node) addBlock(b *chain.Block, from origin) bool {
	if !n.addOne(b, from) {
		return false
	}
	for queue := []chain.Hash{b.Hash()}; len(queue) > 0; queue = queue[1:] {
		for _, o := range n.orphans.take(queue[0]) {
			// The sender may have disconnected or reconnected since: look its connection up again.
			if n.addOne(o.block, origin{peer: n.byID[o.from], id: o.from}) {
				queue = append(queue, o.block.Hash())
			}
		}
	}
	return true
}

func (n *Node) addOne(b *chain.Block, from origin) bool {
	h := b.Hash()
	added, err := n.tree.Add(b, n.millis())
	switch {
	case err != nil && !errors.Is(err, chain.ErrInvalid):
		// Not permanent: the block is from the future, but this node's clock may be the wrong one. No ban.
		n.event(Event{Kind: EventInvalid, Peer: from.peerID(), Hash: &h, Reason: err.Error()})
		return false
	case err != nil:
		if from.peer != nil {
			n.misbehaved(from.peer, &h, err.Error())
		}
		return false
	case added.Known:
		return false
	case added.Orphan:
		n.orphaned(b, from)
		return false
	}
	n.accepted(b, added, from)
	return true
}

// orphaned stores a block whose parent is unknown and requests the blocks before it from its sender.
func (n *Node) orphaned(b *chain.Block, from origin) {
	if from.peer == nil {
		return
	}
	if from.synced {
		h := b.Hash()
		n.misbehaved(from.peer, &h, "blocks do not follow the locator")
		return
	}
	n.orphans.add(b, from.id)
	from.peer.hasBlock(b.Hash(), b.Height)
	from.peer.ahead = true
	n.reviewSync()
}

// accepted publishes a block that was added to the tree: first to disk, then to the event log, then to peers.
func (n *Node) accepted(b *chain.Block, added chain.Added, from origin) {
	h := b.Hash()
	n.fx = append(n.fx, Effect{Kind: EffectPersist, Block: b})
	n.event(Event{
		Kind: EventBlock, Hash: &h, Parent: &b.Parent, Height: b.Height, Peer: from.peerID(), Made: from.made, Sync: from.synced,
	})
	if added.NewHead {
		n.event(Event{Kind: EventHead, Hash: &h, Height: b.Height, Old: &added.OldHead, Dropped: len(added.Dropped)})
	}
	if from.peer != nil {
		from.peer.hasBlock(h, b.Height)
	}
	if !from.synced {
		if from.msg == nil {
			from.msg = &wire.Block{Block: b}
		}
		n.relay(wire.ItemBlock, h, from.msg, from.peer, nil)
	}
	if added.NewHead {
		n.review = true
		n.index(added)
		n.updatePool(added)
		n.returnTxs(added.Dropped)
	}
}

// peerID is the sender's identity for the event log, nil for a block that this node made.
func (o *origin) peerID() *chain.PeerID {
	if o.made {
		return nil
	}
	id := o.id
	return &id
}

// Limits of the orphan pool.
const (
	maxOrphans        = 64
	maxOrphansPerPeer = 8
	maxOrphanBytes    = 8 << 20
)

// orphanPool holds blocks whose parents are unknown, oldest first. When it is full the oldest are evicted, those of the
// same peer first, so that one peer cannot evict what others sent.
type orphanPool struct {
	list  []orphan
	bytes int
}

type orphan struct {
	block *chain.Block
	from  chain.PeerID
}

func (o *orphanPool) has(h chain.Hash) bool {
	return slices.ContainsFunc(o.list, func(k orphan) bool { return k.block.Hash() == h })
}

func (o *orphanPool) add(b *chain.Block, from chain.PeerID) {
	count, first := 0, 0
	for i := len(o.list) - 1; i >= 0; i-- {
		if o.list[i].from == from {
			count, first = count+1, i
		}
	}
	if count >= maxOrphansPerPeer {
		o.removeAt(first)
	}
	for len(o.list) >= maxOrphans || len(o.list) > 0 && o.bytes+b.Size() > maxOrphanBytes {
		o.removeAt(0)
	}
	o.list = append(o.list, orphan{b, from})
	o.bytes += b.Size()
}

func (o *orphanPool) removeAt(i int) {
	o.bytes -= o.list[i].block.Size()
	o.list = slices.Delete(o.list, i, i+1)
}

// take removes and returns the orphans with this parent, oldest first.
func (o *orphanPool) take(parent chain.Hash) []orphan {
	var out []orphan
	for i := 0; i < len(o.list); {
		if o.list[i].block.Parent == parent {
			out = append(out, o.list[i])
			o.removeAt(i)
		} else {
			i++
		}
	}
	return out
}
