package daemon

import (
	"time"

	"github.com/netsplit/netsplit/node"
)

// clock is the wall clock of the moment it was made, carried on by the monotonic clock: it never goes back, and a step
// of the system's clock does not fire or delay timers.
type clock struct {
	base time.Time
}

func newClock() clock { return clock{base: time.Now()} }

func (c clock) now() node.Time {
	return node.Time(c.base.UnixNano() + int64(time.Since(c.base)))
}
