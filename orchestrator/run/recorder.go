package run

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// hooks are called by the recorder; they must return quickly and must not call it.
type hooks struct {
	// event is called with every event that is recorded, in the order of the trace.
	event func(*trace.Event)
	// notified is called when a line says that a block arrived. at is a time of the runtime's clock.
	notified func(node faults.NodeID, at time.Duration, n chain.Notification)
	// died is called when a node ended by itself, or somebody else acted on it: then the error is a *runtime.ExternalError.
	died func(node faults.NodeID, err error)
}

// recorder writes the trace: it owns the file, the order of events in it, and run time 0, before which events wait. What
// nodes print comes to it as a runtime.Sink, everything else from the parts of the run. It does not remember events,
// except that a node is being started. All methods are safe for concurrent use.
type recorder struct {
	chain        chain.Chain
	notification func(faults.NodeID, []byte) (chain.Notification, bool) // of the chain's Capabilities
	clock        runtime.Clock
	hooks        hooks
	polled       bool // nodes are polled: what they print is no event

	mu  sync.Mutex
	out *trace.Writer
	err error // the first failure to write
	// zero is the clock's time of run time 0; until it is known events wait in early, with At in clock time.
	zero    time.Duration
	started bool
	ended   bool // the trace has its end event: what comes now is not part of the run
	early   []earlyEvent
	// starting holds what to record of nodes that are being started or resumed, at their first sign of life.
	starting map[faults.NodeID]startingNode
	clocks   map[faults.NodeID]trace.Clock // what is known of the nodes' clocks
	answers  map[trace.NodeID]int          // that were recorded
	// budgets are how much of the trace each node has taken, see nodeBudget.
	budgets map[trace.NodeID]*nodeBudget
	// interval is the chain's block interval, from run time 0 on.
	interval time.Duration
	// sealed is the clock time after which nodes' events are no longer recorded; zero: they all are.
	sealed time.Duration
}

// earlyEvent is an event from before run time 0.
type earlyEvent struct {
	trace.Event
	printed  bool          // by the node, whose own clock At is by
	received time.Duration // when the line came
}

func newRecorder(out *trace.Writer, chain chain.Chain, clock runtime.Clock, h hooks) *recorder {
	caps := chain.Capabilities()
	return &recorder{
		chain: chain, notification: caps.ParseNotification, clock: clock, hooks: h, polled: caps.Polling != nil, out: out,
		starting: make(map[faults.NodeID]startingNode), clocks: make(map[faults.NodeID]trace.Clock),
		answers: make(map[trace.NodeID]int), budgets: make(map[trace.NodeID]*nodeBudget),
	}
}

// begin fixes run time 0, writes the run event, and then all that came before.
func (r *recorder) begin(zero time.Duration, run trace.Run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.zero, r.started, r.interval = zero, true, run.Chain.BlockInterval
	first := trace.Event{Kind: trace.KindRun, Run: &run}
	for i := range r.early {
		e := &r.early[i]
		if e.printed {
			e.At, e.Ahead = r.correct(faults.NodeID(e.Node), e.At, e.received)
		}
		if e.Gap != nil {
			e.Gap.From -= zero
		}
		if i == 0 {
			first.At = min(0, e.At-zero)
		}
		e.At = max(e.At-zero, first.At)
	}
	r.write(first)
	for _, e := range r.early {
		r.write(e.Event)
	}
	r.early = nil
}

// earlyBlocks are the blocks that were recorded before run time 0 was known.
func (r *recorder) earlyBlocks() (out []*trace.Block) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.early {
		if b := r.early[i].Block; b != nil {
			out = append(out, b)
		}
	}
	return out
}

// isStarted reports whether run time 0 is known.
func (r *recorder) isStarted() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.started
}

// add records an event that happens now.
func (r *recorder) add(e trace.Event) { r.addAt(r.clock.Now(), e) }

// addAt records an event at a time of the clock.
func (r *recorder) addAt(at time.Duration, e trace.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addLocked(at, e)
}

func (r *recorder) addLocked(at time.Duration, e trace.Event) {
	if r.ended {
		return
	}
	if !r.takes(&e) {
		return
	}
	e.At = at // of the clock, until run time 0 is known
	if e.Kind == trace.KindAnswer {
		r.answers[e.Node]++
		e.Answer.Number = r.answers[e.Node]
	}
	r.hooks.event(&e)
	if !r.started {
		r.early = append(r.early, earlyEvent{Event: e})
		return
	}
	e.At = at - r.zero
	r.write(e)
}

func (r *recorder) write(e trace.Event) {
	if err := trace.CheckLimits(&e); err != nil && e.Node != "" {
		// What one node says must not make the whole trace unreadable.
		at := min(max(e.At, -farthest), farthest)
		e = trace.Event{At: at, Kind: trace.KindGap, Node: e.Node, Gap: &trace.Gap{
			From: at, Reason: fmt.Sprintf("it reported what no trace takes (%s event): %v", e.Kind, err),
		}}
	}
	if err := r.out.Append(&e); err != nil && r.err == nil {
		r.err = fmt.Errorf("write trace: %w", err)
	}
}

// lifecycle records a change of a node's state at a time of the clock.
func (r *recorder) lifecycle(at time.Duration, node faults.NodeID, l trace.Lifecycle) {
	r.addAt(at, trace.Event{Kind: trace.KindNode, Node: trace.NodeID(node), Lifecycle: &l})
}

