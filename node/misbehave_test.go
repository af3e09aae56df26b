package node

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/mempool"
	"github.com/netsplit/netsplit/node/peers"
	"github.com/netsplit/netsplit/node/wire"
)

// lone is a started node without peers or mining, which a test feeds by hand.
type lone struct {
	t   testing.TB
	n   *Node
	now Time
	g   chain.Genesis
}

func newLone(t testing.TB, tweak func(*Config)) *lone {
	t.Helper()
	g := testGenesis(t, 4, 1, 1000) // the easiest target
	_, seed := testKey(t, 100)
	cfg := Config{Name: "lone", Genesis: g, Key: seed, Relay: "flood", MaxPeers: 8, Seed: 1}
	if tweak != nil {
		tweak(&cfg)
	}
	n, err := New(cfg, Deps{}, nil, epoch)
	if err != nil {
		t.Fatal(err)
	}
	l := &lone{t: t, n: n, now: epoch + Time(time.Hour), g: cfg.Genesis}
	n.Start(l.now)
	return l
}

func peerID(t testing.TB, i int) chain.PeerID {
	k, _ := testKey(t, i)
	return k.Address()
}

func (l *lone) helloOf(work byte, height chain.Height) *wire.Hello {
	return &wire.Hello{Version: wire.Version, Genesis: l.n.genesis, Height: height, Work: chain.Work{31: work}}
}

