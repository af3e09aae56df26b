package node

import (
	"time"

	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/relay"
)

// peer is one connection and what the node knows of its other end.
type peer struct {
	id       chain.PeerID
	addr     string // advertised in its Hello
	outbound bool
	since    Time
	up       bool   // the handshake is complete
	closing  string // why the node asked for a disconnect; empty while it is wanted
	holdTill Time   // not to be dialled before, once it is gone

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

// showed notes that the peer has a block of the node's tree or one that was just received.
func (p *peer) showed(h chain.Hash, height chain.Height) {
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
