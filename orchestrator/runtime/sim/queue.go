package sim

// eventKind is the kind of an event.
type eventKind uint64

// The kinds of event. arriveA and arriveB differ in their lowest bit, the side that sent.
const (
	arriveA eventKind = iota // ref: connection, arg: its generation
	arriveB
	timer   // ref: host, arg: its timer slot
	control // ref: number of a deferred call
)

const kindBits = 3

// event is something that happens at a point in virtual time.
type event struct {
	at  int64  // nanoseconds since the epoch
	key uint64 // sequence number << kindBits | eventKind
	ref uint32
	arg uint32
}

func (e event) kind() eventKind { return eventKind(e.key & (1<<kindBits - 1)) }

// before orders events by time, then by the order in which they were pushed.
func (e event) before(o event) bool {
	return e.at < o.at || e.at == o.at && e.key < o.key
}

// heap is a 4-ary min-heap: half the depth of a binary one, and children share a cache line or two.
type heap struct {
	events []event
	seq    uint64
}

func (h *heap) push(at int64, kind eventKind, ref, arg uint32) {
	h.seq++
	e := event{at: at, key: h.seq<<kindBits | uint64(kind), ref: ref, arg: arg}
	h.events = append(h.events, e)
	i := len(h.events) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if !e.before(h.events[parent]) {
			break
		}
		h.events[i] = h.events[parent]
		i = parent
	}
	h.events[i] = e
}

// pop removes the first event; the heap must not be empty.
func (h *heap) pop() event {
	first := h.events[0]
	n := len(h.events) - 1
	last := h.events[n]
	h.events = h.events[:n]
	if n > 0 {
		h.siftDown(last)
	}
	return first
}

// siftDown inserts e at the root.
func (h *heap) siftDown(e event) {
	events := h.events
	i := 0
	for {
		child := 4*i + 1
		if child >= len(events) {
			break
		}
		least := child
		for c := child + 1; c < min(child+4, len(events)); c++ {
			if events[c].before(events[least]) {
				least = c
			}
		}
		if !events[least].before(e) {
			break
		}
		events[i] = events[least]
		i = least
	}
	events[i] = e
}

// queue holds the future events, with the calls that control events defer. It knows nothing about hosts and links.
type queue struct {
	heap
	calls []func() // slots of deferred calls
	free  []uint32 // indices of free slots
}

// park stores a deferred call and returns its number, for a control event.
func (q *queue) park(fn func()) uint32 {
	if n := len(q.free); n > 0 {
		i := q.free[n-1]
		q.free = q.free[:n-1]
		q.calls[i] = fn
		return i
	}
	q.calls = append(q.calls, fn)
	return uint32(len(q.calls) - 1)
}

// unpark removes a deferred call.
func (q *queue) unpark(i uint32) func() {
	fn := q.calls[i]
	q.calls[i] = nil
	q.free = append(q.free, i)
	return fn
}
