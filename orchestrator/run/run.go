package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

const (
	// freshBlocks is how many blocks all nodes must adopt after the schedule before the testnet counts as settled. It
	// is more than one so that the transfers submitted last are included too.
	freshBlocks = 3
	// bodyTries is how often bodies are fetched at the end before the last time.
	bodyTries = 2
	// lateLines is how long lines that nodes printed before the end are waited for, where a node shows that some are missing.
	lateLines = trace.ReorderWindow
	// finishTimeout bounds what is done after the run has ended, whatever ended it.
	finishTimeout = 30 * time.Second
	// logLines is how many of a node's last lines go into the run's directory.
	logLines = 20000
)

// Run carries out a scenario and records it in Dir. It returns an error when the infrastructure failed or ctx ended;
// whether the invariants held is for package invariant to say, from the trace. The trace is complete (it has an end event)
// in every case but a failure to write it. The runtime is left for the caller to close; other commands cannot open the
// testnet any more.
func Run(ctx context.Context, o Options) (err error) {
	o = o.withDefaults()
	if err := Check(o.Spec, o.Runtime); err != nil {
		return err
	}
	out, err := trace.Create(filepath.Join(o.Dir, TraceFile))
	if err != nil {
		return err
	}
	defer func() { err = also(err, out.Close()) }()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := newRun(o, out, cancel)
	err = r.do(ctx)
	if cause := context.Cause(ctx); cause != nil && (err != nil || !errors.Is(cause, context.Canceled)) {
		// The failure that ended the run, not the cancellation that it led to; also where it came too late to stop it.
		err = cause
	}
	err = r.explain(ctx, also(err, r.rec.failure()))
	r.finish(ctx, err)
	return also(also(err, r.rec.failure()), ForgetNetwork(o.Dir, o.ID))
}

// run is one run in progress: it makes the parts and goes through the phases. What happens during the schedule is the
// parts' own.
type run struct {
	Options
	shared
	wanted   *wantedBlocks
	arrivals *arrivals
	bodies   *bodyFetcher // nil until there are nodes
	observer *observer    // nil until they are connected
	answers  *answerPoller
	faults   taskGroup // those that carry out faults
	probes   taskGroup // those that measure what faults do
}

func newRun(o Options, out *trace.Writer, cancel context.CancelCauseFunc) *run {
	clock := o.Runtime.Clock()
	r := &run{Options: o, wanted: newWantedBlocks(), arrivals: newArrivals(clock)}
	r.time, r.tasks, r.view = &runTime{Clock: clock}, &tasks{clock, cancel}, newView()
	r.faults.tasks, r.probes.tasks = r.tasks, r.tasks
	r.rec = newRecorder(out, o.Chain, clock, hooks{
		event:    func(e *trace.Event) { r.view.add(e); r.wanted.add(e) },
		notified: r.arrivals.notify,
		died: func(n faults.NodeID, err error) {
			if _, external := err.(*runtime.ExternalError); !external { //nolint:errorlint // as the recorder gives it
				err = &runtime.NodeError{Node: n, Op: opRun, Err: err}
			}
			cancel(err)
		},
	})
	r.note = func(format string, args ...any) { r.Progress.Note(r.time.sinceStart(), fmt.Sprintf(format, args...)) }
	r.Sink = r.rec
	return r
}

