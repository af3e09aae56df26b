package run

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

const (
	// probeLead is how long before a fault its links are measured, and probeDelay how long after its beginning and its end,
	// so that packets in flight at the change are out of the way.
	probeLead  = time.Second
	probeDelay = 200 * time.Millisecond
	// maxProbes is the most links that one measurement takes in; of more, a random sample is measured.
	maxProbes = 10_000
	// restartTimeout bounds the wait for a node to answer after it was started or resumed.
	restartTimeout = 10 * time.Second
)

// activeLinks is the list of link faults that hold, as the fault runner changes it. It knows what is desired of the links,
// not what they do. It is safe for concurrent use.
type activeLinks struct {
	mu      sync.Mutex
	layers  []faults.Layer
	changes uint64
}

// change replaces the list and returns the new one.
func (l *activeLinks) change(fn func([]faults.Layer) []faults.Layer) []faults.Layer {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.layers = fn(slices.Clone(l.layers))
	l.changes++
	return slices.Clone(l.layers)
}

// desired returns the desired state of all links and the count of its changes.
func (l *activeLinks) desired() (faults.Links, uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return faults.Compose(l.layers), l.changes
}

// prober measures what faults do: links before, during and after, and whether nodes that a fault acts on answer. It records
// what was measured beside what was desired of each link, and does not judge.
type prober struct {
	shared
	group  *taskGroup
	active *activeLinks
}

// startBefore starts the measurements before the faults of a plan.
func (p *prober) startBefore(ctx context.Context, planned []faults.Planned) {
	for i := range planned {
		f := &planned[i]
		if len(f.Effect.Links.Rules) > 0 {
			p.group.start(ctx, "probe before "+f.ID, func(ctx context.Context) error {
				return p.probeLinks(ctx, f, trace.ProbeBefore, max(0, f.At-probeLead))
			})
		}
	}
}

// startDuring starts the measurements of a fault that has just begun to hold.
func (p *prober) startDuring(ctx context.Context, f *faults.Planned) {
	p.start(ctx, f, trace.ProbeDuring, probeDelay)
	if len(f.Effect.Links.Rules) > 0 && f.End-f.At > 4*probeLead {
		p.start(ctx, f, trace.ProbeDuring, f.End-f.At-2*probeLead)
	}
}

// start measures a fault, after a wait.
func (p *prober) start(ctx context.Context, f *faults.Planned, phase trace.ProbePhase, wait time.Duration) {
	at := p.time.sinceStart() + wait
	p.group.start(ctx, fmt.Sprintf("probe %s %s", phase, f.ID), func(ctx context.Context) error {
		if len(f.Effect.Links.Rules) > 0 {
			return p.probeLinks(ctx, f, phase, at)
		}
		return p.queryNodes(ctx, f, at)
	})
}

// probeLinks measures the links that a fault affects, at a run time. Links whose desired state changed during the measurement
// are left out: no figure could be right for them.
func (p *prober) probeLinks(ctx context.Context, f *faults.Planned, phase trace.ProbePhase, at time.Duration) error {
	if err := p.time.sleepUntil(ctx, at); err != nil {
		return err
	}
	shaper, ok := p.net.Runtime.(runtime.LinkShaper)
	if !ok {
		return fmt.Errorf("the runtime cannot measure links")
	}
	links, total := f.Effect.Links.Affected(p.net.Nodes(), maxProbes, p.net.random(uint64(f.At)))
	before, changes := p.active.desired()
	measured, err := shaper.Probe(ctx, links, probePlan(longestDelay(before)))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	e := trace.Probe{Fault: f.ID, Phase: phase, Total: total}
	if err != nil {
		e.Error = err.Error()
	}
	after, changesAfter := p.active.desired()
	desired := unchangedState(before, after, p.net.Nodes(), changes == changesAfter)
	for _, m := range measured {
		if state, ok := desired(m.Link); ok {
			e.Links = append(e.Links, linkProbe(m, state))
		}
	}
	p.rec.add(trace.Event{Kind: trace.KindProbe, Probe: &e})
	return nil
}

// probePlan says how each link is measured: enough packets for a median of a jittered delay.
func probePlan(longest time.Duration) faults.ProbePlan {
	return faults.ProbePlan{Count: 5, Interval: 20 * time.Millisecond, Wait: 500*time.Millisecond + 2*longest}
}

func longestDelay(l faults.Links) time.Duration {
	var sum time.Duration
	for _, rule := range l.Rules {
		sum += rule.Shape.Delay + rule.Shape.Jitter
	}
	return sum
}

// unchangedState returns a function that returns the desired state of a link, and whether it is the same before and after.
func unchangedState(before, after faults.Links, nodes []faults.NodeID, same bool) func(faults.Link) (faults.LinkState, bool) {
	index := make(map[faults.NodeID]int, len(nodes))
	for i, n := range nodes {
		index[n] = i
	}
	then, now := before.Compile(nodes), after.Compile(nodes)
	return func(l faults.Link) (faults.LinkState, bool) {
		state := then.State(index[l.From], index[l.To])
		return state, same || state == now.State(index[l.From], index[l.To])
	}
}

func linkProbe(m faults.Measurement, desired faults.LinkState) trace.LinkProbe {
	return trace.LinkProbe{
		From: trace.NodeID(m.Link.From), To: trace.NodeID(m.Link.To), Sent: m.Sent, Received: m.Received,
		Min: m.Min, Median: m.Median, Max: m.Max,
		ExpectedCut: desired.Cut, ExpectedDelay: desired.Shape.Delay, ExpectedJitter: desired.Shape.Jitter,
	}
}

// queryNodes records the status of the nodes that a fault acts on, at a run time. A node that should be up gets some time to
// answer; one that should not is queried once, and must not answer.
func (p *prober) queryNodes(ctx context.Context, f *faults.Planned, at time.Duration) error {
	if err := p.time.sleepUntil(ctx, at); err != nil {
		return err
	}
	for _, id := range actedOn(f.Effect) {
		node := faults.NodeID(id)
		deadline := p.time.Now() + restartTimeout
		for {
			s, err := p.net.status(ctx, node)
			if err == nil || !p.view.isUp(node) || p.time.Now() >= deadline {
				p.rec.status(node, s, err)
				break
			}
			if err := p.time.pause(ctx, pollStep); err != nil {
				return err
			}
		}
	}
	return nil
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
