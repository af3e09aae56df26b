package node

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/consensus/pow"
	"github.com/netsplit/netsplit/node/mempool"
	"github.com/netsplit/netsplit/node/peers"
	"github.com/netsplit/netsplit/node/relay"
	"github.com/netsplit/netsplit/node/wire"
)

// DefaultMaxPeers is used when Config.MaxPeers is 0.
const DefaultMaxPeers = 125

// Deps are what nodes of one process may share.
type Deps struct {
	// Memo, if not nil, remembers the results of pure, expensive functions (signature checks, block execution) for many
	// nodes. nil: each node computes them itself.
	Memo *chain.Memo
}

// Node is one node. It is not safe for concurrent use. Every input takes the current time and returns the effects to
// perform, in order; the slice is valid until the next input. Inputs before Start and after Stop do nothing.
type Node struct {
	cfg      Config
	id       chain.PeerID
	genesis  chain.Hash
	engine   *pow.Engine
	tree     *chain.Tree
	pool     *mempool.Pool
	included txIndex
	orphans  orphanPool

	strategy relay.Strategy
	tracks   bool // strategy.Tracks()
	counters relay.Counters
	requests relay.Requests

	peers  []*peer // in the order of their connection
	byID   map[chain.PeerID]*peer
	book   peers.Book
	bans   peers.Bans
	dialer *peers.Dialer

	sync     syncState
	miner    miner
	exchange exchange

	rng *rand.Rand
	now Time
	fx  []Effect

	running  bool
	hadPeer  bool // a handshake was completed since the start
	review   bool // something changed on which dialling or mining depends
	announce Time // when the head is announced again
	dialAt   Time // what the dial timer is set to; 0: not set
	scratch  []relay.Ask
}

// New makes a node that knows the stored blocks, which are given parents first, in the order in which they were
// persisted: it then has the head that it had. It fails if the configuration is not valid or a stored block is not.
func New(cfg Config, deps Deps, stored []*chain.Block, now Time) (*Node, error) {
	key, err := chain.KeyFromSeed(cfg.Key)
	if err != nil {
		return nil, fmt.Errorf("new node %s: %w", cfg.Name, err)
	}
	strategy, err := relay.Parse(cfg.Relay)
	if err != nil {
		return nil, fmt.Errorf("new node %s: %w", cfg.Name, err)
	}
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("new node %s: %w", cfg.Name, err)
	}
	if err := cfg.Genesis.Validate(); err != nil {
		return nil, fmt.Errorf("new node %s: %w", cfg.Name, err)
	}
	if cfg.MaxPeers == 0 {
		cfg.MaxPeers = DefaultMaxPeers
	}
	n := &Node{
		cfg: cfg, id: key.Address(), strategy: strategy, tracks: strategy.Tracks(), now: now,
		engine: pow.New(&cfg.Genesis), byID: make(map[chain.PeerID]*peer),
	}
	if n.tree, err = chain.NewTree(&cfg.Genesis, n.engine, deps.Memo); err != nil {
		return nil, fmt.Errorf("new node %s: %w", cfg.Name, err)
	}
	n.genesis = n.tree.Genesis().Hash()
	n.pool = mempool.New(func(m *wire.Tx) bool { return n.tree.Ledger().CheckTx(&m.Tx) == nil })
	// Nodes of one testnet share the seed; the identity makes their choices differ.
	n.rng = rand.New(rand.NewPCG(cfg.Seed, binary.BigEndian.Uint64(n.id[:])))
	n.configurePeers()
	return n, n.load(stored)
}

// check looks at what New's other steps do not.
func (c *Config) check() error {
	switch {
	case c.MaxPeers < 0 || c.MinPeers < 0:
		return fmt.Errorf("min_peers %d, max_peers %d: must not be negative", c.MinPeers, c.MaxPeers)
	case !(c.Mine >= 0) || math.IsInf(c.Mine, 0): // the comparison refuses NaN too
		return fmt.Errorf("mine: %v attempts per second is not a rate", c.Mine)
	}
	if err := wire.Check(&wire.Hello{Addr: c.Advertise}); err != nil {
		return fmt.Errorf("advertise: %w", err)
	}
	for _, p := range c.Peers {
		if err := wire.Check(&wire.Hello{Addr: p.Addr}); err != nil {
			return fmt.Errorf("peer %s: %w", p.ID, err)
		}
	}
	return nil
}

