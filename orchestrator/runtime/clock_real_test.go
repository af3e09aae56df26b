package runtime_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netsplit/netsplit/orchestrator/runtime"
)

func TestRealClockSleepsUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := runtime.NewRealClock()
		began := time.Now()
		if !c.Epoch().Equal(began) {
			t.Fatalf("epoch %v, want %v", c.Epoch(), began)
		}
		if err := c.Sleep(t.Context(), 3*time.Second); err != nil {
			t.Fatal(err)
		}
		if got := c.Now(); got != 3*time.Second {
			t.Fatalf("now %v after sleeping until 3s", got)
		}
		if err := c.Sleep(t.Context(), time.Second); err != nil || c.Now() != 3*time.Second {
			t.Fatalf("sleep until a past moment: %v, now %v", err, c.Now())
		}
	})
}

func TestRealClockSleepObeysContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := runtime.NewRealClock()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Sleep(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("sleep: %v, want deadline exceeded", err)
		}
		if got := c.Now(); got != time.Second {
			t.Fatalf("woke at %v, want 1s", got)
		}
		if err := c.Sleep(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("sleep with a dead context: %v", err)
		}
	})
}

func TestRealClockWaitsForTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := runtime.NewRealClock()
		woke := make([]time.Duration, 3)
		for i := range woke {
			c.Go(func() {
				if err := c.Sleep(t.Context(), time.Duration(i+1)*time.Second); err != nil {
					t.Error(err)
				}
				woke[i] = c.Now()
			})
		}
		c.Wait()
		for i, at := range woke {
			if at != time.Duration(i+1)*time.Second {
				t.Errorf("task %d woke at %v", i, at)
			}
		}
	})
}
