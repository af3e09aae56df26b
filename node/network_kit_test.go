package node

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/consensus/pow"
	"github.com/netsplit/netsplit/node/wire"
)

const (
	epoch    = Time(1_700_000_000_000_000_000)
	subsidy  = 50
	startBal = 1_000_000
)

// testKey is the key of node i and its seed.
func testKey(t testing.TB, i int) (chain.Key, string) {
	t.Helper()
	seed := hex.EncodeToString(append(make([]byte, 28), byte(i>>24), byte(i>>16), byte(i>>8), byte(i)))
	k := must.Get(chain.KeyFromSeed(seed))(t)
	return k, seed
}

// testGenesis funds the first n keys. rate is the attempts per second of all miners together.
func testGenesis(t testing.TB, n int, rate float64, interval chain.Millis) chain.Genesis {
	t.Helper()
	g := chain.Genesis{
		Network: "test", Time: chain.Millis(epoch / 1e6), Bits: pow.InitialBits(rate, interval),
		Interval: interval, HalfLife: 1000 * interval, Subsidy: subsidy,
	}
	for i := range n {
		k, _ := testKey(t, i)
		g.Alloc = append(g.Alloc, chain.Alloc{Address: k.Address(), Amount: startBal})
	}
	slices.SortFunc(g.Alloc, func(a, b chain.Alloc) int { return a.Address.Cmp(b.Address) })
	return g
}

// simEvent is a future call in a network.
type simEvent struct {
	at Time
	do func()
}

// network is a deterministic network of nodes in virtual time.
type network struct {
	t     testing.TB
	now   Time
	seq   int
	queue []simEvent // by time, then in the order in which they were added
	delay time.Duration
	hosts []*host
	byID  map[chain.PeerID]*host
	memo  *chain.Memo
	// cut reports whether a link is cut; nil: none is.
	cut func(from, to int) bool
	// tap is called for every message that is sent, unless it is nil.
	tap func(from, to int, m wire.Message)
}

// host is a node with its disk, timers and connections.
type host struct {
	net    *network
	index  int
	id     chain.PeerID
	cfg    Config
	node   *Node
	life   int // counts starts
	timers map[TimerID]int
	conns  map[int]int // by the other's index: the connection's number
	disk   []*chain.Block
	log    []Event
}

func newNetwork(t testing.TB) *network {
	return &network{t: t, now: epoch, delay: 20 * time.Millisecond, byID: map[chain.PeerID]*host{}, memo: chain.NewMemo()}
}

// testnet makes n nodes of which the first miners mine, linked by edges, and starts them.
func testnet(t testing.TB, n, miners int, relay string, edges [][2]int, tweak func(i int, c *Config)) *network {
	t.Helper()
	net := newNetwork(t)
	const rate = 50.0
	g := testGenesis(t, n, rate*float64(max(miners, 1)), 1000)
	for i := range n {
		_, seed := testKey(t, i)
		cfg := Config{Name: fmt.Sprint("n", i), Genesis: g, Key: seed, Relay: relay, MaxPeers: 50, Seed: 7}
		if i < miners {
			cfg.Mine = rate
		}
		cfg.Advertise = fmt.Sprintf("10.0.0.%d:4001", i)
		for _, e := range edges {
			for side := range 2 {
				if e[side] == i {
					k, _ := testKey(t, e[1-side])
					cfg.Peers = append(cfg.Peers, PeerAddr{ID: k.Address(), Addr: fmt.Sprintf("10.0.0.%d:4001", e[1-side])})
				}
			}
		}
		if tweak != nil {
			tweak(i, &cfg)
		}
		net.add(cfg)
	}
	for _, h := range net.hosts {
		h.start()
	}
	return net
}

func (w *network) add(cfg Config) *host {
	k := must.Get(chain.KeyFromSeed(cfg.Key))(w.t)
	h := &host{net: w, index: len(w.hosts), id: k.Address(), cfg: cfg, conns: map[int]int{}}
	w.hosts = append(w.hosts, h)
	w.byID[h.id] = h
	return h
}

func (h *host) start() {
	h.life++
	h.timers = map[TimerID]int{}
	n := must.Get(New(h.cfg, Deps{Memo: h.net.memo}, h.disk, h.net.now))(h.net.t)
	h.node = n
	h.perform(n.Start(h.net.now))
}

// kill ends the node like SIGKILL.
func (h *host) kill() {
	h.node = nil
	h.life++
	for _, o := range h.net.hosts {
		h.net.hangUp(h, o, "reset")
	}
}

func (w *network) at(d time.Duration, do func()) {
	e := simEvent{w.now + Time(d), do}
	i, _ := slices.BinarySearchFunc(w.queue, e.at+1, func(e simEvent, at Time) int { return cmp.Compare(e.at, at) })
	w.queue = slices.Insert(w.queue, i, e)
}

// run lets time pass.
func (w *network) run(d time.Duration) {
	until := w.now + Time(d)
	for len(w.queue) > 0 && w.queue[0].at <= until {
		e := w.queue[0]
		w.queue = w.queue[1:]
		w.now = e.at
		e.do()
	}
	w.now = until
}

func (w *network) isCut(a, b int) bool { return w.cut != nil && (w.cut(a, b) || w.cut(b, a)) }

// hangUp closes the connection between two hosts, if there is one.
func (w *network) hangUp(a, b *host, reason string) {
	if a.conns[b.index] == 0 {
		return
	}
	delete(a.conns, b.index)
	delete(b.conns, a.index)
	for _, side := range [][2]*host{{a, b}, {b, a}} {
		w.at(w.delay, side[0].input(func(n *Node) []Effect { return n.PeerDown(w.now, side[1].id, reason) }))
	}
}

