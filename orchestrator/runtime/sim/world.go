package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// world is the simulated network: hosts, the connections between them, and the events to come. It is guarded by the
// Runtime's mutex, but for now, which only the event loop changes.
type world struct {
	epoch node.Time
	base  int64 // one-way delay of every link
	dial  int64 // after which a dial without an answer fails
	now   *atomic.Int64
	rng   *rand.Rand
	sink  runtime.Sink

	heap   heap
	conns  []conn   // a connection's number is its index; free ones are used again
	free   []uint32 // numbers of free connections
	defers []func() // deferred calls by index
	spare  []uint32 // free indices of defers

	hosts  []*host
	names  map[faults.NodeID]*host
	addrs  map[string]*host // by host:port
	links  *faults.Matrix
	counts faults.Traffic

	active *host // whose machine runs, to blame a panic on
	line   bytes.Buffer
	lines  *json.Encoder
}

func newWorld(opts Options, now *atomic.Int64) *world {
	w := &world{
		epoch: node.Time(opts.Epoch.UnixNano()),
		base:  int64(opts.BaseDelay),
		dial:  int64(opts.DialTimeout),
		now:   now,
		rng:   rand.New(rand.NewPCG(opts.Seed, 0x6e657473706c6974)),
		names: make(map[faults.NodeID]*host),
		addrs: make(map[string]*host),
		links: faults.Links{}.Compile(nil),
	}
	w.lines = json.NewEncoder(&w.line)
	return w
}

// time returns the present as nodes see it.
func (w *world) time() node.Time { return w.epoch + node.Time(w.now.Load()) }

// after calls fn from the event loop, d from now.
func (w *world) after(d int64, fn func()) { w.at(w.now.Load()+d, fn) }

// at calls fn from the event loop at a moment.
func (w *world) at(at int64, fn func()) { w.heap.push(at, control, w.park(fn), 0) }

// park keeps a deferred call for a control event, which names it by the number that park returns.
func (w *world) park(fn func()) uint32 {
	if n := len(w.spare); n > 0 {
		i := w.spare[n-1]
		w.spare = w.spare[:n-1]
		w.defers[i] = fn
		return i
	}
	w.defers = append(w.defers, fn)
	return uint32(len(w.defers) - 1)
}

// unpark takes a deferred call back.
func (w *world) unpark(i uint32) func() {
	fn := w.defers[i]
	w.defers[i] = nil
	w.spare = append(w.spare, i)
	return fn
}

// run runs at most limit events up to and including a moment, and reports that there are no more of them; then it is
// that moment. A machine that panics is a node that dies.
func (w *world) run(until int64, limit int) (done bool) {
	defer w.blame(&done)
	for ; limit > 0; limit-- {
		if len(w.heap.events) == 0 || w.heap.events[0].at > until {
			w.now.Store(max(until, w.now.Load()))
			return true
		}
		e := w.heap.pop()
		w.now.Store(e.at)
		switch e.kind() {
		case arriveA, arriveB:
			w.arrive(e)
		case timer:
			w.timer(e)
		case control:
			w.unpark(e.ref)()
		}
	}
	return false
}

// blame turns the panic of a machine into the death of its node. It is called deferred; a panic of the simulator
// itself goes on.
func (w *world) blame(done *bool) {
	h := w.active
	if h == nil {
		return
	}
	if p := recover(); p != nil {
		w.active = nil
		*done = false
		w.die(h, fmt.Errorf("panic: %v", p), debug.Stack())
	}
}

// guard runs fn, which may feed machines, outside of the event loop.
func (w *world) guard(fn func()) {
	var done bool
	defer w.blame(&done)
	fn()
}

// feed hands one input to a host's machine and performs the effects.
func (w *world) feed(h *host, input func(m Machine, now node.Time) []node.Effect) {
	w.active = h
	effects := input(h.machine, w.time())
	w.active = nil
	w.perform(h, effects)
}

// notify hands an input to the machine of a host from the event loop, now; while the process is paused the input
// waits, and when the process ends first it is void.
func (w *world) notify(h *host, input func(m Machine, now node.Time) []node.Effect) {
	w.notifyAfter(h, 0, input)
}

