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

// world is the simulated network: hosts, the connections between them, and future events. Everything except now is
// guarded by the Runtime's mutex; only the event loop changes now. It knows nothing about tasks: it is called by the clock.
type world struct {
	epoch node.Time
	now   *atomic.Int64
	rng   *rand.Rand
	sink  runtime.Sink

	queue queue
	conns []conn   // slots of connections
	free  []uint32 // indices of free slots

	hosts  []*host
	names  map[faults.NodeID]*host
	addrs  map[string]*host // by host:port
	links  *faults.Matrix
	counts faults.Traffic

	active *host // whose machine is running, in case it panics
	line   bytes.Buffer
	lines  *json.Encoder
}

func newWorld(opts Options, now *atomic.Int64) *world {
	w := &world{
		epoch: node.Time(opts.Epoch.UnixNano()),
		now:   now,
		rng:   rand.New(rand.NewPCG(opts.Seed, 0x6e657473706c6974)),
		names: make(map[faults.NodeID]*host),
		addrs: make(map[string]*host),
		links: faults.Links{}.Compile(nil),
	}
	w.lines = json.NewEncoder(&w.line)
	return w
}

// time returns the current time for nodes.
func (w *world) time() node.Time { return w.epoch + node.Time(w.now.Load()) }

// after calls fn from the event loop, d from now.
func (w *world) after(d int64, fn func()) { w.at(w.now.Load()+d, fn) }

// at calls fn from the event loop at a given time.
func (w *world) at(at int64, fn func()) { w.queue.push(at, control, w.queue.park(fn), 0) }

// run runs at most limit events up to and including until. It returns true if no more are left; then until is the current
// time. If a machine panics, its node crashes.
func (w *world) run(until int64, limit int) (done bool) {
	defer w.recoverCrash(&done)
	for ; limit > 0; limit-- {
		if len(w.queue.events) == 0 || w.queue.events[0].at > until {
			w.now.Store(max(until, w.now.Load()))
			return true
		}
		e := w.queue.pop()
		w.now.Store(e.at)
		switch e.kind() {
		case arriveA, arriveB:
			w.arrive(e)
		case timer:
			w.timer(e)
		case control:
			w.queue.unpark(e.ref)()
		}
	}
	return false
}

// recoverCrash turns the panic of a machine into a crash of its node. It is called deferred; a panic of the simulator
// itself is not recovered.
func (w *world) recoverCrash(done *bool) {
	h := w.active
	if h == nil {
		return
	}
	if p := recover(); p != nil {
		w.active = nil
		*done = false
		w.crash(h, fmt.Errorf("panic: %v", p), debug.Stack())
	}
}

// guard runs fn, which may call machines, outside of the event loop.
func (w *world) guard(fn func()) {
	var done bool
	defer w.recoverCrash(&done)
	fn()
}

// feed passes one input to a host's machine and performs the effects.
func (w *world) feed(h *host, input func(m Machine, now node.Time) []node.Effect) {
	w.active = h
	effects := input(h.machine, w.time())
	w.active = nil
	w.perform(h, effects)
}

// notify passes an input to the machine of a host from the event loop, at the current time. While the process is paused
// the input is held; if the process ends, it is dropped.
func (w *world) notify(h *host, input func(m Machine, now node.Time) []node.Effect) {
	life := h.life
	w.after(0, func() { w.whenRunning(h, life, func() { w.feed(h, input) }) })
}

// whenRunning calls fn if the process of that life runs, or when it is resumed; it does not if the process has ended.
func (w *world) whenRunning(h *host, life uint32, fn func()) {
	switch {
	case h.life != life:
	case h.state == running:
		fn()
	case h.state == paused:
		again := w.queue.park(func() { w.whenRunning(h, life, fn) })
		h.held = append(h.held, event{key: uint64(control), ref: again})
	}
}

// perform performs the effects of a machine. It never calls a machine: the consequences are events.
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

// print writes an event to a node's log, in the format of the daemon.
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

// timers are the timers of one process. A slot has at most one valid event in the heap. A timer that is postponed keeps
// its event, which is pushed again when it is popped: postponing, by far the most frequent call, is cheap.
type timers struct {
	slots []slot
	index map[node.TimerID]uint32
}

type slot struct {
	id     node.TimerID
	at     int64 // when the timer fires; 0: not set
	queued int64 // time of the valid event; 0: none
}

// slot returns the slot of a timer, a new one if it has none.
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

// setTimer sets a timer; at of 0 cancels it.
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
		w.queue.push(s.at, timer, uint32(h.index), i)
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
		return // the timer was moved forward, or belongs to an earlier process
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
		w.queue.push(s.at, timer, e.ref, e.arg)
		return
	}
	id := s.id
	s.at = 0
	w.active = h
	effects := h.machine.Timer(w.time(), id)
	w.active = nil
	w.perform(h, effects)
}
