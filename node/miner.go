package node

import (
	"math"
	"time"

	"github.com/netsplit/netsplit/node/chain"
)

// The miner hashes ahead of time, in chunks: the attempts that the capped rate allows until the chunk's end are made at
// its beginning, and a find is released at the very moment at which its attempt would have been made. A change of the
// head discards the chunk; because attempts are independent, that changes nothing about the distribution of finds.
const (
	maxChunk    = 250 * time.Millisecond
	maxAttempts = 1 << 13 // in one chunk, so that one input stays short at high rates

	// templateAge is how long a template is kept although new transactions wait: assembling one costs far more than a
	// chunk's attempts, and a transaction waits for a block much longer than this.
	templateAge = time.Second
)

// miner is the state of mining.
type miner struct {
	on    bool
	start Time    // of the chunk
	carry float64 // the part of an attempt that was left over at start, below 1
	tries int     // attempts of the chunk
	due   Time    // of the find, or the chunk's end
	found bool
	head  chain.Hash // on which the chunk builds

	header  chain.Header // template; with the winning nonce if found
	txs     []chain.Tx
	version uint64 // of the mempool that txs are from
	built   Time   // when
}

// mayMine says whether the node mines now. A node that should have peers waits until it has had one, so that it does
// not begin a chain of its own before it has heard of the others'.
func (n *Node) mayMine() bool {
	return n.cfg.Mine > 0 && (n.hadPeer || len(n.cfg.Peers) == 0) && !n.behind()
}

// reviewMiner starts, stops or restarts the miner as the node's state demands.
func (n *Node) reviewMiner() {
	m := &n.miner
	switch may := n.mayMine(); {
	case m.on && !may:
		m.interrupt(n.now, n.cfg.Mine)
		m.on = false
		n.setTimer(TimerMine, 0)
	case m.on && m.head != n.tree.Head().Hash():
		m.interrupt(n.now, n.cfg.Mine)
		n.mineChunk(n.now)
	case !m.on && may:
		m.on = true
		n.mineChunk(n.now)
	}
}

// interrupt ends the chunk early: the attempts made so far are lost, the begun one is carried over.
func (m *miner) interrupt(now Time, rate float64) {
	done := m.carry + rate*max(0, time.Duration(now-m.start)).Seconds()
	m.carry = done - math.Floor(done)
}

// mineDue releases a find or goes on with the next chunk.
func (n *Node) mineDue() {
	m := &n.miner
	if !m.on || n.now < m.due {
		return
	}
	// The next chunk begins where this one ended, however late the timer is, unless the node was stopped for long.
	start := m.due
	if n.now-start > Time(maxChunk) {
		start = n.now
	}
	if !m.found {
		m.carry += n.cfg.Mine*time.Duration(m.due-m.start).Seconds() - float64(m.tries)
		m.carry = min(max(m.carry, 0), 1)
		n.mineChunk(start)
		return
	}
	m.carry = 0
	b := chain.NewBlock(m.header, m.txs)
	if m.head == n.tree.Head().Hash() {
		n.addBlock(b, origin{made: true})
	}
	n.mineChunk(start)
}

// mineChunk makes the attempts from start on and sets the timer.
func (n *Node) mineChunk(start Time) {
	m := &n.miner
	rate := n.cfg.Mine
	length := min(maxChunk, time.Duration(maxAttempts/rate*float64(time.Second)))
	m.start, m.due, m.found = start, start+Time(length), false
	m.head = n.tree.Head().Hash()
	m.tries = int(m.carry + rate*length.Seconds())
	if m.tries > 0 && n.template() {
		// Two chunks may have equal templates: they must not try the same nonces.
		m.header.Nonce = n.rng.Uint64()
		var tried int
		if tried, m.found = n.engine.Search(&m.header, m.tries); m.found {
			m.due = start + Time(math.Round((float64(tried)-m.carry)/rate*float64(time.Second)))
		}
	}
	n.setTimer(TimerMine, m.due)
}

// template brings the header and the transactions up to date; false: no block can be made on this head.
func (n *Node) template() bool {
	m := &n.miner
	head := n.tree.Head()
	fresh := m.version == n.pool.Version() || n.now-m.built < Time(templateAge)
	if fresh && m.header.Height == head.Height+1 && m.header.Parent == head.Hash() {
		m.header.Time = max(m.header.Time, n.millis())
		return true
	}
	pending := n.pool.Ready(chain.MaxBlockTxs, func(a chain.Address) uint64 { return n.Account(a).Nonce })
	txs := make([]chain.Tx, len(pending))
	for i, p := range pending {
		txs[i] = p.Tx
	}
	header, kept, err := n.tree.Template(n.id, txs, n.millis())
	if err != nil { // the supply is exhausted
		m.header = chain.Header{}
		return false
	}
	m.header, m.txs, m.version, m.built = header, kept, n.pool.Version(), n.now
	return true
}
