package node

import (
	"time"

	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// Limits of catching up.
const (
	syncTimeout    = 3 * time.Second // doubles while nobody answers
	maxSyncTimeout = 24 * time.Second
	maxSyncBytes   = 2 << 20 // of blocks in one answer, unless the first alone is larger
)

// syncState is the one request for history that may be outstanding.
type syncState struct {
	peer     *peer // whom the node waits for; nil: nobody
	deadline Time
	timeout  time.Duration
	reached  chain.Height // of the last block of the answers so far
	before   chain.Hash   // the head when catching up began; zero: it has not
}

// reviewSync starts to catch up if a peer claims more work than the node has, or showed a block that needs history.
func (n *Node) reviewSync() {
	if n.sync.peer != nil {
		return
	}
	ours := n.tree.HeadWork()
	var best *peer
	for _, p := range n.peers {
		if !p.live() || !p.ahead && p.work.Cmp(ours) <= 0 {
			continue
		}
		if best == nil || p.work.Cmp(best.work) > 0 {
			best = p
		}
	}
	if best == nil {
		return
	}
	n.sync.reached = 0
	n.requestBlocks(best, n.tree.Locator())
}

func (n *Node) requestBlocks(p *peer, locator []chain.Hash) {
	n.sync.timeout = max(n.sync.timeout, syncTimeout)
	n.sync.peer, n.sync.deadline = p, n.now+Time(n.sync.timeout)
	if n.sync.before.IsZero() {
		n.sync.before = n.tree.Head().Hash()
	}
	p.owed++
	n.review = true
	n.send(p, &wire.GetBlocks{Locator: locator})
}

// abandonSync turns to another peer if the node waits for this one, which is leaving.
func (n *Node) abandonSync(p *peer) {
	if n.sync.peer == p && n.running {
		n.sync.peer = nil
		n.review = true
		n.reviewSync()
	}
}

// expireSync turns to another peer if the one asked does not answer. Its answer is still welcome if it comes late.
func (n *Node) expireSync() {
	p := n.sync.peer
	if p == nil || n.now < n.sync.deadline {
		return
	}
	n.sync.peer = nil
	n.sync.timeout = min(2*n.sync.timeout, maxSyncTimeout)
	n.dropClaims(p)
	n.reviewSync()
}

// dropClaims takes back what a peer claimed beyond what it gave.
func (n *Node) dropClaims(p *peer) {
	p.ahead, p.work = false, chain.Work{}
	p.height = min(p.height, n.tree.Head().Height)
	n.review = true
}

// serveBlocks answers a request for history.
func (n *Node) serveBlocks(p *peer, m *wire.GetBlocks) {
	blocks, more := n.tree.After(m.Locator, wire.MaxBlocks)
	size := 0
	for i, b := range blocks {
		if size += b.Size(); size > maxSyncBytes && i > 0 {
			blocks, more = blocks[:i], true
			break
		}
	}
	n.counters.SyncSent += uint64(len(blocks))
	n.send(p, &wire.Blocks{Blocks: blocks, More: more})
}

// receiveBlocks takes an answer to a request for history.
func (n *Node) receiveBlocks(p *peer, m *wire.Blocks) {
	if p.owed == 0 {
		n.misbehaved(p, nil, "unrequested blocks")
		return
	}
	p.owed--
	n.counters.SyncReceived += uint64(len(m.Blocks))
	if n.sync.peer == p {
		n.sync.peer, n.sync.timeout = nil, syncTimeout
		n.review = true
	}
	if n.sync.before.IsZero() { // a late answer
		n.sync.before = n.tree.Head().Hash()
	}
	fresh, ok := n.takeBlocks(p, m.Blocks)
	if ok && m.More && n.continueSync(p, m.Blocks, fresh) {
		return
	}
	n.dropClaims(p)
	n.finishSync(p)
	n.reviewSync()
}

// takeBlocks offers the blocks of an answer to the tree. ok is false when the rest of p's history is of no use.
func (n *Node) takeBlocks(p *peer, blocks []*chain.Block) (fresh int, ok bool) {
	for i, b := range blocks {
		if i > 0 && b.Parent != blocks[i-1].Hash() {
			h := b.Hash()
			n.misbehaved(p, &h, "blocks are not consecutive")
			return fresh, false
		}
		h := b.Hash()
		n.requests.Done(h)
		if n.tree.Has(h) {
			continue
		}
		if !n.addBlock(b, origin{peer: p, id: p.id, synced: true}) {
			return fresh, false
		}
		fresh++
	}
	return fresh, true
}

// continueSync asks for what follows an answer. The locator begins with the answer's last block, because a branch that
// does not have the most work yet is not in the node's own locator. A peer that makes no progress is not asked on.
func (n *Node) continueSync(p *peer, blocks []*chain.Block, fresh int) bool {
	if len(blocks) == 0 {
		return false
	}
	last := blocks[len(blocks)-1]
	if fresh == 0 && last.Height <= n.sync.reached {
		return false
	}
	if n.sync.peer != nil { // a late answer while another peer was asked: come back to this one later
		p.ahead = true
		return true
	}
	n.sync.reached = last.Height
	n.requestBlocks(p, append([]chain.Hash{last.Hash()}, n.tree.Locator()...))
	return true
}

// finishSync announces the head that catching up led to. The blocks before it are not relayed: who lacks them asks.
func (n *Node) finishSync(from *peer) {
	head := n.tree.Head()
	h := head.Hash()
	moved := h != n.sync.before
	n.sync.before = chain.Hash{}
	if !moved {
		return
	}
	n.relay(wire.ItemBlock, h, &wire.Block{Block: head}, from, func(p *peer) bool { return p.head == h })
}

// behind says whether the node is catching up with a peer that is more than a few blocks ahead.
func (n *Node) behind() bool {
	if n.sync.peer == nil {
		return false
	}
	height := n.tree.Head().Height
	for _, p := range n.peers {
		if p.live() && p.height > height && p.height-height > fewBlocks {
			return true
		}
	}
	return false
}

// fewBlocks is how far behind a node may be and still mine while it catches up.
const fewBlocks = 3
