package run

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

const (
	// maxNotifications is how many of a node's notifications are remembered, the latest.
	maxNotifications = 256
	// maxNotificationAge is how old a notification may be when the poll comes that finds its block: readers of the trace
	// sort what is out of order within trace.ReorderWindow only.
	maxNotificationAge = min(1500*time.Millisecond, trace.ReorderWindow)
	// lateNotification is how long after an answer that has a block the node may take to notify of it. The block had come
	// just before the answer then; without the notification, it may have come at any time since the poll before.
	lateNotification = 200 * time.Millisecond
	lateStep         = 10 * time.Millisecond // how often it is checked whether it came
)

// arrivals decides when blocks arrived at nodes that are polled: it has the notifications that nodes sent, and compares
// what a poll finds with them. It also ends a wait for the next poll when a notification comes. It does not poll, and
// cannot see the trace. It is safe for concurrent use.
type arrivals struct {
	clock runtime.Clock

	mu    sync.Mutex
	nodes map[faults.NodeID]*notifications
}

// notifications are those of one node.
type notifications struct {
	list     []notification
	any      bool               // there was one
	unpolled bool               // one came since the last wait ended
	wake     context.CancelFunc // ends the present wait; nil if there is none
}

type notification struct {
	chain.Notification
	at time.Duration // of the clock
}

// about reports whether the notification can be about a block: its hash decides where it has one.
func (n notification) about(hash trace.Hash, height uint64) bool {
	if n.Hash != "" {
		return n.Hash == hash
	}
	return n.Height == height
}

// interval is what is known of the time of an event: it happened after earliest and not after at. They are equal where the
// moment is known.
type interval struct{ earliest, at time.Duration }

func newArrivals(clock runtime.Clock) *arrivals {
	return &arrivals{clock: clock, nodes: make(map[faults.NodeID]*notifications)}
}

// of returns the notifications of a node. The lock is held.
func (a *arrivals) of(node faults.NodeID) *notifications {
	n := a.nodes[node]
	if n == nil {
		n = &notifications{}
		a.nodes[node] = n
	}
	return n
}

// notify takes in a notification that came at a time of the clock.
func (a *arrivals) notify(node faults.NodeID, at time.Duration, x chain.Notification) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.of(node)
	if len(n.list) == maxNotifications {
		n.list = n.list[1:]
	}
	n.list = append(n.list, notification{x, at})
	n.any, n.unpolled = true, true
	if n.wake != nil {
		n.wake()
	}
}

// sleep sleeps until a time of the clock. A notification of the node ends it early, also one that came since the last sleep
// ended; but not before the time ignoreUntil.
func (a *arrivals) sleep(ctx context.Context, node faults.NodeID, until, ignoreUntil time.Duration) (notified bool, err error) {
	if err := a.clock.Sleep(ctx, min(until, ignoreUntil)); err != nil || until <= ignoreUntil {
		return false, err
	}
	wait, wake := context.WithCancel(ctx)
	defer wake()
	a.mu.Lock()
	n := a.of(node)
	if n.unpolled {
		wake()
	}
	n.wake = wake
	a.mu.Unlock()
	err = a.clock.Sleep(wait, until)
	a.mu.Lock()
	notified, n.unpolled, n.wake = n.unpolled, false, nil
	a.mu.Unlock()
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if notified {
		err = nil
	}
	return notified, err
}

// awaitLate waits until a node that sends notifications has sent one of every block that the answer at a time had, or
// lateNotification is over. since is when the node did not have them yet.
func (a *arrivals) awaitLate(ctx context.Context, node faults.NodeID, since, at time.Duration, events []trace.Event) {
	for !a.complete(node, since, at, events) && a.clock.Now() < at+lateNotification {
		if a.clock.Sleep(ctx, a.clock.Now()+lateStep) != nil {
			return
		}
	}
}

// complete reports whether there is a notification of all blocks of one answer, or the node never sends any.
func (a *arrivals) complete(node faults.NodeID, since, at time.Duration, events []trace.Event) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.of(node)
	if !n.any {
		return true
	}
	for _, e := range events {
		if e.Kind != trace.KindSeen {
			continue
		}
		if _, ok := n.find(since, at+lateNotification, e.Seen.Hash, e.Seen.Height); !ok {
			return false
		}
	}
	return true
}

// times returns when each event of one answer happened. A block arrived when the node notified of it, if that was after
// since, when it did not have it yet, and not after at, when it had; when the answer at at came, if the notification came
// right after; else at some time in between. It arrived no later than a block that stands on it, and the head changed no
// later than its notification says. Nothing is put before floor, when the node's last event was recorded.
func (a *arrivals) times(node faults.NodeID, since, floor, at time.Duration, events []trace.Event) []interval {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.of(node)
	out := make([]interval, len(events))
	latest := at
	for i := len(events) - 1; i >= 0; i-- {
		out[i] = interval{since, latest}
		switch e := &events[i]; e.Kind {
		case trace.KindFinal:
			out[i].at = at
		case trace.KindHead:
			if t, ok := n.find(max(since, at-maxNotificationAge), at, e.Head.Hash, e.Head.Height); ok {
				latest = max(t, floor)
				out[i].at = latest
			}
		case trace.KindSeen:
			if t, ok := n.find(max(since, at-maxNotificationAge), latest, e.Seen.Hash, e.Seen.Height); ok {
				latest = max(t, floor)
				out[i] = interval{t, latest}
			} else if _, late := n.find(at, at+lateNotification, e.Seen.Hash, e.Seen.Height); late {
				out[i].earliest = latest
			}
		}
	}
	n.list = slices.DeleteFunc(n.list, func(x notification) bool { return x.at <= since })
	return out
}

// find returns the time of the earliest notification of a block after since and not after until.
func (n *notifications) find(since, until time.Duration, hash trace.Hash, height uint64) (at time.Duration, ok bool) {
	for _, x := range n.list {
		if x.at > since && x.at <= until && x.about(hash, height) && (!ok || x.at < at) {
			at, ok = x.at, true
		}
	}
	return at, ok
}
