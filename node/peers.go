package node

import (
	"fmt"
	"slices"
	"time"

	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/relay"
	"github.com/netsplit/netsplit/node/wire"
)

// peer is a connection and what the node knows about the other side.
type peer struct {
	id           chain.PeerID
	addr         string // advertised in its Hello
	outbound     bool
	since        Time
	up           bool   // the handshake is complete
	closing      string // why the node is disconnecting; empty while the connection is in use
	noDialBefore Time   // earliest time of the next dial after the disconnect

	lastReceived Time // when the last message was received
	pinged       Time // when the last Ping was sent
	pingNonce    uint64

	// The chain that the peer claims to have, updated from what it sends.
	head   chain.Hash
	height chain.Height
	work   chain.Work
	ahead  bool // it sent or announced a block whose parent the node lacks

	owed int // number of GetBlocks that are not answered yet
	// relayed counts what the peer has sent of blocks: hashes announced, and blocks that were not requested as history.
	relayed uint64
	// sent and received count blocks and transactions, history apart, as Counters do for all connections.
	sent, received uint64
	known          relay.Known

	control bucket // pings, GetBlocks, addresses
	items   bucket // announced and requested items
	refused bucket // transactions that the mempool refused
}

// live reports whether the handshake is complete and the connection is not being closed.
func (p *peer) live() bool { return p.up && p.closing == "" }

// hasBlock records that the peer has a block, which the node has too.
func (p *peer) hasBlock(h chain.Hash, height chain.Height) {
	p.head = h
	p.height = max(p.height, height)
}

// Rate limits per peer: the burst, and the rate per second.
const (
	controlBurst, controlRate = 512, 128
	itemsBurst, itemsRate     = 1 << 15, 1 << 13
	refusedBurst, refusedRate = 4096, 512
)

// blockCost is the number of items that a requested block counts as.
const blockCost = 64

// bucket is a leaky bucket: use fills it, time drains it.
type bucket struct {
	level float64
	at    Time
}

// take adds cost and returns true, unless the bucket would then hold more than burst. rate is what drains per second.
func (b *bucket) take(now Time, cost, burst, rate int) bool {
	if now > b.at {
		b.level = max(0, b.level-float64(rate)*time.Duration(now-b.at).Seconds())
		b.at = now
	}
	if b.level+float64(cost) > float64(burst) {
		return false
	}
	b.level += float64(cost)
	return true
}

// incompatibleHold is how long a peer of another network or protocol version is not dialled again.
const incompatibleHold = 30 * time.Second

// PeerUp reports that a connection to a peer is open.
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
		n.remove(old, "") // PeerDown was not called, but the new connection implies it
	}
	reason := n.refusal(id, outbound)
	p := &peer{id: id, outbound: outbound, since: now, lastReceived: now}
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

// refusal is the reason to refuse a new connection, empty if there is none.
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
func (n *Node) connections() int { return n.countPeers(func(p *peer) bool { return p.closing == "" }) }

func (n *Node) countPeers(cond func(*peer) bool) (count int) {
	for _, p := range n.peers {
		if cond(p) {
			count++
		}
	}
	return count
}

// PeerDown reports that the connection to a peer was closed, by either side.
func (n *Node) PeerDown(now Time, id chain.PeerID, reason string) []Effect {
	n.begin(now)
	p := n.byID[id]
	if !n.running || p == nil {
		return n.fx
	}
	n.remove(p, reason)
	return n.end()
}

// remove removes a connection. reason is why the other side or the network closed it, if this node did not.
func (n *Node) remove(p *peer, reason string) {
	local := p.closing != ""
	if local {
		reason = p.closing
	}
	delete(n.byID, p.id)
	n.peers = slices.DeleteFunc(n.peers, func(o *peer) bool { return o == p })
	if p.up {
		n.event(Event{Kind: EventPeerDown, Peer: &p.id, Reason: reason, Local: local})
	}
	notBefore := int64(p.noDialBefore)
	if until, banned := n.bans.Until(p.id, int64(n.now)); banned {
		notBefore = max(notBefore, until)
	}
	n.dialer.Down(p.id, int64(n.now), time.Duration(n.now-p.since), notBefore)
	n.request(n.requests.Disconnected(p.id, int64(n.now), n.scratch[:0]))
	n.abandonSync(p)
	n.review = true
}

