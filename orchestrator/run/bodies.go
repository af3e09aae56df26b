package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

const (
	// bodyEvery is how often bodies of new blocks are fetched.
	bodyEvery = 500 * time.Millisecond
	// bodyHolders is how many nodes that have a block are remembered until its body is fetched.
	bodyHolders = 4
)

// bodies keeps track of the blocks whose content the trace does not have yet.
type bodies struct {
	holders map[trace.Hash][]faults.NodeID // of wanted blocks
	queue   []trace.Hash                   // wanted, in the order in which they were first seen
	known   map[trace.Hash]bool            // wanted once; value: recorded
}

func newBodies() bodies {
	return bodies{holders: make(map[trace.Hash][]faults.NodeID), known: make(map[trace.Hash]bool)}
}

// want says that node has the block.
func (b *bodies) want(h trace.Hash, node faults.NodeID) {
	recorded, seen := b.known[h]
	if recorded {
		return
	}
	if !seen {
		b.known[h] = false
		b.queue = append(b.queue, h)
	}
	if len(b.holders[h]) < bodyHolders {
		b.holders[h] = append(b.holders[h], node)
	}
}

// done says that the block is in the trace.
func (b *bodies) done(h trace.Hash) {
	b.known[h] = true
	delete(b.holders, h)
}

// takeBodies empties the queue of wanted blocks, without those that were recorded since.
func (r *recorder) takeBodies() []trace.Hash {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := slices.DeleteFunc(r.bodies.queue, func(h trace.Hash) bool { return r.bodies.known[h] })
	r.bodies.queue = nil
	return q
}

// holdersOf returns nodes that have the block.
func (r *recorder) holdersOf(h trace.Hash) []faults.NodeID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]faults.NodeID(nil), r.bodies.holders[h]...)
}

// body records a block's content.
func (r *recorder) body(at time.Duration, b trace.Block) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addLocked(at, trace.Event{Kind: trace.KindBlock, Block: &b})
}

// requeue asks for blocks again.
func (r *recorder) requeue(hashes []trace.Hash) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bodies.queue = append(hashes, r.bodies.queue...)
}

// fetchBodies asks nodes for the content of all wanted blocks, once each, and returns an error that names a block that
// no node gave. Such blocks stay wanted.
func (t *Testnet) fetchBodies(ctx context.Context, rec *recorder) error {
	var missing []trace.Hash
	var last error
	for _, h := range rec.takeBodies() {
		if err := t.fetchBody(ctx, rec, h); err != nil {
			missing, last = append(missing, h), err
		}
	}
	if len(missing) == 0 {
		return nil
	}
	rec.requeue(missing)
	return fmt.Errorf("%d blocks not fetched, first %s: %w", len(missing), missing[0], last)
}

func (t *Testnet) fetchBody(ctx context.Context, rec *recorder, h trace.Hash) error {
	if h == t.Facts.GenesisHash {
		return nil // the run event describes it
	}
	err := errors.New("no node has it")
	for _, n := range rec.holdersOf(h) {
		var b trace.Block
		if b, err = t.clients[n].Block(ctx, h); err == nil {
			rec.body(t.Runtime.Clock().Now(), b)
			return nil
		}
	}
	return err
}
