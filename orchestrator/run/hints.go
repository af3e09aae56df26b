package run

import (
	"context"
	"sync"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

const (
	// maxHints is how many of a node's hints are kept, the latest.
	maxHints = 256
	// hintAge is how old a hint may be when the look comes that shows its block: readers of the trace put right what is
	// out of order within trace.ReorderWindow only.
	hintAge = trace.ReorderWindow - 500*time.Millisecond
	// lateHint is how long after an answer that shows a block the node may take to hint at it. The hint says then that the
	// block had come just before, where without it nothing was known but that the question before did not find it.
	lateHint = 200 * time.Millisecond
	// listenAgain is the pause before a node is listened to again, doubled up to listenAgainMost with each failure.
	listenAgain     = 100 * time.Millisecond
	listenAgainMost = 5 * time.Second
)

// hints is what nodes said by themselves of blocks that came. A hint has a watched node asked at once, and gives the block
// that it is about its time. The zero value is ready; it is safe for concurrent use.
type hints struct {
	mu sync.Mutex
	of map[faults.NodeID]*nodeHints
}

type nodeHints struct {
	list []hint
	// hinted is set by the first hint.
	hinted bool
	// news is set by a hint until somebody has looked; wake, if not nil, ends a sleep.
	news bool
	wake context.CancelFunc
}

type hint struct {
	chain.Notification
	at time.Duration
}

// about reports whether the hint can be about a block: its hash decides where the hint has one.
func (h hint) about(hash trace.Hash, height uint64) bool {
	if h.Hash != "" {
		return h.Hash == hash
	}
	return h.Height == height
}

// get returns what is kept of a node. The lock is held.
func (h *hints) get(node faults.NodeID) *nodeHints {
	if h.of == nil {
		h.of = make(map[faults.NodeID]*nodeHints)
	}
	n := h.of[node]
	if n == nil {
		n = &nodeHints{}
		h.of[node] = n
	}
	return n
}

// tell takes in a hint that came at a time of the runtime's clock.
func (h *hints) tell(node faults.NodeID, at time.Duration, x chain.Notification) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.get(node)
	if len(n.list) == maxHints {
		n.list = n.list[1:]
	}
	n.list = append(n.list, hint{x, at})
	n.news, n.hinted = true, true
	if n.wake != nil {
		n.wake()
	}
}

// sleep is clock.Sleep that a hint of the node ends before its time, or one that came since the last sleep at once; until
// deaf, hints wait.
func (h *hints) sleep(ctx context.Context, clock runtime.Clock, node faults.NodeID, until, deaf time.Duration) (hinted bool, err error) {
	if err := clock.Sleep(ctx, min(until, deaf)); err != nil || until <= deaf {
		return false, err
	}
	wait, wake := context.WithCancel(ctx)
	defer wake()
	h.mu.Lock()
	n := h.get(node)
	if n.news {
		wake()
	}
	n.wake = wake
	h.mu.Unlock()
	err = clock.Sleep(wait, until)
	h.mu.Lock()
	hinted, n.news, n.wake = n.news, false, nil
	h.mu.Unlock()
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if hinted {
		err = nil
	}
	return hinted, err
}

// await waits until a node that hints at blocks has hinted at all that the answer at a time showed, or lateHint is over.
func (h *hints) await(ctx context.Context, clock runtime.Clock, node faults.NodeID, since, at time.Duration, events []trace.Event) {
	for !h.all(node, since, at, events) && clock.Now() < at+lateHint {
		if clock.Sleep(ctx, clock.Now()+lookAgainAfter) != nil {
			return
		}
	}
}

// all reports whether a node has hinted at all blocks of one look, or never hints.
func (h *hints) all(node faults.NodeID, since, at time.Duration, events []trace.Event) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.get(node)
	if !n.hinted {
		return true
	}
	for _, e := range events {
		if e.Kind != trace.KindSeen {
			continue
		}
		if _, ok := n.find(since, at+lateHint, e.Seen.Hash, e.Seen.Height); !ok {
			return false
		}
	}
	return true
}

// times gives the events of one look their times, and the times before which none of them happened. A block came when the
// node hinted at it, if that was after since, when it did not have it yet, and not after at, when it had; when the answer
// at at came, if the hint came right after; else at some time in between. It came no later than a block that stands on it,
// and the head changed no later than its hint says. Nothing is put before floor, when the node's last event was recorded.
func (h *hints) times(node faults.NodeID, since, floor, at time.Duration, events []trace.Event) (times, earliest []time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.get(node)
	times, earliest = make([]time.Duration, len(events)), make([]time.Duration, len(events))
	latest := at
	for i := len(events) - 1; i >= 0; i-- {
		times[i], earliest[i] = latest, since
		switch e := &events[i]; e.Kind {
		case trace.KindFinal:
			times[i] = at
		case trace.KindHead:
			if t, ok := n.find(max(since, at-hintAge), at, e.Head.Hash, e.Head.Height); ok {
				latest = max(t, floor)
				times[i] = latest
			}
		case trace.KindSeen:
			if t, ok := n.find(max(since, at-hintAge), latest, e.Seen.Hash, e.Seen.Height); ok {
				latest = max(t, floor)
				times[i], earliest[i] = latest, t
			} else if _, late := n.find(at, at+lateHint, e.Seen.Hash, e.Seen.Height); late {
				earliest[i] = times[i]
			}
		}
	}
	keep := n.list[:0]
	for _, x := range n.list {
		if x.at > since {
			keep = append(keep, x)
		}
	}
	n.list = keep
	return times, earliest
}

// find returns the time of the earliest hint at a block after since and not after until.
func (n *nodeHints) find(since, until time.Duration, hash trace.Hash, height uint64) (at time.Duration, ok bool) {
	for _, x := range n.list {
		if x.at > since && x.at <= until && x.about(hash, height) && (!ok || x.at < at) {
			at, ok = x.at, true
		}
	}
	return at, ok
}

// listenLane listens to a node until ctx ends. While the node is not up it is left alone. That it cannot be listened to is
// told once: blocks are found by asking all the same, and the trace says how well their times are known then.
func (r *run) listenLane(ctx context.Context, subscribe func(context.Context, faults.NodeID, func(chain.Notification)) error,
	node faults.NodeID) error {
	clock := r.Runtime.Clock()
	pause, told := listenAgain, false
	for ctx.Err() == nil {
		if r.rec.view.state(node) == trace.StateUp {
			began := clock.Now()
			err := subscribe(ctx, node, func(h chain.Notification) { r.rec.hints.tell(node, clock.Now(), h) })
			if clock.Now()-began > listenAgainMost {
				pause = listenAgain
			}
			if pause > listenAgainMost/2 && !told && ctx.Err() == nil && r.rec.view.state(node) == trace.StateUp {
				told = true
				r.note("blocks of %s are found by asking alone: %v", node, err)
			}
		} else {
			pause = listenAgain // as soon as it is back
		}
		if err := clock.Sleep(ctx, clock.Now()+pause); err != nil {
			return nil //nolint:nilerr // the end of the run ends the lane
		}
		pause = min(2*pause, listenAgainMost)
	}
	return nil
}
