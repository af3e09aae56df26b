package node

import (
	"time"

	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// How the node keeps its number of peers.
const (
	shareCount    = 24 // addresses told to a new peer
	lowPatience   = 2 * time.Second
	extraInterval = time.Second
	// surplusPatience is how long the node has too many peers before it drops those that it dialled beyond its
	// configuration: a heal must not be followed by a loss of connections at once.
	surplusPatience = 10 * time.Second
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
	if x.lowSince != 0 && n.now-x.lowSince >= Time(lowPatience) && n.now >= x.nextExtra {
		x.nextExtra = n.now + Time(extraInterval)
		n.dialExtra()
	}
	surplus := count > 2*n.cfg.MinPeers && n.dialer.AllUp()
	x.surplusSince = since(x.surplusSince, surplus, n.now)
	if x.surplusSince != 0 && n.now-x.surplusSince >= Time(surplusPatience) {
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

// learnAddrs puts addresses that a peer told into the book.
func (n *Node) learnAddrs(m *wire.Addrs) {
	if !n.cfg.PeerExchange {
		return
	}
	for _, a := range m.Addrs {
		if a.ID != n.id {
			n.book.Add(a, n.rng)
		}
	}
}
