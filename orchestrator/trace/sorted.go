package trace

import (
	"container/heap"
	"errors"
	"time"
)

// ReorderWindow is how much later than an event's successors in time the event may stand in the file and still be put
// in its place by ReadSorted. Events of one node are always in order; those of different nodes come through different
// pipes, and delays of seconds between them mean a stalled host or a log driver that is late.
const ReorderWindow = 10 * time.Second

// maxHeld bounds the events that ReadSorted holds; beyond it the earliest is passed on at once.
const maxHeld = 1 << 20

// ReadSorted is Read with the events in order of At, those of one At in the order of the file. The run event comes
// first and the end event last, whatever their time. It holds the events of one ReorderWindow at most; an event that
// stands later in the file than that is given as soon as it is read, after events with a later At.
func ReadSorted(path string, fn func(*Event) error) error {
	s := sorter{limit: maxHeld}
	err := Read(path, func(e *Event) error { return s.add(e, fn) })
	var (
		cut     *TruncatedError
		altered *AlteredError
	)
	if err != nil && !errors.As(err, &cut) && !errors.As(err, &altered) {
		return err
	}
	if ferr := s.drain(fn); ferr != nil {
		return ferr
	}
	return err
}

// sorter holds back events until no earlier one is expected. Events that come in order wait in a queue, the others in a
// heap.
type sorter struct {
	limit  int         // most events held
	queue  []heldEvent // in order, from front on
	front  int
	late   lateEvents
	seq    int
	latest time.Duration // the latest time that has surely come
	// ahead is the node with the latest event, aheadAt its time: a node whose clock is wrong may claim any, so that it counts only
	// once another node or the run itself is as far.
	ahead   NodeID
	aheadAt time.Duration
	end     *Event
}

type heldEvent struct {
	e   *Event
	seq int
}

func (a heldEvent) before(b heldEvent) bool {
	return a.e.At < b.e.At || a.e.At == b.e.At && a.seq < b.seq
}

func (s *sorter) add(e *Event, fn func(*Event) error) error {
	switch e.Kind {
	case KindRun:
		return fn(e)
	case KindEnd:
		if s.end == nil {
			s.end = e
			return nil
		}
	}
	h := heldEvent{e, s.seq}
	if n := len(s.queue); s.front == n || e.At >= s.queue[n-1].e.At {
		s.queue = append(s.queue, h)
	} else {
		heap.Push(&s.late, h)
	}
	s.seq++
	s.advance(e)
	for {
		first, ok := s.first()
		if !ok || s.latest-first.e.At < ReorderWindow && s.held() <= s.limit {
			return nil
		}
		s.drop()
		if err := fn(first.e); err != nil {
			return err
		}
	}
}

// advance takes in the time of an event.
func (s *sorter) advance(e *Event) {
	switch {
	case s.seq == 1:
		s.latest = e.At
	case e.Node == "":
		s.latest = max(s.latest, e.At)
	case e.Node == s.ahead:
		s.aheadAt = max(s.aheadAt, e.At)
	case s.ahead == "" || e.At > s.aheadAt:
		if s.ahead != "" {
			s.latest = max(s.latest, s.aheadAt)
		}
		s.ahead, s.aheadAt = e.Node, e.At
	default:
		s.latest = max(s.latest, e.At)
	}
}

func (s *sorter) held() int { return len(s.queue) - s.front + len(s.late) }

// inOrder says whether the earliest event is at the front of the queue.
func (s *sorter) inOrder() bool {
	return len(s.late) == 0 || s.front < len(s.queue) && s.queue[s.front].before(s.late[0])
}

func (s *sorter) first() (heldEvent, bool) {
	switch {
	case s.held() == 0:
		return heldEvent{}, false
	case s.inOrder():
		return s.queue[s.front], true
	}
	return s.late[0], true
}

// drop takes the earliest event away.
func (s *sorter) drop() {
	if !s.inOrder() {
		heap.Pop(&s.late)
		return
	}
	s.queue[s.front] = heldEvent{}
	s.front++
	if s.front >= 1024 && s.front > len(s.queue)/2 {
		s.queue = s.queue[:copy(s.queue, s.queue[s.front:])]
		s.front = 0
	}
}

func (s *sorter) drain(fn func(*Event) error) error {
	for {
		first, ok := s.first()
		if !ok {
			break
		}
		s.drop()
		if err := fn(first.e); err != nil {
			return err
		}
	}
	if s.end != nil {
		return fn(s.end)
	}
	return nil
}

// lateEvents is a heap of events that came after a later one.
type lateEvents []heldEvent

// Len implements heap.Interface.
func (l lateEvents) Len() int { return len(l) }

// Less implements heap.Interface.
func (l lateEvents) Less(i, j int) bool { return l[i].before(l[j]) }

// Swap implements heap.Interface.
func (l lateEvents) Swap(i, j int) { l[i], l[j] = l[j], l[i] }

// Push implements heap.Interface.
func (l *lateEvents) Push(x any) { *l = append(*l, x.(heldEvent)) }

// Pop implements heap.Interface.
func (l *lateEvents) Pop() any {
	last := len(*l) - 1
	x := (*l)[last]
	(*l)[last] = heldEvent{}
	*l = (*l)[:last]
	return x
}
