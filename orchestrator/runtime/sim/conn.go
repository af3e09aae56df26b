package sim

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// conn is a connection between two hosts, or a free slot for one. Side 0 dialled.
type conn struct {
	gen  uint32 // counts the connections in this slot: events of earlier ones are ignored
	host [2]int32
	open [2]bool // whether that side has not closed it
	dir  [2]stream
}

// side returns which side of the connection a host is.
func (c *conn) side(host int32) int {
	if c.host[0] == host {
		return 0
	}
	return 1
}

// newConn connects two hosts.
func (w *world) newConn(from, to *host) {
	var i uint32
	if n := len(w.free); n > 0 {
		i = w.free[n-1]
		w.free = w.free[:n-1]
	} else {
		i = uint32(len(w.conns))
		w.conns = append(w.conns, conn{})
	}
	c := &w.conns[i]
	c.host = [2]int32{from.index, to.index}
	c.open = [2]bool{true, true}
	c.dir[0].link = w.linkOf(from.index, to.index)
	c.dir[1].link = w.linkOf(to.index, from.index)
	from.ends.add(to.peer, i)
	to.ends.add(from.peer, i)
}

// release frees the slot of a connection that both sides have closed.
func (w *world) release(i uint32) {
	c := &w.conns[i]
	c.gen++
	c.dir = [2]stream{}
	w.free = append(w.free, i)
}

// send sends a message to a connected peer. A message to any other is lost, as on a socket that was just closed.
func (w *world) send(h *host, peer *chain.PeerID, msg wire.Message) {
	if i, ok := h.ends.find(peer); ok {
		w.transmit(i, w.conns[i].side(h.index), msg)
	}
}

// transmit sends a packet in one direction of a connection.
func (w *world) transmit(i uint32, side int, msg wire.Message) {
	c := &w.conns[i]
	s := &c.dir[side]
	now := w.now.Load()
	s.last = max(s.last, now+w.latency(&s.link))
	s.push(flight{at: s.last, msg: msg})
	switch {
	case s.link.cut:
		w.counts.Dropped += s.lose(now)
	case s.link.delay != 0 || s.link.jitter != 0:
		w.counts.Delayed++
	}
	if !s.scheduled && s.stalled == 0 {
		w.schedule(i, side, s.first().at)
	}
}

// schedule sets when the first packet of a stream arrives.
func (w *world) schedule(i uint32, side int, at int64) {
	c := &w.conns[i]
	c.dir[side].scheduled = true
	w.queue.push(max(at, w.now.Load()), arriveA+eventKind(side), i, c.gen)
}

// arrive handles the arrival of a stream's first packet.
func (w *world) arrive(e event) {
	c := &w.conns[e.ref]
	if c.gen != e.arg {
		return
	}
	side := int(e.kind() - arriveA)
	s := &c.dir[side]
	if s.link.cut {
		s.scheduled = false
		w.counts.Dropped += s.lose(e.at)
		return
	}
	h := w.hosts[c.host[1-side]]
	if c.open[1-side] && h.state == paused {
		h.held = append(h.held, e)
		return
	}
	s.scheduled = false
	s.stalled = 0
	msg := s.pop()
	if !s.empty() {
		w.schedule(e.ref, side, s.first().at)
	}
	if !c.open[1-side] {
		return // the receiver has closed; its close is on the way back
	}
	from := w.hosts[c.host[side]].peer
	if msg == nil {
		w.closed(h, e.ref, "closed by peer")
		return
	}
	if raw, ok := msg.(*wire.Raw); ok {
		w.arriveRaw(h, e.ref, from, raw)
		return
	}
	w.active = h
	effects := h.machine.Receive(w.time(), from, msg)
	w.active = nil
	w.perform(h, effects)
}

// arriveRaw handles the arrival of bytes that an adversary sent. As in the daemon, the connection ends where they are no
// message, whatever the node says.
func (w *world) arriveRaw(h *host, i uint32, from chain.PeerID, raw *wire.Raw) {
	m, err := raw.Decode()
	if err == nil {
		w.feed(h, func(x Machine, now node.Time) []node.Effect { return x.Receive(now, from, m) })
		return
	}
	gen := w.conns[i].gen
	w.feed(h, func(x Machine, now node.Time) []node.Effect { return x.Malformed(now, from, err) })
	if c := &w.conns[i]; c.gen == gen && c.open[c.side(h.index)] {
		w.closed(h, i, "malformed message")
	}
}

// close closes a host's end of a connection. The other end is notified by a packet.
func (w *world) close(h *host, i uint32) {
	c := &w.conns[i]
	side := c.side(h.index)
	c.open[side] = false
	h.ends.remove(i)
	if c.open[1-side] {
		w.transmit(i, side, nil)
		return
	}
	w.release(i)
}

// closed closes a host's end of a connection whose other end is closed, and notifies its node.
func (w *world) closed(h *host, i uint32, reason string) {
	c := &w.conns[i]
	peer := w.hosts[c.host[1-c.side(h.index)]].peer
	w.close(h, i)
	w.notify(h, func(m Machine, now node.Time) []node.Effect { return m.PeerDown(now, peer, reason) })
}