// status records a node's answer, or that there was none.
func (r *recorder) status(node faults.NodeID, s trace.Status, err error) {
	if err != nil {
		s.Error = firstLine(err)
	}
	r.add(trace.Event{Kind: trace.KindStatus, Node: trace.NodeID(node), Status: &s})
}

// Line implements runtime.Sink. The time of an event is the node's own, corrected by what is known of its clock, that of a
// notification the runtime's: a line that comes late still says when it happened.
func (r *recorder) Line(node faults.NodeID, at time.Time, line []byte) {
	if r.notification != nil {
		if n, ok := r.notification(node, line); ok {
			r.hooks.notified(node, at.Sub(r.clock.Epoch()), n)
		}
	}
	if e, when, ok := r.chain.ParseLog(node, line); ok {
		r.event(node, when.Sub(r.clock.Epoch()), at.Sub(r.clock.Epoch()), e)
	}
}

// event records what a node printed, at a time of its own clock.
func (r *recorder) event(node faults.NodeID, at, received time.Duration, e trace.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if (at - received).Abs() > farthest {
		r.addLocked(received, trace.Event{Kind: trace.KindGap, Node: trace.NodeID(node), Gap: &trace.Gap{
			From: received - r.zero, Reason: fmt.Sprintf("it printed a %s event that is %s off", e.Kind, (at - received).Abs()),
		}})
		return
	}
	if r.started {
		at, e.Ahead = r.correct(node, at, received)
	}
	if r.sealed > 0 && at > r.sealed {
		return
	}
	// Lines from before may come late.
	if l, ok := r.starting[node]; ok && at >= l.since && (l.Reason == string(faults.Resume) || e.Kind == trace.KindHead && e.Head.Restored) {
		r.upLocked(at, node, l.Lifecycle)
	}
	before := len(r.early)
	r.addLocked(at, e)
	if len(r.early) > before {
		last := &r.early[len(r.early)-1] // the node's clock may not be known yet
		last.printed, last.received = true, received
	}
}

// nodeStarting says that a node is being started or resumed: it is up from its first sign of life on, which may come before
// the runtime says that the action is done.
func (r *recorder) nodeStarting(node faults.NodeID, l trace.Lifecycle) {
	at := r.clock.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.starting[node] = startingNode{l, at}
}

// isStarting reports whether a node that prints what it does is being started and has printed nothing yet.
func (r *recorder) isStarting(node faults.NodeID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.starting[node]
	return ok && !r.polled
}

// nodeStarted says that a node has been started or resumed, whether it gave a sign or not.
func (r *recorder) nodeStarted(node faults.NodeID) {
	at := r.clock.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if l, ok := r.starting[node]; ok {
		if !r.polled {
			at = l.since // its first sign may come late, and must not come before it is up
		}
		r.upLocked(at, node, l.Lifecycle)
	}
}

func (r *recorder) upLocked(at time.Duration, node faults.NodeID, l trace.Lifecycle) {
	delete(r.starting, node)
	r.addLocked(at, trace.Event{Kind: trace.KindNode, Node: trace.NodeID(node), Lifecycle: &l})
}

// Gap implements runtime.Sink. Lines of nodes that are polled are notifications at most: what is lost of them is found by
// polling, and the trace says how well its times are known.
func (r *recorder) Gap(node faults.NodeID, err error) {
	if !r.polled {
		r.gapSince(node, r.clock.Now(), err)
	}
}

// gapSince records that events of a node may be missing from a time of the clock on.
func (r *recorder) gapSince(node faults.NodeID, from time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addLocked(r.clock.Now(), trace.Event{
		Kind: trace.KindGap, Node: trace.NodeID(node), Gap: &trace.Gap{From: from - r.zero, Reason: err.Error()},
	})
}

// Exit implements runtime.Sink.
func (r *recorder) Exit(node faults.NodeID, err error) {
	r.lifecycle(r.clock.Now(), node, trace.Lifecycle{State: trace.StateDied, Reason: firstLine(err)})
	r.hooks.died(node, err)
}

// External implements runtime.Sink.
func (r *recorder) External(node faults.NodeID, err *runtime.ExternalError) {
	state := trace.StateDown
	switch err.What {
	case runtime.ExternalPause:
		state = trace.StatePaused
	case runtime.ExternalResume, runtime.ExternalDisconnect, runtime.ExternalConnect, runtime.ExternalRestart:
		state = trace.StateUp
	}
	r.lifecycle(r.clock.Now(), node, trace.Lifecycle{State: state, Reason: err.Error()})
	r.hooks.died(node, err)
}

// startingNode is what to record of a node that is being started or resumed since some time.
type startingNode struct {
	trace.Lifecycle
	since time.Duration
}

// seal ends the recording of what nodes print: what they did until now still counts when it arrives.
func (r *recorder) seal(at time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sealed = at
}

// end writes the trace's last event. Nodes may still run, and print: that is not part of the run any more.
func (r *recorder) end(at time.Duration, e trace.End) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addLocked(at, trace.Event{Kind: trace.KindEnd, End: &e})
	r.ended = true
}

// failure returns the first failure to write.
func (r *recorder) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// flush makes what was recorded readable from the file. It returns the first failure to write, if there was one.
func (r *recorder) flush() error {
	if err := r.failure(); err != nil {
		return err
	}
	return r.out.Flush()
}

// firstLine returns an error's first line, for fields that hold one.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
