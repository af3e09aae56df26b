package node

import (
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/relay"
	"github.com/netsplit/netsplit/node/wire"
)

// push sends a transaction or block.
func (n *Node) push(p *peer, m wire.Message) {
	if p.closing != "" {
		return
	}
	n.counters.Sent++
	p.sent++
	n.send(p, m)
}

// sendInv announces items.
func (n *Node) sendInv(p *peer, m *wire.Inv) {
	if p.closing != "" {
		return
	}
	n.counters.AnnouncesSent += uint64(len(m.Hashes))
	n.send(p, m)
}

// relay sends or announces an item, depending on the strategy, to all peers except from and those for which skip returns
// true. from and skip may be nil.
func (n *Node) relay(item wire.Item, h chain.Hash, payload wire.Message, from *peer, skip func(*peer) bool) {
	var inv *wire.Inv
	for _, p := range n.peers {
		if p == from || !p.live() || skip != nil && skip(p) || n.strategy.Tracks && p.known.Has(&h) {
			continue
		}
		if n.strategy.Push {
			n.push(p, payload)
		} else {
			if inv == nil {
				inv = &wire.Inv{Item: item, Hashes: []chain.Hash{h}}
			}
			n.sendInv(p, inv)
		}
		n.markKnown(p, &h)
	}
}

// markKnown records that a peer has an item or was sent an announcement of it.
func (n *Node) markKnown(p *peer, h *chain.Hash) {
	if n.strategy.Tracks {
		p.known.Add(h)
	}
}

// receiveInv requests the announced items that the node lacks.
func (n *Node) receiveInv(p *peer, m *wire.Inv) {
	n.counters.AnnouncesReceived += uint64(len(m.Hashes))
	if m.Item == wire.ItemBlock {
		p.relayed += uint64(len(m.Hashes))
	}
	if !p.items.take(n.now, len(m.Hashes), itemsBurst, itemsRate) {
		n.misbehaved(p, nil, "flood of announcements")
		return
	}
	requests := n.scratch[:0]
	for i := range m.Hashes {
		h := &m.Hashes[i]
		n.markKnown(p, h)
		if n.haveItem(p, m.Item, h) {
			continue
		}
		if req := (relay.Request{Peer: p.id, Item: m.Item, Hash: *h}); n.requests.Announced(req, int64(n.now)) {
			requests = append(requests, req)
		}
	}
	n.request(requests)
}

// haveItem reports whether the node has an item that p announces, and notes what that says about p.
func (n *Node) haveItem(p *peer, item wire.Item, h *chain.Hash) bool {
	if item == wire.ItemTx {
		return n.pool.Has(*h) || n.included.has(h)
	}
	if b, ok := n.tree.Get(*h); ok {
		p.hasBlock(*h, b.Height)
		return true
	}
	if n.orphans.has(*h) {
		p.ahead = true
		n.reviewSync()
		return true
	}
	return false
}

// request sends requests; consecutive ones of one kind to one peer share a message. It reuses the slice as scratch space.
func (n *Node) request(requests []relay.Request) {
	for i := 0; i < len(requests); {
		j := i + 1
		for j < len(requests) && j-i < wire.MaxInv && requests[j].Peer == requests[i].Peer && requests[j].Item == requests[i].Item {
			j++
		}
		if p := n.byID[requests[i].Peer]; p != nil && p.live() {
			hashes := make([]chain.Hash, 0, j-i)
			for _, a := range requests[i:j] {
				hashes = append(hashes, a.Hash)
			}
			n.send(p, &wire.Get{Item: requests[i].Item, Hashes: hashes})
		}
		i = j
	}
	n.scratch = nil
	if cap(requests) <= keepEffects {
		n.scratch = requests[:0]
	}
}

// receiveGet sends the requested items that the node has. There is no answer for the others: the peer requests them
// from another peer after a timeout.
func (n *Node) receiveGet(p *peer, m *wire.Get) {
	cost := len(m.Hashes)
	if m.Item == wire.ItemBlock {
		cost *= blockCost
	}
	if !p.items.take(n.now, cost, itemsBurst, itemsRate) {
		n.misbehaved(p, nil, "flood of requests")
		return
	}
	for i := range m.Hashes {
		h := &m.Hashes[i]
		if m.Item == wire.ItemTx {
			if tx, ok := n.pool.Get(*h); ok {
				n.markKnown(p, h)
				n.push(p, tx)
			}
		} else if b, ok := n.tree.Get(*h); ok {
			n.markKnown(p, h)
			n.push(p, &wire.Block{Block: b})
		}
	}
}
