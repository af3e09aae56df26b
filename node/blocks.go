package node

import (
	"errors"

	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// origin says where a block came from.
type origin struct {
	peer   *peer // nil: made here, or the peer is gone
	id     chain.PeerID
	made   bool
	synced bool        // in answer to a request for history
	msg    *wire.Block // to relay as it came; nil: make one
}

// receiveBlock takes a relayed block.
func (n *Node) receiveBlock(p *peer, m *wire.Block) {
	n.counters.Received++
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

// addBlock gives a block that is not in the tree to it, and says whether it was taken in. Orphans that waited for it follow.
func (n *Node) addBlock(b *chain.Block, from origin) bool {
	if !n.addOne(b, from) {
		return false
	}
	for queue := []chain.Hash{b.Hash()}; len(queue) > 0; queue = queue[1:] {
		for _, o := range n.orphans.take(queue[0]) {
			// Whoever sent it may have left and come back meanwhile: the connection is looked up anew.
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
		// Not for ever, or not the block's fault: it is from the future, but the wrong clock may be this one. No ban.
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

// orphaned keeps a block whose parent is not known and asks its sender for the history before it.
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

// accepted makes a new block of the tree known: first to the disk, then to the log, then to others.
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

// peerID is the sender's identity for the event log, nil for a block made here.
func (o *origin) peerID() *chain.PeerID {
	if o.made {
		return nil
	}
	id := o.id
	return &id
}

// Limits of the blocks that wait for their parents.
const (
	maxOrphans        = 64
	maxOrphansPerPeer = 8
	maxOrphanBytes    = 8 << 20
)

// orphanPool holds blocks whose parents are not known, oldest first. The oldest make room for new ones: those of the
// same peer first, so that one peer cannot push out what others sent.
type orphanPool struct {
	list  []orphan
	bytes int
}

type orphan struct {
	block *chain.Block
	from  chain.PeerID
}

func (o *orphanPool) has(h chain.Hash) bool {
	for i := range o.list {
		if o.list[i].block.Hash() == h {
			return true
		}
	}
	return false
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
	o.list = append(o.list[:i], o.list[i+1:]...)
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
