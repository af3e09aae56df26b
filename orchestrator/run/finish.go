package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

const (
	// freshBlocks is how many blocks all nodes must adopt after the schedule before the testnet counts as settled. It
	// is more than one so that the transfers submitted last are included too.
	freshBlocks = 3
	// finishTimeout bounds what is done after the run has ended, whatever ended it.
	finishTimeout = 30 * time.Second
	// bodyTries is how often bodies are asked for at the end before the last time.
	bodyTries = 2
	// logLines is how many of a node's last lines are kept in the run's directory.
	logLines = 20000
)

// settle waits until all nodes share one head and have adopted fresh blocks, or the spec's settle time is over. It does
// not judge: what was reached in time is in the trace.
func (r *run) settle(ctx context.Context) error {
	r.phase(trace.PhaseSettling)
	r.Progress.Phase("settling", 0)
	clock := r.Runtime.Clock()
	deadline := clock.Now() + r.Spec.Settle
	var target uint64
	for _, n := range r.net.order {
		target = max(target, r.rec.view.head(n).Height)
	}
	target += freshBlocks
	for clock.Now() < deadline && !r.settled(target) {
		if err := clock.Sleep(ctx, clock.Now()+pollStep); err != nil {
			return err
		}
	}
	return nil
}

// settled reports whether all nodes that are up have one head, at least target high.
func (r *run) settled(target uint64) bool {
	up := r.rec.view.up(r.net.order)
	if len(up) == 0 {
		return true
	}
	first := r.rec.view.head(up[0])
	if first.Height < target {
		return false
	}
	for _, n := range up[1:] {
		if r.rec.view.head(n).Hash != first.Hash {
			return false
		}
	}
	return true
}

// collect asks every node for its final word and fetches the bodies that are still wanted.
func (r *run) collect(ctx context.Context) error {
	clock := r.Runtime.Clock()
	r.lastLook(ctx)
	for _, n := range r.rec.view.up(r.net.order) {
		r.lane(ctx, "last status of "+string(n), func(ctx context.Context) error {
			r.net.recordStatus(ctx, r.rec, n, true)
			return nil
		})
	}
	clock.Wait()
	r.rec.seal(clock.Now())
	for range bodyTries {
		_ = r.net.fetchBodies(ctx, r.rec) // what is missing stays wanted
		// Lines printed before the seal may still be on their way, so even success is waited on once more.
		if sleepErr := clock.Sleep(ctx, clock.Now()+bodyEvery); sleepErr != nil {
			return sleepErr
		}
	}
	if err := r.net.fetchBodies(ctx, r.rec); err != nil {
		// No failure of the infrastructure: the checkers find the block's content missing and say so.
		r.note("%v", err)
	}
	return nil
}

// finish closes the trace's history and keeps the nodes' logs. It works on a context of its own, because the run's may
// be what ended.
func (r *run) finish(ctx context.Context, cause error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	now := r.Runtime.Clock().Now()
	if !r.rec.isStarted() {
		r.rec.begin(now, r.describe(ctx))
	}
	interrupted := errors.Is(cause, context.Canceled)
	if cause != nil && !interrupted && r.net != nil {
		r.lastBodies(ctx)
	}
	r.phase(trace.PhaseStopping)
	end := trace.End{Interrupted: interrupted}
	if cause != nil && !interrupted {
		end.Error = firstLine(cause)
	}
	r.rec.end(now, end)
	if err := r.keepLogs(ctx); err != nil {
		r.note("logs not kept: %v", err)
	}
}

// lastBodies fetches the bodies that a run which failed left wanted, so that what happened until then can be judged.
func (r *run) lastBodies(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if err := r.net.fetchBodies(ctx, r.rec); err != nil {
		r.note("%v", err)
	}
}

// keepLogs writes each node's last lines to the run's directory.
func (r *run) keepLogs(ctx context.Context) error {
	if r.net == nil {
		return nil
	}
	dir := filepath.Join(r.Dir, LogDir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, n := range r.net.order {
		lines, err := r.net.Logs(ctx, n, logLines)
		if err != nil {
			return err
		}
		if err := writeLines(filepath.Join(dir, string(n)+".log"), lines); err != nil {
			return err
		}
	}
	return nil
}

// explain adds the last lines of a node that died to the error about it, and what to do.
func (r *run) explain(ctx context.Context, err error) error {
	var died *runtime.NodeError
	if !errors.As(err, &died) || len(died.Tail) > 0 || r.net == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	if logErr := r.net.explain(ctx, died); logErr != nil {
		return fmt.Errorf("%w (its log could not be read: %v)", err, logErr)
	}
	return err
}