// input makes a future call of a node, which does nothing if that process has ended by then.
func (h *host) input(call func(*Node) []Effect) func() {
	life := h.life
	return func() {
		if h.life == life && h.node != nil {
			h.perform(call(h.node))
		}
	}
}

func (h *host) perform(fx []Effect) {
	w := h.net
	for _, e := range slices.Clone(fx) {
		switch e.Kind {
		case EffectSend:
			h.send(e.Peer, e.Msg)
		case EffectTimer:
			h.setTimer(e)
		case EffectPersist:
			h.disk = append(h.disk, e.Block)
		case EffectEvent:
			h.log = append(h.log, *e.Event)
		case EffectDial:
			h.dial(e.Peer)
		case EffectDisconnect:
			if o := w.byID[e.Peer]; o != nil {
				w.hangUp(h, o, e.Reason)
			}
		}
	}
}

func (h *host) setTimer(e Effect) {
	h.timers[e.Timer]++
	set := h.timers[e.Timer]
	if e.At == 0 {
		return
	}
	call := h.input(func(n *Node) []Effect { return n.Timer(h.net.now, e.Timer) })
	h.net.at(time.Duration(e.At-h.net.now), func() {
		if h.timers[e.Timer] == set {
			call()
		}
	})
}

func (h *host) send(to chain.PeerID, m wire.Message) {
	w, o := h.net, h.net.byID[to]
	if o == nil || h.conns[o.index] == 0 {
		return
	}
	conn := h.conns[o.index]
	if w.tap != nil {
		w.tap(h.index, o.index, m)
	}
	call := o.input(func(n *Node) []Effect { return n.Receive(w.now, h.id, m) })
	w.at(w.delay, func() {
		if o.conns[h.index] == conn && !w.isCut(h.index, o.index) {
			call()
		}
	})
}

func (h *host) dial(to chain.PeerID) {
	w, o := h.net, h.net.byID[to]
	fail := h.input(func(n *Node) []Effect { return n.DialFailed(w.now, to) })
	w.at(w.delay, func() {
		switch {
		case h.node == nil:
		case o == nil || o.node == nil || w.isCut(h.index, o.index):
			fail()
		case h.conns[o.index] != 0: // connected by the other side's dial
		default:
			w.seq++
			h.conns[o.index], o.conns[h.index] = w.seq, w.seq
			h.input(func(n *Node) []Effect { return n.PeerUp(w.now, o.id, true) })()
			o.input(func(n *Node) []Effect { return n.PeerUp(w.now, h.id, false) })()
		}
	})
}

// settle lets only host 0 mine for a while, so that one of several equal branches wins, and then no host.
func (w *network) settle(d time.Duration) {
	w.stopMining()
	w.hosts[0].cfg.Mine, w.hosts[0].node.cfg.Mine = 500, 500
	w.run(d)
	w.stopMining()
	w.run(2 * time.Second)
}

// stopMining ends all mining.
func (w *network) stopMining() {
	for _, h := range w.hosts {
		h.cfg.Mine = 0
		if h.node != nil {
			h.node.cfg.Mine = 0
			h.node.review = true
		}
	}
}

// agree fails unless all running nodes have the same head; it returns its height.
func (w *network) agree() chain.Height {
	w.t.Helper()
	var first *Status
	for _, h := range w.hosts {
		if h.node == nil {
			continue
		}
		s := h.node.Status()
		if first == nil {
			first = &s
		}
		if s.Head != first.Head {
			w.t.Fatalf("node %d is at %d %s, the first at %d %s", h.index, s.Height, s.Head, first.Height, first.Head)
		}
	}
	return first.Height
}

// logs is the event logs of all nodes as the daemon would write them.
func (w *network) logs() []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, h := range w.hosts {
		for _, e := range h.log {
			must.Do(w.t, enc.Encode(e))
		}
	}
	return b.Bytes()
}

// count counts the events of a kind for which match is true (nil: all).
func (h *host) count(kind EventKind, match func(*Event) bool) int {
	n := 0
	for i := range h.log {
		if h.log[i].Kind == kind && (match == nil || match(&h.log[i])) {
			n++
		}
	}
	return n
}

// transfer signs a transfer and submits it to the host.
func (h *host) transfer(from, to int, fee chain.Amount, nonce uint64) chain.Hash {
	h.net.t.Helper()
	tx := signed(h.net.t, h.node.genesis, from, to, 10, fee, nonce)
	fx := must.Get(h.node.Submit(h.net.now, tx))(h.net.t)
	h.perform(fx)
	return tx.ID()
}

func signed(t testing.TB, genesis chain.Hash, from, to int, amount, fee chain.Amount, nonce uint64) chain.Tx {
	t.Helper()
	k, _ := testKey(t, from)
	o, _ := testKey(t, to)
	tx := chain.Tx{To: o.Address(), Amount: amount, Fee: fee, Nonce: nonce}
	k.Sign(genesis, &tx)
	return tx
}

// ring links n nodes in a ring, with chords if n is above 4.
func ring(n int) [][2]int {
	var edges [][2]int
	for i := range n {
		edges = append(edges, [2]int{i, (i + 1) % n})
		if n > 4 {
			edges = append(edges, [2]int{i, (i + 2) % n})
		}
	}
	return edges
}