// connect makes peer i a complete peer.
func (l *lone) connect(i int) chain.PeerID {
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

// child makes a valid block on top of parent, which must be l's head.
func (l *lone) child(txs ...chain.Tx) *chain.Block {
	l.t.Helper()
	h, kept, err := l.n.tree.Template(peerID(l.t, 50), txs, chain.Millis(l.now/1e6))
	if err != nil || len(kept) != len(txs) {
		l.t.Fatalf("template kept %d of %d: %v", len(kept), len(txs), err)
	}
	return l.mined(h, kept)
}

func (l *lone) mined(h chain.Header, txs []chain.Tx) *chain.Block {
	if _, ok := l.n.engine.Search(&h, 1<<20); !ok {
		l.t.Fatal("no proof found")
	}
	return chain.NewBlock(h, txs)
}

// orphan makes a block whose parent nobody has.
func (l *lone) orphan(i int) *chain.Block {
	b := l.child()
	h := b.Header
	h.Height, h.Parent = 5, chain.Hash{0: 9, 30: byte(i >> 8), 31: byte(i)}
	return l.mined(h, nil)
}

func TestMisbehaviourIsBanned(t *testing.T) {
	flood := func(m wire.Message) func(*lone) []wire.Message {
		return func(*lone) []wire.Message {
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
		send         func(l *lone) []wire.Message
	}{
		{"second hello", "second hello", func(l *lone) []wire.Message { return []wire.Message{l.helloOf(0, 0)} }},
		{"too many hashes", "entries", func(*lone) []wire.Message {
			return []wire.Message{&wire.Inv{Item: wire.ItemTx, Hashes: make([]chain.Hash, wire.MaxInv+1)}}
		}},
		{"nil message", "unknown type", func(*lone) []wire.Message { return []wire.Message{nil} }},
		{"bad signature", "invalid transaction: bad signature", func(l *lone) []wire.Message {
			tx := signed(t, l.n.genesis, 0, 1, 1, 1, 0)
			tx.Sig[3]++
			return []wire.Message{wire.NewTx(tx)}
		}},
		{"zero amount", "amount is zero", func(l *lone) []wire.Message {
			return []wire.Message{wire.NewTx(signed(t, l.n.genesis, 0, 1, 0, 1, 0))}
		}},
		{"overflow", "overflow", func(l *lone) []wire.Message {
			return []wire.Message{wire.NewTx(signed(t, l.n.genesis, 0, 1, 2, ^chain.Amount(0), 0))}
		}},
		{"bad state root", "state root", func(l *lone) []wire.Message {
			h := l.child().Header
			h.StateRoot[0]++
			return []wire.Message{&wire.Block{Block: l.mined(h, nil)}}
		}},
		{"no proof", "proof of work", func(l *lone) []wire.Message {
			h := l.child().Header
			for b := chain.NewBlock(h, nil); ; b = chain.NewBlock(h, nil) {
				if hash := b.Hash(); hash[0] == 0xff && hash[1] == 0xff {
					return []wire.Message{&wire.Block{Block: b}}
				}
				h.Nonce++
			}
		}},
		{"child of invalid", "parent is invalid", func(l *lone) []wire.Message {
			h := l.child().Header
			h.StateRoot[0]++
			bad := l.mined(h, nil)
			other := l.connect(7)
			l.n.Receive(l.now, other, &wire.Block{Block: bad})
			h.Height, h.Parent, h.Time = 2, bad.Hash(), h.Time+1000
			return []wire.Message{&wire.Block{Block: l.mined(h, nil)}}
		}},
		{"unrequested blocks", "unrequested blocks", func(*lone) []wire.Message { return []wire.Message{&wire.Blocks{}} }},
		{"ping flood", "flood of ping", flood(&wire.Ping{})},
		{"history flood", "flood of get_blocks", flood(&wire.GetBlocks{Locator: hashes[:1]})},
		{"address flood", "flood of addrs", flood(&wire.Addrs{})},
		{"announcement flood", "flood of announcements", flood(&wire.Inv{Item: wire.ItemTx, Hashes: hashes})},
		{"request flood", "flood of requests", flood(&wire.Get{Item: wire.ItemBlock, Hashes: hashes})},
		{"refused flood", "flood of refused", func(l *lone) []wire.Message {
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
			l := newLone(t, nil)
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
		l := newLone(t, nil)
		id := l.connect(1)
		l.wantBanned(id, l.n.Malformed(l.now, id, errors.New("bad bytes")), "bad bytes")
	})
}

// wantBanned checks an answer to misbehaviour, and that the ban ends.
func (l *lone) wantBanned(id chain.PeerID, fx []Effect, reason string) {
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
		l.t.Errorf("a peer that is being closed is served: %v", fx)
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

func TestSyncMisbehaviour(t *testing.T) {
	setup := func() (*lone, chain.PeerID, *chain.Block, *chain.Block) {
		l := newLone(t, nil)
		id := peerID(t, 1)
		l.n.PeerUp(l.now, id, false)
		if fx := l.n.Receive(l.now, id, l.helloOf(200, 90)); !sends[*wire.GetBlocks](fx) {
			t.Fatal("a peer with more work is not asked")
		}
		o := newLone(t, nil)
		a := o.child()
		o.n.offer(a, origin{made: true})
		return l, id, a, o.child()
	}
	t.Run("gap", func(t *testing.T) {
		l, id, a, _ := setup()
		l.wantBanned(id, l.n.Receive(l.now, id, &wire.Blocks{Blocks: []*chain.Block{a, l.orphan(1)}}), "not consecutive")
	})
	t.Run("elsewhere", func(t *testing.T) {
		l, id, _, b := setup()
		l.wantBanned(id, l.n.Receive(l.now, id, &wire.Blocks{Blocks: []*chain.Block{b}}), "do not follow")
	})
	t.Run("no progress", func(t *testing.T) {
		l, id, a, b := setup()
		fx := l.n.Receive(l.now, id, &wire.Blocks{Blocks: []*chain.Block{a, b}, More: true})
		for i := 0; sends[*wire.GetBlocks](fx); i++ {
			if i == 2 {
				t.Fatal("asked for ever without progress")
			}
			fx = l.n.Receive(l.now, id, &wire.Blocks{Blocks: []*chain.Block{a, b}, More: true})
		}
		if l.n.Status().Syncing {
			t.Error("still syncing")
		}
	})
	t.Run("silence", func(t *testing.T) {
		l, id, a, _ := setup()
		other := peerID(t, 2)
		l.n.PeerUp(l.now, other, false)
		l.n.Receive(l.now, other, l.helloOf(100, 80))
		fx := l.n.Timer(l.now+Time(syncTimeout), TimerID{Kind: TimerTick})
		asked := false
		for _, e := range fx {
			if _, ok := e.Msg.(*wire.GetBlocks); ok {
				asked = e.Peer == other
			}
		}
		if !asked {
			t.Error("no other peer is asked after the timeout")
		}
		l.n.Receive(l.now+Time(syncTimeout), id, &wire.Blocks{Blocks: []*chain.Block{a}})
		if l.n.Status().Height != 1 {
			t.Error("a late answer is not used")
		}
	})
}

func sends[M wire.Message](fx []Effect) bool {
	for _, e := range fx {
		if _, ok := e.Msg.(M); ok {
			return true
		}
	}
	return false
}

func TestFutureBlockIsNoCrime(t *testing.T) {
	l := newLone(t, nil)
	id := l.connect(1)
	h := l.child().Header
	h.Time += 10 * 60 * 1000
	fx := l.n.Receive(l.now, id, &wire.Block{Block: l.mined(h, nil)})
	if !has(fx, EffectEvent, EventInvalid) || has(fx, EffectDisconnect, "") || l.n.Status().Height != 0 {
		t.Errorf("got %+v", events(fx))
	}
}

func TestOrphanFloodIsBounded(t *testing.T) {
	l := newLone(t, func(c *Config) { c.MaxPeers = 20 })
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

func TestOrphanIsConnected(t *testing.T) {
	o := newLone(t, nil)
	var blocks []*chain.Block
	for range 3 {
		b := o.child()
		o.n.offer(b, origin{made: true})
		blocks = append(blocks, b)
	}
	l := newLone(t, nil)
	id, other := l.connect(1), l.connect(2)
	if fx := l.n.Receive(l.now, id, &wire.Block{Block: blocks[2]}); !sends[*wire.GetBlocks](fx) {
		t.Error("an orphan does not start a request for history")
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

func TestHandshakeRefusals(t *testing.T) {
	l := newLone(t, func(c *Config) {
		c.MaxPeers = 2
		c.Peers = []PeerAddr{{ID: peerID(t, 1), Addr: "a:1"}, {ID: peerID(t, 100), Addr: "self:1"}}
	})
	one := peerID(t, 1)
	reason := func(fx []Effect) string {
		for _, e := range fx {
			if e.Kind == EffectDisconnect {
				return e.Reason
			}
		}
		return ""
	}
	wrong := l.helloOf(0, 0)
	wrong.Genesis[0]++
	l.n.PeerUp(l.now, one, true)
	if r := reason(l.n.Receive(l.now, one, wrong)); r != "genesis differs" {
		t.Errorf("wrong genesis: %q", r)
	}
	l.n.PeerDown(l.now, one, "")
	if at := l.n.dialer.Next(); at < int64(l.now)+int64(strangerHold) {
		t.Error("a stranger is dialled again too soon")
	}
	wrong = l.helloOf(0, 0)
	wrong.Version++
	l.n.PeerUp(l.now, one, false)
	if r := reason(l.n.Receive(l.now, one, wrong)); !strings.Contains(r, "version") {
		t.Errorf("wrong version: %q", r)
	}
	l.n.PeerDown(l.now, one, "")
	l.n.PeerUp(l.now, one, false)
	if r := reason(l.n.Receive(l.now, one, &wire.Ping{})); r != "ping before hello" {
		t.Errorf("no hello: %q", r)
	}
	l.n.PeerDown(l.now, one, "")
	if r := reason(l.n.PeerUp(l.now, l.n.ID(), true)); r != "connection to itself" {
		t.Errorf("self: %q", r)
	}
	l.n.PeerDown(l.now, l.n.ID(), "")
	l.connect(2)
	if r := reason(l.n.PeerUp(l.now, peerID(t, 2), false)); r != "duplicate connection" {
		t.Errorf("duplicate: %q", r)
	}
	l.n.PeerDown(l.now, peerID(t, 2), "")
	l.connect(2)
	l.connect(3)
	if r := reason(l.n.PeerUp(l.now, peerID(t, 4), false)); r != "too many peers" {
		t.Errorf("full: %q", r)
	}
	if fx := l.n.PeerDown(l.now, peerID(t, 4), ""); has(fx, EffectEvent, EventPeerDown) {
		t.Error("peer_down without peer_up")
	}
}

func TestTimeouts(t *testing.T) {
	l := newLone(t, nil)
	id := l.connect(1)
	l.n.PeerUp(l.now, peerID(t, 2), false) // never says hello
	tick := func(d time.Duration) []Effect { return l.n.Timer(l.now+Time(d), TimerID{Kind: TimerTick}) }
	if fx := tick(time.Second); sends[*wire.Ping](fx) {
		t.Error("pinged too soon")
	}
	if fx := tick(2 * time.Second); !sends[*wire.Ping](fx) {
		t.Error("a silent peer is not pinged")
	}
	if fx := tick(2500 * time.Millisecond); sends[*wire.Ping](fx) {
		t.Error("pinged twice")
	}
	l.n.Receive(l.now+Time(3*time.Second), id, &wire.Pong{})
	reasons := map[string]bool{}
	for _, d := range []time.Duration{6, 8, 9} {
		for _, e := range tick(d * time.Second) {
			if e.Kind == EffectDisconnect {
				reasons[fmt.Sprintf("%d %s", d, e.Reason)] = true
			}
		}
	}
	if len(reasons) != 2 || !reasons["6 handshake timeout"] || !reasons["9 ping timeout"] {
		t.Errorf("disconnects: %v", reasons)
	}
}

func TestRequestsTurnToOtherAnnouncers(t *testing.T) {
	l := newLone(t, func(c *Config) { c.Relay = "inventory" })
	a, b := l.connect(1), l.connect(2)
	tx := wire.NewTx(signed(t, l.n.genesis, 0, 1, 1, 1, 0))
	inv := &wire.Inv{Item: wire.ItemTx, Hashes: []chain.Hash{tx.ID()}}
	if fx := l.n.Receive(l.now, a, inv); !sends[*wire.Get](fx) {
		t.Fatal("not asked for")
	}
	if fx := l.n.Receive(l.now, b, inv); sends[*wire.Get](fx) {
		t.Error("asked for twice")
	}
	fx := l.n.Timer(l.now+Time(3*time.Second), TimerID{Kind: TimerTick})
	var asked *chain.PeerID
	for _, e := range fx {
		if _, ok := e.Msg.(*wire.Get); ok {
			asked = &e.Peer
		}
	}
	if asked == nil || *asked != b {
		t.Fatal("the other announcer is not asked after the timeout")
	}
	l.n.Receive(l.now, b, tx)
	if l.n.requests.Len() != 0 || l.n.TxStatus(tx.ID()).State != TxPending {
		t.Error("the answer did not end the request")
	}
}

func TestSubmit(t *testing.T) {
	l := newLone(t, nil)
	good := signed(t, l.n.genesis, 0, 1, 1, 1, 0)
	if _, err := l.n.Submit(l.now, good); err != nil {
		t.Fatal(err)
	}
	bad := good
	bad.Sig[0]++
	for _, tt := range []struct {
		name string
		tx   chain.Tx
		want error
	}{
		{"again", good, mempool.ErrKnown},
		{"forged", bad, mempool.ErrUnderpriced},
		{"poor", signed(t, l.n.genesis, 9, 1, 1, 1, 0), chain.ErrFunds},
		{"far ahead", signed(t, l.n.genesis, 1, 0, 1, 1, mempool.MaxGap+1), mempool.ErrGap},
	} {
		if fx, err := l.n.Submit(l.now, tt.tx); !errors.Is(err, tt.want) || fx != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	l.n.offer(l.child(good), origin{made: true})
	if _, err := l.n.Submit(l.now, good); !errors.Is(err, mempool.ErrKnown) {
		t.Errorf("included: %v", err)
	}
	if s := l.n.TxStatus(good.ID()); s.State != TxIncluded || s.Confirmations != 1 || s.Height != 1 {
		t.Errorf("%+v", s)
	}
	l.n.Stop(l.now)
	if _, err := l.n.Submit(l.now, good); err == nil {
		t.Error("a stopped node takes a transaction")
	}
}

func TestDuplicatesCostNothing(t *testing.T) {
	for _, relay := range strategies {
		l := newLone(t, func(c *Config) { c.Relay = relay })
		a, b := l.connect(1), l.connect(2)
		block := &wire.Block{Block: l.child()}
		tx := wire.NewTx(signed(t, l.n.genesis, 0, 1, 1, 1, 0))
		inv := &wire.Inv{Item: wire.ItemTx, Hashes: []chain.Hash{tx.ID()}}
		l.n.Receive(l.now, a, block)
		l.n.Receive(l.now, a, tx)
		for _, m := range []wire.Message{block, tx, inv} {
			l.n.Receive(l.now, b, m)
			if got := testing.AllocsPerRun(100, func() { l.n.Receive(l.now, b, m) }); got != 0 {
				t.Errorf("%s: a duplicate %s allocates %v times", relay, m.Type(), got)
			}
		}
	}
}

func BenchmarkDuplicate(b *testing.B) {
	l := newLone(b, nil)
	from, other := l.connect(1), l.connect(2)
	block := &wire.Block{Block: l.child()}
	tx := wire.NewTx(signed(b, l.n.genesis, 0, 1, 1, 1, 0))
	l.n.Receive(l.now, from, block)
	l.n.Receive(l.now, from, tx)
	for _, m := range []wire.Message{block, tx} {
		b.Run(m.Type().String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				l.n.Receive(l.now, other, m)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	_, seed := testKey(t, 0)
	good := Config{Name: "x", Genesis: testGenesis(t, 1, 1, 1000), Key: seed, Relay: "flood"}
	for name, spoil := range map[string]func(*Config){
		"key":       func(c *Config) { c.Key = "zz" },
		"relay":     func(c *Config) { c.Relay = "pigeon" },
		"genesis":   func(c *Config) { c.Genesis.Network = "" },
		"mine":      func(c *Config) { c.Mine = -1 },
		"max_peers": func(c *Config) { c.MaxPeers = -1 },
		"advertise": func(c *Config) { c.Advertise = strings.Repeat("a", wire.MaxAddrLen+1) },
		"peer":      func(c *Config) { c.Peers = []PeerAddr{{Addr: "a b"}} },
	} {
		cfg := good
		spoil(&cfg)
		if _, err := New(cfg, Deps{}, nil, epoch); err == nil {
			t.Errorf("%s is not refused", name)
		}
	}
	if _, err := New(good, Deps{}, []*chain.Block{newLone(t, nil).orphan(1)}, epoch); err == nil {
		t.Error("a stored orphan is not refused")
	}
}
