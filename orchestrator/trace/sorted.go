package trace

import (
	"container/heap"
	"time"
)

// ReorderWindow is how much later than an event's successors in time the event may stand in the file and still be put
// in its place by ReadSorted. Events of one node are always in order; those of several nodes come through several
// pipes, and seconds of delay between them mean a stalled host.
const ReorderWindow = 2 * time.Second

// maxHeld bounds the events that ReadSorted holds; beyond it the earliest is let go, window or not.
const maxHeld = 1 << 20

// ReadSorted is Read with the events in order of At, those of one At in the order of the file. The run event comes
// first and the end event last, whatever their time. It holds the events of one ReorderWindow at most; an event that
// stands later in the file than that is given as soon as it is read, after events with a later At.
func ReadSorted(path string, fn func(*Event) error) error {
	var s sorter
	err := Read(path, func(e *Event) error { return s.add(e, fn) })
	if _, cut := err.(*TruncatedError); err != nil && !cut {
		return err
	}
	if ferr := s.drain(fn); ferr != nil {
		return ferr
	}
	return err
}

// sorter holds back events until no earlier one can come.
type sorter struct {
	held   []heldEvent
	seq    int
	latest time.Duration
	end    *Event
}

type heldEvent struct {
	e   *Event
	seq int
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
	if s.seq == 0 || e.At > s.latest {
		s.latest = e.At
	}
	heap.Push(s, heldEvent{e, s.seq})
	s.seq++
	for len(s.held) > 0 && (s.latest-s.held[0].e.At >= ReorderWindow || len(s.held) > maxHeld) {
		if err := fn(heap.Pop(s).(heldEvent).e); err != nil {
			return err
		}
	}
	return nil
}

func (s *sorter) drain(fn func(*Event) error) error {
	for len(s.held) > 0 {
		if err := fn(heap.Pop(s).(heldEvent).e); err != nil {
			return err
		}
	}
	if s.end != nil {
		return fn(s.end)
	}
	return nil
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (s *sorter) Len() int { return len(s.held) }

func (s *sorter) Less(i, j int) bool {
	a, b := s.held[i], s.held[j]
	if a.e.At != b.e.At {
		return a.e.At < b.e.At
	}
	return a.seq < b.seq
}

func (s *sorter) Swap(i, j int) { s.held[i], s.held[j] = s.held[j], s.held[i] }

func (s *sorter) Push(x any) { s.held = append(s.held, x.(heldEvent)) }

func (s *sorter) Pop() any {
	last := len(s.held) - 1
	x := s.held[last]
	s.held[last] = heldEvent{}
	s.held = s.held[:last]
	return x
}
