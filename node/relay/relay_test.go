package relay

import (
	"testing"

	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

func TestParse(t *testing.T) {
	for name, want := range map[string]Strategy{
		"flood":     {Push: true, Backlog: 256},
		"inventory": {Tracks: true, Backlog: wire.MaxInv},
	} {
		if got, err := Parse(name); err != nil || got != want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := Parse("mesh"); err == nil {
		t.Error("an unknown name is accepted")
	}
}

func hash(i int) chain.Hash { return chain.Hash{24: byte(i >> 8), 25: byte(i), 30: byte(i), 31: 1} }

func TestKnown_Bounded(t *testing.T) {
	var k Known
	h := hash(1)
	if k.Has(&h) {
		t.Error("an empty set has an item")
	}
	for i := range 100_000 {
		h := hash(i)
		k.Add(&h)
		k.Add(&h)
		if !k.Has(&h) {
			t.Fatalf("item %d is forgotten at once", i)
		}
	}
	if len(k.slots) != knownSets*knownWays {
		t.Errorf("%d slots", len(k.slots))
	}
	var recent Known
	for i := range 64 {
		h := hash(i)
		recent.Add(&h)
	}
	kept := 0
	for i := range 64 {
		if h := hash(i); recent.Has(&h) {
			kept++
		}
	}
	if kept < 60 {
		t.Errorf("only %d of 64 recent items are remembered", kept)
	}
}

func peer(i int) chain.PeerID { return chain.PeerID{byte(i >> 8), byte(i)} }

func request(p, h int) Request { return Request{Peer: peer(p), Item: wire.ItemTx, Hash: hash(h)} }

const timeout = int64(RequestTimeout)

func TestRequests(t *testing.T) {
	var r Requests
	if !r.Announced(request(1, 1), 0) || r.Announced(request(2, 1), 0) || r.Announced(request(1, 1), 0) || r.Announced(request(3, 1), 0) {
		t.Fatal("an item is requested more than once")
	}
	if got := r.Expire(timeout-1, nil); got != nil {
		t.Fatalf("expired too soon: %v", got)
	}
	if got := r.Expire(timeout, nil); len(got) != 1 || got[0] != request(2, 1) {
		t.Fatalf("after the first timeout: %v", got)
	}
	if got := r.Disconnected(peer(2), timeout, nil); len(got) != 1 || got[0] != request(3, 1) {
		t.Fatalf("after the second peer left: %v", got)
	}
	if got := r.Expire(3*timeout, nil); len(got) != 0 || r.Len() != 0 {
		t.Fatalf("no peer is left to request it from: %v", got)
	}
	if !r.Announced(request(1, 1), 3*timeout) {
		t.Error("an item that timed out is not requested again")
	}
	r.Done(hash(1))
	r.Done(hash(1))
	if r.Len() != 0 || r.queue != nil || len(r.load) != 0 {
		t.Errorf("requests are left: %+v", r)
	}
	if got := r.Disconnected(peer(1), 0, nil); got != nil {
		t.Errorf("a peer without requests: %v", got)
	}
}

func TestRequests_Bounded(t *testing.T) {
	var r Requests
	n := 0
	for p := range 6 {
		for i := range MaxPerPeer + 1 {
			h := chain.Hash{0: byte(p), 30: byte(i >> 8), 31: byte(i)}
			if r.Announced(Request{Peer: peer(p), Hash: h}, 0) {
				n++
			} else if i < MaxPerPeer && n < MaxRequests {
				t.Fatalf("request %d of peer %d is rejected", i, p)
			}
		}
		if r.load[peer(p)] > MaxPerPeer {
			t.Fatal("too many at one peer")
		}
	}
	if n != MaxRequests || r.Len() != MaxRequests {
		t.Errorf("%d requests", n)
	}
	// Alternates are bounded, and a peer at its limit is skipped.
	for p := range 20 {
		r.Announced(Request{Peer: peer(100 + p), Hash: chain.Hash{31: 0}}, 0)
	}
	if got := len(r.open[chain.Hash{}].others); got != maxAlternates {
		t.Errorf("%d alternates", got)
	}
	r.Announced(Request{Peer: peer(1), Hash: chain.Hash{31: 1}}, 0)
	out := r.Disconnected(peer(0), 0, nil)
	if len(out) != 1 || out[0].Peer != peer(100) {
		t.Errorf("%d requested again, %v", len(out), out)
	}
}
