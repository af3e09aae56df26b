package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

const (
	// noAnswerNote is how long a node that is up may not answer before that is noted.
	noAnswerNote = 3 * time.Second
	// noBlockTimeout ends a run in which a node does not answer for so long and no node has shown a block yet. Then the
	// queries are wrong or all nodes are unreachable, and nothing could be judged in the end.
	noBlockTimeout = 10 * time.Second
	// pollRetries is how often a node is polled again, after retryInterval each, that notified of a block and does not show
	// it yet: some nodes notify of a block before their answers have it. Until the node shows something new, further
	// notifications do not cause a poll within an interval of the first, so that a node whose notifications mean nothing is
	// not polled all the time.
	pollRetries   = 2
	retryInterval = 10 * time.Millisecond
	// lastTimeout is how long a node may take to answer for the last time.
	lastTimeout = 5 * time.Second
	// maxPolls is how many polls in a row a node may need to show all that is new.
	maxPolls = 20
	// withinStep is the step to which Seen.Within is rounded up; more digits would mean nothing.
	withinStep = 100 * time.Microsecond
	// subscribeBackoff is the pause before a node is subscribed to again, doubled up to maxSubscribeBackoff with each
	// failure.
	subscribeBackoff    = 100 * time.Millisecond
	maxSubscribeBackoff = 5 * time.Second
)

// observer records what happens at nodes that do not print it: it polls each node at the chain's interval, and at once when
// a notification says that a block arrived. It owns the state of polling each node. It cannot see when blocks arrived:
// arrivals decides that. On a chain whose nodes print what happens to them it does nothing.
type observer struct {
	shared
	arrivals  *arrivals
	polling   *chain.Polling // nil: nothing to do
	nodes     map[faults.NodeID]*polledNode
	blockSeen atomic.Bool // at some node
}

// polledNode is what is known of one node. One task at a time uses it.
type polledNode struct {
	id faults.NodeID
	// since is when the last poll that was answered began, by the clock: its answer had all that the node had then. It is set
	// if answered is.
	since    time.Duration
	answered bool
	// polled is since, for other tasks: in nanoseconds, 0 before the first answer.
	polled atomic.Int64
	// recorded is the time of its last event in the trace, in which the events of a node stand in their order.
	recorded time.Duration
}

func newObserver(s shared, a *arrivals) *observer {
	o := &observer{shared: s, arrivals: a, polling: s.net.Chain.Capabilities().Polling, nodes: make(map[faults.NodeID]*polledNode)}
	for _, n := range s.net.Nodes() {
		o.nodes[n] = &polledNode{id: n}
	}
	return o
}

// pollFirst polls every node once before run time 0, so that what is found later came later.
func (o *observer) pollFirst(ctx context.Context) {
	if o.polling == nil {
		return
	}
	for _, n := range o.net.Nodes() {
		o.tasks.start(ctx, "first poll of "+string(n), func(ctx context.Context) error {
			_ = o.pollAll(ctx, o.nodes[n]) // the next poll has what was missed
			return nil
		})
	}
	o.time.Wait()
}

// polledSince says whether those of some nodes that are up have all answered a poll that began after a time of the clock: what
// they show later is new since then. It is true where nodes report by themselves.
func (o *observer) polledSince(at time.Duration, nodes []faults.NodeID) bool {
	if o.polling == nil {
		return true
	}
	return !slices.ContainsFunc(o.view.up(nodes), func(n faults.NodeID) bool { return time.Duration(o.nodes[n].polled.Load()) <= at })
}

// start polls every node, and subscribes to those that send notifications, until ctx ends.
func (o *observer) start(ctx context.Context) {
	if o.polling == nil {
		return
	}
	subscribes := o.net.Chain.Capabilities().Subscribe != nil
	for _, n := range o.net.Nodes() {
		o.tasks.start(ctx, "poll "+string(n), func(ctx context.Context) error { return o.pollAgain(ctx, o.nodes[n]) })
		if subscribes {
			o.tasks.start(ctx, "subscribe to "+string(n), func(ctx context.Context) error { return o.subscribe(ctx, n) })
		}
	}
}

// pollLast polls every node that is up once more, all at the same time, after their tasks have ended. A node that does not
// answer is polled again for a while: without its last answer nothing about it could pass.
func (o *observer) pollLast(ctx context.Context) {
	if o.polling == nil {
		return
	}
	for _, n := range o.view.up(o.net.Nodes()) {
		o.tasks.start(ctx, "last poll of "+string(n), func(ctx context.Context) error {
			err := o.time.retry(ctx, lastTimeout, func() error { return o.pollAll(ctx, o.nodes[n]) })
			if err != nil && ctx.Err() == nil {
				o.rec.gapSince(n, o.nodes[n].since, fmt.Errorf("it did not answer at the end: %w", err))
			}
			return nil
		})
	}
	o.time.Wait()
}

