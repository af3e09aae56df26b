package daemon

import (
	"cmp"
	"slices"
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

// timers holds the node's timers in the order in which they were set. There are three at most.
type timers []timer

type timer struct {
	id node.TimerID
	at node.Time
}

// set sets or moves a timer; at of zero cancels it.
func (t *timers) set(id node.TimerID, at node.Time) {
	*t = slices.DeleteFunc(*t, func(x timer) bool { return x.id == id })
	if at != 0 {
		*t = append(*t, timer{id, at})
	}
}

// next returns the timer that is due first; of those of the same time, the one that was set first. It returns false if
// there is none.
func (t *timers) next() (timer, bool) {
	if len(*t) == 0 {
		return timer{}, false
	}
	return slices.MinFunc(*t, func(a, b timer) int { return cmp.Compare(a.at, b.at) }), true
}

// due removes and returns the timer that is due first, if it is due at now.
func (t *timers) due(now node.Time) (node.TimerID, bool) {
	first, ok := t.next()
	if !ok || first.at > now {
		return node.TimerID{}, false
	}
	t.set(first.id, 0)
	return first.id, true
}
