package run

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// shared is what the parts of one run work with.
type shared struct {
	time  *runTime
	tasks *tasks
	rec   *recorder
	view  *view
	net   *Testnet
	// note shows people something that happens now.
	note func(format string, args ...any)
}

// runTime is the runtime's clock, and the run's time, which begins at zero when the schedule does.
type runTime struct {
	runtime.Clock
	zero    time.Duration // the clock's time of run time 0; it is set once, before the schedule's tasks start
	machine machine
}

// Sleep implements runtime.Clock, and notes how late it ended.
func (t *runTime) Sleep(ctx context.Context, until time.Duration) error {
	ahead := until > t.Now()
	err := t.Clock.Sleep(ctx, until)
	if err == nil && ahead {
		what, ok := ctx.Value(taskName{}).(string)
		if !ok {
			what = "run"
		}
		t.machine.note(t.Now()-until, what)
	}
	return err
}

// taskName is the key of a task's name in its context.
type taskName struct{}

// sleepUntil sleeps until a run time.
func (t *runTime) sleepUntil(ctx context.Context, at time.Duration) error {
	return t.Sleep(ctx, t.zero+at)
}

// pause sleeps for some time.
func (t *runTime) pause(ctx context.Context, d time.Duration) error { return t.Sleep(ctx, t.Now()+d) }

// retry calls fn until it succeeds, some time is over or ctx ends, and returns its last error.
func (t *runTime) retry(ctx context.Context, within time.Duration, fn func() error) error {
	deadline := t.Now() + within
	for {
		err := fn()
		if err == nil || ctx.Err() != nil || t.Now() > deadline {
			return err
		}
		if t.pause(ctx, pollStep) != nil {
			return err
		}
	}
}

// sinceStart is the present run time.
func (t *runTime) sinceStart() time.Duration { return t.Now() - t.zero }

// tasks starts the tasks of one run on its clock.
type tasks struct {
	clock runtime.Clock
	fail  context.CancelCauseFunc // ends the run
}

// start runs fn as a task of the clock until it returns; its failure ends the run, unless ctx has ended. The error is given
// the task's name, unless it names a node by itself.
func (t *tasks) start(ctx context.Context, name string, fn func(context.Context) error) {
	t.clock.Go(func() {
		err := fn(context.WithValue(ctx, taskName{}, name))
		if err == nil || ctx.Err() != nil {
			return
		}
		if named := (*runtime.NodeError)(nil); !errors.As(err, &named) {
			err = fmt.Errorf("%s: %w", name, err)
		}
		t.fail(err)
	})
}

// taskGroup starts tasks that the run waits for.
type taskGroup struct {
	tasks   *tasks
	running atomic.Int32
}

func (g *taskGroup) start(ctx context.Context, name string, fn func(context.Context) error) {
	g.running.Add(1)
	g.tasks.start(ctx, name, func(ctx context.Context) error {
		defer g.running.Add(-1)
		return fn(ctx)
	})
}

// wait waits until no task of the group runs.
func (g *taskGroup) wait(ctx context.Context) error {
	clock := g.tasks.clock
	for g.running.Load() > 0 {
		if err := clock.Sleep(ctx, clock.Now()+pollStep); err != nil {
			return err
		}
	}
	return nil
}
