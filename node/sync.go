package node

import (
	"time"

	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// Limits of syncing.
const (
	syncTimeout    = 3 * time.Second // doubles at each timeout
	maxSyncTimeout = 24 * time.Second
	maxSyncBytes   = 2 << 20 // of blocks in one answer; the first block is always sent
)

// syncState is the state of syncing: at most one GetBlocks request is outstanding.
type syncState struct {
	peer     *peer // whose answer is awaited; nil: none
	deadline Time
	timeout  time.Duration
	reached  chain.Height // height of the last block received
	before   chain.Hash   // the head when syncing began; zero: not syncing
}

// reviewSync starts to sync if a peer claims more work than the node has, or has a block whose parent the node lacks.
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

// abandonSync syncs from another peer if the node awaits an answer of p, which is disconnecting.
func (n *Node) abandonSync(p *peer) {
	if n.sync.peer == p && n.running {
		n.sync.peer = nil
		n.review = true
		n.reviewSync()
	}
}

// expireSync syncs from another peer if the answer does not come in time. A late answer is still used.
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

// dropClaims discards what a peer claimed to have and did not send.
func (n *Node) dropClaims(p *peer) {
	p.ahead, p.work = false, chain.Work{}
	p.height = min(p.height, n.tree.Head().Height)
	n.review = true
}

// serveBlocks answers GetBlocks.
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

// receiveBlocks handles an answer to GetBlocks.
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

// takeBlocks adds the blocks of an answer to the tree and counts the new ones. ok is false if one of them was refused: p's
// further blocks are of no use.
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

// continueSync requests the blocks after an answer. The locator begins with the answer's last block, because a branch that
// does not have the most work yet is not part of the node's own locator. It returns false if p makes no progress.
func (n *Node) continueSync(p *peer, blocks []*chain.Block, fresh int) bool {
	if len(blocks) == 0 {
		return false
	}
	last := blocks[len(blocks)-1]
	if fresh == 0 && last.Height <= n.sync.reached {
		return false
	}
	if n.sync.peer != nil { // a late answer, while another one is awaited: sync from this peer later
		p.ahead = true
		return true
	}
	n.sync.reached = last.Height
	n.requestBlocks(p, append([]chain.Hash{last.Hash()}, n.tree.Locator()...))
	return true
}

// finishSync announces the new head after syncing. The blocks before it are not relayed: peers that lack them request
// them.
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

// behind reports whether the node is syncing and a peer is more than fewBlocks ahead.
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

// fewBlocks is how many blocks behind a syncing node may be and still mine.
const fewBlocks = 3
