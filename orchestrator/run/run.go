package run

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/trace"
	"github.com/netsplit/netsplit/testnets"
)

// TraceFile is the name of the trace in a run's directory; SpecFile that of the scenario as it was run.
const (
	TraceFile = "trace.jsonl.zst"
	SpecFile  = "spec.yaml"
	LogDir    = "logs"
)

// tailLines is how many of a node's last lines an error shows.
const tailLines = 20

// Options say what to run and on what, for Run, Up and Start.
type Options struct {
	// ID names the testnet: unique on the host, [a-z0-9-], at most 40 bytes.
	ID      string
	Spec    *testnets.Spec
	Runtime runtime.Runtime
	Chain   chain.Chain
	// Dir is the run's directory; it exists.
	Dir string
	// Version of netsplit goes into the trace.
	Version string
	// Progress, if not nil, is shown what happens.
	Progress Progress
	// Sink, if not nil, receives what nodes print. Run takes its place: it records.
	Sink runtime.Sink
}

func (o Options) withDefaults() Options {
	if o.Progress == nil {
		o.Progress = noProgress{}
	}
	if o.Sink == nil {
		o.Sink = noSink{}
	}
	return o
}

// noSink is a runtime.Sink that ignores everything.
type noSink struct{}

func (noSink) Line(faults.NodeID, time.Time, []byte) {}
func (noSink) Gap(faults.NodeID, error)              {}
func (noSink) Exit(faults.NodeID, error)             {}

// Run carries out a scenario and records it in Dir. It returns an error when the infrastructure failed or ctx ended;
// whether the invariants held is for Judge to say, from the trace. The trace is complete (it has an end event) in every
// case but a failure to write it. The runtime is left for the caller to close; other commands cannot open the testnet any
// more.
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
	r := &run{Options: o, cancel: cancel, trafficAt: make(map[string]faults.Traffic)}
	r.rec = newRecorder(out, o.Chain, o.Runtime.Clock(), r.nodeDied)
	r.Sink = r.rec
	err = r.do(ctx)
	if cause := context.Cause(ctx); cause != nil && (err != nil || !errors.Is(cause, context.Canceled)) {
		// The failure that ended the run, not the cancellation that it led to; also where it came too late to stop it.
		err = cause
	}
	err = r.explain(ctx, also(err, r.rec.failure()))
	r.finish(ctx, err)
	return also(also(err, r.rec.failure()), ForgetNetwork(o.Dir, o.ID))
}

// run is one run in progress.
type run struct {
	Options
	cancel context.CancelCauseFunc
	rec    *recorder
	net    *Testnet
	zero   time.Duration // the runtime clock's time of run time 0

	mu     sync.Mutex
	died   *runtime.NodeError
	layers []faults.Layer
	epoch  uint64 // counts changes of layers

	watched map[faults.NodeID]*watched // of a watched chain
	shown   atomic.Bool                // one of them has told of a block

	trafficAt map[string]faults.Traffic // when each fault began; of the fault lane alone

	// Lanes that the run must not end before, by purpose: those that carry out faults and those that measure them.
	faulting, measuring atomic.Int32
}

