package sim

import (
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
)

// attempt is a dial under way.
type attempt struct {
	from, to *host
	life     uint32 // of the dialler
	peer     chain.PeerID
	until    int64 // when it fails for want of an answer
}

// connect starts to dial a peer at an address.
func (w *world) connect(h *host, peer chain.PeerID, addr string) {
	a := attempt{from: h, to: w.addrs[addr], life: h.life, peer: peer, until: w.now.Load() + w.dial}
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

// connected ends a dial that was answered.
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
			return // the other side's dial was faster, and PeerUp has been said
		}
	}
	w.reset(a.from, a.to)
	w.reset(a.to, a.from)
	w.newConn(a.from, a.to)
	w.up(a.from, a.to, true)
	w.up(a.to, a.from, false)
}

// reset closes what h still holds of an old connection that the other side has closed.
func (w *world) reset(h, other *host) {
	if i, ok := h.ends.find(&other.peer); ok {
		w.closed(h, i, "reset by a new connection")
	}
}

func (w *world) up(h, other *host, outbound bool) {
	peer := other.peer
	w.notify(h, func(m Machine, now node.Time) []node.Effect { return m.PeerUp(now, peer, outbound) })
}

// fail ends a dial without a connection at a moment.
func (w *world) fail(a attempt, at int64) {
	w.at(at, func() {
		w.whenRunning(a.from, a.life, func() {
			w.feed(a.from, func(m Machine, now node.Time) []node.Effect { return m.DialFailed(now, a.peer) })
		})
	})
}
