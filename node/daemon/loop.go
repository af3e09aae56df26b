package daemon

import (
	"context"
	"errors"
	"time"

	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// ErrStopped is returned by calls to a node that has stopped.
var ErrStopped = errors.New("node has stopped")

// input is one call of the node's state machine.
type input func(now node.Time) []node.Effect

// request is an input and where to report that its effects are performed.
type request struct {
	in   input
	done chan<- error // buffered; nil: nobody waits
}

// maxInputs is how many inputs may wait for the loop; their senders wait beyond that. It is small because each may hold
// a message of wire.MaxMessageSize.
const maxInputs = 16

// loop owns a node: it alone calls it, one input at a time, and performs the effects of each before the next.
type loop struct {
	node   *node.Node
	store  *store
	log    *eventLog
	net    *peerNet
	clock  clock
	timers *timers

	requests chan request
	done     chan struct{} // closed when run returns

	links map[chain.PeerID]*link
	dials map[chain.PeerID]*dial
	// follow holds inputs that effects gave rise to; they come next.
	follow []input
	// lastMessage and lastFrame spare encoding a message again for each of many peers.
	lastMessage wire.Message
	lastFrame   []byte
}

// newLoop makes the loop of a node and makes it the sink of net.
func newLoop(n *node.Node, s *store, log *eventLog, net *peerNet, c clock) *loop {
	l := &loop{
		node: n, store: s, log: log, net: net, clock: c, timers: newTimers(),
		requests: make(chan request, maxInputs), done: make(chan struct{}),
		links: make(map[chain.PeerID]*link), dials: make(map[chain.PeerID]*dial),
	}
	net.sink = l
	return l
}

// run drives the node until ctx ends, which is a clean stop, or an effect cannot be performed.
func (l *loop) run(ctx context.Context) error {
	defer close(l.done)
	defer l.abortAll()
	if err := l.step(l.node.Start); err != nil {
		return err
	}
	alarm := time.NewTimer(time.Hour)
	defer alarm.Stop()
	for {
		l.arm(alarm)
		select {
		case <-ctx.Done():
			return l.step(l.node.Stop)
		case r := <-l.requests:
			err := l.step(r.in)
			if r.done != nil {
				r.done <- err
			}
			if err != nil {
				return err
			}
		case <-alarm.C:
			if err := l.fire(); err != nil {
				return err
			}
		}
	}
}

// arm sets the alarm to the earliest timer.
func (l *loop) arm(alarm *time.Timer) {
	wait := time.Hour
	if at, ok := l.timers.next(); ok {
		wait = max(0, time.Duration(at-l.clock.now()))
	}
	alarm.Reset(wait)
}

// fire calls the timers that are due, each at most once, so that a timer that is always due does not shut out peers.
func (l *loop) fire() error {
	now := l.clock.now()
	for range len(l.timers.heap) {
		id, ok := l.timers.due(now)
		if !ok {
			return nil
		}
		if err := l.step(func(now node.Time) []node.Effect { return l.node.Timer(now, id) }); err != nil {
			return err
		}
	}
	return nil
}

// step gives the node an input and performs the effects, then does the same with the inputs that follow from them.
func (l *loop) step(in input) error {
	for {
		now := l.clock.now()
		if err := l.perform(now, in(now)); err != nil {
			return err
		}
		if err := l.log.flush(); err != nil {
			return err
		}
		if len(l.follow) == 0 {
			l.follow = nil
			return nil
		}
		in, l.follow = l.follow[0], l.follow[1:]
	}
}

// then makes in the input after the ones that already follow.
func (l *loop) then(in input) { l.follow = append(l.follow, in) }

// Do runs fn in the node's loop and returns when its effects are performed. It implements api.Backend.
func (l *loop) Do(ctx context.Context, fn func(n *node.Node, now node.Time) []node.Effect) error {
	done := make(chan error, 1)
	r := request{in: func(now node.Time) []node.Effect { return fn(l.node, now) }, done: done}
	select {
	case l.requests <- r:
	case <-ctx.Done():
		return ctx.Err()
	case <-l.done:
		return ErrStopped
	}
	// From here on fn may run at any moment, so that the caller must not go on before it has, or never will.
	select {
	case err := <-done:
		return err
	case <-l.done:
		select {
		case err := <-done:
			return err
		default:
			return ErrStopped
		}
	}
}

// post gives the loop an input that concerns a link; it gives up when the link is closed or the loop has ended.
func (l *loop) post(closed <-chan struct{}, in input) bool {
	select {
	case l.requests <- request{in: in}:
		return true
	case <-closed:
		return false
	case <-l.done:
		return false
	}
}

// abortAll lets go of every connection and attempt.
func (l *loop) abortAll() {
	for _, k := range l.links {
		k.abort()
	}
	for _, d := range l.dials {
		d.cancel()
	}
}