// disconnect closes a connection. Nothing more is sent to the peer, and what it sends is ignored.
func (n *Node) disconnect(p *peer, reason string) {
	if p.closing != "" {
		return
	}
	p.closing = reason
	n.fx = append(n.fx, Effect{Kind: EffectDisconnect, Peer: p.id, Reason: reason})
	n.abandonSync(p)
	n.review = true
}

// misbehaved disconnects and bans a peer that violated the protocol. h is the block or transaction concerned, or nil.
func (n *Node) misbehaved(p *peer, h *chain.Hash, reason string) {
	if p.closing != "" {
		return
	}
	n.event(Event{Kind: EventInvalid, Peer: &p.id, Hash: h, Reason: reason, Banned: true})
	n.bans.Add(p.id, int64(n.now), reason)
	n.disconnect(p, reason)
}

// hello completes the handshake.
func (n *Node) hello(p *peer, m *wire.Hello) {
	switch {
	case p.up:
		n.misbehaved(p, nil, "second hello")
		return
	case m.Version != wire.Version:
		n.refuseIncompatible(p, fmt.Sprintf("protocol version is %d, want %d", m.Version, wire.Version))
		return
	case m.Genesis != n.genesis:
		n.refuseIncompatible(p, "genesis differs")
		return
	}
	p.up, p.addr, p.head, p.height, p.work = true, m.Addr, m.Head, m.Height, m.Work
	n.hadPeer, n.review = true, true
	n.event(Event{Kind: EventPeerUp, Peer: &p.id, Outbound: p.outbound})
	n.shareAddrs(p)
	n.sendBacklog(p)
	n.reviewSync()
}

// refuseIncompatible disconnects a peer of another network. That is a mistake, not an attack: no ban, but a pause before
// the next dial.
func (n *Node) refuseIncompatible(p *peer, reason string) {
	n.event(Event{Kind: EventInvalid, Peer: &p.id, Reason: reason})
	p.noDialBefore = n.now + Time(incompatibleHold)
	n.disconnect(p, reason)
}

// rebroadcastInterval is how often transactions that have been pending for so long are sent or announced again: peers may have
// refused them when their chain was another one, or may never have got them over a connection that broke.
const rebroadcastInterval = 10 * time.Second

// rebroadcast sends or announces transactions again that were pending at the last time already.
func (n *Node) rebroadcast() {
	if n.now < n.nextRebroadcast {
		return
	}
	old := n.pool.Before(n.arrivals, n.strategy.Backlog)
	n.nextRebroadcast, n.arrivals = n.now+Time(rebroadcastInterval), n.pool.Arrivals()
	if len(old) == 0 {
		return
	}
	for _, p := range n.peers {
		if p.live() {
			n.sendPending(p, old)
		}
	}
}

// sendBacklog sends or announces the pending transactions to a new peer, so that they spread after a partition.
func (n *Node) sendBacklog(p *peer) { n.sendPending(p, n.pool.All(n.strategy.Backlog)) }

func (n *Node) sendPending(p *peer, txs []*wire.Tx) {
	var hashes []chain.Hash
	for _, m := range txs {
		if n.strategy.Push {
			n.push(p, m)
			continue
		}
		h := m.ID()
		n.markKnown(p, &h)
		hashes = append(hashes, h)
	}
	if hashes != nil {
		n.sendInv(p, &wire.Inv{Item: wire.ItemTx, Hashes: hashes})
	}
}

// Limits and intervals of keeping the number of peers.
const (
	shareCount    = 24 // addresses sent to a new peer
	lowGrace      = 2 * time.Second
	extraInterval = time.Second
	// surplusGrace is how long the node has too many peers before it disconnects those that it dialled beyond its
	// configuration, so that the end of a partition is not followed at once by a loss of connections.
	surplusGrace = 10 * time.Second
	// minDialWait bounds how often the dial timer fires when a due dial cannot be made.
	minDialWait = 200 * time.Millisecond
)

// exchange is the state of peer exchange: since when there are too few or too many peers.
type exchange struct {
	lowSince     Time // 0: there are enough
	nextExtra    Time
	surplusSince Time // 0: there are not too many
}

