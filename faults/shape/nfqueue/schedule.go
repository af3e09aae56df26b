package nfqueue

import (
	"container/heap"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/shape/nft"
)

// schedule decides when packets are released. It reads no clock: every time is given, in nanoseconds of one monotonic
// clock.
type schedule struct {
	seed    uint64
	links   map[nft.Pair]*linkQueue
	waiting linkHeap // links with packets held
	held    int      // packets on all links
	drained bool     // a link was removed since takeDrained

	// A link that is no longer delayed is draining: it stays, without a delay, until its last packet was released.
	// Packets that arrived before a change may still be unread when it is made, so a link is removed only after all of
	// them were read: generation counts the changes, and read is the last generation that reading has caught up with.
	draining   map[nft.Pair]*linkQueue
	generation uint64
	read       uint64
}

func newSchedule(seed uint64) *schedule {
	return &schedule{seed: seed, links: make(map[nft.Pair]*linkQueue), draining: make(map[nft.Pair]*linkQueue)}
}

// set replaces the links to delay. Packets already held keep their release times, and a link that is no longer delayed
// drains, so that its packets do not overtake each other.
func (s *schedule) set(want map[nft.Pair]faults.Shape) {
	s.generation++
	for pair, shape := range want {
		l := s.links[pair]
		if l == nil {
			l = newLinkQueue(pair, s.seed)
			s.links[pair] = l
		}
		l.shape, l.draining = shape, false
		delete(s.draining, pair)
	}
	for pair, l := range s.links {
		if _, ok := want[pair]; !ok && !l.draining {
			l.draining, l.since = true, s.generation
			s.draining[pair] = l
		}
	}
}

// caughtUp notes that everything was read that had arrived when the generation was current.
func (s *schedule) caughtUp(generation uint64) {
	s.read = generation
	for _, l := range s.draining {
		s.removeDrained(l)
	}
}

// removeDrained removes a draining link once nothing is held or unread on it.
func (s *schedule) removeDrained(l *linkQueue) {
	if l.draining && l.empty() && (l.probes == nil || l.probes.empty()) && l.since <= s.read {
		delete(s.links, l.pair)
		delete(s.draining, l.pair)
		s.drained = true
	}
}

// pairs are the links whose packets must go through the queue: those delayed and those draining.
func (s *schedule) pairs() map[nft.Pair]struct{} {
	out := make(map[nft.Pair]struct{}, len(s.links))
	for p := range s.links {
		out[p] = struct{}{}
	}
	return out
}

// arrive takes in a packet. It returns false for an unknown link: the packet is to be released at once. probe is the content of
// a probe, which is copied; nil for any other packet. Probes are kept in an order of their own: each shows the delay that a packet
// gets, and not how long it waits behind the nodes' own packets.
func (s *schedule) arrive(pair nft.Pair, id uint32, now int64, probe []byte) bool {
	l := s.links[pair]
	if l == nil {
		return false
	}
	if probe != nil {
		if l.probes == nil {
			l.probes = newLinkQueue(pair, ^s.seed)
			l.probes.probesOf = l
		}
		l.probes.shape, l.probes.draining = l.shape, l.draining
		l = l.probes
	}
	l.arrive(id, now, probe)
	s.held++
	if l.heapIndex < 0 {
		heap.Push(&s.waiting, l)
	}
	return true
}

// next is the time of the next release; false when no packet is held.
func (s *schedule) next() (int64, bool) {
	if len(s.waiting) == 0 {
		return 0, false
	}
	return s.waiting[0].next(), true
}

// due appends at most limit packets to release by now, oldest release first.
func (s *schedule) due(now int64, packets []heldPacket, limit int) []heldPacket {
	for len(s.waiting) > 0 && limit > 0 && s.waiting[0].next() <= now {
		l := s.waiting[0]
		packets = append(packets, l.pop())
		s.held--
		limit--
		if l.empty() {
			heap.Pop(&s.waiting)
			if l.probesOf != nil {
				l = l.probesOf
			}
			s.removeDrained(l)
		} else {
			heap.Fix(&s.waiting, 0)
		}
	}
	return packets
}

