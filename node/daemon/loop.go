package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/behavior"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// ErrStopped is returned by calls to a node that has stopped.
var ErrStopped = errors.New("node has stopped")

// input is one call of the node's state machine.
type input func(now node.Time) []node.Effect

// request is an input for the loop.
type request struct {
	in   input
	done chan<- error // gets the result once the effects are performed; buffered; nil: not needed
}

// maxInputs is how many inputs are queued for the loop; further senders block. It is small because each may hold a
// message of wire.MaxMessageSize.
const maxInputs = 16

// loop owns a node: only it calls the node, one input at a time, and it performs the effects of each before the next. It
// also decides which connection to a peer is used. Other goroutines reach it through Do and the methods of sink only.
type loop struct {
	node    *node.Node       // answers queries
	machine behavior.Machine // the node itself, or what an adversary makes of it
	store   *store
	log     *eventLog
	net     *peerNet
	clock   clock
	timers  timers

	requests chan request
	done     chan struct{} // closed when run returns

	links map[chain.PeerID]*link
	dials map[chain.PeerID]*dial
	// follow holds inputs that result from effects; they are next.
	follow []input
	// lastMessage and lastFrame cache the encoding of a message that is sent to many peers.
	lastMessage wire.Message
	lastFrame   []byte
}

// newLoop makes the loop of a node and makes it the sink of net.
func newLoop(n *node.Node, m behavior.Machine, s *store, log *eventLog, net *peerNet, c clock) *loop {
	l := &loop{
		node: n, machine: m, store: s, log: log, net: net, clock: c,
		requests: make(chan request, maxInputs), done: make(chan struct{}),
		links: make(map[chain.PeerID]*link), dials: make(map[chain.PeerID]*dial),
	}
	net.sink = l
	return l
}

