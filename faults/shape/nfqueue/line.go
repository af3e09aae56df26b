package nfqueue

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/shape/nft"
)

// held is a packet in the kernel's queue: its id there, and when to let it go, in nanoseconds of the monotonic clock.
type held struct {
	id      uint32
	release int64
}

// line is one directed link. Packets leave it in the order in which they came.
type line struct {
	pair    nft.Pair
	shape   faults.Shape
	random  *rand.PCG
	last    int64  // release of the packet that came last
	queue   []held // queue[head:] is held
	head    int
	place   int // index in the schedule's heap, or -1 while nothing is held
	leaving bool
	left    uint64 // the generation in which it began to leave
}

// newLine makes an empty line whose jitter is decided by the seed and the link.
func newLine(pair nft.Pair, seed uint64) *line {
	return &line{pair: pair, random: rand.NewPCG(seed, binary.BigEndian.Uint64(pair[:])), place: -1}
}

// arrive takes in a packet that came at now.
func (l *line) arrive(id uint32, now int64) {
	delay := int64(l.shape.Delay)
	if j := int64(l.shape.Jitter); j > 0 {
		u := float64(l.random.Uint64()>>11) / (1 << 53)
		delay = max(0, delay+int64((2*u-1)*float64(j)))
	}
	if l.leaving {
		delay = 0
	}
	l.last = max(l.last, now+delay)
	l.queue = append(l.queue, held{id: id, release: l.last})
}

// empty reports that nothing is held.
func (l *line) empty() bool { return l.head == len(l.queue) }

// pop removes the oldest packet.
func (l *line) pop() held {
	h := l.queue[l.head]
	l.head++
	if l.head == len(l.queue) {
		l.queue, l.head = l.queue[:0], 0
	} else if l.head >= 1024 && l.head*2 >= len(l.queue) {
		// Keeps the memory in proportion to what is held, at a constant cost for each packet.
		l.queue = l.queue[:copy(l.queue, l.queue[l.head:])]
		l.head = 0
	}
	return h
}

// next is when the oldest packet leaves. The line must not be empty.
func (l *line) next() int64 { return l.queue[l.head].release }
