package run

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// schedule starts the lanes of load, faults and the probes before them.
func (r *run) schedule(ctx context.Context) error {
	planned, err := r.Spec.PlanFaults()
	if err != nil {
		return err
	}
	for i, l := range r.Spec.Load {
		r.startLoad(ctx, i, l)
	}
	for i := range planned {
		f := &planned[i]
		if len(f.Effect.Links.Rules) > 0 {
			r.counted(ctx, &r.measuring, "probe before "+f.ID, func(ctx context.Context) error {
				return r.probeAt(ctx, f, trace.ProbeBefore, max(0, f.At-probeLead))
			})
		}
	}
	r.counted(ctx, &r.faulting, "faults", func(ctx context.Context) error { return r.faultLane(ctx, planned) })
	return nil
}

// faultLane carries out the planned faults.
func (r *run) faultLane(ctx context.Context, planned []faults.Planned) error {
	clock := r.Runtime.Clock()
	for _, s := range faults.Steps(planned) {
		if err := clock.Sleep(ctx, r.zero+s.At); err != nil {
			return err
		}
		do := r.endFault
		if s.Begin {
			do = r.beginFault
		}
		f := &planned[s.Index]
		if err := do(ctx, f); err != nil {
			return fmt.Errorf("%s: %w", f.ID, err)
		}
	}
	return nil
}

func (r *run) beginFault(ctx context.Context, f *faults.Planned) error {
	r.recordFault(f, trace.FaultBegin, faults.Applied{}, faults.Traffic{})
	before, err := r.traffic(ctx, f)
	if err != nil {
		return err
	}
	r.trafficAt[f.ID] = before
	layer := faults.Layer{ID: f.ID, Kind: f.Fault.Kind(), Text: f.Effect.Text, Links: f.Effect.Links}
	applied, err := r.reshape(ctx, f, func(l []faults.Layer) []faults.Layer { return append(l, layer) })
	if err != nil {
		return err
	}
	took, err := r.act(ctx, f, f.Effect.Begin)
	if err != nil {
		return err
	}
	applied.Took += took
	r.recordFault(f, trace.FaultActive, applied, faults.Traffic{})
	r.note("%s: %s (took %s)", f.ID, f.Effect.Text, trace.Round(applied.Took))
	if f.Instant() {
		return nil // there is no during
	}
	r.watch(ctx, f, trace.ProbeDuring, probeSettle)
	if len(f.Effect.Links.Rules) > 0 && f.End-f.At > 4*probeLead {
		r.watch(ctx, f, trace.ProbeDuring, f.End-f.At-2*probeLead)
	}
	return nil
}

func (r *run) endFault(ctx context.Context, f *faults.Planned) error {
	r.recordFault(f, trace.FaultHealing, faults.Applied{}, faults.Traffic{})
	applied, err := r.reshape(ctx, f, func(l []faults.Layer) []faults.Layer {
		return slices.DeleteFunc(l, func(x faults.Layer) bool { return x.ID == f.ID })
	})
	if err != nil {
		return err
	}
	took, err := r.act(ctx, f, f.Effect.End)
	if err != nil {
		return err
	}
	applied.Took += took
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
	r.recordFault(f, trace.FaultHealed, applied, traffic)
	if f.End > f.At {
		r.note("%s: healed (took %s)", f.ID, trace.Round(applied.Took))
	}
	r.watch(ctx, f, trace.ProbeAfter, probeSettle)
	return nil
}

// traffic counts the packets that faults have touched until now; of a fault that is not about links nothing is known.
func (r *run) traffic(ctx context.Context, f *faults.Planned) (faults.Traffic, error) {
	shaper, ok := r.Runtime.(runtime.LinkShaper)
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

// reshape changes the list of active layers and makes the whole of it true. A fault that is not about links changes
// nothing.
func (r *run) reshape(ctx context.Context, f *faults.Planned,
	change func([]faults.Layer) []faults.Layer) (faults.Applied, error) {
	if len(f.Effect.Links.Rules) == 0 {
		return faults.Applied{}, nil
	}
	shaper, ok := r.Runtime.(runtime.LinkShaper)
	if !ok {
		return faults.Applied{}, fmt.Errorf("the runtime cannot change links")
	}
	r.mu.Lock()
	r.layers = change(slices.Clone(r.layers))
	r.epoch++
	layers := slices.Clone(r.layers)
	r.mu.Unlock()
	return shaper.Shape(ctx, layers)
}

// act carries out node actions one after the other, records what became of each node and returns the time it took.
func (r *run) act(ctx context.Context, f *faults.Planned, actions []faults.Action) (time.Duration, error) {
	clock := r.Runtime.Clock()
	began := clock.Now()
	for _, a := range actions {
		if down, ok := stateDuring[a.Verb]; ok {
			// The node may be gone before the call returns; its state is recorded first so that no checker expects
			// anything of it meanwhile.
			r.rec.lifecycle(clock.Now(), a.Node, trace.Lifecycle{State: down, Fault: f.ID, Reason: string(a.Verb)})
		}
		wakes := a.Verb == faults.Start || a.Verb == faults.Resume || a.Verb == faults.Restart
		if wakes {
			r.rec.wake(a.Node, trace.Lifecycle{State: trace.StateUp, Fault: f.ID, Reason: string(a.Verb)})
		}
		if err := r.Runtime.Do(ctx, a); err != nil {
			return 0, fmt.Errorf("%s node %s: %w", a.Verb, a.Node, err)
		}
		if wakes {
			r.rec.awake(clock.Now(), a.Node)
		}
		if a.Verb == faults.Start || a.Verb == faults.Restart {
			r.reintroduce(ctx, a.Node)
		}
	}
	return clock.Now() - began, nil
}

// reintroduce lets a node that was started again know its peers, beside the faults that go on meanwhile. If the node has
// been taken down again there is nothing to know.
func (r *run) reintroduce(ctx context.Context, node faults.NodeID) {
	r.lane(ctx, "introduce "+string(node), func(ctx context.Context) error {
		err := r.net.Reintroduce(ctx, node)
		if r.rec.view.state(node) != trace.StateUp {
			return nil
		}
		return err
	})
}

// stateDuring is a node's state from the moment on at which a verb is asked for.
var stateDuring = map[faults.Verb]trace.State{
	faults.Kill: trace.StateDown, faults.Stop: trace.StateDown, faults.Restart: trace.StateDown,
	faults.Pause: trace.StatePaused,
}

func (r *run) recordFault(f *faults.Planned, phase trace.FaultPhase, applied faults.Applied, traffic faults.Traffic) {
	e := trace.Fault{
		ID: f.ID, Kind: f.Fault.Kind(), Phase: phase, Text: f.Effect.Text,
		PlannedAt: f.At, PlannedFor: f.End - f.At, Took: applied.Took,
	}
	switch phase {
	case trace.FaultBegin:
		e.Rules = traceRules(f.Effect.Links)
		e.Nodes = actedOn(f.Effect)
	case trace.FaultHealed:
		e.Dropped, e.Delayed, e.Flushed = traffic.Dropped, traffic.Delayed, traffic.Flushed
	}
	r.rec.add(r.Runtime.Clock().Now(), trace.Event{Kind: trace.KindFault, Fault: &e})
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

// actedOn lists the nodes that a fault does something to, each once.
func actedOn(e faults.Effect) []trace.NodeID {
	var out []trace.NodeID
	for _, a := range slices.Concat(e.Begin, e.End) {
		if id := trace.NodeID(a.Node); !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}
