package nfqueue

import (
	"container/heap"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/shape/nft"
)

// schedule decides when packets leave. It reads no clock: every time is given, in nanoseconds of one monotonic clock.
type schedule struct {
	seed    uint64
	lines   map[nft.Pair]*line
	waiting lineHeap
	held    int
	drained bool // a line left since takeDrained

	// Packets that came before a change may still be unread when it is made. So a line leaves only after everything was
	// read that had come before: generations count the changes, and read is the last one that reading has caught up with.
	leaving    map[nft.Pair]*line
	generation uint64
	read       uint64
}

func newSchedule(seed uint64) *schedule {
	return &schedule{seed: seed, lines: make(map[nft.Pair]*line), leaving: make(map[nft.Pair]*line)}
}

// set makes want the links to delay. Packets already held keep their times. A link that is no longer wanted goes on as
// a line without delay until nothing is held or unread on it, so that its packets do not overtake each other.
func (s *schedule) set(want map[nft.Pair]faults.Shape) {
	s.generation++
	for pair, shape := range want {
		l := s.lines[pair]
		if l == nil {
			l = newLine(pair, s.seed)
			s.lines[pair] = l
		}
		l.shape, l.leaving = shape, false
		delete(s.leaving, pair)
	}
	for pair, l := range s.lines {
		if _, ok := want[pair]; !ok && !l.leaving {
			l.leaving, l.left = true, s.generation
			s.leaving[pair] = l
		}
	}
}

// caughtUp notes that everything was read that had come when the generation was current.
func (s *schedule) caughtUp(generation uint64) {
	s.read = generation
	for _, l := range s.leaving {
		s.retire(l)
	}
}

// retire forgets a leaving line once nothing is held or unread on it.
func (s *schedule) retire(l *line) {
	if l.leaving && l.empty() && l.left <= s.read {
		delete(s.lines, l.pair)
		delete(s.leaving, l.pair)
		s.drained = true
	}
}

// pairs are the links whose packets must go through the queue: those wanted and those that have yet to leave.
func (s *schedule) pairs() map[nft.Pair]struct{} {
	out := make(map[nft.Pair]struct{}, len(s.lines))
	for p := range s.lines {
		out[p] = struct{}{}
	}
	return out
}

// arrive takes in a packet. It returns false for a link without a line: the packet is to be let go at once.
func (s *schedule) arrive(pair nft.Pair, id uint32, now int64) bool {
	l := s.lines[pair]
	if l == nil {
		return false
	}
	l.arrive(id, now)
	s.held++
	if l.place < 0 {
		heap.Push(&s.waiting, l)
	}
	return true
}

// next is when the next packet leaves; false when none is held.
func (s *schedule) next() (int64, bool) {
	if len(s.waiting) == 0 {
		return 0, false
	}
	return s.waiting[0].next(), true
}

// due appends the ids of at most limit packets that leave by now, oldest release first.
func (s *schedule) due(now int64, ids []uint32, limit int) []uint32 {
	for len(s.waiting) > 0 && limit > 0 && s.waiting[0].next() <= now {
		l := s.waiting[0]
		ids = append(ids, l.pop().id)
		s.held--
		limit--
		if l.empty() {
			heap.Pop(&s.waiting)
			s.retire(l)
		} else {
			heap.Fix(&s.waiting, 0)
		}
	}
	return ids
}

// takeDrained reports whether lines left since the last call.
func (s *schedule) takeDrained() bool {
	some := s.drained
	s.drained = false
	return some
}

// lineHeap orders lines by their next release. Ties go by address, so that a run is reproducible.
type lineHeap []*line

func (h lineHeap) Len() int { return len(h) }
func (h lineHeap) Less(i, j int) bool {
	if a, b := h[i].next(), h[j].next(); a != b {
		return a < b
	}
	return string(h[i].pair[:]) < string(h[j].pair[:])
}
func (h lineHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

// Push implements heap.Interface.
func (h *lineHeap) Push(x any) {
	l := x.(*line)
	l.place = len(*h)
	*h = append(*h, l)
}

// Pop implements heap.Interface.
func (h *lineHeap) Pop() any {
	old := *h
	l := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	l.place = -1
	return l
}
