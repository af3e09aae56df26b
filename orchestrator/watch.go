package orchestrator

import (
	"context"
	"fmt"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/driver"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// blindAfter is for how long a node that is up may leave questions unanswered before the trace says that it was not
// seen.
const blindAfter = 3 * time.Second

// watchChain starts the lanes that a foreign chain needs: one for each node that is asked what is new, and one for each
// node that makes blocks on command. A chain that needs neither gets none.
func (r *run) watchChain(ctx context.Context) {
	if w, ok := r.Chain.(driver.Watched); ok {
		for _, n := range r.net.order {
			r.lane(ctx, "watch "+string(n), func(ctx context.Context) error { return r.watchLane(ctx, w, n) })
		}
	}
	p, ok := r.Chain.(driver.Producer)
	if !ok || !p.Produces() {
		return
	}
	var power float64
	for _, n := range r.net.Network.Nodes {
		power += n.Mine
	}
	for i, n := range r.net.Network.Nodes {
		if n.Mine > 0 {
			mean := time.Duration(float64(r.net.Facts.BlockInterval) * power / n.Mine)
			r.lane(ctx, "produce "+string(n.ID), func(ctx context.Context) error {
				return r.produceLane(ctx, p, n.ID, mean, uint64(i))
			})
		}
	}
}

// watchLane asks one node at a steady rate until ctx ends. While the node is not up it is left alone.
func (r *run) watchLane(ctx context.Context, w driver.Watched, node faults.NodeID) error {
	clock := r.Runtime.Clock()
	seen, blind := clock.Now(), false
	for next := clock.Now(); ; next = max(next+w.Every(), clock.Now()) {
		if err := clock.Sleep(ctx, next); err != nil {
			return nil //nolint:nilerr // the end of the run ends the lane
		}
		if r.rec.state(node) != trace.StateUp {
			seen, blind = clock.Now(), false
			continue
		}
		err := r.look(ctx, w, node)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			seen, blind = clock.Now(), false
		case !blind && clock.Now()-seen > blindAfter:
			blind = true
			r.rec.Gap(node, fmt.Errorf("it did not answer for %s: %w", blindAfter, err))
		}
	}
}

// look asks a node once and records what is new, at the time of the answer.
func (r *run) look(ctx context.Context, w driver.Watched, node faults.NodeID) error {
	ask, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	events, err := w.Look(ask, node)
	r.rec.observed(r.Runtime.Clock().Now(), node, events)
	return err
}

// produceLane lets a node make blocks at times that are exponentially distributed with the given mean, as proof of work
// would. A node that is not up makes none.
func (r *run) produceLane(ctx context.Context, p driver.Producer, node faults.NodeID, mean time.Duration, index uint64) error {
	clock := r.Runtime.Clock()
	rng := r.net.rng(index | 1<<62)
	for at := clock.Now(); ; {
		at += time.Duration(rng.ExpFloat64() * float64(mean))
		if err := clock.Sleep(ctx, at); err != nil {
			return nil //nolint:nilerr // the end of the run ends the lane
		}
		if r.rec.state(node) != trace.StateUp {
			continue
		}
		ask, cancel := context.WithTimeout(ctx, answerWithin)
		err := p.Produce(ask, node)
		cancel()
		if err != nil && ctx.Err() == nil && r.rec.state(node) == trace.StateUp {
			return fmt.Errorf("make a block on %s: %w", node, err)
		}
	}
}

// lastLook asks every node of a watched chain once more, after its lane has ended.
func (r *run) lastLook(ctx context.Context) {
	w, ok := r.Chain.(driver.Watched)
	if !ok {
		return
	}
	for _, n := range r.rec.up(r.net.order) {
		if err := r.look(ctx, w, n); err != nil && ctx.Err() == nil {
			r.rec.Gap(n, fmt.Errorf("it did not answer at the end: %w", err))
		}
	}
}

// observed records what a node was found to have done by a time.
func (r *recorder) observed(at time.Duration, node faults.NodeID, events []trace.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range events {
		if e.Kind != trace.KindBlock {
			e.Node = trace.NodeID(node)
		}
		r.addLocked(at, e)
	}
}
