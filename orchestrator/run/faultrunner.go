package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// firstLineWait is how long the first line of a node that was started is waited for, firstLineStep how often it is checked
// whether it came.
const (
	firstLineWait = 3 * time.Second
	firstLineStep = 10 * time.Millisecond
)

// faultRunner carries out the planned faults, one step after the other, and records each fault's window. It owns what is
// desired of links and nodes, and the packet counts at the begin of each fault; what came of it is the prober's to measure.
type faultRunner struct {
	shared
	active    *activeLinks
	prober    *prober
	trafficAt map[string]faults.Traffic // when each fault began
}

func newFaultRunner(s shared, active *activeLinks, p *prober) *faultRunner {
	return &faultRunner{shared: s, active: active, prober: p, trafficAt: make(map[string]faults.Traffic)}
}

// run carries out all planned faults and returns when the last one has ended.
func (r *faultRunner) run(ctx context.Context, planned []faults.Planned) error {
	for _, s := range faults.Steps(planned) {
		if err := r.time.sleepUntil(ctx, s.At); err != nil {
			return err
		}
		do := r.end
		if s.Begin {
			do = r.begin
		}
		f := &planned[s.Index]
		if err := do(ctx, f); err != nil {
			return fmt.Errorf("%s: %w", f.ID, err)
		}
	}
	return nil
}

func (r *faultRunner) begin(ctx context.Context, f *faults.Planned) error {
	r.record(f, trace.Fault{Phase: trace.FaultBegin, Rules: traceRules(f.Effect.Links), Nodes: actedOn(f.Effect)})
	before, err := r.traffic(ctx, f)
	if err != nil {
		return err
	}
	r.trafficAt[f.ID] = before
	layer := faults.Layer{ID: f.ID, Kind: f.Fault.Kind(), Text: f.Effect.Text, Links: f.Effect.Links}
	took, err := r.apply(ctx, f, func(l []faults.Layer) []faults.Layer { return append(l, layer) }, f.Effect.Begin)
	if err != nil {
		return err
	}
	r.record(f, trace.Fault{Phase: trace.FaultActive, Took: took})
	r.note("%s: %s (took %s)", f.ID, f.Effect.Text, trace.Round(took))
	r.prober.startDuring(ctx, f)
	return nil
}

func (r *faultRunner) end(ctx context.Context, f *faults.Planned) error {
	r.record(f, trace.Fault{Phase: trace.FaultHealing})
	without := func(l []faults.Layer) []faults.Layer {
		return slices.DeleteFunc(l, func(x faults.Layer) bool { return x.ID == f.ID })
	}
	took, err := r.apply(ctx, f, without, f.Effect.End)
	if err != nil {
		return err
	}
	traffic, err := r.traffic(ctx, f)
	if err != nil {
		return err
	}
	if traffic.Lost > 0 {
		return fmt.Errorf("the delay engine lost %d packets of its own", traffic.Lost)
	}
	traffic = since(traffic, r.trafficAt[f.ID])
	if traffic.Flushed > 0 {
		r.note("%s: %d delayed packets were dropped when another testnet on this host ended", f.ID, traffic.Flushed)
	}
	r.record(f, trace.Fault{
		Phase: trace.FaultHealed, Took: took,
		Dropped: traffic.Dropped, Delayed: traffic.Delayed, Flushed: traffic.Flushed,
	})
	if !f.Instant() {
		r.note("%s: healed (took %s)", f.ID, trace.Round(took))
	}
	r.prober.startAfter(ctx, f)
	return nil
}

// apply changes the links, if the fault is about links, and carries out node actions. It returns the time that both took.
func (r *faultRunner) apply(ctx context.Context, f *faults.Planned, change func([]faults.Layer) []faults.Layer,
	actions []faults.Action) (time.Duration, error) {
	var applied faults.Applied
	if len(f.Effect.Links.Rules) > 0 {
		shaper, ok := r.net.Runtime.(runtime.LinkShaper)
		if !ok {
			return 0, fmt.Errorf("the runtime cannot change links")
		}
		var err error
		if applied, err = shaper.Shape(ctx, r.active.change(r.time.Now(), change)); err != nil {
			return 0, err
		}
	}
	began := r.time.Now()
	for _, a := range actions {
		if err := r.act(ctx, f, a); err != nil {
			return 0, fmt.Errorf("%s node %s: %w", a.Verb, a.Node, err)
		}
	}
	return applied.Took + r.time.Now() - began, nil
}

