package sim

import (
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// conn is a connection between two hosts, or a free place for one. Side 0 dialled.
type conn struct {
	gen  uint32 // counts connections of this number: events of an earlier one are void
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

// newConn joins two hosts.
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

// release makes a connection that both sides have closed free.
func (w *world) release(i uint32) {
	c := &w.conns[i]
	c.gen++
	c.dir = [2]stream{}
	w.free = append(w.free, i)
}

// send sends a message to a connected peer; a message to any other is lost, as on a socket that was just closed.
func (w *world) send(h *host, peer *chain.PeerID, msg wire.Message) {
	if i, ok := h.ends.find(peer); ok {
		w.transmit(i, w.conns[i].side(h.index), msg)
	}
}

// transmit puts a packet on one direction of a connection.
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

// schedule makes the first packet of a stream arrive at a moment.
func (w *world) schedule(i uint32, side int, at int64) {
	c := &w.conns[i]
	c.dir[side].scheduled = true
	w.heap.push(max(at, w.now.Load()), arriveA+eventKind(side), i, c.gen)
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
		return // the receiver closed; its own close is on the way back
	}
	from := w.hosts[c.host[side]].peer
	if msg == nil {
		w.closed(h, e.ref, "closed by peer")
		return
	}
	w.active = h
	effects := h.machine.Receive(w.time(), from, msg)
	w.active = nil
	w.perform(h, effects)
}

// close closes a host's end of a connection. The other end learns of it when a packet gets there.
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

// closed closes a host's end of a connection whose other end is closed, and tells its node.
func (w *world) closed(h *host, i uint32, reason string) {
	c := &w.conns[i]
	peer := w.hosts[c.host[1-c.side(h.index)]].peer
	w.close(h, i)
	w.notify(h, func(m Machine, now node.Time) []node.Effect { return m.PeerDown(now, peer, reason) })
}