// do goes through the phases of a run.
func (r *run) do(ctx context.Context) error {
	if err := r.start(ctx); err != nil {
		return err
	}
	clock := r.Runtime.Clock()
	lanes, stop := context.WithCancel(ctx)
	defer stop()
	defer clock.Wait()
	defer stop()

	r.lane(lanes, "bodies", r.fetchLane)
	r.lane(lanes, "progress", r.tickLane)
	r.watchChain(lanes)
	if err := r.schedule(lanes); err != nil {
		return err
	}
	if err := clock.Sleep(ctx, r.zero+r.Spec.Duration); err != nil {
		return err
	}
	if err := r.await(ctx, &r.faulting); err != nil {
		return err
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	if err := r.await(ctx, &r.measuring); err != nil {
		return err
	}
	stop()
	clock.Wait()
	return r.collect(ctx)
}

// start brings the testnet up and fixes run time 0.
func (r *run) start(ctx context.Context) error {
	r.phase(trace.PhaseStarting)
	net, err := Up(ctx, r.Options)
	r.net = net
	if err != nil {
		return err
	}
	r.firstLook(ctx)
	r.zero = r.Runtime.Clock().Now()
	for _, n := range net.order {
		r.rec.lifecycle(r.zero, n, trace.Lifecycle{State: trace.StateUp})
	}
	r.rec.begin(r.zero, r.describe(ctx))
	r.phase(trace.PhaseScheduled)
	r.Progress.Phase(fmt.Sprintf("running %s for %v", r.Spec.Name, r.Spec.Duration), int(r.Spec.Duration/time.Second))
	return nil
}

// describe makes the run event: all that is needed to judge the trace with nothing else at hand.
func (r *run) describe(ctx context.Context) trace.Run {
	d := trace.Run{
		Format: trace.Format, Version: r.Version, ID: r.ID, Scenario: r.Spec.Name, Seed: r.Spec.Seed,
		Runtime: r.Runtime.Info(ctx).Text, Started: r.Runtime.Clock().Epoch().Add(r.zero).UTC(),
		Duration: r.Spec.Duration, PeerExchange: r.Spec.Topology.PeerExchange,
		Expect: Expectations(r.Spec),
	}
	for _, e := range r.Spec.Edges() {
		d.Edges = append(d.Edges, [2]trace.NodeID{trace.NodeID(e[0]), trace.NodeID(e[1])})
	}
	for _, n := range r.Spec.NodeIDs() {
		d.Nodes = append(d.Nodes, trace.RunNode{ID: trace.NodeID(n.ID), Role: n.Role, Mine: n.Mine})
	}
	if r.net == nil {
		return d // the nodes were planned, and the run ended before there were any
	}
	d.Chain = r.net.Facts
	d.Chain.Measured = r.Chain.Capabilities().Polling != nil // the watch lanes say it of every arrival
	for i, n := range r.net.Network.Nodes {
		d.Nodes[i].Mine = n.Mine
		d.Nodes[i].Account, d.Nodes[i].Addr = r.net.prepared.Nodes[i].Account, n.Addr.String()
	}
	return d
}

// lane runs fn in a lane of the runtime's clock; its failure ends the run. The error is given the lane's name, unless it
// names a node by itself.
func (r *run) lane(ctx context.Context, name string, fn func(context.Context) error) {
	r.Runtime.Clock().Go(func() {
		err := fn(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		if _, named := err.(*runtime.NodeError); !named {
			err = fmt.Errorf("%s: %w", name, err)
		}
		r.cancel(err)
	})
}

// counted is lane for one that count counts until it ends.
func (r *run) counted(ctx context.Context, count *atomic.Int32, name string, fn func(context.Context) error) {
	count.Add(1)
	r.lane(ctx, name, func(ctx context.Context) error {
		defer count.Add(-1)
		return fn(ctx)
	})
}

// await waits until no lane is counted any more.
func (r *run) await(ctx context.Context, count *atomic.Int32) error {
	clock := r.Runtime.Clock()
	for count.Load() > 0 {
		if err := clock.Sleep(ctx, clock.Now()+pollStep); err != nil {
			return err
		}
	}
	return nil
}

// fetchLane fetches the bodies of new blocks until ctx ends. Blocks that nobody gives now are asked for again later.
func (r *run) fetchLane(ctx context.Context) error {
	clock := r.Runtime.Clock()
	for {
		_ = r.net.fetchBodies(ctx, r.rec) // what is missing stays wanted; collect reports it
		if err := r.rec.flush(); err != nil {
			return err
		}
		if err := clock.Sleep(ctx, clock.Now()+bodyEvery); err != nil {
			return nil //nolint:nilerr // the end of the run ends the lane
		}
	}
}

// tickLane shows the user the state of the run, once a second.
func (r *run) tickLane(ctx context.Context) error {
	for at := time.Second; ; at += time.Second {
		if err := r.Runtime.Clock().Sleep(ctx, r.zero+at); err != nil {
			return nil //nolint:nilerr // the end of the run ends the lane
		}
		s := r.rec.view.snapshot()
		s.At, s.Duration = at, r.Spec.Duration
		r.Progress.Update(s)
	}
}

// nodeDied is told by the recorder that a node ended by itself; that ends the run.
func (r *run) nodeDied(node faults.NodeID, err error) {
	died := &runtime.NodeError{Node: node, Op: opRun, Err: err}
	r.mu.Lock()
	first := r.died == nil
	if first {
		r.died = died
	}
	r.mu.Unlock()
	if first {
		r.cancel(died)
	}
}

// phase records that the run entered a phase.
func (r *run) phase(name trace.PhaseName) {
	r.rec.add(r.Runtime.Clock().Now(), trace.Event{Kind: trace.KindPhase, Phase: &trace.Phase{Name: name}})
}

// note tells the user of something that happened now.
func (r *run) note(format string, args ...any) {
	r.Progress.Note(r.Runtime.Clock().Now()-r.zero, fmt.Sprintf(format, args...))
}
