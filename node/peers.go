package node

import (
	"fmt"
	"time"

	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/relay"
	"github.com/netsplit/netsplit/node/wire"
)

// peer is one connection and what the node knows of its other end.
type peer struct {
	id       chain.PeerID
	addr     string // advertised in its Hello
	outbound bool
	since    Time
	up       bool   // the handshake is complete
	closing  string // why the node asked for a disconnect; empty while it is wanted
	noDialBefore Time   // not to be dialled before, once it is gone

	heard     Time // when the last message came
	pinged    Time // when the last Ping was sent
	pingNonce uint64

	// What the peer claims of its chain, kept up to date from what it sends.
	head   chain.Hash
	height chain.Height
	work   chain.Work
	ahead  bool // it showed a block whose parent the node lacks

	owed  int // GetBlocks sent and not answered
	known relay.Known

	control bucket // pings, requests for history, addresses
	items   bucket // announced and requested items
	refused bucket // transactions that the mempool refused
}

// live says whether the peer takes part: after its Hello, before its end.
func (p *peer) live() bool { return p.up && p.closing == "" }

// hasBlock notes that the peer has a block of the node's tree or one that was just received.
func (p *peer) hasBlock(h chain.Hash, height chain.Height) {
	p.head = h
	p.height = max(p.height, height)
}

// Limits of what one peer may ask for or push: so many at once, so many per second afterwards.
const (
	controlBurst, controlRate = 512, 128
	itemsBurst, itemsRate     = 1 << 15, 1 << 13
	refusedBurst, refusedRate = 4096, 512
)

// blockCost is what a requested block counts as in items.
const blockCost = 64

// bucket is a leaky bucket: it fills by use and drains with time.
type bucket struct {
	level float64
	at    Time
}

// take adds cost and says whether the bucket still holds burst; it drains rate per second.
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

// incompatibleHold is how long a peer of another network or version is not dialled again.
const incompatibleHold = 30 * time.Second

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
	notBefore := int64(p.noDialBefore)
	if until, banned := n.bans.Until(p.id, int64(n.now)); banned {
		notBefore = max(notBefore, until)
	}
	n.dialer.Down(p.id, int64(n.now), time.Duration(n.now-p.since), notBefore)
	n.request(n.requests.Gone(p.id, int64(n.now), n.scratch[:0]))
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
		n.refuseIncompatible(p, fmt.Sprintf("protocol version is %d, want %d", m.Version, wire.Version))
		return
	case m.Genesis != n.genesis:
		n.refuseIncompatible(p, "genesis differs")
		return
	}
	p.up, p.addr, p.head, p.height, p.work = true, m.Addr, m.Head, m.Height, m.Work
	n.hadPeer, n.review = true, true
	n.event(Event{Kind: EventPeerUp, Peer: &p.id})
	n.shareAddrs(p)
	n.sendBacklog(p)
	n.reviewSync()
}

// refuseIncompatible refuses a peer of another network. That is a mistake, not an attack: no ban, but no hasty redial either.
func (n *Node) refuseIncompatible(p *peer, reason string) {
	n.event(Event{Kind: EventInvalid, Peer: &p.id, Reason: reason})
	p.noDialBefore = n.now + Time(incompatibleHold)
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

// How the node keeps its number of peers.
const (
	shareCount    = 24 // addresses told to a new peer
	lowGrace   = 2 * time.Second
	extraInterval = time.Second
	// surplusGrace is how long the node has too many peers before it drops those that it dialled beyond its
	// configuration: a heal must not be followed by a loss of connections at once.
	surplusGrace = 10 * time.Second
	// minDialWait bounds how often the dial timer fires when a due dial cannot be made.
	minDialWait = 200 * time.Millisecond
)

// exchange is the state of keeping the number of peers.
type exchange struct {
	lowSince     Time // 0: there are enough
	nextExtra    Time
	surplusSince Time // 0: there are not too many
}

// DialFailed says that an EffectDial did not lead to a connection.
func (n *Node) DialFailed(now Time, id chain.PeerID) []Effect {
	n.begin(now)
	if !n.running {
		return n.fx
	}
	n.dialer.Failed(id, int64(now))
	n.review = true
	return n.end()
}

// dialDue dials the configured peers whose time has come and sets the timer for the next.
func (n *Node) dialDue() {
	room := n.cfg.MaxPeers - n.connections()
	for _, a := range n.dialer.Due(int64(n.now), room, nil) {
		n.fx = append(n.fx, Effect{Kind: EffectDial, Peer: a.ID, Addr: a.Addr})
	}
	next := Time(n.dialer.Next())
	if next != 0 {
		next = max(next, n.now+Time(minDialWait))
	}
	// A timer that is early is harmless: it sets the next one.
	if next != n.dialAt && (n.dialAt == 0 || next != 0 && next < n.dialAt) {
		n.dialAt = next
		n.setTimer(TimerDial, next)
	}
}

// keepPeers finds further peers when there are too few, and drops surplus ones. It is called at every tick.
func (n *Node) keepPeers() {
	n.review = true // dials that were never answered are given up
	if !n.cfg.PeerExchange || n.cfg.MinPeers == 0 {
		return
	}
	count := 0
	for _, p := range n.peers {
		if p.live() {
			count++
		}
	}
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

// since is the time since when a condition has held, 0 if it does not.
func since(was Time, holds bool, now Time) Time {
	switch {
	case !holds:
		return 0
	case was != 0:
		return was
	}
	return now
}

// dialExtra dials one random address of the book.
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
	if len(found) == 1 && n.dialer.Extra(found[0], int64(n.now)) {
		n.fx = append(n.fx, Effect{Kind: EffectDial, Peer: found[0].ID, Addr: found[0].Addr})
	}
}

// dropSurplus disconnects up to count peers that the node dialled beyond its configuration, the latest first.
func (n *Node) dropSurplus(count int) {
	for i := len(n.peers) - 1; i >= 0 && count > 0; i-- {
		if p := n.peers[i]; p.live() && p.outbound && !n.dialer.Configured(p.id) {
			n.disconnect(p, "surplus connection")
			count--
		}
	}
}

// shareAddrs tells a new peer of others and puts its own address into the book.
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

// storeAddrs puts addresses that a peer told into the book.
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
