package node

import (
	"time"

	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// The timers of a node. All are of the whole node: TimerID.Peer is zero.
const (
	// TimerTick is the periodic housekeeping.
	TimerTick TimerKind = iota + 1
	// TimerDial is the next dial of a configured peer.
	TimerDial
	// TimerMine is the miner's next find, or the end of its present chunk of attempts.
	TimerMine
)

// The node's periods.
const (
	tickInterval = 500 * time.Millisecond
	// pingInterval is how long a peer may be silent before it is pinged, pingTimeout before it is disconnected.
	pingInterval = 2 * time.Second
	pingTimeout  = 6 * time.Second
	// announceInterval is how often the head is announced to peers that have not shown that they have it: whatever was
	// lost or missed, two connected nodes find out that their heads differ.
	announceInterval = 5 * time.Second
)

// Timer says that the time of a timer has come.
func (n *Node) Timer(now Time, id TimerID) []Effect {
	n.begin(now)
	if !n.running {
		return n.fx
	}
	switch id.Kind {
	case TimerTick:
		n.tick()
	case TimerDial:
		n.dialAt = 0
		n.review = true
	case TimerMine:
		n.mineDue()
	}
	return n.end()
}

func (n *Node) tick() {
	for i := 0; i < len(n.peers); i++ { // disconnecting does not change the list
		n.checkPeer(n.peers[i])
	}
	n.ask(n.requests.Expire(int64(n.now), n.scratch[:0]))
	n.expireSync()
	if n.now >= n.announce {
		n.announce = n.now + Time(announceInterval)
		n.announceHead()
	}
	n.keepPeers()
	n.setTimer(TimerTick, n.now+Time(tickInterval))
}

// checkPeer pings a silent peer and disconnects a dead one.
func (n *Node) checkPeer(p *peer) {
	if p.closing != "" {
		return
	}
	silent := time.Duration(n.now - p.heard)
	switch {
	case !p.up && time.Duration(n.now-p.since) >= pingTimeout:
		n.disconnect(p, "handshake timeout")
	case silent >= pingTimeout:
		n.disconnect(p, "ping timeout")
	case p.up && silent >= pingInterval && time.Duration(n.now-p.pinged) >= pingInterval:
		p.pinged = n.now
		p.pingNonce++
		n.send(p, &wire.Ping{Nonce: p.pingNonce})
	}
}

// announceHead tells the peers that have not shown the node's head of it.
func (n *Node) announceHead() {
	head := n.tree.Head()
	if head.Height == 0 {
		return
	}
	h := head.Hash()
	var inv *wire.Inv
	for _, p := range n.peers {
		if !p.live() || p.head == h {
			continue
		}
		if inv == nil {
			inv = &wire.Inv{Item: wire.ItemBlock, Hashes: []chain.Hash{h}}
		}
		n.sendInv(p, inv)
	}
}