// configurePeers makes the dialer and the fixed part of the book; the node's own entry is left out.
func (n *Node) configurePeers() {
	var configured []wire.Addr
	for _, p := range n.cfg.Peers {
		a := wire.Addr{ID: p.ID, Addr: p.Addr}
		if a.ID == n.id {
			continue
		}
		configured = append(configured, a)
		if n.cfg.PeerExchange {
			n.book.Fix(a)
		}
	}
	n.dialer = peers.NewDialer(configured, n.rng)
}

// load takes in the blocks that an earlier run persisted. They were acceptable then, whatever the clock says now.
func (n *Node) load(stored []*chain.Block) error {
	for i, b := range stored {
		added, err := n.tree.Add(b, max(n.millis(), b.Time))
		if err == nil && added.Orphan {
			err = fmt.Errorf("block %s at height %d: parent %s is missing", b.Hash(), b.Height, b.Parent)
		}
		if err != nil {
			return fmt.Errorf("new node %s: stored block %d: %w", n.cfg.Name, i, err)
		}
		n.index(added)
	}
	return nil
}

// Start begins the node's life: it reports what it found on disk, dials its peers and begins to mine if it may.
func (n *Node) Start(now Time) []Effect {
	n.begin(now)
	if n.running {
		return n.fx
	}
	n.running = true
	head := n.tree.Head()
	n.event(Event{Kind: EventStart, Hash: hashPtr(head.Hash()), Height: head.Height})
	n.announce = now + Time(announceInterval)
	n.review = true
	// Nodes that start at one moment must not tick at one moment for ever.
	n.setTimer(TimerTick, now+Time(n.rng.Int64N(int64(tickInterval))))
	return n.end()
}

// Stop ends the node's life: it closes its connections. Further inputs do nothing.
func (n *Node) Stop(now Time) []Effect {
	n.begin(now)
	if !n.running {
		return n.fx
	}
	n.running = false
	for _, p := range n.peers {
		n.disconnect(p, "stopping")
	}
	n.event(Event{Kind: EventStop})
	return n.fx
}

// keepEffects is the capacity of the effects' buffer that is kept from one input to the next.
const keepEffects = 64

// begin starts an input.
func (n *Node) begin(now Time) {
	n.now = now
	if cap(n.fx) > keepEffects {
		n.fx = nil
	}
	n.fx = n.fx[:0]
}

// end finishes an input: what depends on several parts of the node is reviewed once.
func (n *Node) end() []Effect {
	if n.review && n.running {
		n.review = false
		n.dialDue()
		n.reviewMiner()
	}
	return n.fx
}

// millis is the time of the input as headers carry it.
func (n *Node) millis() chain.Millis { return chain.Millis(n.now / Time(time.Millisecond)) }

func (n *Node) event(e Event) {
	e.Time = n.now
	n.fx = append(n.fx, Effect{Kind: EffectEvent, Event: &e})
}

func (n *Node) setTimer(kind TimerKind, at Time) {
	n.fx = append(n.fx, Effect{Kind: EffectTimer, Timer: TimerID{Kind: kind}, At: at})
}

// send sends m to p, unless the connection is being closed.
func (n *Node) send(p *peer, m wire.Message) {
	if p.closing == "" {
		n.fx = append(n.fx, Effect{Kind: EffectSend, Peer: p.id, Msg: m})
	}
}

func hashPtr(h chain.Hash) *chain.Hash { return &h }

// Receive takes a message from a connected peer. The node may keep m, which must not change.
func (n *Node) Receive(now Time, from chain.PeerID, m wire.Message) []Effect {
	n.begin(now)
	p := n.byID[from]
	if !n.running || p == nil || p.closing != "" {
		return n.fx
	}
	p.heard = now
	if err := wire.Check(m); err != nil {
		n.misbehaved(p, nil, err.Error())
		return n.end()
	}
	if hello, ok := m.(*wire.Hello); ok {
		n.hello(p, hello)
		return n.end()
	}
	if !p.up {
		// Not a ban: after a reconnection it may be a straggler of the earlier connection.
		n.disconnect(p, m.Type().String()+" before hello")
		return n.end()
	}
	switch m := m.(type) {
	case *wire.Tx:
		n.receiveTx(p, m)
	case *wire.Block:
		n.receiveBlock(p, m)
	case *wire.Inv:
		n.receiveInv(p, m)
	case *wire.Get:
		n.receiveGet(p, m)
	case *wire.Blocks:
		n.receiveBlocks(p, m)
	default:
		n.receiveControl(p, m)
	}
	return n.end()
}

