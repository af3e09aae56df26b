package chainfile

import (
	"sync"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// maxBodies is how many blocks are kept whole, the latest.
const maxBodies = 1024

// blocks is what the nodes of a network have shown together. It is safe for concurrent use.
type blocks struct {
	mu    *sync.Mutex
	known map[trace.Hash]bool // all hashes
	body  map[trace.Hash]trace.Block
	order []trace.Hash // of body, oldest first
	// base is the height below which blocks are not looked at; set by the first node.
	base    uint64
	settled bool
}

func newBlocks() blocks {
	return blocks{mu: new(sync.Mutex), known: make(map[trace.Hash]bool), body: make(map[trace.Hash]trace.Block)}
}

// add keeps a block and reports whether no node had shown it.
func (b *blocks) add(x trace.Block) (isNew bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	isNew = !b.known[x.Hash]
	b.known[x.Hash] = true
	if _, ok := b.body[x.Hash]; ok {
		return isNew
	}
	if len(b.order) == maxBodies {
		delete(b.body, b.order[0])
		b.order = b.order[1:]
	}
	b.body[x.Hash] = x
	b.order = append(b.order, x.Hash)
	return isNew
}

// get returns a block that is kept.
func (b *blocks) get(h trace.Hash) (trace.Block, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	x, ok := b.body[h]
	return x, ok
}

const (
	// fromStart is up to which height a network is looked at from its first block on.
	fromStart = 1000
	// before is how many blocks of a higher network are looked at that were there already.
	before = 100
)

// from returns the height above which blocks are looked at, given that of the first node that answers.
func (b *blocks) from(height uint64) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.settled {
		b.settled = true
		if height > fromStart {
			b.base = height - before
		}
	}
	return min(b.base, height)
}
