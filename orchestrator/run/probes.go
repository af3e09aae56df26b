package run

import (
	"context"
	"fmt"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

const (
	// probeLead is how long before a fault its links are measured, and probeSettle how long after its beginning and
	// its end, so that packets in flight at the change are out of the way.
	probeLead   = time.Second
	probeSettle = 200 * time.Millisecond
	// probeLimit is the most links that one measurement takes in; of more, a random sample is measured.
	probeLimit = 10_000
	// answerWithin bounds the wait for a node to answer after it was started or resumed.
	answerWithin = 10 * time.Second
	// askTimeout bounds one question to a node that may not answer.
	askTimeout = time.Second
)

// probePlan says how each link is measured: enough packets for a median of a jittered delay.
func probePlan(longest time.Duration) faults.ProbePlan {
	return faults.ProbePlan{Count: 5, Interval: 20 * time.Millisecond, Wait: 500*time.Millisecond + 2*longest}
}

// watch measures, in a lane of its own and after a wait, what a fault does.
func (r *run) watch(ctx context.Context, f *faults.Planned, phase trace.ProbePhase, wait time.Duration) {
	at := r.Runtime.Clock().Now() - r.zero + wait
	r.counted(ctx, &r.measuring, fmt.Sprintf("probe %s %s", phase, f.ID), func(ctx context.Context) error {
		if len(f.Effect.Links.Rules) > 0 {
			return r.probeAt(ctx, f, phase, at)
		}
		return r.askAt(ctx, f, at)
	})
}

// probeAt measures the links that a fault affects, at a run time. Links of which something else was asked at the end of
// the measurement than at its beginning are left out: no figure could be right for them.
func (r *run) probeAt(ctx context.Context, f *faults.Planned, phase trace.ProbePhase, at time.Duration) error {
	clock := r.Runtime.Clock()
	if err := clock.Sleep(ctx, r.zero+at); err != nil {
		return err
	}
	shaper, ok := r.Runtime.(runtime.LinkShaper)
	if !ok {
		return fmt.Errorf("the runtime cannot measure links")
	}
	links, total := f.Effect.Links.Affected(r.net.order, probeLimit, r.net.rng(uint64(f.At)))
	before, epoch := r.wanted()
	measured, err := shaper.Probe(ctx, links, probePlan(longestDelay(before)))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	e := trace.Probe{Fault: f.ID, Phase: phase, Total: total}
	if err != nil {
		e.Error = err.Error()
	}
	after, epochAfter := r.wanted()
	same := sameStates(before, after, r.net.order, epoch == epochAfter)
	for _, m := range measured {
		if want, ok := same(m.Link); ok {
			e.Links = append(e.Links, linkProbe(m, want))
		}
	}
	r.rec.add(clock.Now(), trace.Event{Kind: trace.KindProbe, Probe: &e})
	return nil
}

// wanted returns the desired state of all links and the count of its changes.
func (r *run) wanted() (faults.Links, uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return faults.Compose(r.layers), r.epoch
}

// sameStates returns a function that tells what was wanted of a link, and whether it was the same before and after.
func sameStates(before, after faults.Links, nodes []faults.NodeID, unchanged bool) func(faults.Link) (faults.LinkState, bool) {
	index := make(map[faults.NodeID]int, len(nodes))
	for i, n := range nodes {
		index[n] = i
	}
	then, now := before.Compile(nodes), after.Compile(nodes)
	return func(l faults.Link) (faults.LinkState, bool) {
		want := then.State(index[l.From], index[l.To])
		return want, unchanged || want == now.State(index[l.From], index[l.To])
	}
}

func linkProbe(m faults.Measurement, want faults.LinkState) trace.LinkProbe {
	return trace.LinkProbe{
		From: trace.NodeID(m.Link.From), To: trace.NodeID(m.Link.To), Sent: m.Sent, Received: m.Received,
		Min: m.Min, Median: m.Median, Max: m.Max,
		ExpectedCut: want.Cut, ExpectedDelay: want.Shape.Delay, ExpectedJitter: want.Shape.Jitter,
	}
}

func longestDelay(l faults.Links) time.Duration {
	var sum time.Duration
	for _, rule := range l.Rules {
		sum += rule.Shape.Delay + rule.Shape.Jitter
	}
	return sum
}

// askAt asks the nodes that a fault acts on how they are, at a run time. A node that should be up gets some time to
// answer; of one that should not, one question must stay without an answer.
func (r *run) askAt(ctx context.Context, f *faults.Planned, at time.Duration) error {
	clock := r.Runtime.Clock()
	if err := clock.Sleep(ctx, r.zero+at); err != nil {
		return err
	}
	for _, id := range actedOn(f.Effect) {
		node := faults.NodeID(id)
		deadline := clock.Now() + answerWithin
		for {
			s, err := r.net.ask(ctx, node)
			if err == nil || r.rec.view.state(node) != trace.StateUp || clock.Now() >= deadline {
				r.net.recordAnswer(r.rec, node, s, err)
				break
			}
			if err := clock.Sleep(ctx, clock.Now()+pollStep); err != nil {
				return err
			}
		}
	}
	return nil
}

// ask asks a node for its status, with a bound on the wait.
func (t *Testnet) ask(ctx context.Context, node faults.NodeID) (trace.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return t.clients[node].Status(ctx)
}

// recordStatus asks a node for its status and records the answer, or that there was none.
func (t *Testnet) recordStatus(ctx context.Context, rec *recorder, node faults.NodeID, final bool) {
	s, err := t.ask(ctx, node)
	s.Final = final
	t.recordAnswer(rec, node, s, err)
}

func (t *Testnet) recordAnswer(rec *recorder, node faults.NodeID, s trace.Status, err error) {
	if err != nil {
		s.Error = firstLine(err)
	}
	rec.add(t.Runtime.Clock().Now(), trace.Event{Kind: trace.KindStatus, Node: trace.NodeID(node), Status: &s})
}
