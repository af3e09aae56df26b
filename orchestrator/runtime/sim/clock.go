package sim

import (
	"context"
	"math"
	"sync/atomic"
	"time"
)

const (
	// burst is how many events run between two looks at the lanes' contexts.
	burst = 4096
	// pace is the longest that a paced clock sleeps between two looks at the lanes' contexts.
	pace = 2 * time.Millisecond
	// never is later than every event.
	never = math.MaxInt64
)

// lane is a goroutine that may hold the baton. Its fields belong to the holder; the wake channel hands them on.
type lane struct {
	wake  chan struct{}
	until int64
	ctx   context.Context // nil: cannot be cancelled
	err   error           // what Sleep returns
}

// clock is virtual time: a runtime.Clock whose lanes pass a baton. All fields but now belong to the lane that has it.
type clock struct {
	epoch time.Time
	now   atomic.Int64
	// run runs at most max events up to and including a moment. It reports that there are no more of them.
	run func(until int64, max int) bool
	// started is set on a clock that never runs ahead of the machine's.
	started time.Time
	paced   bool

	lanes   []*lane // in the order in which they were started; the first is the one that made the clock
	current *lane
	waiting bool // the first lane is in Wait
}

func newClock(epoch time.Time, paced bool, run func(int64, int) bool) *clock {
	first := &lane{wake: make(chan struct{}, 1)}
	return &clock{epoch: epoch, run: run, started: time.Now(), paced: paced, lanes: []*lane{first}, current: first}
}

// Now implements runtime.Clock.
func (c *clock) Now() time.Duration { return time.Duration(c.now.Load()) }

// Epoch implements runtime.Clock.
func (c *clock) Epoch() time.Time { return c.epoch }

// Sleep implements runtime.Clock. It may be called only by the lane that runs. A ctx that is already done is an error
// even when the time has come.
func (c *clock) Sleep(ctx context.Context, until time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if int64(until) <= c.now.Load() {
		return nil
	}
	me := c.current
	me.until, me.ctx, me.err = int64(until), ctx, nil
	c.yield(me)
	return me.err
}

// Go implements runtime.Clock. The lane starts at the present moment, when all lanes before it sleep.
func (c *clock) Go(fn func()) {
	l := &lane{wake: make(chan struct{}, 1), until: c.now.Load()}
	c.lanes = append(c.lanes, l)
	go func() {
		<-l.wake
		// Deferred, so that a lane that ends by runtime.Goexit (a failed test) passes the baton too.
		defer c.leave(l)
		fn()
	}()
}

// Wait implements runtime.Clock.
func (c *clock) Wait() {
	me := c.current
	if me != c.lanes[0] {
		panic("sim: Clock.Wait called outside the first lane")
	}
	if len(c.lanes) == 1 {
		return
	}
	c.waiting = true
	me.until, me.ctx, me.err = never, nil, nil
	c.yield(me)
	c.waiting = false
}

// yield gives the baton to the next lane that is due and returns when it has come back.
func (c *clock) yield(me *lane) {
	next := c.advance()
	c.current = next
	if next == me {
		return
	}
	next.wake <- struct{}{}
	<-me.wake
}

// leave ends a lane and gives the baton on.
func (c *clock) leave(me *lane) {
	for i, l := range c.lanes {
		if l == me {
			c.lanes = append(c.lanes[:i], c.lanes[i+1:]...)
			break
		}
	}
	if len(c.lanes) == 1 && c.waiting {
		c.lanes[0].until = c.now.Load()
	}
	next := c.advance()
	c.current = next
	next.wake <- struct{}{}
}

// advance runs events until a lane is due or cancelled, and returns that lane.
func (c *clock) advance() *lane {
	for {
		if l := c.cancelled(); l != nil {
			return l
		}
		next := c.earliest()
		target := next.until
		if c.paced {
			target = min(target, max(int64(time.Since(c.started)), c.now.Load()))
		}
		if !c.run(target, burst) {
			continue
		}
		if target == next.until {
			return next
		}
		time.Sleep(min(pace, time.Duration(next.until-target)))
	}
}

// earliest returns the lane that is due first; of two that are due at one moment, the one that was started first.
func (c *clock) earliest() *lane {
	best := c.lanes[0]
	for _, l := range c.lanes[1:] {
		if l.until < best.until {
			best = l
		}
	}
	return best
}

// cancelled returns the first lane whose context is done.
func (c *clock) cancelled() *lane {
	for _, l := range c.lanes {
		if l.ctx == nil {
			continue
		}
		if err := l.ctx.Err(); err != nil {
			l.err, l.ctx = err, nil
			return l
		}
	}
	return nil
}
