package sim

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"slices"
	"testing"
	"time"

	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

func TestClock_WakeOrder(t *testing.T) {
	r := New(Options{})
	c := r.Clock()
	var log []string
	for i := range 3 {
		c.Go(func() {
			for _, d := range []time.Duration{time.Duration(3-i) * time.Second, 5 * time.Second} {
				if err := c.Sleep(t.Context(), d); err != nil {
					t.Error(err)
				}
				log = append(log, fmt.Sprintf("%d@%v", i, c.Now()))
			}
			if i == 0 {
				c.Go(func() { log = append(log, fmt.Sprintf("late@%v", c.Now())) })
			}
		})
	}
	log = append(log, "first runs on")
	c.Wait()
	c.Wait() // no task left
	want := []string{"first runs on", "2@1s", "1@2s", "0@3s", "0@5s", "1@5s", "2@5s", "late@5s"}
	if !slices.Equal(log, want) {
		t.Fatalf("got %q\nwant %q", log, want)
	}
}

func TestClock_SleepRunsEventsFirst(t *testing.T) {
	l := launchAll(t, "a")
	l.timer("a", 1, time.Second)
	l.timer("a", 2, time.Second+1)
	l.until(time.Second)
	l.expect("1s a timer 1")
	if got := l.r.Clock().Now(); got != time.Second {
		t.Fatalf("now %v", got)
	}
}

func TestClock_SleepCancelled(t *testing.T) {
	l := launchAll(t, "a")
	ctx, cancel := context.WithCancel(t.Context())
	ticks := 0
	l.launchTicker("a", func() {
		if ticks++; ticks == 10*burst {
			cancel()
		}
	})
	err := l.r.Clock().Sleep(ctx, 1000*time.Hour)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("sleep: %v, want canceled", err)
	}
	if ticks > 12*burst {
		t.Fatalf("cancellation noticed after %d events", ticks-10*burst)
	}
}

// launchTicker makes a node call fn every microsecond.
func (l *lab) launchTicker(name string, fn func()) {
	l.stubs[name].onTimer = func(now node.Time) []node.Effect {
		l.log = nil
		fn()
		return []node.Effect{{Kind: node.EffectTimer, Timer: node.TimerID{Kind: 1}, At: now + 1000}}
	}
	l.timer(name, 1, time.Microsecond)
}

func TestClock_CancelWakesOneTask(t *testing.T) {
	c := New(Options{}).Clock()
	ctx, cancel := context.WithCancel(t.Context())
	var got error
	c.Go(func() { got = c.Sleep(ctx, time.Hour) })
	c.Go(cancel)
	c.Wait()
	if !errors.Is(got, context.Canceled) || c.Now() != 0 {
		t.Fatalf("sleep: %v at %v, want canceled at 0", got, c.Now())
	}
}

func TestClock_TaskGoexit(t *testing.T) {
	c := New(Options{}).Clock()
	done := make(chan struct{})
	go func() { // the first task, so that Goexit ends only the task below
		defer close(done)
		c.Go(func() { goexit(t, c) })
		c.Wait()
	}()
	<-done
}

// goexit ends its goroutine like t.FailNow.
func goexit(t *testing.T, c runtime.Clock) {
	if err := c.Sleep(t.Context(), time.Second); err != nil {
		t.Error(err)
	}
	goruntime.Goexit()
}

func TestClock_WaitOutsideFirstTask(t *testing.T) {
	c := New(Options{}).Clock()
	var got any
	c.Go(func() {
		defer func() { got = recover() }()
		c.Wait()
	})
	c.Wait()
	if got == nil {
		t.Fatal("no panic")
	}
}
