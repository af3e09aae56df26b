package node

import (
	"fmt"
	"time"

	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/relay"
	"github.com/netsplit/netsplit/node/wire"
)

// strangerHold is how long a peer of another network or version is not dialled again.
const strangerHold = 30 * time.Second

// PeerUp says that a connection to a peer is open.
func (n *Node) PeerUp(now Time, id chain.PeerID, outbound bool) []Effect {
	n.begin(now)
	if !n.running {
		return n.fx
	}
	if old := n.byID[id]; old != nil {
		if old.closing == "" {
			n.disconnect(old, "duplicate connection")
			return n.end()
		}
		n.remove(old, old.closing) // its end was not reported, but a new connection shows it
	}
	reason := n.refusal(id, outbound)
	p := &peer{id: id, outbound: outbound, since: now, heard: now}
	n.peers = append(n.peers, p)
	n.byID[id] = p
	n.dialer.Up(id)
	n.review = true
	if reason != "" {
		n.disconnect(p, reason)
		return n.end()
	}
	head := n.tree.Head()
	n.send(p, &wire.Hello{
		Version: wire.Version, Genesis: n.genesis, Head: head.Hash(), Height: head.Height,
		Work: n.tree.HeadWork(), Addr: n.cfg.Advertise,
	})
	return n.end()
}

// refusal is why a new connection is not wanted, or empty.
func (n *Node) refusal(id chain.PeerID, outbound bool) string {
	if id == n.id {
		return "connection to itself"
	}
	if _, banned := n.bans.Until(id, int64(n.now)); banned {
		return "banned"
	}
	if !outbound && n.connections() >= n.cfg.MaxPeers {
		return "too many peers"
	}
	return ""
}

// connections counts the connections that are not being closed.
func (n *Node) connections() int {
	count := 0
	for _, p := range n.peers {
		if p.closing == "" {
			count++
		}
	}
	return count
}

// PeerDown says that the connection to a peer is closed, by either side.
func (n *Node) PeerDown(now Time, id chain.PeerID, reason string) []Effect {
	n.begin(now)
	p := n.byID[id]
	if !n.running || p == nil {
		return n.fx
	}
	if p.closing != "" {
		reason = p.closing
	}
	n.remove(p, reason)
	return n.end()
}

// remove forgets a connection.
func (n *Node) remove(p *peer, reason string) {
	delete(n.byID, p.id)
	for i := range n.peers {
		if n.peers[i] == p {
			n.peers = append(n.peers[:i], n.peers[i+1:]...)
			break
		}
	}
	if p.up {
		n.event(Event{Kind: EventPeerDown, Peer: &p.id, Reason: reason})
	}
	notBefore := int64(p.holdTill)
	if until, banned := n.bans.Until(p.id, int64(n.now)); banned {
		notBefore = max(notBefore, until)
	}
	n.dialer.Down(p.id, int64(n.now), time.Duration(n.now-p.since), notBefore)
	n.ask(n.requests.Gone(p.id, int64(n.now), n.scratch[:0]))
	n.abandonSync(p)
	n.review = true
}

// disconnect asks for the end of a connection. Nothing is sent to the peer or taken from it any more.
func (n *Node) disconnect(p *peer, reason string) {
	if p.closing != "" {
		return
	}
	p.closing = reason
	n.fx = append(n.fx, Effect{Kind: EffectDisconnect, Peer: p.id, Reason: reason})
	n.abandonSync(p)
	n.review = true
}

// misbehaved disconnects and bans a peer that broke the protocol. h is the block or transaction concerned, or nil.
func (n *Node) misbehaved(p *peer, h *chain.Hash, reason string) {
	if p.closing != "" {
		return
	}
	n.event(Event{Kind: EventInvalid, Peer: &p.id, Hash: h, Reason: reason})
	n.bans.Add(p.id, int64(n.now))
	n.disconnect(p, reason)
}

// hello completes the handshake.
func (n *Node) hello(p *peer, m *wire.Hello) {
	switch {
	case p.up:
		n.misbehaved(p, nil, "second hello")
		return
	case m.Version != wire.Version:
		n.stranger(p, fmt.Sprintf("protocol version is %d, want %d", m.Version, wire.Version))
		return
	case m.Genesis != n.genesis:
		n.stranger(p, "genesis differs")
		return
	}
	p.up, p.addr, p.head, p.height, p.work = true, m.Addr, m.Head, m.Height, m.Work
	n.hadPeer, n.review = true, true
	n.event(Event{Kind: EventPeerUp, Peer: &p.id})
	n.shareAddrs(p)
	n.sendBacklog(p)
	n.reviewSync()
}

// stranger refuses a peer of another network. That is a mistake, not an attack: no ban, but no hasty redial either.
func (n *Node) stranger(p *peer, reason string) {
	n.event(Event{Kind: EventInvalid, Peer: &p.id, Reason: reason})
	p.holdTill = n.now + Time(strangerHold)
	n.disconnect(p, reason)
}

// sendBacklog tells a new peer of the pending transactions, so that they cross after a partition.
func (n *Node) sendBacklog(p *peer) {
	action, most := n.strategy.Backlog()
	pending := n.pool.All(most)
	if len(pending) == 0 {
		return
	}
	switch action {
	case relay.Push:
		for _, m := range pending {
			n.push(p, m)
		}
	case relay.Announce:
		hashes := make([]chain.Hash, len(pending))
		for i, m := range pending {
			hashes[i] = m.ID()
			p.known.Add(&hashes[i])
		}
		n.sendInv(p, &wire.Inv{Item: wire.ItemTx, Hashes: hashes})
	}
}
