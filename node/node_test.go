package node

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/mempool"
	"github.com/netsplit/netsplit/node/wire"
)

func TestHandshake_Refuses(t *testing.T) {
	l := newSingle(t, func(c *Config) {
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
	if at := l.n.dialer.Next(); at < int64(l.now)+int64(incompatibleHold) {
		t.Error("an incompatible peer is dialled again too soon")
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

func TestPeers_Timeouts(t *testing.T) {
	l := newSingle(t, nil)
	id := l.connect(1)
	l.n.PeerUp(l.now, peerID(t, 2), false) // sends no Hello
	tick := func(d time.Duration) []Effect { return l.n.Timer(l.now+Time(d), TimerID{Kind: TimerTick}) }
	if fx := tick(time.Second); sends[*wire.Ping](fx) {
		t.Error("pinged too soon")
	}
	if fx := tick(2 * time.Second); !sends[*wire.Ping](fx) {
		t.Error("an idle peer is not pinged")
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

func TestRelay_RequestsFromOtherAnnouncer(t *testing.T) {
	l := newSingle(t, func(c *Config) { c.Relay = "inventory" })
	a, b := l.connect(1), l.connect(2)
	tx := wire.NewTx(signed(t, l.n.genesis, 0, 1, 1, 1, 0))
	inv := &wire.Inv{Item: wire.ItemTx, Hashes: []chain.Hash{tx.ID()}}
	if fx := l.n.Receive(l.now, a, inv); !sends[*wire.Get](fx) {
		t.Fatal("not requested")
	}
	if fx := l.n.Receive(l.now, b, inv); sends[*wire.Get](fx) {
		t.Error("requested twice")
	}
	fx := l.n.Timer(l.now+Time(3*time.Second), TimerID{Kind: TimerTick})
	if to := sentTo[*wire.Get](fx); len(to) != 1 || to[0] != b {
		t.Fatal("no request to the other announcer after the timeout")
	}
	l.n.Receive(l.now, b, tx)
	if l.n.requests.Len() != 0 || l.n.TxStatus(tx.ID()).State != TxPending {
		t.Error("the answer did not end the request")
	}
}

func TestSubmit(t *testing.T) {
	l := newSingle(t, nil)
	good := signed(t, l.n.genesis, 0, 1, 1, 1, 0)
	must.Get(l.n.Submit(l.now, good))(t)
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
	l.n.addBlock(l.child(good), origin{made: true})
	if _, err := l.n.Submit(l.now, good); !errors.Is(err, mempool.ErrKnown) {
		t.Errorf("included: %v", err)
	}
	if s := l.n.TxStatus(good.ID()); s.State != TxIncluded || s.Confirmations != 1 || s.Height != 1 {
		t.Errorf("%+v", s)
	}
	l.n.Stop(l.now)
	if _, err := l.n.Submit(l.now, good); err == nil {
		t.Error("a stopped node accepts a transaction")
	}
}

func TestRelay_DuplicatesDoNotAllocate(t *testing.T) {
	for _, relay := range strategies {
		l := newSingle(t, func(c *Config) { c.Relay = relay })
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
	l := newSingle(b, nil)
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

func TestNew_Refuses(t *testing.T) {
	_, seed := testKey(t, 0)
	good := Config{Name: "x", Genesis: testGenesis(t, 1, 1, 1000), Key: seed, Relay: "flood"}
	for name, edit := range map[string]func(*Config){
		"key":  func(c *Config) { c.Key = "zz" },
		"peer": func(c *Config) { c.Peers = []PeerAddr{{Addr: "a b"}} },
	} {
		cfg := good
		edit(&cfg)
		if _, err := New(cfg, Deps{}, nil, epoch); err == nil {
			t.Errorf("invalid %s: no error", name)
		}
	}
	if _, err := New(good, Deps{}, []*chain.Block{newSingle(t, nil).orphan(1)}, epoch); err == nil {
		t.Error("stored orphan: no error")
	}
}

// A simulation holds thousands of nodes: the budget is 64 KiB per node besides shared blocks.
func TestNode_Memory(t *testing.T) {
	const nodes, degree, budget = 400, 8, 64 << 10
	g := testGenesis(t, 200, 1, 1000)
	memo := chain.NewMemo()
	made, ids := make([]*Node, 0, nodes), make([]chain.PeerID, degree)
	seeds := make([]string, nodes)
	for i := range seeds {
		_, seeds[i] = testKey(t, 1000+i)
	}
	for i := range ids {
		ids[i] = peerID(t, i)
	}
	l := newSingle(t, func(c *Config) { c.Genesis = g })
	var msgs []wire.Message
	for range 50 {
		b := l.child()
		l.n.addBlock(b, origin{made: true})
		msgs = append(msgs, &wire.Block{Block: b})
		l.now += Time(time.Second)
	}
	for i := range uint64(50) {
		msgs = append(msgs, wire.NewTx(signed(t, l.n.genesis, 0, 1, 1, 1, i)))
	}
	hello := l.helloOf(0, 0)
	run := func(seed string) *Node {
		n, err := New(Config{Genesis: g, Key: seed, Relay: "inventory", PeerExchange: true}, Deps{Memo: memo}, nil, l.now)
		if err != nil {
			t.Fatal(err)
		}
		n.Start(l.now)
		for _, id := range ids {
			n.PeerUp(l.now, id, false)
			n.Receive(l.now, id, hello)
		}
		for _, m := range msgs {
			for _, id := range ids {
				n.Receive(l.now, id, m)
			}
		}
		return n
	}
	run(seeds[0]) // allocates what the nodes share
	before := heapInUse()
	for _, s := range seeds {
		made = append(made, run(s))
	}
	per := (heapInUse() - before) / nodes
	t.Logf("%d bytes per node with %d peers, 50 blocks and 50 pending transactions", per, degree)
	if per > budget {
		t.Errorf("%d bytes per node, at most %d are allowed", per, budget)
	}
	runtime.KeepAlive(made)
}

func heapInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