// stateDuring is a node's state from the moment on at which an action begins.
var stateDuring = map[faults.Verb]trace.State{
	faults.Kill: trace.StateDown, faults.Stop: trace.StateDown, faults.Restart: trace.StateDown,
	faults.Pause: trace.StatePaused,
}

// act carries out a node action and records what becomes of the node.
func (r *faultRunner) act(ctx context.Context, f *faults.Planned, a faults.Action) error {
	if down, ok := stateDuring[a.Verb]; ok {
		// The node may be gone before the call returns; its state is recorded first so that no checker expects
		// anything of it meanwhile.
		r.rec.lifecycle(r.time.Now(), a.Node, trace.Lifecycle{State: down, Fault: f.ID, Reason: string(a.Verb)})
	}
	back := starts(a.Verb) || a.Verb == faults.Resume
	if back {
		r.rec.nodeStarting(a.Node, trace.Lifecycle{State: trace.StateUp, Fault: f.ID, Reason: string(a.Verb)})
	}
	if err := r.net.Runtime.Do(ctx, a); err != nil {
		var refused *runtime.NodeError
		if starts(a.Verb) && errors.As(err, &refused) && len(refused.Tail) > 0 {
			// The node itself ended: it could not go on with what it had stored.
			r.rec.lifecycle(r.time.Now(), a.Node, trace.Lifecycle{State: trace.StateDied, Fault: f.ID, Reason: firstLine(refused.Err)})
		}
		return err
	}
	if starts(a.Verb) {
		// Its first line says when it was up; on a busy machine it comes after the runtime's answer.
		for deadline := r.time.Now() + firstLineWait; r.rec.isStarting(a.Node) && r.time.Now() < deadline; {
			if err := r.time.pause(ctx, firstLineStep); err != nil {
				return err
			}
		}
	}
	if back {
		r.rec.nodeStarted(a.Node)
	}
	if starts(a.Verb) {
		r.reconnectPeers(ctx, a.Node)
	}
	return nil
}

// starts reports whether an action starts a node's process.
func starts(v faults.Verb) bool { return v == faults.Start || v == faults.Restart }

// reconnectPeers connects a node that was started again to its peers, beside the faults that go on meanwhile. It does not
// matter for a node that has been taken down again.
func (r *faultRunner) reconnectPeers(ctx context.Context, node faults.NodeID) {
	r.tasks.start(ctx, "reconnect peers of "+string(node), func(ctx context.Context) error {
		err := r.net.ReconnectPeers(ctx, node)
		if !r.view.isUp(node) {
			return nil
		}
		return err
	})
}

// traffic counts the packets that faults have touched until now; of a fault that is not about links nothing is known.
func (r *faultRunner) traffic(ctx context.Context, f *faults.Planned) (faults.Traffic, error) {
	shaper, ok := r.net.Runtime.(runtime.LinkShaper)
	if !ok || len(f.Effect.Links.Rules) == 0 {
		return faults.Traffic{Dropped: -1, Delayed: -1}, nil
	}
	t, err := shaper.Traffic(ctx)
	if err != nil {
		return t, fmt.Errorf("count packets: %w", err)
	}
	return t, nil
}

// since returns what was counted between two moments; -1 where it is not known.
func since(now, before faults.Traffic) faults.Traffic {
	diff := func(a, b int64) int64 {
		if a < 0 || b < 0 {
			return -1
		}
		return a - b
	}
	return faults.Traffic{
		Dropped: diff(now.Dropped, before.Dropped), Delayed: diff(now.Delayed, before.Delayed),
		Lost: diff(now.Lost, before.Lost), Flushed: diff(now.Flushed, before.Flushed),
	}
}

// record records a phase of a fault, with what holds for all its phases.
func (r *faultRunner) record(f *faults.Planned, e trace.Fault) {
	e.ID, e.Kind, e.Text, e.PlannedAt, e.PlannedFor = f.ID, f.Fault.Kind(), f.Effect.Text, f.At, f.End-f.At
	r.rec.add(trace.Event{Kind: trace.KindFault, Fault: &e})
}

func traceRules(l faults.Links) []trace.Rule {
	var out []trace.Rule
	for _, rule := range l.Rules {
		out = append(out, trace.Rule{
			From: traceIDs(rule.From), To: traceIDs(rule.To), Cut: rule.Cut,
			Delay: rule.Shape.Delay, Jitter: rule.Shape.Jitter,
		})
	}
	return out
}

func traceIDs(ids []faults.NodeID) []trace.NodeID {
	out := make([]trace.NodeID, len(ids))
	for i, id := range ids {
		out[i] = trace.NodeID(id)
	}
	return out
}