// do goes through the phases of a run.
func (r *run) do(ctx context.Context) error {
	if err := r.start(ctx); err != nil {
		return err
	}
	scheduled, stop := context.WithCancel(ctx)
	defer stop()
	defer r.time.Wait()
	defer stop()

	if err := r.schedule(scheduled); err != nil {
		return err
	}
	if err := r.time.sleepUntil(ctx, r.Spec.Duration); err != nil {
		return err
	}
	if err := r.faults.wait(ctx); err != nil {
		return err
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	if err := r.probes.wait(ctx); err != nil {
		return err
	}
	stop()
	r.time.Wait()
	return r.collect(ctx)
}

// start brings the testnet up and fixes run time 0.
func (r *run) start(ctx context.Context) error {
	r.phase(trace.PhaseStarting)
	net, err := Up(ctx, r.Options)
	if net != nil {
		r.net = net
		r.bodies = &bodyFetcher{r.shared, r.wanted}
	}
	if err != nil {
		return err
	}
	r.observer = newObserver(r.shared, r.arrivals)
	r.answers = &answerPoller{r.shared}
	r.observer.pollFirst(ctx)
	if err := r.measurePace(ctx); err != nil {
		return err
	}
	r.compareClocks(ctx)
	r.time.zero = r.time.Now()
	for _, n := range net.Nodes() {
		r.rec.lifecycle(r.time.zero, n, trace.Lifecycle{State: trace.StateUp})
	}
	r.rec.begin(r.time.zero, r.describe(ctx))
	r.phase(trace.PhaseScheduled)
	r.Progress.Phase(fmt.Sprintf("running %s for %v", r.Spec.Name, r.Spec.Duration), int(r.Spec.Duration/time.Second))
	return nil
}

// schedule starts what goes on during the schedule, each part in tasks of its own.
func (r *run) schedule(ctx context.Context) error {
	planned, err := r.Spec.PlanFaults()
	if err != nil {
		return err
	}
	r.tasks.start(ctx, "fetch blocks", r.bodies.run)
	r.tasks.start(ctx, "progress", r.showProgress)
	r.tasks.start(ctx, "timer", r.measureMachine)
	r.observer.start(ctx)
	r.tasks.start(ctx, "poll answers", r.answers.run)
	StartBlockMakers(r.net, BlockMaking{
		Start:  func(name string, task func(context.Context) error) { r.tasks.start(ctx, name, task) },
		Up:     r.view.isUp,
		Failed: func(_ faults.NodeID, err error) error { return err },
	})
	(&loadGenerator{r.shared}).start(ctx, r.Spec.Load)
	links := &activeLinks{}
	prober := &prober{r.shared, &r.probes, links, planned}
	prober.startBefore(ctx)
	runner := newFaultRunner(r.shared, links, prober)
	r.faults.start(ctx, "faults", func(ctx context.Context) error { return runner.run(ctx, planned) })
	return nil
}

// showProgress shows people the state of the run, once a second.
func (r *run) showProgress(ctx context.Context) error {
	for at := time.Second; ; at += time.Second {
		if err := r.time.sleepUntil(ctx, at); err != nil {
			return nil //nolint:nilerr // the end of the run ends the task
		}
		s := r.view.snapshot()
		s.At, s.Duration = at, r.Spec.Duration
		r.Progress.Update(s)
	}
}

// settle waits until all nodes share one head and have adopted fresh blocks, or the spec's settle time is over, and then until
// the transactions that are missing are on the chain, or lost. It does not judge: what was reached in time is in the trace.
func (r *run) settle(ctx context.Context) error {
	r.phase(trace.PhaseSettling)
	r.Progress.Phase("settling", 0)
	began := r.time.Now()
	deadline := began + r.Spec.Settle
	// What polled nodes show first may be older than settling.
	for r.time.Now() < deadline && !r.observer.polledSince(began, r.net.Honest()) {
		if err := r.time.pause(ctx, pollStep); err != nil {
			return err
		}
	}
	var target uint64
	for _, n := range r.net.Honest() {
		target = max(target, r.view.head(n).Height)
	}
	target += freshBlocks
	for !r.settled(target) {
		if r.time.Now() >= deadline {
			return nil
		}
		if err := r.time.pause(ctx, pollStep); err != nil {
			return err
		}
	}
	limit, judged := invariant.InclusionTime(Expectations(r.Spec), &r.net.Facts)
	if !judged || r.net.Facts.NoTxs {
		return nil
	}
	// From now on all transactions could be included.
	for lost := r.time.Now() + limit + pollStep; r.time.Now() < lost && r.missing() > 0; {
		if err := r.time.pause(ctx, pollStep); err != nil {
			return err
		}
	}
	return nil
}

// missing counts the transactions that are not on the chain of the first node that is up.
func (r *run) missing() int {
	up := r.view.up(r.net.Nodes())
	if len(up) == 0 {
		return 0
	}
	return r.view.missing(r.view.head(up[0]).Hash)
}

// settled reports whether all nodes that are up have one head, at least target high.
func (r *run) settled(target uint64) bool {
	up := r.view.up(r.net.Honest())
	if len(up) == 0 {
		return true
	}
	first := r.view.head(up[0])
	return first.Height >= target &&
		!slices.ContainsFunc(up, func(n faults.NodeID) bool { return r.view.head(n).Hash != first.Hash })
}

// collect records the last status of every node and fetches the bodies that are still wanted.
func (r *run) collect(ctx context.Context) error {
	r.observer.pollLast(ctx)
	var mu sync.Mutex
	last := make(map[faults.NodeID]uint64) // heights
	for _, n := range r.view.up(r.net.Honest()) {
		r.tasks.start(ctx, "last status of "+string(n), func(ctx context.Context) error {
			var s trace.Status
			err := r.time.retry(ctx, lastTimeout, func() (err error) {
				s, err = r.status(ctx, n)
				return err
			})
			s.Final = true
			r.rec.status(n, s, err)
			mu.Lock()
			defer mu.Unlock()
			last[n] = s.Height
			return nil
		})
	}
	r.time.Wait()
	r.answers.pollAll(ctx)
	if v, ok := r.Runtime.(runtime.StateVerifier); ok {
		if err := v.VerifyStates(ctx); err != nil {
			return err
		}
	}
	r.rec.seal(r.time.Now())
	behind := func() bool {
		return slices.ContainsFunc(r.net.Nodes(), func(n faults.NodeID) bool { return r.view.isUp(n) && r.view.head(n).Height < last[n] })
	}
	for deadline := r.time.Now() + lateLines; behind() && r.time.Now() < deadline; {
		if err := r.time.pause(ctx, pollStep); err != nil {
			return err
		}
	}
	for range bodyTries {
		_ = r.bodies.fetch(ctx) // what is missing stays wanted
		// Lines printed before the seal may still be on their way, so even success is waited on once more.
		if err := r.time.pause(ctx, bodyInterval); err != nil {
			return err
		}
	}
	if err := r.bodies.fetch(ctx); err != nil {
		// No failure of the infrastructure: the checkers find the block's content missing and say so.
		r.note("%v", err)
	}
	return nil
}

// finish ends the trace and writes the nodes' logs. It works on a context of its own, because the run's may be what ended.
func (r *run) finish(ctx context.Context, cause error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	now := r.time.Now()
	if !r.rec.isStarted() {
		r.rec.begin(now, r.describe(ctx))
	}
	interrupted := errors.Is(cause, context.Canceled)
	if cause != nil && !interrupted && r.bodies != nil {
		// What happened until the failure can be judged only with the blocks' content.
		fetch, cancel := context.WithTimeout(ctx, queryTimeout)
		if err := r.bodies.fetch(fetch); err != nil {
			r.note("%v", err)
		}
		cancel()
	}
	r.phase(trace.PhaseStopping)
	end := trace.End{Interrupted: interrupted}
	if cause != nil && !interrupted {
		end.Error = firstLine(cause)
		var died *runtime.NodeError
		if errors.As(cause, &died) && died.Op == opRun {
			end.Died = trace.NodeID(died.Node)
		}
	}
	r.rec.end(now, end)
	if err := r.writeLogs(ctx); err != nil {
		r.note("logs not written: %v", err)
	}
}

// writeLogs writes each node's last lines to the run's directory.
func (r *run) writeLogs(ctx context.Context) error {
	if r.net == nil {
		return nil
	}
	dir := filepath.Join(r.Dir, LogDir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, n := range r.net.Nodes() {
		lines, err := r.net.Logs(ctx, n, logLines)
		if err != nil {
			return err
		}
		text := strings.Join(lines, "\n") + "\n"
		if err := os.WriteFile(filepath.Join(dir, string(n)+".log"), []byte(text), 0o644); err != nil {
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
		return fmt.Errorf("%w (its log could not be read: %w)", err, logErr)
	}
	return err
}

// phase records that the run entered a phase.
func (r *run) phase(name trace.PhaseName) {
	r.rec.add(trace.Event{Kind: trace.KindPhase, Phase: &trace.Phase{Name: name}})
}

// describe makes the run event: all that is needed to judge the trace with nothing else at hand.
func (r *run) describe(ctx context.Context) trace.Run {
	d := trace.Run{
		Format: trace.Format, Version: r.Version, ID: r.ID, Scenario: r.Spec.Name, Seed: r.Spec.Seed,
		Runtime: r.Runtime.Info(ctx).Text, Started: r.time.Epoch().Add(r.time.zero).UTC(),
		Duration: r.Spec.Duration, PeerExchange: r.Spec.Topology.PeerExchange,
		Expect: Expectations(r.Spec), Plan: planOf(r.Spec, r.Chain.Capabilities()),
	}
	for _, e := range r.Spec.Edges() {
		d.Edges = append(d.Edges, [2]trace.NodeID{trace.NodeID(e[0]), trace.NodeID(e[1])})
	}
	for _, n := range r.Spec.NodeIDs() {
		d.Nodes = append(d.Nodes, trace.RunNode{ID: trace.NodeID(n.ID), Role: n.Role, Mine: n.Mine, Adversary: n.Adversary})
	}
	if r.net == nil {
		return d // the nodes were planned, and the run ended before there were any
	}
	d.Chain = r.net.Facts
	d.Chain.Measured = r.Chain.Capabilities().Polling != nil // the observer says it of every arrival
	for i, n := range r.net.Network.Nodes {
		d.Nodes[i].Mine = n.Mine
		d.Nodes[i].Account, d.Nodes[i].Addr = r.net.prepared.Nodes[i].Account, n.Addr.String()
	}
	return d
}

// also joins a further error, which may be nil, to err, unless err contains it already.
func also(err, further error) error {
	if further == nil || errors.Is(err, further) {
		return err
	}
	if err == nil {
		return further
	}
	return errors.Join(err, further)
}
