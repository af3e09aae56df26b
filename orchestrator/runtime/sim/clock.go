package sim

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync/atomic"
	"time"
)

const (
	// burst is how many events run between two checks of the tasks' contexts.
	burst = 4096
	// never is later than every event.
	never = math.MaxInt64
)

// task is a goroutine that the clock schedules. One task runs at a time, and only that task reads and writes the fields
// of all tasks; the send to wake passes control to another.
type task struct {
	wake  chan struct{}
	until int64           // when it is due, while it sleeps
	ctx   context.Context // nil: cannot be cancelled
	err   error           // result of Sleep
}

// clock is a runtime.Clock of virtual time: it schedules tasks, one at a time, and calls run to let events happen between
// them. It knows nothing about nodes or links. All fields but now are used only by the task that runs.
type clock struct {
	epoch time.Time
	now   atomic.Int64
	// run runs at most max events up to and including a time, and returns true if no more are left.
	run func(until int64, max int) bool

	tasks   []*task // in the order in which they were started; the first made the clock
	current *task   // the one that runs
	waiting bool    // the first task is in Wait
}

func newClock(epoch time.Time, run func(int64, int) bool) *clock {
	first := &task{wake: make(chan struct{}, 1)}
	return &clock{epoch: epoch, run: run, tasks: []*task{first}, current: first}
}

// Now implements runtime.Clock.
func (c *clock) Now() time.Duration { return time.Duration(c.now.Load()) }

// Epoch implements runtime.Clock.
func (c *clock) Epoch() time.Time { return c.epoch }

// Sleep implements runtime.Clock. Only the task that runs may call it. A ctx that is done is an error, even if until has
// passed.
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

// Go implements runtime.Clock. The task starts at the current time, when all tasks before it sleep.
func (c *clock) Go(fn func()) {
	l := &task{wake: make(chan struct{}, 1), until: c.now.Load()}
	c.tasks = append(c.tasks, l)
	go func() {
		<-l.wake
		// Deferred, so that a task that ends by runtime.Goexit (a failed test) passes control too.
		defer c.leave(l)
		fn()
	}()
}

// Wait implements runtime.Clock.
func (c *clock) Wait() {
	me := c.current
	if me != c.tasks[0] {
		panic("sim: Clock.Wait called outside the first task")
	}
	if len(c.tasks) == 1 {
		return
	}
	c.waiting = true
	me.until, me.ctx, me.err = never, nil, nil
	c.yield(me)
	c.waiting = false
}

// yield passes control to the next task that is due and returns when it is back.
func (c *clock) yield(me *task) {
	next := c.advance()
	c.current = next
	if next == me {
		return
	}
	next.wake <- struct{}{}
	<-me.wake
}

// leave ends a task and passes control.
func (c *clock) leave(me *task) {
	c.tasks = slices.DeleteFunc(c.tasks, func(l *task) bool { return l == me })
	if len(c.tasks) == 1 && c.waiting {
		c.tasks[0].until = c.now.Load()
	}
	next := c.advance()
	c.current = next
	next.wake <- struct{}{}
}

// advance runs events until a task is due or cancelled, and returns that task.
func (c *clock) advance() *task {
	for {
		if l := c.cancelled(); l != nil {
			return l
		}
		if next := c.earliest(); c.run(next.until, burst) {
			return next
		}
	}
}

// earliest returns the task that is due first; of two that are due at the same time, the one that was started first.
func (c *clock) earliest() *task {
	return slices.MinFunc(c.tasks, func(a, b *task) int { return cmp.Compare(a.until, b.until) })
}

// cancelled returns the first task whose context is done.
func (c *clock) cancelled() *task {
	for _, l := range c.tasks {
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
