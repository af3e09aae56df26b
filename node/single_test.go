package node

import (
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/peers"
	"github.com/netsplit/netsplit/node/wire"
)

// single is one started node without peers or mining; the test makes its inputs.
type single struct {
	t   testing.TB
	n   *Node
	now Time
	g   chain.Genesis
}

func newSingle(t testing.TB, tweak func(*Config)) *single {
	t.Helper()
	g := testGenesis(t, 4, 1, 1000) // the easiest target
	_, seed := testKey(t, 100)
	cfg := Config{Name: "single", Genesis: g, Key: seed, Relay: "flood", MaxPeers: 8, Seed: 1}
	if tweak != nil {
		tweak(&cfg)
	}
	n := must.Get(New(cfg, Deps{}, nil, epoch))(t)
	l := &single{t: t, n: n, now: epoch + Time(time.Hour), g: cfg.Genesis}
	n.Start(l.now)
	return l
}

func peerID(t testing.TB, i int) chain.PeerID {
	k, _ := testKey(t, i)
	return k.Address()
}

func (l *single) helloOf(work byte, height chain.Height) *wire.Hello {
	return &wire.Hello{Version: wire.Version, Genesis: l.n.genesis, Height: height, Work: chain.Work{31: work}}
}

// connect connects peer i and completes the handshake.
func (l *single) connect(i int) chain.PeerID {
	id := peerID(l.t, i)
	l.n.PeerUp(l.now, id, false)
	if fx := l.n.Receive(l.now, id, l.helloOf(0, 0)); !has(fx, EffectEvent, EventPeerUp) {
		l.t.Fatalf("peer %d is not up: %v", i, fx)
	}
	return id
}

func has(fx []Effect, kind EffectKind, event EventKind) bool {
	for _, e := range fx {
		if e.Kind == kind && (event == "" || e.Event.Kind == event) {
			return true
		}
	}
	return false
}

// child makes a valid block on top of the head.
func (l *single) child(txs ...chain.Tx) *chain.Block {
	l.t.Helper()
	h, kept, err := l.n.tree.Template(peerID(l.t, 50), txs, chain.Millis(l.now/1e6))
	if err != nil || len(kept) != len(txs) {
		l.t.Fatalf("template kept %d of %d: %v", len(kept), len(txs), err)
	}
	return l.mined(h, kept)
}

func (l *single) mined(h chain.Header, txs []chain.Tx) *chain.Block {
	if _, ok := l.n.engine.Search(&h, 1<<20); !ok {
		l.t.Fatal("no proof found")
	}
	return chain.NewBlock(h, txs)
}

// orphan makes a block whose parent does not exist.
func (l *single) orphan(i int) *chain.Block {
	b := l.child()
	h := b.Header
	h.Height, h.Parent = 5, chain.Hash{0: 9, 30: byte(i >> 8), 31: byte(i)}
	return l.mined(h, nil)
}

// wantBanned checks that fx report and ban a peer, and that the ban ends.
func (l *single) wantBanned(id chain.PeerID, fx []Effect, reason string) {
	l.t.Helper()
	found := false
	for _, e := range fx {
		if e.Kind == EffectEvent && e.Event.Kind == EventInvalid {
			found = found || *e.Event.Peer == id && strings.Contains(e.Event.Reason, reason)
		}
	}
	if !found || !has(fx, EffectDisconnect, "") {
		l.t.Fatalf("want event %q and a disconnect, got %+v", reason, events(fx))
	}
	if fx := l.n.Receive(l.now, id, &wire.Ping{}); len(fx) != 0 {
		l.t.Errorf("effects for a peer that is being disconnected: %v", fx)
	}
	if fx := l.n.PeerDown(l.now, id, "closed"); !has(fx, EffectEvent, EventPeerDown) {
		l.t.Error("no peer_down event")
	}
	if fx := l.n.PeerUp(l.now, id, false); !has(fx, EffectDisconnect, "") {
		l.t.Error("a banned peer may connect")
	}
	l.n.PeerDown(l.now, id, "")
	if fx := l.n.PeerUp(l.now+Time(peers.BanTime), id, false); has(fx, EffectDisconnect, "") {
		l.t.Error("the ban does not end")
	}
}

func events(fx []Effect) (out []Event) {
	for _, e := range fx {
		if e.Kind == EffectEvent {
			out = append(out, *e.Event)
		}
	}
	return out
}
