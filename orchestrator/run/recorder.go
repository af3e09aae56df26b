package run

import (
	"fmt"
	"sync"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// recorder turns what nodes print and what the runner does into the trace. It implements runtime.Sink. All methods are
// safe for concurrent use.
type recorder struct {
	chain        chain.Chain
	notification func(faults.NodeID, []byte) (chain.Notification, bool) // of the chain's Capabilities
	clock        runtime.Clock
	died         func(node faults.NodeID, err error)

	mu  sync.Mutex
	out *trace.Writer
	err error // the first failure to write
	// zero is the runtime clock's time of run time 0; until it is known events wait in early, with At in clock time.
	zero    time.Duration
	started bool
	ended   bool // the trace has its end event: what comes now is not part of the run
	early   []trace.Event

	view *view
	// waking holds what to record of nodes that are being started or resumed, at their first sign of life.
	waking map[faults.NodeID]trace.Lifecycle
	bodies bodies
	hints  hints
	// sealed is the clock time after which nodes' events are no longer recorded; zero: they all are.
	sealed time.Duration
}

func newRecorder(out *trace.Writer, chain chain.Chain, clock runtime.Clock, died func(faults.NodeID, error)) *recorder {
	return &recorder{
		chain: chain, notification: chain.Capabilities().ParseNotification, clock: clock, out: out, died: died,
		view:   newView(),
		waking: make(map[faults.NodeID]trace.Lifecycle),
		bodies: newBodies(),
	}
}

// begin fixes run time 0, writes the run event, and then all that came before.
func (r *recorder) begin(zero time.Duration, run trace.Run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.zero, r.started = zero, true
	first := trace.Event{Kind: trace.KindRun, Run: &run}
	if len(r.early) > 0 {
		first.At = min(0, r.early[0].At-zero)
	}
	r.write(first)
	for _, e := range r.early {
		e.At = max(e.At-zero, first.At)
		if e.Gap != nil {
			e.Gap.From -= zero
		}
		r.write(e)
	}
	r.early = nil
}

// add records an event at a time of the runtime's clock.
func (r *recorder) add(at time.Duration, e trace.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addLocked(at, e)
}

func (r *recorder) addLocked(at time.Duration, e trace.Event) {
	if r.ended {
		return
	}
	r.note(&e)
	if !r.started {
		e.At = at
		r.early = append(r.early, e)
		return
	}
	e.At = at - r.zero
	r.write(e)
}

// end writes the trace's last event. Nodes may still run, and print: that is not part of the run any more.
func (r *recorder) end(at time.Duration, e trace.End) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addLocked(at, trace.Event{Kind: trace.KindEnd, End: &e})
	r.ended = true
}

// note keeps what the runner itself wants to know of an event.
func (r *recorder) note(e *trace.Event) {
	r.view.add(e)
	node := faults.NodeID(e.Node)
	switch e.Kind {
	case trace.KindHead:
		if e.Head.Height > 0 { // else it is the genesis block, which the run event describes
			r.bodies.want(e.Head.Hash, node)
		}
	case trace.KindBlock:
		r.bodies.done(e.Block.Hash)
	case trace.KindSeen:
		r.bodies.want(e.Seen.Hash, node)
	}
}

func (r *recorder) write(e trace.Event) {
	if err := r.out.Append(&e); err != nil && r.err == nil {
		r.err = fmt.Errorf("write trace: %w", err)
	}
}

// Line implements runtime.Sink. The time of an event is the node's own, that of a hint the runtime's.
func (r *recorder) Line(node faults.NodeID, at time.Time, line []byte) {
	if r.notification != nil {
		if h, ok := r.notification(node, line); ok {
			r.hints.tell(node, at.Sub(r.clock.Epoch()), h)
		}
	}
	r.event(node, line)
}

// event records what a line says, if it is an event.
func (r *recorder) event(node faults.NodeID, line []byte) {
	e, when, ok := r.chain.ParseLog(node, line)
	if !ok {
		return
	}
	at := when.Sub(r.clock.Epoch())
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sealed > 0 && at > r.sealed {
		return
	}
	if l, ok := r.waking[node]; ok && (l.Reason == string(faults.Resume) || e.Kind == trace.KindHead && e.Head.Restored) {
		r.wakeLocked(at, node, l)
	}
	r.addLocked(at, e)
}

// wake says that a node is being started or resumed: it is up from its first sign of life on, which may come before the
// runtime says that the action is done.
func (r *recorder) wake(node faults.NodeID, l trace.Lifecycle) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waking[node] = l
}

// awake says that a node has been started or resumed, whether it gave a sign or not.
func (r *recorder) awake(at time.Duration, node faults.NodeID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l, ok := r.waking[node]; ok {
		r.wakeLocked(at, node, l)
	}
}

func (r *recorder) wakeLocked(at time.Duration, node faults.NodeID, l trace.Lifecycle) {
	delete(r.waking, node)
	r.addLocked(at, trace.Event{Kind: trace.KindNode, Node: trace.NodeID(node), Lifecycle: &l})
}

// seal ends the recording of what nodes print: what they did until now still counts when it arrives.
func (r *recorder) seal(at time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sealed = at
}

// Gap implements runtime.Sink.
func (r *recorder) Gap(node faults.NodeID, err error) { r.gapSince(node, r.clock.Now(), err) }

// gapSince records that events of a node may be missing from a time of the runtime's clock on.
func (r *recorder) gapSince(node faults.NodeID, from time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addLocked(r.clock.Now(), trace.Event{
		Kind: trace.KindGap, Node: trace.NodeID(node),
		Gap: &trace.Gap{From: from - r.zero, Reason: err.Error()},
	})
}

// Exit implements runtime.Sink.
func (r *recorder) Exit(node faults.NodeID, err error) {
	r.lifecycle(r.clock.Now(), node, trace.Lifecycle{State: trace.StateDied, Reason: firstLine(err)})
	r.died(node, err)
}

// lifecycle records a change of a node's state.
func (r *recorder) lifecycle(at time.Duration, node faults.NodeID, l trace.Lifecycle) {
	r.add(at, trace.Event{Kind: trace.KindNode, Node: trace.NodeID(node), Lifecycle: &l})
}

// failure returns the first failure to write.
func (r *recorder) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// isStarted reports whether run time 0 is known.
func (r *recorder) isStarted() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.started
}

// flush makes what was recorded readable from the file. It returns the first failure to write, if there was one.
func (r *recorder) flush() error {
	if err := r.failure(); err != nil {
		return err
	}
	return r.out.Flush()
}