// DialFailed reports that an EffectDial did not lead to a connection.
func (n *Node) DialFailed(now Time, id chain.PeerID) []Effect {
	n.begin(now)
	if !n.running {
		return n.fx
	}
	n.dialer.Failed(id, int64(now))
	n.review = true
	return n.end()
}

// dialDue dials the configured peers that are due and sets the timer for the next dial.
func (n *Node) dialDue() {
	room := n.cfg.MaxPeers - n.connections()
	for _, a := range n.dialer.Due(int64(n.now), room, nil) {
		n.fx = append(n.fx, Effect{Kind: EffectDial, Peer: a.ID, Addr: a.Addr})
	}
	next := Time(n.dialer.Next())
	if next != 0 {
		next = max(next, n.now+Time(minDialWait))
	}
	// A timer that fires early is harmless: it sets the next one.
	if next != n.dialAt && (n.dialAt == 0 || next != 0 && next < n.dialAt) {
		n.dialAt = next
		n.setTimer(TimerDial, next)
	}
}

// keepPeers dials further peers when there are too few and disconnects surplus ones. It is called at every tick.
func (n *Node) keepPeers() {
	n.review = true // so that dials without an answer expire
	if !n.cfg.PeerExchange || n.cfg.MinPeers == 0 {
		return
	}
	count := n.countPeers((*peer).live)
	x := &n.exchange
	x.lowSince = since(x.lowSince, count < n.cfg.MinPeers, n.now)
	if x.lowSince != 0 && n.now-x.lowSince >= Time(lowGrace) && n.now >= x.nextExtra {
		x.nextExtra = n.now + Time(extraInterval)
		n.dialExtra()
	}
	surplus := count > 2*n.cfg.MinPeers && n.dialer.AllUp()
	x.surplusSince = since(x.surplusSince, surplus, n.now)
	if x.surplusSince != 0 && n.now-x.surplusSince >= Time(surplusGrace) {
		n.dropSurplus(count - 2*n.cfg.MinPeers)
	}
}

// since returns since when a condition has held, 0 if it does not hold.
func since(was Time, holds bool, now Time) Time {
	switch {
	case !holds:
		return 0
	case was != 0:
		return was
	}
	return now
}

// dialExtra dials a random address of the book.
func (n *Node) dialExtra() {
	if n.connections() >= n.cfg.MaxPeers {
		return
	}
	found := n.book.Sample(1, n.rng, func(a *wire.Addr) bool {
		if a.ID == n.id || n.byID[a.ID] != nil || n.dialer.Configured(a.ID) || n.dialer.Dialing(a.ID) {
			return false
		}
		_, banned := n.bans.Until(a.ID, int64(n.now))
		return !banned
	})
	if len(found) == 1 && n.dialer.DialOther(found[0], int64(n.now)) {
		n.fx = append(n.fx, Effect{Kind: EffectDial, Peer: found[0].ID, Addr: found[0].Addr})
	}
}

// dropSurplus disconnects up to count peers that the node dialled beyond its configuration, the newest first.
func (n *Node) dropSurplus(count int) {
	for i := len(n.peers) - 1; i >= 0 && count > 0; i-- {
		if p := n.peers[i]; p.live() && p.outbound && !n.dialer.Configured(p.id) {
			n.disconnect(p, "surplus connection")
			count--
		}
	}
}

// shareAddrs sends addresses from the book to a new peer and adds its own address to the book.
func (n *Node) shareAddrs(p *peer) {
	if !n.cfg.PeerExchange {
		return
	}
	sample := n.book.Sample(shareCount, n.rng, func(a *wire.Addr) bool { return a.ID != p.id && a.Addr != "" })
	if len(sample) > 0 {
		n.send(p, &wire.Addrs{Addrs: sample})
	}
	n.book.Add(wire.Addr{ID: p.id, Addr: p.addr}, n.rng)
}

// storeAddrs adds the addresses that a peer sent to the book.
func (n *Node) storeAddrs(m *wire.Addrs) {
	if !n.cfg.PeerExchange {
		return
	}
	for _, a := range m.Addrs {
		if a.ID != n.id {
			n.book.Add(a, n.rng)
		}
	}
}