// receiveControl takes the messages that cost the sender little and the node an answer: their rate is bounded.
func (n *Node) receiveControl(p *peer, m wire.Message) {
	if !p.control.take(n.now, 1, controlBurst, controlRate) {
		n.misbehaved(p, nil, "flood of "+m.Type().String())
		return
	}
	switch m := m.(type) {
	case *wire.Ping:
		n.send(p, &wire.Pong{Nonce: m.Nonce})
	case *wire.Pong: // that it came is all it says
	case *wire.GetBlocks:
		n.serveBlocks(p, m)
	case *wire.Addrs:
		n.storeAddrs(m)
	}
}

// Malformed says that bytes from a peer were no message.
func (n *Node) Malformed(now Time, from chain.PeerID, err error) []Effect {
	n.begin(now)
	p := n.byID[from]
	if !n.running || p == nil {
		return n.fx
	}
	n.misbehaved(p, nil, err.Error())
	return n.end()
}

// The timers of a node. All are of the whole node: TimerID.Peer is zero.
const (
	// TimerTick is the periodic housekeeping.
	TimerTick TimerKind = iota + 1
	// TimerDial is the next dial of a configured peer.
	TimerDial
	// TimerMine is the miner's next find, or the end of its present chunk of attempts.
	TimerMine
)

// The node's periods.
const (
	tickInterval = 500 * time.Millisecond
	// pingInterval is how long a peer may be silent before it is pinged, pingTimeout before it is disconnected.
	pingInterval = 2 * time.Second
	pingTimeout  = 6 * time.Second
	// announceInterval is how often the head is announced to peers that have not shown that they have it: whatever was
	// lost or missed, two connected nodes find out that their heads differ.
	announceInterval = 5 * time.Second
)

// Timer says that the time of a timer has come.
func (n *Node) Timer(now Time, id TimerID) []Effect {
	n.begin(now)
	if !n.running {
		return n.fx
	}
	switch id.Kind {
	case TimerTick:
		n.tick()
	case TimerDial:
		n.dialAt = 0
		n.review = true
	case TimerMine:
		n.mineDue()
	}
	return n.end()
}

func (n *Node) tick() {
	for i := 0; i < len(n.peers); i++ { // disconnecting does not change the list
		n.checkPeer(n.peers[i])
	}
	n.request(n.requests.Expire(int64(n.now), n.scratch[:0]))
	n.expireSync()
	if n.now >= n.announce {
		n.announce = n.now + Time(announceInterval)
		n.announceHead()
	}
	n.keepPeers()
	n.setTimer(TimerTick, n.now+Time(tickInterval))
}

// checkPeer pings a silent peer and disconnects a dead one.
func (n *Node) checkPeer(p *peer) {
	if p.closing != "" {
		return
	}
	silent := time.Duration(n.now - p.heard)
	switch {
	case !p.up && time.Duration(n.now-p.since) >= pingTimeout:
		n.disconnect(p, "handshake timeout")
	case silent >= pingTimeout:
		n.disconnect(p, "ping timeout")
	case p.up && silent >= pingInterval && time.Duration(n.now-p.pinged) >= pingInterval:
		p.pinged = n.now
		p.pingNonce++
		n.send(p, &wire.Ping{Nonce: p.pingNonce})
	}
}

// announceHead tells the peers that have not shown the node's head of it.
func (n *Node) announceHead() {
	head := n.tree.Head()
	if head.Height == 0 {
		return
	}
	h := head.Hash()
	var inv *wire.Inv
	for _, p := range n.peers {
		if !p.live() || p.head == h {
			continue
		}
		if inv == nil {
			inv = &wire.Inv{Item: wire.ItemBlock, Hashes: []chain.Hash{h}}
		}
		n.sendInv(p, inv)
	}
}
