package node

import (
	"errors"
	"fmt"
	"testing"

	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

func TestNode_BansMisbehaviour(t *testing.T) {
	flood := func(m wire.Message) func(*single) []wire.Message {
		return func(*single) []wire.Message {
			ms := make([]wire.Message, controlBurst+1)
			for i := range ms {
				ms[i] = m
			}
			return ms
		}
	}
	hashes := make([]chain.Hash, wire.MaxInv)
	tests := []struct {
		name, reason string
		send         func(l *single) []wire.Message
	}{
		{"second hello", "second hello", func(l *single) []wire.Message { return []wire.Message{l.helloOf(0, 0)} }},
		{"too many hashes", "entries", func(*single) []wire.Message {
			return []wire.Message{&wire.Inv{Item: wire.ItemTx, Hashes: make([]chain.Hash, wire.MaxInv+1)}}
		}},
		{"nil message", "unknown type", func(*single) []wire.Message { return []wire.Message{nil} }},
		{"bad signature", "invalid transaction: bad signature", func(l *single) []wire.Message {
			tx := signed(t, l.n.genesis, 0, 1, 1, 1, 0)
			tx.Sig[3]++
			return []wire.Message{wire.NewTx(tx)}
		}},
		{"zero amount", "amount is zero", func(l *single) []wire.Message {
			return []wire.Message{wire.NewTx(signed(t, l.n.genesis, 0, 1, 0, 1, 0))}
		}},
		{"overflow", "overflow", func(l *single) []wire.Message {
			return []wire.Message{wire.NewTx(signed(t, l.n.genesis, 0, 1, 2, ^chain.Amount(0), 0))}
		}},
		{"bad state root", "state root", func(l *single) []wire.Message {
			h := l.child().Header
			h.StateRoot[0]++
			return []wire.Message{&wire.Block{Block: l.mined(h, nil)}}
		}},
		{"no proof", "proof of work", func(l *single) []wire.Message {
			h := l.child().Header
			for b := chain.NewBlock(h, nil); ; b = chain.NewBlock(h, nil) {
				if hash := b.Hash(); hash[0] == 0xff && hash[1] == 0xff {
					return []wire.Message{&wire.Block{Block: b}}
				}
				h.Nonce++
			}
		}},
		{"child of invalid", "parent is invalid", func(l *single) []wire.Message {
			h := l.child().Header
			h.StateRoot[0]++
			bad := l.mined(h, nil)
			other := l.connect(7)
			l.n.Receive(l.now, other, &wire.Block{Block: bad})
			h.Height, h.Parent, h.Time = 2, bad.Hash(), h.Time+1000
			return []wire.Message{&wire.Block{Block: l.mined(h, nil)}}
		}},
		{"unrequested blocks", "unrequested blocks", func(*single) []wire.Message { return []wire.Message{&wire.Blocks{}} }},
		{"ping flood", "flood of ping", flood(&wire.Ping{})},
		{"history flood", "flood of get_blocks", flood(&wire.GetBlocks{Locator: hashes[:1]})},
		{"address flood", "flood of addrs", flood(&wire.Addrs{})},
		{"announcement flood", "flood of announcements", flood(&wire.Inv{Item: wire.ItemTx, Hashes: hashes})},
		{"request flood", "flood of requests", flood(&wire.Get{Item: wire.ItemBlock, Hashes: hashes})},
		{"refused flood", "flood of refused", func(l *single) []wire.Message {
			m := wire.NewTx(signed(t, l.n.genesis, 0, 1, 10*startBal, 1, 0))
			var ms []wire.Message
			for range refusedBurst + 1 {
				ms = append(ms, m)
			}
			return ms
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newSingle(t, nil)
			id := l.connect(1)
			var fx []Effect
			for _, m := range tt.send(l) {
				if fx = l.n.Receive(l.now, id, m); has(fx, EffectDisconnect, "") {
					break
				}
			}
			l.wantBanned(id, fx, tt.reason)
		})
	}
	t.Run("malformed", func(t *testing.T) {
		l := newSingle(t, nil)
		id := l.connect(1)
		l.wantBanned(id, l.n.Malformed(l.now, id, errors.New("bad bytes")), "bad bytes")
	})
}

func TestSync_BadAnswers(t *testing.T) {
	setup := func() (*single, chain.PeerID, *chain.Block, *chain.Block) {
		l := newSingle(t, nil)
		id := peerID(t, 1)
		l.n.PeerUp(l.now, id, false)
		if fx := l.n.Receive(l.now, id, l.helloOf(200, 90)); !sends[*wire.GetBlocks](fx) {
			t.Fatal("no GetBlocks to a peer with more work")
		}
		o := newSingle(t, nil)
		a := o.child()
		o.n.addBlock(a, origin{made: true})
		return l, id, a, o.child()
	}
	t.Run("gap", func(t *testing.T) {
		l, id, a, _ := setup()
		l.wantBanned(id, l.n.Receive(l.now, id, &wire.Blocks{Blocks: []*chain.Block{a, l.orphan(1)}}), "not consecutive")
	})
	t.Run("does not follow locator", func(t *testing.T) {
		l, id, _, b := setup()
		l.wantBanned(id, l.n.Receive(l.now, id, &wire.Blocks{Blocks: []*chain.Block{b}}), "do not follow")
	})
	t.Run("no progress", func(t *testing.T) {
		l, id, a, b := setup()
		fx := l.n.Receive(l.now, id, &wire.Blocks{Blocks: []*chain.Block{a, b}, More: true})
		for i := 0; sends[*wire.GetBlocks](fx); i++ {
			if i == 2 {
				t.Fatal("requests without end and without progress")
			}
			fx = l.n.Receive(l.now, id, &wire.Blocks{Blocks: []*chain.Block{a, b}, More: true})
		}
		if l.n.Status().Syncing {
			t.Error("still syncing")
		}
	})
	t.Run("no answer", func(t *testing.T) {
		l, id, a, _ := setup()
		other := peerID(t, 2)
		l.n.PeerUp(l.now, other, false)
		l.n.Receive(l.now, other, l.helloOf(100, 80))
		fx := l.n.Timer(l.now+Time(syncTimeout), TimerID{Kind: TimerTick})
		if to := sentTo[*wire.GetBlocks](fx); len(to) != 1 || to[0] != other {
			t.Error("no GetBlocks to another peer after the timeout")
		}
		l.n.Receive(l.now+Time(syncTimeout), id, &wire.Blocks{Blocks: []*chain.Block{a}})
		if l.n.Status().Height != 1 {
			t.Error("a late answer is not used")
		}
	})
}

func sends[M wire.Message](fx []Effect) bool { return len(sentTo[M](fx)) > 0 }

// sentTo returns the peers to which messages of one type are sent.
func sentTo[M wire.Message](fx []Effect) (to []chain.PeerID) {
	for _, e := range fx {
		if _, ok := e.Msg.(M); ok {
			to = append(to, e.Peer)
		}
	}
	return to
}

func TestBlocks_FutureIsNotBanned(t *testing.T) {
	l := newSingle(t, nil)
	id := l.connect(1)
	h := l.child().Header
	h.Time += 10 * 60 * 1000
	fx := l.n.Receive(l.now, id, &wire.Block{Block: l.mined(h, nil)})
	if !has(fx, EffectEvent, EventInvalid) || has(fx, EffectDisconnect, "") || l.n.Status().Height != 0 {
		t.Errorf("got %+v", events(fx))
	}
}

func TestOrphans_Bounded(t *testing.T) {
	l := newSingle(t, func(c *Config) { c.MaxPeers = 20 })
	for i := range 20 {
		id := l.connect(i + 1)
		for j := range 3 * maxOrphansPerPeer {
			l.n.Receive(l.now, id, &wire.Block{Block: l.orphan(i<<8 | j)})
		}
		if want := min(maxOrphans, (i+1)*maxOrphansPerPeer); l.n.Status().Orphans != want {
			t.Fatalf("%d orphans of %d peers, want %d", l.n.Status().Orphans, i+1, want)
		}
	}
	if l.n.orphans.bytes != maxOrphans*l.orphan(1).Size() {
		t.Errorf("%d bytes are counted", l.n.orphans.bytes)
	}
}

func TestOrphans_Connect(t *testing.T) {
	o := newSingle(t, nil)
	var blocks []*chain.Block
	for range 3 {
		b := o.child()
		o.n.addBlock(b, origin{made: true})
		blocks = append(blocks, b)
	}
	l := newSingle(t, nil)
	id, other := l.connect(1), l.connect(2)
	if fx := l.n.Receive(l.now, id, &wire.Block{Block: blocks[2]}); !sends[*wire.GetBlocks](fx) {
		t.Error("no GetBlocks after an orphan")
	}
	l.n.Receive(l.now, other, &wire.Block{Block: blocks[1]})
	l.n.Receive(l.now, other, &wire.Block{Block: blocks[2]})
	if s := l.n.Status(); s.Duplicates != 1 || s.Orphans != 2 {
		t.Errorf("%+v", s)
	}
	fx := l.n.Receive(l.now, id, &wire.Block{Block: blocks[0]})
	var heads []chain.Height
	for _, e := range events(fx) {
		if e.Kind == EventHead {
			heads = append(heads, e.Height)
		}
	}
	if fmt.Sprint(heads) != "[1 2 3]" || l.n.Status().Orphans != 0 {
		t.Errorf("heads %v", heads)
	}
}