// run runs the node until ctx ends, which is a clean stop, or an effect cannot be performed.
func (l *loop) run(ctx context.Context) error {
	defer close(l.done)
	defer l.abortAll()
	if err := l.step(l.machine.Start); err != nil {
		return err
	}
	alarm := time.NewTimer(time.Hour)
	defer alarm.Stop()
	for {
		l.arm(alarm)
		select {
		case <-ctx.Done():
			return l.step(l.machine.Stop)
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
	if t, ok := l.timers.next(); ok {
		wait = max(0, time.Duration(t.at-l.clock.now()))
	}
	alarm.Reset(wait)
}

// fire calls the timers that are due, each at most once, so that a timer that is always due does not starve peers.
func (l *loop) fire() error {
	now := l.clock.now()
	for range len(l.timers) {
		id, ok := l.timers.due(now)
		if !ok {
			return nil
		}
		if err := l.step(func(now node.Time) []node.Effect { return l.machine.Timer(now, id) }); err != nil {
			return err
		}
	}
	return nil
}

// step passes an input to the node and performs its effects, then does the same with the inputs that result from them.
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

// then appends to the inputs that result from effects.
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
	// fn may run from now on: wait until it has, or never will.
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

// post passes an input about a link to the loop. It returns false if the link is closed or the loop has ended first.
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

// abortAll ends all connections and dials.
func (l *loop) abortAll() {
	for _, k := range l.links {
		k.abort()
	}
	for _, d := range l.dials {
		d.cancel()
	}
}

// perform performs effects in order. Errors are fatal: a node that cannot store blocks or report events must stop.
func (l *loop) perform(now node.Time, effects []node.Effect) error {
	persisted := false
	for i := range effects {
		e := &effects[i]
		switch e.Kind {
		case node.EffectSend:
			if err := l.send(e.Peer, e.Msg); err != nil {
				return err
			}
		case node.EffectTimer:
			l.timers.set(e.Timer, e.At)
		case node.EffectPersist:
			if persisted {
				continue
			}
			// All blocks of one input are stored together, before the first effect that depends on any of them.
			if err := l.store.append(blocksOf(effects[i:])); err != nil {
				return err
			}
			persisted = true
		case node.EffectEvent:
			if e.Event.Time == 0 {
				e.Event.Time = now
			}
			if err := l.log.add(e.Event); err != nil {
				return err
			}
		case node.EffectDial:
			l.dial(e.Peer, e.Addr)
		case node.EffectDisconnect:
			if k := l.links[e.Peer]; k != nil {
				l.disconnect(k, e.Reason)
			}
		default:
			return fmt.Errorf("unknown effect, kind %d", e.Kind)
		}
	}
	l.lastMessage, l.lastFrame = nil, nil
	return nil
}

func blocksOf(effects []node.Effect) []*chain.Block {
	var blocks []*chain.Block
	for i := range effects {
		if effects[i].Kind == node.EffectPersist {
			blocks = append(blocks, effects[i].Block)
		}
	}
	return blocks
}

// send queues a message. If the peer has disconnected there is nothing to do: PeerDown was called or is about to be.
func (l *loop) send(to chain.PeerID, m wire.Message) error {
	k := l.links[to]
	if k == nil {
		return nil
	}
	if l.lastMessage != m {
		frame, err := encodeFrame(m)
		if err != nil {
			return fmt.Errorf("encode %s message: %w", m.Type(), err)
		}
		l.lastMessage, l.lastFrame = m, frame
	}
	if !k.queue.push(l.lastFrame) {
		l.disconnect(k, fmt.Sprintf("slow peer: more than %d messages or %d MiB queued",
			maxQueuedFrames, maxQueuedBytes>>20))
	}
	return nil
}

// disconnect resets a link. PeerDown follows the effects that are being performed.
func (l *loop) disconnect(k *link, reason string) {
	k.abort()
	delete(l.links, k.id)
	l.then(func(now node.Time) []node.Effect { return l.machine.PeerDown(now, k.id, reason) })
}

// simultaneous is the age up to which an existing connection and a new one count as two dials at once. If the existing
// one is older, the peer has dialled again because it lost it, which this node did not notice.
const simultaneous = node.Time(3 * time.Second)

// decides reports whether self, not peer, selects one of two connections between them.
func decides(self, peer chain.PeerID) bool { return bytes.Compare(self[:], peer[:]) < 0 }

// dial starts to connect to a peer; PeerUp or DialFailed follows.
func (l *loop) dial(id chain.PeerID, addr string) {
	if l.dials[id] != nil {
		return // its outcome counts for both
	}
	if l.links[id] != nil || id == l.net.self.id {
		l.then(func(now node.Time) []node.Effect { return l.machine.DialFailed(now, id) })
		return
	}
	l.dials[id] = l.net.dial(id, addr)
}

// connected implements sink.
func (l *loop) connected(k *link, attempt *dial) {
	posted := l.post(k.closed, func(now node.Time) []node.Effect { return l.admit(now, k, attempt) })
	if !posted {
		k.abort()
	}
}

// admit accepts or refuses a new link.
func (l *loop) admit(now node.Time, k *link, attempt *dial) []node.Effect {
	old := l.links[k.id]
	extra := old != nil && decides(l.net.self.id, k.id) && (k.outbound || now-old.since < simultaneous)
	if extra || k.id == l.net.self.id {
		k.abort()
		return l.dialEnded(now, attempt)
	}
	if old == nil {
		return l.accept(now, k)
	}
	// The peer has selected k, or has dialled again because it lost the old link.
	l.disconnect(old, "replaced by a new connection")
	l.then(func(now node.Time) []node.Effect { return l.accept(now, k) })
	return nil
}

// accept makes k the link of its peer.
func (l *loop) accept(now node.Time, k *link) []node.Effect {
	if d := l.dials[k.id]; d != nil {
		delete(l.dials, k.id)
		d.cancel()
	}
	k.since = now
	l.links[k.id] = k
	if decides(l.net.self.id, k.id) {
		k.queue.push(chosenFrame)
	}
	l.net.read(k)
	return l.machine.PeerUp(now, k.id, k.outbound)
}

// dialFailed implements sink.
func (l *loop) dialFailed(attempt *dial) {
	l.post(nil, func(now node.Time) []node.Effect { return l.dialEnded(now, attempt) })
}

// dialEnded reports a failed dial to the node, unless the peer has connected in the meantime.
func (l *loop) dialEnded(now node.Time, attempt *dial) []node.Effect {
	if attempt == nil || l.dials[attempt.id] != attempt {
		return nil
	}
	delete(l.dials, attempt.id)
	return l.machine.DialFailed(now, attempt.id)
}

// message implements sink.
func (l *loop) message(k *link, m wire.Message) {
	l.fromLink(k, func(now node.Time) []node.Effect { return l.machine.Receive(now, k.id, m) })
}

// malformed implements sink.
func (l *loop) malformed(k *link, err error) {
	l.fromLink(k, func(now node.Time) []node.Effect { return l.machine.Malformed(now, k.id, err) })
}

// lost implements sink.
func (l *loop) lost(k *link, reason string) {
	l.fromLink(k, func(now node.Time) []node.Effect {
		l.disconnect(k, reason)
		return nil
	})
}

// fromLink posts an input that is ignored if k is no longer its peer's link.
func (l *loop) fromLink(k *link, in input) {
	l.post(k.closed, func(now node.Time) []node.Effect {
		if l.links[k.id] != k {
			return nil
		}
		return in(now)
	})
}
