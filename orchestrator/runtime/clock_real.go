package runtime

import (
	"context"
	"sync"
	"time"
)

// realClock is the machine's monotonic clock. Its tasks are plain goroutines.
type realClock struct {
	epoch time.Time
	tasks sync.WaitGroup
}

// NewRealClock returns a Clock that runs with the machine's clock and whose epoch is now. It is safe for concurrent use.
func NewRealClock() Clock { return &realClock{epoch: time.Now()} }

// Now implements Clock.
func (c *realClock) Now() time.Duration { return time.Since(c.epoch) }

// Epoch implements Clock.
func (c *realClock) Epoch() time.Time { return c.epoch }

// Sleep implements Clock. A ctx that is already done is an error even when the time has come.
func (c *realClock) Sleep(ctx context.Context, until time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	left := until - c.Now()
	if left <= 0 {
		return nil
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Go implements Clock.
func (c *realClock) Go(fn func()) { c.tasks.Go(fn) }

// Wait implements Clock.
func (c *realClock) Wait() { c.tasks.Wait() }