func (w *world) notifyAfter(h *host, d int64, input func(m Machine, now node.Time) []node.Effect) {
	life := h.life
	w.after(d, func() { w.whenRunning(h, life, func() { w.feed(h, input) }) })
}

// whenRunning calls fn now if the process of that life runs, once it is resumed if it is paused, and else never.
func (w *world) whenRunning(h *host, life uint32, fn func()) {
	switch {
	case h.life != life:
	case h.state == running:
		fn()
	case h.state == paused:
		again := w.park(func() { w.whenRunning(h, life, fn) })
		h.held = append(h.held, event{key: uint64(control), ref: again})
	}
}

// perform carries out what a machine asked for. It never calls a machine: all that follows is an event.
func (w *world) perform(h *host, effects []node.Effect) {
	for i := range effects {
		e := &effects[i]
		switch e.Kind {
		case node.EffectSend:
			w.send(h, &e.Peer, e.Msg)
		case node.EffectTimer:
			w.setTimer(h, e.Timer, e.At)
		case node.EffectPersist:
			h.disk = append(h.disk, e.Block)
		case node.EffectEvent:
			w.print(h, e.Event)
		case node.EffectDial:
			w.connect(h, e.Peer, e.Addr)
		case node.EffectDisconnect:
			if c, ok := h.ends.find(&e.Peer); ok {
				peer, reason := e.Peer, e.Reason
				w.close(h, c)
				w.notify(h, func(m Machine, now node.Time) []node.Effect { return m.PeerDown(now, peer, reason) })
			}
		}
	}
}

// print writes an event into a node's log, in the form in which the daemon prints it.
func (w *world) print(h *host, e *node.Event) {
	w.line.Reset()
	if err := w.lines.Encode(e); err != nil {
		h.log.addText("error: encode event: " + err.Error())
		return
	}
	line := w.line.Bytes()
	line = line[:len(line)-1]
	h.log.add(line)
	if w.sink != nil {
		w.sink.Line(h.id, time.Unix(0, int64(w.time())), line)
	}
}

// timers are what one process has set. A slot has at most one valid event in the heap: a timer that is moved to a later
// moment keeps its event, which then moves on when it is popped; so postponing, by far the most frequent call, is cheap.
type timers struct {
	slots []slot
	index map[node.TimerID]uint32
}

type slot struct {
	id     node.TimerID
	at     int64 // when the timer fires; 0: not set
	queued int64 // moment of the valid event; 0: none
}

// reset forgets all timers; events that are still in the heap find no slot or an idle one.
func (t *timers) reset() {
	t.slots = nil
	t.index = nil
}

// slot returns the slot of a timer, which it makes if need be.
func (t *timers) slot(id node.TimerID) uint32 {
	if i, ok := t.index[id]; ok {
		return i
	}
	if t.index == nil {
		t.index = make(map[node.TimerID]uint32)
	}
	i := uint32(len(t.slots))
	t.slots = append(t.slots, slot{id: id})
	t.index[id] = i
	return i
}

// setTimer makes a timer fire at a moment, or not at all when that is 0.
func (w *world) setTimer(h *host, id node.TimerID, at node.Time) {
	i := h.timers.slot(id)
	s := &h.timers.slots[i]
	if at == 0 {
		s.at = 0
		return
	}
	s.at = max(int64(at-w.epoch), w.now.Load(), 1)
	if s.queued == 0 || s.at < s.queued {
		s.queued = s.at
		w.heap.push(s.at, timer, uint32(h.index), i)
	}
}

// timer handles the event of a timer slot.
func (w *world) timer(e event) {
	h := w.hosts[e.ref]
	if int(e.arg) >= len(h.timers.slots) {
		return
	}
	s := &h.timers.slots[e.arg]
	if s.queued != e.at {
		return // moved to an earlier moment, or of an earlier process
	}
	if h.state == paused {
		h.held = append(h.held, e)
		return
	}
	s.queued = 0
	if s.at == 0 {
		return
	}
	if s.at > e.at {
		s.queued = s.at
		w.heap.push(s.at, timer, e.ref, e.arg)
		return
	}
	id := s.id
	s.at = 0
	w.active = h
	effects := h.machine.Timer(w.time(), id)
	w.active = nil
	w.perform(h, effects)
}