// pollAgain polls one node at a steady rate until ctx ends. While the node is not up it is not polled. When a node answers
// again after a while, its answer has all blocks that it has then, and their events say how imprecise their times are; blocks
// that it took and dropped in between are lost. A node that goes down, or is polled for the last time, without an answer
// leaves a gap. It fails when this node does not answer and no node of the run has ever shown a block.
func (o *observer) pollAgain(ctx context.Context, n *polledNode) error {
	lastAnswer, unreachable := o.time.Now(), false
	retries, ignoreUntil := 0, time.Duration(0)
	for next := o.time.Now(); ; next = max(next+o.polling.Interval, o.time.Now()) {
		notified, err := o.arrivals.sleep(ctx, n.id, next, ignoreUntil)
		if err != nil {
			return nil //nolint:nilerr // the end of the run ends the task
		}
		if notified {
			next, retries, ignoreUntil = o.time.Now(), pollRetries, o.time.Now()+o.polling.Interval
		}
		unanswered := o.time.Now() - lastAnswer
		if !o.view.isUp(n.id) {
			if unreachable {
				o.rec.gapSince(n.id, lastAnswer, fmt.Errorf("it did not answer for the last %s before it went down", trace.Round(unanswered)))
			}
			lastAnswer, unreachable = o.time.Now(), false
			continue
		}
		found, err := o.poll(ctx, n)
		if found > 0 {
			retries, ignoreUntil = 0, 0
		} else if retries > 0 {
			retries--
			next = o.time.Now() + retryInterval - o.polling.Interval
		}
		unanswered = o.time.Now() - lastAnswer
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the end of the run ends the task
		case err == nil || errors.Is(err, chain.ErrMoreBlocks):
			if unreachable {
				o.note("%s answers again, after %s", n.id, trace.Round(unanswered))
			}
			lastAnswer, unreachable = o.time.Now(), false
		case !o.blockSeen.Load() && unanswered > noBlockTimeout:
			return o.net.nodeError(ctx, &runtime.NodeError{Node: n.id, Op: opObserve, Err: err})
		case !unreachable && unanswered > noAnswerNote:
			unreachable = true
			o.note("%s cannot be polled: %v", n.id, err)
		}
	}
}

// pollAll polls a node until it has shown all that is new.
func (o *observer) pollAll(ctx context.Context, n *polledNode) (err error) {
	for range maxPolls {
		if _, err = o.poll(ctx, n); !errors.Is(err, chain.ErrMoreBlocks) || ctx.Err() != nil {
			break
		}
	}
	return err
}

// poll polls a node once and records what is new. What the node has now and did not have at the poll before arrived after
// that poll began.
func (o *observer) poll(ctx context.Context, n *polledNode) (found int, err error) {
	query, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	began := o.time.Now()
	events, err := o.polling.Poll(query, n.id)
	at := o.time.Now()
	if n.answered {
		o.arrivals.awaitLate(ctx, n.id, n.since, at, events)
	}
	o.record(at, n, events)
	if slices.ContainsFunc(events, func(e trace.Event) bool { return e.Kind == trace.KindSeen }) {
		o.blockSeen.Store(true)
	}
	if err == nil {
		n.since, n.answered = began, true
		n.polled.Store(int64(began))
	}
	return len(events), err
}

// record records what an answer at a time showed. Blocks of a node's first answer were there before, it is not known for how
// long; in a testnet, not longer than its clock runs.
func (o *observer) record(at time.Duration, n *polledNode, events []trace.Event) {
	var since time.Duration
	if n.answered {
		since = n.since
	}
	times := o.arrivals.times(n.id, since, n.recorded, at, events)
	for i, e := range events {
		if e.Kind != trace.KindBlock {
			e.Node = trace.NodeID(n.id)
		}
		if e.Kind == trace.KindSeen {
			e.Seen.Sync = e.Seen.Sync || !n.answered
			e.Seen.Within = (times[i].at - times[i].earliest + withinStep - 1).Truncate(withinStep)
		}
		o.rec.addAt(times[i].at, e)
		n.recorded = max(n.recorded, times[i].at)
	}
}

// subscribe subscribes to a node's notifications, and again after each failure, until ctx ends; not while the node is not up.
// Repeated failure is noted once: blocks are found by polling all the same, and the trace says how precise their times are.
func (o *observer) subscribe(ctx context.Context, node faults.NodeID) error {
	subscribe := o.net.Chain.Capabilities().Subscribe
	backoff, noted := subscribeBackoff, false
	for ctx.Err() == nil {
		if o.view.isUp(node) {
			began := o.time.Now()
			err := subscribe(ctx, node, func(x chain.Notification) { o.arrivals.notify(node, o.time.Now(), x) })
			if o.time.Now()-began > maxSubscribeBackoff {
				backoff = subscribeBackoff
			}
			if backoff > maxSubscribeBackoff/2 && !noted && ctx.Err() == nil && o.view.isUp(node) {
				noted = true
				o.note("no subscription to %s, its blocks are found by polling alone: %v", node, err)
			}
		} else {
			backoff = subscribeBackoff // as soon as it is back
		}
		if err := o.time.pause(ctx, backoff); err != nil {
			return nil //nolint:nilerr // the end of the run ends the task
		}
		backoff = min(2*backoff, maxSubscribeBackoff)
	}
	return nil
}
