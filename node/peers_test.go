package node

import (
	"testing"
	"time"
)

// Nodes in a line get more peers by peer exchange, and disconnect the surplus.
func TestPeerExchange(t *testing.T) {
	w := testnet(t, 8, 0, "inventory", [][2]int{{0, 1}, {1, 2}, {2, 3}, {3, 4}, {4, 5}, {5, 6}, {6, 7}}, func(_ int, c *Config) {
		c.PeerExchange, c.MinPeers = true, 3
	})
	w.run(30 * time.Second)
	for _, h := range w.hosts {
		if got := h.node.Status().Peers; got < 3 || got > 6 {
			t.Errorf("node %d has %d peers, want 3 to 6", h.index, got)
		}
	}
	// The bootstrap node is not needed any more.
	w.hosts[3].kill()
	w.run(20 * time.Second)
	for _, h := range w.hosts {
		if h.node != nil && h.node.Status().Peers < 3 {
			t.Errorf("node %d has %d peers after one was killed", h.index, h.node.Status().Peers)
		}
	}
}

func TestPeers_DropsSurplus(t *testing.T) {
	l := newSingle(t, func(c *Config) { c.PeerExchange, c.MinPeers, c.MaxPeers = true, 1, 20 })
	for i := range 4 {
		l.n.PeerUp(l.now, peerID(t, i), i > 0) // the first is inbound
		l.n.Receive(l.now, peerID(t, i), l.helloOf(0, 0))
	}
	dropped := 0
	for d := time.Duration(0); d <= surplusGrace+tickInterval; d += tickInterval {
		for i := range 4 {
			l.n.byID[peerID(t, i)].lastReceived = l.now + Time(d)
		}
		for _, e := range l.n.Timer(l.now+Time(d), TimerID{Kind: TimerTick}) {
			if e.Kind == EffectDisconnect {
				if d < surplusGrace || e.Peer == peerID(t, 0) || e.Reason != "surplus connection" {
					t.Errorf("dropped after %v: %s", d, e.Reason)
				}
				dropped++
			}
		}
	}
	if dropped != 2 {
		t.Errorf("%d connections are dropped, want 2", dropped)
	}
}

func TestPeers_RedialsConfigured(t *testing.T) {
	l := newSingle(t, func(c *Config) { c.Peers = []PeerAddr{{ID: peerID(t, 1), Addr: "a:1"}} })
	id := peerID(t, 1)
	l.n.PeerUp(l.now, id, true)
	at := l.now + Time(time.Minute)
	fx := l.n.PeerDown(at, id, "lost")
	if !has(fx, EffectDial, "") {
		t.Fatal("a configured peer is not redialled at once")
	}
	for i := range 50 {
		fx = l.n.DialFailed(at, id)
		next := Time(0)
		for _, e := range fx {
			if e.Kind == EffectTimer && e.Timer.Kind == TimerDial {
				next = e.At
			}
		}
		if wait := time.Duration(next - at); wait < time.Second || wait > 2*time.Second {
			t.Fatalf("attempt %d: the next dial comes after %v", i, wait)
		}
		at = next
		if fx = l.n.Timer(at, TimerID{Kind: TimerDial}); !has(fx, EffectDial, "") {
			t.Fatalf("attempt %d: no dial", i)
		}
	}
	if fx = l.n.PeerUp(at, id, false); has(fx, EffectDial, "") {
		t.Error("a connected peer is dialled")
	}
}
