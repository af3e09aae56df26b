package daemon

import (
	"container/heap"
	"time"

	"github.com/netsplit/netsplit/node"
)

// clock starts at the wall-clock time at which it was made and advances with the monotonic clock: it never goes back, and
// a step of the system clock does not fire or delay timers.
type clock struct {
	base time.Time
}

func newClock() clock { return clock{base: time.Now()} }

func (c clock) now() node.Time {
	return node.Time(c.base.UnixNano() + int64(time.Since(c.base)))
}

// timers holds the node's timers, the earliest first; timers of the same time in the order in which they were set.
type timers struct {
	byID map[node.TimerID]*timer
	heap timerHeap
	seq  uint64
}

type timer struct {
	id    node.TimerID
	at    node.Time
	seq   uint64
	index int
}

func newTimers() *timers { return &timers{byID: make(map[node.TimerID]*timer)} }

// set sets or moves a timer; at of zero cancels it.
func (t *timers) set(id node.TimerID, at node.Time) {
	old := t.byID[id]
	if at == 0 {
		if old != nil {
			t.remove(old)
		}
		return
	}
	t.seq++
	if old != nil {
		old.at, old.seq = at, t.seq
		heap.Fix(&t.heap, old.index)
		return
	}
	n := &timer{id: id, at: at, seq: t.seq}
	t.byID[id] = n
	heap.Push(&t.heap, n)
}

// next returns when the earliest timer is due, false if there is none.
func (t *timers) next() (node.Time, bool) {
	if len(t.heap) == 0 {
		return 0, false
	}
	return t.heap[0].at, true
}

// due removes and returns the earliest timer if it is due at now.
func (t *timers) due(now node.Time) (node.TimerID, bool) {
	if len(t.heap) == 0 || t.heap[0].at > now {
		return node.TimerID{}, false
	}
	first := t.heap[0]
	t.remove(first)
	return first.id, true
}

func (t *timers) remove(x *timer) {
	heap.Remove(&t.heap, x.index)
	delete(t.byID, x.id)
}

type timerHeap []*timer

func (h timerHeap) Len() int { return len(h) }

func (h timerHeap) Less(i, j int) bool {
	if h[i].at != h[j].at {
		return h[i].at < h[j].at
	}
	return h[i].seq < h[j].seq
}

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *timerHeap) Push(x any) {
	t := x.(*timer)
	t.index = len(*h)
	*h = append(*h, t)
}

func (h *timerHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}
