package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

const (
	// bodyInterval is how often bodies of new blocks are fetched.
	bodyInterval = 500 * time.Millisecond
	// bodyHolders is how many nodes that have a block are remembered until its body is fetched.
	bodyHolders = 4
)

// wantedBlocks is the blocks whose content the trace lacks, and who has them. It sees nothing but the recorded events,
// each in its order. It is safe for concurrent use.
type wantedBlocks struct {
	mu      sync.Mutex
	holders map[trace.Hash][]faults.NodeID // of wanted blocks
	queue   []trace.Hash                   // wanted, in the order in which they were first seen
	known   map[trace.Hash]bool            // wanted once; value: recorded
}

func newWantedBlocks() *wantedBlocks {
	return &wantedBlocks{holders: make(map[trace.Hash][]faults.NodeID), known: make(map[trace.Hash]bool)}
}

// add takes an event into account.
func (w *wantedBlocks) add(e *trace.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e.Kind {
	case trace.KindHead:
		if e.Head.Height > 0 { // else it is the genesis block, which the run event describes
			w.want(e.Head.Hash, faults.NodeID(e.Node))
		}
	case trace.KindSeen:
		w.want(e.Seen.Hash, faults.NodeID(e.Node))
	case trace.KindBlock:
		w.known[e.Block.Hash] = true
		delete(w.holders, e.Block.Hash)
	}
}

// want notes that node has the block. The lock is held.
func (w *wantedBlocks) want(h trace.Hash, node faults.NodeID) {
	recorded, seen := w.known[h]
	if recorded {
		return
	}
	if !seen {
		w.known[h] = false
		w.queue = append(w.queue, h)
	}
	if len(w.holders[h]) < bodyHolders {
		w.holders[h] = append(w.holders[h], node)
	}
}

// take empties the queue of wanted blocks, without those that were recorded since.
func (w *wantedBlocks) take() []trace.Hash {
	w.mu.Lock()
	defer w.mu.Unlock()
	q := slices.DeleteFunc(w.queue, func(h trace.Hash) bool { return w.known[h] })
	w.queue = nil
	return q
}

// putBack queues blocks that were taken and not fetched.
func (w *wantedBlocks) putBack(hashes []trace.Hash) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = append(hashes, w.queue...)
}

// holdersOf returns nodes that have the block.
func (w *wantedBlocks) holdersOf(h trace.Hash) []faults.NodeID {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.holders[h])
}

// bodyFetcher fetches the content of wanted blocks from nodes and records it. It has no state of its own.
type bodyFetcher struct {
	shared
	wanted *wantedBlocks
}

// run fetches new blocks at a steady rate until ctx ends. Blocks that no node gives now stay wanted. It fails when the
// trace cannot be written.
func (f *bodyFetcher) run(ctx context.Context) error {
	for {
		_ = f.fetch(ctx) // the end of the run reports what is missing
		if err := f.rec.flush(); err != nil {
			return err
		}
		if err := f.time.pause(ctx, bodyInterval); err != nil {
			return nil //nolint:nilerr // the end of the run ends the task
		}
	}
}

// fetch queries nodes for the content of all wanted blocks, once each, and returns an error that names a block that no
// node gave. Such blocks stay wanted.
func (f *bodyFetcher) fetch(ctx context.Context) error {
	var missing []trace.Hash
	var last error
	for _, h := range f.wanted.take() {
		if err := f.fetchOne(ctx, h); err != nil {
			missing, last = append(missing, h), err
		}
	}
	if len(missing) == 0 {
		return nil
	}
	f.wanted.putBack(missing)
	return fmt.Errorf("%d blocks not fetched, first %s: %w", len(missing), missing[0], last)
}

func (f *bodyFetcher) fetchOne(ctx context.Context, h trace.Hash) error {
	if h == f.net.Facts.GenesisHash {
		return nil // the run event describes it
	}
	err := errors.New("no node has it")
	for _, n := range f.wanted.holdersOf(h) {
		var b trace.Block
		if b, err = f.net.Client(n).Block(ctx, h); err != nil {
			continue
		}
		e := trace.Event{Kind: trace.KindBlock, Block: &b}
		if err = trace.CheckLimits(&e); err == nil {
			f.rec.add(e)
			return nil
		}
	}
	return err
}
