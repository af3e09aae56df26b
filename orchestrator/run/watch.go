package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

const (
	// blindAfter is for how long a node that is up may leave questions unanswered before that is worth a word.
	blindAfter = 3 * time.Second
	// hopelessAfter is after how long that ends a run in which no node has shown a block yet: then it is not a node that is
	// in trouble, but the questions are wrong or nobody is there, and nothing could be judged in the end.
	hopelessAfter = 10 * time.Second
)

// watchChain starts the lanes that a foreign chain needs: one for each node that is asked what is new, and one for each
// node that makes blocks on command. A chain that needs neither gets none.
func (r *run) watchChain(ctx context.Context) {
	caps := r.Chain.Capabilities()
	if w := caps.Polling; w != nil {
		for _, n := range r.net.order {
			r.lane(ctx, "watch "+string(n), func(ctx context.Context) error { return r.watchLane(ctx, w, r.watched[n]) })
			if caps.Subscribe != nil {
				r.lane(ctx, "listen to "+string(n), func(ctx context.Context) error { return r.listenLane(ctx, caps.Subscribe, n) })
			}
		}
	}
	r.net.Produce(func(name string, fn func(context.Context) error) { r.lane(ctx, name, fn) },
		func(n faults.NodeID) bool { return r.rec.view.state(n) == trace.StateUp },
		func(_ faults.NodeID, err error) error { return err })
}

const (
	// lookAgain is how often a node is asked again, after lookAgainAfter each, that hinted at a block and does not show it
	// yet: some tell of a block before their answers do. More hints do not have it asked sooner than an interval after the
	// first, until there is news: one whose hints mean nothing, such as lines about requests, is not asked all the time.
	lookAgain      = 2
	lookAgainAfter = 10 * time.Millisecond
)

// watched is one node of a watched chain. Its lane alone uses it while there is one.
type watched struct {
	node faults.NodeID
	// since is when it was asked the last time that it answered: what was there then, that answer told. Meaningless unless
	// known.
	since time.Duration
	known bool
	// recorded is the time of its last event in the trace, in which the events of a node stand in their order.
	recorded time.Duration
}

// firstLook asks every node once before run time 0, so that what comes to light later came later.
func (r *run) firstLook(ctx context.Context) {
	w := r.Chain.Capabilities().Polling
	if w == nil {
		return
	}
	r.watched = make(map[faults.NodeID]*watched, len(r.net.order))
	for _, n := range r.net.order {
		x := &watched{node: n}
		r.watched[n] = x
		r.lane(ctx, "first look at "+string(n), func(ctx context.Context) error {
			_ = r.lookAll(ctx, w, x) // what was missed comes with the next look
			return nil
		})
	}
	r.Runtime.Clock().Wait()
}

// watchLane asks one node at a steady rate until ctx ends. While the node is not up it is left alone. A node that leaves
// questions unanswered for a while and then answers tells of all blocks that it has then, and its events say how much later;
// what it took and gave up again in between is lost. One that goes down, or is asked for the last time, without an answer has left something untold. It fails when
// no node of the run has ever shown a block and this one does not answer.
func (r *run) watchLane(ctx context.Context, w *chain.Polling, x *watched) error {
	clock := r.Runtime.Clock()
	answered, blind := clock.Now(), false
	early, deaf := 0, time.Duration(0)
	for next := clock.Now(); ; next = max(next+w.Interval, clock.Now()) {
		hinted, err := r.rec.hints.sleep(ctx, clock, x.node, next, deaf)
		if err != nil {
			return nil //nolint:nilerr // the end of the run ends the lane
		}
		if hinted {
			next, early, deaf = clock.Now(), lookAgain, clock.Now()+w.Interval
		}
		if r.rec.view.state(x.node) != trace.StateUp {
			if blind {
				r.rec.gapSince(x.node, answered, fmt.Errorf("it did not answer for the last %s before it went down", trace.Round(clock.Now()-answered)))
			}
			answered, blind = clock.Now(), false
			continue
		}
		news, err := r.look(ctx, w, x)
		if news > 0 {
			early, deaf = 0, 0
		} else if early > 0 {
			early--
			next = clock.Now() + lookAgainAfter - w.Interval
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil || errors.Is(err, chain.ErrMoreBlocks):
			if blind {
				r.note("%s can be observed again, after %s", x.node, trace.Round(clock.Now()-answered))
			}
			answered, blind = clock.Now(), false
		case !r.shown.Load() && clock.Now()-answered > hopelessAfter:
			return r.net.fail(ctx, "observe", unready{node: x.node, err: err})
		case !blind && clock.Now()-answered > blindAfter:
			blind = true
			r.note("%s cannot be observed: %v", x.node, err)
		}
	}
}

// look asks a node once and records what is new, at the time of the answer. What the node has now and did not have when
// it was asked before came in between: not earlier than that question, whose answer could have told it.
func (r *run) look(ctx context.Context, w *chain.Polling, x *watched) (news int, err error) {
	ask, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	asked := r.Runtime.Clock().Now()
	events, err := w.Poll(ask, x.node)
	answered := r.Runtime.Clock().Now()
	if x.known {
		r.rec.hints.await(ctx, r.Runtime.Clock(), x.node, x.since, answered, events)
	}
	r.rec.observed(answered, x, events)
	if slices.ContainsFunc(events, func(e trace.Event) bool { return e.Kind == trace.KindSeen }) {
		r.shown.Store(true)
	}
	if err == nil {
		x.since, x.known = asked, true
	}
	return len(events), err
}

// maxLooks is how many looks in a row a node may need to tell all that is new.
const maxLooks = 20

// lookAll asks a node until it has told all that is new.
func (r *run) lookAll(ctx context.Context, w *chain.Polling, x *watched) (err error) {
	for range maxLooks {
		if _, err = r.look(ctx, w, x); !errors.Is(err, chain.ErrMoreBlocks) || ctx.Err() != nil {
			break
		}
	}
	return err
}

// lastLook asks every node of a watched chain once more, all at the same time, after their lanes have ended.
func (r *run) lastLook(ctx context.Context) {
	w := r.Chain.Capabilities().Polling
	if w == nil {
		return
	}
	for _, n := range r.rec.view.up(r.net.order) {
		r.lane(ctx, "last look at "+string(n), func(ctx context.Context) error {
			if err := r.lookAll(ctx, w, r.watched[n]); err != nil && ctx.Err() == nil {
				r.rec.Gap(n, fmt.Errorf("it did not answer at the end: %w", err))
			}
			return nil
		})
	}
	r.Runtime.Clock().Wait()
}
