package docker

import (
	"context"
	"sync"
)

// change is something that happened to a node's container.
type change struct {
	started bool  // else: it ended
	asked   bool  // it ended because it was asked to
	err     error // how it ended
}

// inbox is an unbounded queue of changes: the one stream of events that feeds all nodes must never wait for one of them.
type inbox struct {
	mu    sync.Mutex
	queue []change
	ready chan struct{} // closed while the queue is not empty
}

func newInbox() *inbox { return &inbox{ready: make(chan struct{})} }

// put appends a change.
func (b *inbox) put(c change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue = append(b.queue, c)
	if len(b.queue) == 1 {
		close(b.ready)
	}
}

// waiting returns a channel that is closed once a change is there to be taken.
func (b *inbox) waiting() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ready
}

// take waits for the next change; false when ctx ended first.
func (b *inbox) take(ctx context.Context) (change, bool) {
	select {
	case <-b.waiting():
	case <-ctx.Done():
		return change{}, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.queue[0]
	b.queue = b.queue[1:]
	if len(b.queue) == 0 {
		b.ready = make(chan struct{})
	}
	return c, true
}