// attempt is a dial in progress.
type attempt struct {
	from, to *host
	life     uint32 // of the dialler
	peer     chain.PeerID
	until    int64 // when it fails without an answer
}

// connect starts to dial a peer at an address.
func (w *world) connect(h *host, peer chain.PeerID, addr string) {
	a := attempt{from: h, to: w.addrs[addr], life: h.life, peer: peer, until: w.now.Load() + int64(DialTimeout)}
	switch {
	case a.to == nil:
		w.fail(a, a.until)
		return
	case a.to == h:
		w.fail(a, w.now.Load())
		return
	}
	there, back := w.linkOf(h.index, a.to.index), w.linkOf(a.to.index, h.index)
	if there.cut || back.cut {
		w.counts.Dropped++
		w.fail(a, a.until)
		return
	}
	first, second := w.latency(&there), w.latency(&back)
	w.after(first, func() {
		if a.to.state.alive() {
			w.at(min(w.now.Load()+second+first, a.until), func() {
				w.whenRunning(h, a.life, func() { w.connected(a) })
			})
			return
		}
		w.fail(a, min(w.now.Load()+second, a.until))
	})
}

// connected completes a dial that was answered.
func (w *world) connected(a attempt) {
	now := w.now.Load()
	cut := w.linkOf(a.from.index, a.to.index).cut || w.linkOf(a.to.index, a.from.index).cut
	switch {
	case cut || a.to.state == paused || now >= a.until:
		w.fail(a, max(now, a.until))
		return
	case a.to.state != running || a.to.peer != a.peer:
		w.fail(a, now)
		return
	}
	if _, ok := a.from.ends.find(&a.peer); ok {
		if _, ok := a.to.ends.find(&a.from.peer); ok {
			return // connected by the dial of the other side
		}
	}
	w.reset(a.from, a.to)
	w.reset(a.to, a.from)
	w.newConn(a.from, a.to)
	w.up(a.from, a.to, true)
	w.up(a.to, a.from, false)
}

// reset closes h's end of an old connection that the other side has closed.
func (w *world) reset(h, other *host) {
	if i, ok := h.ends.find(&other.peer); ok {
		w.closed(h, i, "reset by a new connection")
	}
}

func (w *world) up(h, other *host, outbound bool) {
	peer := other.peer
	w.notify(h, func(m Machine, now node.Time) []node.Effect { return m.PeerUp(now, peer, outbound) })
}

// fail ends a dial without a connection at a given time.
func (w *world) fail(a attempt, at int64) {
	w.at(at, func() {
		w.whenRunning(a.from, a.life, func() {
			w.feed(a.from, func(m Machine, now node.Time) []node.Effect { return m.DialFailed(now, a.peer) })
		})
	})
}

// stream is one direction of a connection. Only its first packet has an event in the heap.
type stream struct {
	queue     []flight
	head      int   // of queue
	last      int64 // arrival of the latest packet
	stalled   int64 // time of the first loss since the last delivery; 0: none
	scheduled bool  // the first packet has an event
	link      link
}

// flight is a packet in transit.
type flight struct {
	at   int64
	msg  wire.Message // nil: the sender closed the connection
	lost bool         // dropped by a cut, and counted
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

// pop removes the first packet.
func (s *stream) pop() wire.Message {
	f := &s.queue[s.head]
	msg := f.msg
	*f = flight{}
	if s.head++; s.head == len(s.queue) {
		s.queue, s.head = s.queue[:0], 0
	}
	return msg
}

// lose marks all packets as lost and returns how many were not lost before.
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

// retransmission returns the first time from now on at which TCP retransmits a packet that was first lost at lost.
func retransmission(lost, now int64) int64 {
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

// latency returns the time that a packet takes on a link, with random jitter.
func (w *world) latency(l *link) int64 {
	d := l.delay
	if l.jitter > 0 {
		d += w.rng.Int64N(2*l.jitter+1) - l.jitter
	}
	return int64(BaseDelay) + max(d, 0)
}

// linkOf returns the state of the link between two hosts.
func (w *world) linkOf(from, to int32) link {
	return toLink(w.links.State(int(from), int(to)))
}

// ends are a host's open connections by peer. A lookup starts where the last one ended and wraps around, so that a
// broadcast, which goes through the peers in the order in which they connected, finds each at once.
type ends struct {
	list []end
	next int // where a lookup starts
}

type end struct {
	key  uint64 // the first bytes of peer
	conn uint32
	peer chain.PeerID
}

func endKey(id *chain.PeerID) uint64 { return binary.NativeEndian.Uint64(id[:8]) }

// find returns the connection to a peer.
func (e *ends) find(id *chain.PeerID) (conn uint32, ok bool) {
	key := endKey(id)
	n := len(e.list)
	i := e.next
	for range n {
		if i >= n {
			i = 0
		}
		if l := &e.list[i]; l.key == key && l.peer == *id {
			e.next = i + 1
			return l.conn, true
		}
		i++
	}
	return 0, false
}

func (e *ends) add(id chain.PeerID, conn uint32) {
	e.list = append(e.list, end{key: endKey(&id), conn: conn, peer: id})
}

func (e *ends) remove(conn uint32) {
	e.list = slices.DeleteFunc(e.list, func(l end) bool { return l.conn == conn })
}