// takeDrained reports whether links were removed since the last call.
func (s *schedule) takeDrained() bool {
	d := s.drained
	s.drained = false
	return d
}

// heldPacket is a packet in the kernel's queue: its id there and its release time.
type heldPacket struct {
	id      uint32
	release int64
	probe   *heldProbe // nil: it is no probe
}

// heldProbe is a probe in the kernel's queue: its content, and for how long it should be held. The release is later than that
// where it waits for the probe ahead of it.
type heldProbe struct {
	content []byte
	hold    time.Duration
}

// linkQueue holds the packets of one directed link, first in, first out.
type linkQueue struct {
	pair      nft.Pair
	shape     faults.Shape
	random    *rand.PCG
	last      int64        // release of the newest packet
	packets   []heldPacket // packets[head:] are held
	head      int
	heapIndex int // in the schedule's heap, or -1 while nothing is held
	draining  bool
	since     uint64     // the generation in which draining began
	probes    *linkQueue // of the same link; nil: there was none
	probesOf  *linkQueue // of a queue of probes: the link's
}

// newLinkQueue makes an empty queue whose jitter is determined by the seed and the link.
func newLinkQueue(pair nft.Pair, seed uint64) *linkQueue {
	return &linkQueue{pair: pair, random: rand.NewPCG(seed, binary.BigEndian.Uint64(pair[:])), heapIndex: -1}
}

// arrive takes in a packet that arrived at now; probe is its content if it is a probe, else nil.
func (l *linkQueue) arrive(id uint32, now int64, probe []byte) {
	delay := int64(l.shape.Delay)
	if j := int64(l.shape.Jitter); j > 0 {
		u := float64(l.random.Uint64()>>11) / (1 << 53)
		delay = max(0, delay+int64((2*u-1)*float64(j)))
	}
	if l.draining {
		delay = 0
	}
	l.last = max(l.last, now+delay)
	p := heldPacket{id: id, release: l.last}
	if probe != nil {
		p.probe = &heldProbe{content: slices.Clone(probe), hold: time.Duration(delay)}
	}
	l.packets = append(l.packets, p)
}

// empty reports that no packet is held.
func (l *linkQueue) empty() bool { return l.head == len(l.packets) }

// pop removes the oldest packet.
func (l *linkQueue) pop() heldPacket {
	h := l.packets[l.head]
	l.head++
	if l.head == len(l.packets) {
		l.packets, l.head = l.packets[:0], 0
	} else if l.head >= 1024 && l.head*2 >= len(l.packets) {
		// Keeps the memory in proportion to what is held, at a constant cost for each packet.
		l.packets = l.packets[:copy(l.packets, l.packets[l.head:])]
		l.head = 0
	}
	return h
}

// next is the release of the oldest packet. The queue must not be empty.
func (l *linkQueue) next() int64 { return l.packets[l.head].release }

// linkHeap orders links by their next release. Ties go by address, so that a run is reproducible.
type linkHeap []*linkQueue

func (h linkHeap) Len() int { return len(h) }
func (h linkHeap) Less(i, j int) bool {
	if a, b := h[i].next(), h[j].next(); a != b {
		return a < b
	}
	return string(h[i].pair[:]) < string(h[j].pair[:])
}
func (h linkHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heapIndex, h[j].heapIndex = i, j
}

// Push implements heap.Interface.
func (h *linkHeap) Push(x any) {
	l := x.(*linkQueue)
	l.heapIndex = len(*h)
	*h = append(*h, l)
}

// Pop implements heap.Interface.
func (h *linkHeap) Pop() any {
	old := *h
	l := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	l.heapIndex = -1
	return l
}
