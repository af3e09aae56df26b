package external

import (
	"sync"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// How many blocks are kept whole, the latest, and how many bytes of them.
const (
	maxBodies    = 1024
	maxBodyBytes = 64 << 20
)

// bytesOf is what a block takes in memory, about.
func bytesOf(b trace.Block) int {
	const header, text = 256, 24 // of a block, and of a transaction's id beside its characters
	n := header + len(b.Hash) + len(b.Parent) + len(b.Producer)
	for _, tx := range b.Txs {
		n += text + len(tx)
	}
	return n
}

// blockStore holds the blocks that the nodes of a network have shown, the hashes of all and the latest whole. It is safe
// for concurrent use.
type blockStore struct {
	mu    sync.Mutex
	known map[trace.Hash]uint64 // all hashes, and their heights
	body  map[trace.Hash]trace.Block
	order []trace.Hash // of body, oldest first
	bytes int          // of body
	// base is the height below which blocks are not read; set by the first node.
	base    uint64
	hasBase bool
}

func newBlockStore() *blockStore {
	return &blockStore{known: make(map[trace.Hash]uint64), body: make(map[trace.Hash]trace.Block)}
}

// add keeps a block and reports whether no node had shown it.
func (b *blockStore) add(x trace.Block) (isNew bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.known[x.Hash]; !ok {
		isNew, b.known[x.Hash] = true, x.Height
	}
	if _, ok := b.body[x.Hash]; ok {
		return isNew
	}
	b.body[x.Hash] = x
	b.order = append(b.order, x.Hash)
	for b.bytes += bytesOf(x); len(b.order) > maxBodies || b.bytes > maxBodyBytes; b.order = b.order[1:] {
		b.bytes -= bytesOf(b.body[b.order[0]])
		delete(b.body, b.order[0])
	}
	return isNew
}

// heightOf returns the height of a block that a node has shown.
func (b *blockStore) heightOf(h trace.Hash) (uint64, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	height, ok := b.known[h]
	return height, ok
}

// get returns a block that is kept.
func (b *blockStore) get(h trace.Hash) (trace.Block, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	x, ok := b.body[h]
	return x, ok
}

const (
	// fromStart is up to which height a network is read from its first block on.
	fromStart = 1000
	// before is how many earlier blocks of a higher network are read.
	before = 100
)

// from returns the height above which blocks are read, given that of the first node that answers.
func (b *blockStore) from(height uint64) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.hasBase {
		b.hasBase = true
		if height > fromStart {
			b.base = height - before
		}
	}
	return min(b.base, height)
}
