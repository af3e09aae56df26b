package docker

import (
	"context"
	"sync"
	"time"
)

// clock is real time since an epoch.
type clock struct {
	epoch time.Time
	lanes sync.WaitGroup
}

func newClock() *clock { return &clock{epoch: time.Now()} }

// Now implements runtime.Clock; it is monotonic.
func (c *clock) Now() time.Duration { return time.Since(c.epoch) }

// Epoch implements runtime.Clock.
func (c *clock) Epoch() time.Time { return c.epoch.Round(0) }

// Sleep implements runtime.Clock.
func (c *clock) Sleep(ctx context.Context, until time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	left := until - c.Now()
	if left <= 0 {
		return nil
	}
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Go implements runtime.Clock.
func (c *clock) Go(fn func()) { c.lanes.Go(fn) }

// Wait implements runtime.Clock.
func (c *clock) Wait() { c.lanes.Wait() }
