package sim

import (
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node/wire"
)

// stream is one direction of a connection. Only its first packet has an event in the heap.
type stream struct {
	queue     []flight
	head      int   // of queue
	last      int64 // arrival of the latest packet
	stalled   int64 // moment of the first loss since something got through; 0: none
	scheduled bool  // the first packet has an event
	link      link
}

// flight is a packet on its way.
type flight struct {
	at   int64
	msg  wire.Message // nil: the sender closed the connection
	lost bool         // counted as dropped
}

func (s *stream) empty() bool { return s.head == len(s.queue) }

func (s *stream) first() *flight { return &s.queue[s.head] }

func (s *stream) push(f flight) {
	if s.head > 32 && s.head > len(s.queue)/2 {
		n := copy(s.queue, s.queue[s.head:])
		clear(s.queue[n:])
		s.queue, s.head = s.queue[:n], 0
	}
	s.queue = append(s.queue, f)
}

// pop takes the first packet away.
func (s *stream) pop() wire.Message {
	f := &s.queue[s.head]
	msg := f.msg
	*f = flight{}
	if s.head++; s.head == len(s.queue) {
		s.queue, s.head = s.queue[:0], 0
	}
	return msg
}

// lose marks all packets as lost on the way and returns how many were not before.
func (s *stream) lose(now int64) (n int64) {
	if s.stalled == 0 {
		s.stalled = max(now, 1)
	}
	for i := s.head; i < len(s.queue); i++ {
		if f := &s.queue[i]; !f.lost {
			f.lost = true
			n++
		}
	}
	return n
}

// TCP's retransmission timeout, as on Linux.
const (
	firstRetry = int64(200 * time.Millisecond)
	maxRetry   = int64(120 * time.Second)
)

// retry returns the first moment from now on at which TCP sends again what it first lost at a moment.
func retry(lost, now int64) int64 {
	at, wait := lost+firstRetry, firstRetry
	for at < now {
		wait = min(2*wait, maxRetry)
		at += wait
	}
	return at
}

// link is the state of one directed link, in nanoseconds.
type link struct {
	delay, jitter int64
	cut           bool
}

func toLink(s faults.LinkState) link {
	return link{delay: int64(s.Shape.Delay), jitter: int64(s.Shape.Jitter), cut: s.Cut}
}

// latency draws the time that a packet takes on a link.
func (w *world) latency(l *link) int64 {
	d := l.delay
	if l.jitter > 0 {
		d += w.rng.Int64N(2*l.jitter+1) - l.jitter
	}
	return w.base + max(d, 0)
}

// linkOf returns the state of the link between two hosts.
func (w *world) linkOf(from, to int32) link {
	return toLink(w.links.State(int(from), int(to)))
}
