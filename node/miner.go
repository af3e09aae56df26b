package node

import (
	"math"
	"time"

	"github.com/netsplit/netsplit/node/chain"
)

// The miner hashes in chunks, ahead of time: all attempts that the capped rate allows within a chunk are made at its
// start, and a block that was found is released at the time at which its attempt was due. A change of the head discards
// the chunk; attempts are independent, so the distribution of block times stays the same.
const (
	maxChunk    = 250 * time.Millisecond
	maxAttempts = 1 << 13 // per chunk, so that a call of Timer stays short at high rates

	// templateAge is how long a block template is reused while new transactions arrive: assembling one costs far more than
	// the attempts of a chunk, and a transaction waits much longer for its block anyway.
	templateAge = time.Second
)

// miner is the state of mining.
type miner struct {
	on    bool
	start Time    // of the chunk
	carry float64 // fraction of an attempt carried over from the chunk before
	tries int     // attempts of the chunk
	due   Time    // when the found block is due, or the chunk ends
	found bool
	head  chain.Hash // on which the chunk builds

	header  chain.Header // template; with the winning nonce if found
	txs     []chain.Tx
	version uint64 // of the mempool when the template was built
	built   Time   // when the template was built
}

// mayMine reports whether the node mines now. A node with configured peers waits for its first handshake, so that it does
// not start a chain of its own before it knows the network's.
func (n *Node) mayMine() bool {
	return n.cfg.Mine > 0 && (n.hadPeer || len(n.cfg.Peers) == 0) && !n.behind()
}

// reviewMiner starts, stops or restarts the miner, depending on mayMine and the head.
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

// interrupt ends the chunk early: attempts that were due are spent, the one in progress is carried over.
func (m *miner) interrupt(now Time, rate float64) {
	done := m.carry + rate*max(0, time.Duration(now-m.start)).Seconds()
	m.carry = done - math.Floor(done)
}

// mineDue releases the block that was found, if any, and starts the next chunk.
func (n *Node) mineDue() {
	m := &n.miner
	if !m.on || n.now < m.due {
		return
	}
	// The next chunk starts where this one ended, even if the timer is late, unless the process was paused for long.
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

// mineChunk makes the attempts of the chunk that begins at start and sets the timer.
func (n *Node) mineChunk(start Time) {
	m := &n.miner
	rate := n.cfg.Mine
	length := min(maxChunk, time.Duration(maxAttempts/rate*float64(time.Second)))
	m.start, m.due, m.found = start, start+Time(length), false
	m.head = n.tree.Head().Hash()
	m.tries = int(m.carry + rate*length.Seconds())
	if m.tries > 0 && n.template() {
		// A random first nonce: two chunks may have the same template and must not repeat attempts.
		m.header.Nonce = n.rng.Uint64()
		var tried int
		if tried, m.found = n.engine.Search(&m.header, m.tries); m.found {
			m.due = start + Time(math.Round((float64(tried)-m.carry)/rate*float64(time.Second)))
		}
	}
	n.setTimer(TimerMine, m.due)
}

// template updates the header and the transactions. It returns false if no block can be made on this head.
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
