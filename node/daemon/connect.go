package daemon

import (
	"bytes"
	"time"

	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// simultaneous is how young a connection is for another one that the peer dialled to be taken for the other half of
// two dials at once. Later, a peer that dials again has lost the first without our knowing.
const simultaneous = node.Time(3 * time.Second)

// decides says whether self, not peer, chooses among several connections between them.
func decides(self, peer chain.PeerID) bool { return bytes.Compare(self[:], peer[:]) < 0 }

// dial starts an attempt to connect, of which the node hears by PeerUp or DialFailed.
func (l *loop) dial(id chain.PeerID, addr string) {
	if l.dials[id] != nil {
		return // that one answers for both
	}
	if l.links[id] != nil || id == l.net.self.id {
		l.then(func(now node.Time) []node.Effect { return l.node.DialFailed(now, id) })
		return
	}
	l.dials[id] = l.net.dial(id, addr)
}

// connected implements sink.
func (l *loop) connected(k *link, attempt *dial) {
	taken := l.post(k.closed, func(now node.Time) []node.Effect { return l.offer(now, k, attempt) })
	if !taken {
		k.abort()
	}
}

// offer takes up a link or refuses it.
func (l *loop) offer(now node.Time, k *link, attempt *dial) []node.Effect {
	old := l.links[k.id]
	extra := old != nil && decides(l.net.self.id, k.id) && (k.outbound || now-old.since < simultaneous)
	if extra || k.id == l.net.self.id {
		k.abort()
		return l.dialEnded(now, attempt)
	}
	if old == nil {
		return l.takeUp(now, k)
	}
	// Here the peer has chosen k, or has dialled again because it lost the old one.
	l.disconnect(old, "replaced by a new connection")
	l.then(func(now node.Time) []node.Effect { return l.takeUp(now, k) })
	return nil
}

// takeUp makes k the link of its peer.
func (l *loop) takeUp(now node.Time, k *link) []node.Effect {
	if d := l.dials[k.id]; d != nil {
		delete(l.dials, k.id)
		d.cancel()
	}
	k.since = now
	l.links[k.id] = k
	if decides(l.net.self.id, k.id) {
		k.queue.push(chosenFrame)
	}
	l.net.read(k)
	return l.node.PeerUp(now, k.id, k.outbound)
}

// dialFailed implements sink.
func (l *loop) dialFailed(attempt *dial) {
	l.post(nil, func(now node.Time) []node.Effect { return l.dialEnded(now, attempt) })
}

// dialEnded tells the node of an attempt that failed, unless the peer has connected meanwhile.
func (l *loop) dialEnded(now node.Time, attempt *dial) []node.Effect {
	if attempt == nil || l.dials[attempt.id] != attempt {
		return nil
	}
	delete(l.dials, attempt.id)
	return l.node.DialFailed(now, attempt.id)
}

// message implements sink.
func (l *loop) message(k *link, m wire.Message) {
	l.fromLink(k, func(now node.Time) []node.Effect { return l.node.Receive(now, k.id, m) })
}

// malformed implements sink.
func (l *loop) malformed(k *link, err error) {
	l.fromLink(k, func(now node.Time) []node.Effect { return l.node.Malformed(now, k.id, err) })
}

// lost implements sink.
func (l *loop) lost(k *link, reason string) {
	l.fromLink(k, func(now node.Time) []node.Effect {
		l.disconnect(k, reason)
		return nil
	})
}

// fromLink posts an input that counts only while k is its peer's link.
func (l *loop) fromLink(k *link, in input) {
	l.post(k.closed, func(now node.Time) []node.Effect {
		if l.links[k.id] != k {
			return nil
		}
		return in(now)
	})
}
