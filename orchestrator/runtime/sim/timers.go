package sim

import "github.com/netsplit/netsplit/node"

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
