package node

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/consensus/pow"
	"github.com/netsplit/netsplit/node/mempool"
	"github.com/netsplit/netsplit/node/peers"
	"github.com/netsplit/netsplit/node/relay"
	"github.com/netsplit/netsplit/node/wire"
)

// Deps are objects that the nodes of one process may share.
type Deps struct {
	// Memo caches the results of expensive pure functions (signature checks, block execution) for many nodes. nil: each
	// node computes them itself.
	Memo *chain.Memo
}

// Node is one node of the network, as a state machine. Its inputs are method calls that take the current time and return
// the effects to perform, in order; the slice is valid until the next input. Inputs before Start and after Stop do
// nothing. A Node is not safe for concurrent use.
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
	counters relay.Counters
	requests relay.Requests

	peers  []*peer // in the order in which they connected
	byID   map[chain.PeerID]*peer
	book   peers.Book
	bans   peers.Bans
	dialer *peers.Dialer

	sync     syncState
	miner    miner
	exchange exchange

	nextRebroadcast Time   // of transactions that stay pending
	arrivals        uint64 // of the mempool at the last time

	rng *rand.Rand
	now Time
	fx  []Effect

	running  bool
	hadPeer  bool // a handshake has completed since the start
	review   bool // dialling and mining must be reviewed at the end of this input
	announce Time // when to announce the head again
	dialAt   Time // when the dial timer fires; 0: not set
	scratch  []relay.Request
}

// New makes a node with the blocks that an earlier run persisted, in the order in which they were persisted: it then has
// the head it had. It fails if the configuration or a stored block is invalid.
func New(cfg Config, deps Deps, stored []*chain.Block, now Time) (*Node, error) {
	n, err := newNode(cfg, deps, now)
	if err == nil {
		err = n.load(stored)
	}
	if err != nil {
		return nil, fmt.Errorf("new node %s: %w", cfg.Name, err)
	}
	return n, nil
}

func newNode(cfg Config, deps Deps, now Time) (*Node, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	key, err := chain.KeyFromSeed(cfg.Key)
	if err != nil {
		return nil, err
	}
	strategy, err := relay.Parse(cfg.Relay)
	if err != nil {
		return nil, err
	}
	if cfg.MaxPeers == 0 {
		cfg.MaxPeers = DefaultMaxPeers
	}
	n := &Node{
		cfg: cfg, id: key.Address(), strategy: strategy, now: now,
		engine: pow.New(&cfg.Genesis), byID: make(map[chain.PeerID]*peer),
	}
	if n.tree, err = chain.NewTree(&cfg.Genesis, n.engine, deps.Memo); err != nil {
		return nil, err
	}
	n.genesis = n.tree.Genesis().Hash()
	n.pool = mempool.New(func(m *wire.Tx) bool { return n.tree.Ledger().CheckTx(&m.Tx) == nil })
	// Nodes of one testnet share the seed; the identity makes their choices differ.
	n.rng = rand.New(rand.NewPCG(cfg.Seed, binary.BigEndian.Uint64(n.id[:])))
	n.configurePeers()
	return n, nil
}

// configurePeers makes the dialer and the permanent entries of the address book, without the node's own.
func (n *Node) configurePeers() {
	var configured []wire.Addr
	for _, p := range n.cfg.Peers {
		a := wire.Addr{ID: p.ID, Addr: p.Addr}
		if a.ID == n.id {
			continue
		}
		configured = append(configured, a)
		if n.cfg.PeerExchange {
			n.book.AddFixed(a)
		}
	}
	n.dialer = peers.NewDialer(configured, n.rng)
}

// load adds the blocks that an earlier run persisted. They were valid then, whatever the clock is now.
func (n *Node) load(stored []*chain.Block) error {
	for i, b := range stored {
		added, err := n.tree.Add(b, max(n.millis(), b.Time))
		if err == nil && added.Orphan {
			err = fmt.Errorf("block %s at height %d: parent %s is missing", b.Hash(), b.Height, b.Parent)
		}
		if err != nil {
			return fmt.Errorf("stored block %d: %w", i, err)
		}
		n.index(added)
	}
	return nil
}

// Start starts the node: it reports the head loaded from disk, dials its peers and mines if it may.
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
	// Spread the ticks of nodes that start at the same time.
	n.setTimer(TimerTick, now+Time(n.rng.Int64N(int64(tickInterval))))
	return n.end()
}

// Stop stops the node and closes its connections. Further inputs do nothing.
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

// keepEffects is the largest capacity of the effects buffer that is reused by the next input.
const keepEffects = 64

// begin starts an input.
func (n *Node) begin(now Time) {
	n.now = now
	if cap(n.fx) > keepEffects {
		n.fx = nil
	}
	n.fx = n.fx[:0]
}

// end finishes an input: it reviews dialling and mining once, however many changes there were.
func (n *Node) end() []Effect {
	if n.review && n.running {
		n.review = false
		n.dialDue()
		n.reviewMiner()
	}
	return n.fx
}

// millis is the time of the current input in the unit of block headers.
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

// Receive handles a message from a connected peer. The node may retain m, which must not change.
func (n *Node) Receive(now Time, from chain.PeerID, m wire.Message) []Effect {
	n.begin(now)
	p := n.byID[from]
	if !n.running || p == nil || p.closing != "" {
		return n.fx
	}
	p.lastReceived = now
	if err := wire.Check(m); err != nil {
		n.misbehaved(p, nil, err.Error())
		return n.end()
	}
	if hello, ok := m.(*wire.Hello); ok {
		n.hello(p, hello)
		return n.end()
	}
	if !p.up {
		// No ban: after a reconnection it may be a late message of the earlier connection.
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

// receiveControl handles messages that are cheap to send but cost the node an answer. It limits their rate.
func (n *Node) receiveControl(p *peer, m wire.Message) {
	if !p.control.take(n.now, 1, controlBurst, controlRate) {
		n.misbehaved(p, nil, "flood of "+m.Type().String())
		return
	}
	switch m := m.(type) {
	case *wire.Ping:
		n.send(p, &wire.Pong{Nonce: m.Nonce})
	case *wire.Pong: // Receive has noted the time
	case *wire.GetBlocks:
		n.serveBlocks(p, m)
	case *wire.Addrs:
		n.storeAddrs(m)
	}
}

// Malformed reports that a peer sent bytes that do not decode as a message.
func (n *Node) Malformed(now Time, from chain.PeerID, err error) []Effect {
	n.begin(now)
	p := n.byID[from]
	if !n.running || p == nil {
		return n.fx
	}
	n.misbehaved(p, nil, err.Error())
	return n.end()
}

// Intervals and timeouts.
const (
	tickInterval = 500 * time.Millisecond
	// A peer that sends nothing is pinged after pingInterval and disconnected after pingTimeout.
	pingInterval = 2 * time.Second
	pingTimeout  = 6 * time.Second
	// announceInterval is how often the head is announced to peers that are not known to have it, so that two connected
	// nodes notice that their heads differ even if messages were lost.
	announceInterval = 5 * time.Second
)

// Timer reports that a timer has fired.
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
	for i := 0; i < len(n.peers); i++ { // disconnect does not change the list
		n.checkPeer(n.peers[i])
	}
	n.request(n.requests.Expire(int64(n.now), n.scratch[:0]))
	n.expireSync()
	if n.now >= n.announce {
		n.announce = n.now + Time(announceInterval)
		n.announceHead()
	}
	n.keepPeers()
	n.rebroadcast()
	n.setTimer(TimerTick, n.now+Time(tickInterval))
}

// checkPeer pings an idle peer and disconnects one that does not answer.
func (n *Node) checkPeer(p *peer) {
	if p.closing != "" {
		return
	}
	idle := time.Duration(n.now - p.lastReceived)
	switch {
	case !p.up && time.Duration(n.now-p.since) >= pingTimeout:
		n.disconnect(p, "handshake timeout")
	case idle >= pingTimeout:
		n.disconnect(p, "ping timeout")
	case p.up && idle >= pingInterval && time.Duration(n.now-p.pinged) >= pingInterval:
		p.pinged = n.now
		p.pingNonce++
		n.send(p, &wire.Ping{Nonce: p.pingNonce})
	}
}

// announceHead announces the head to the peers that are not known to have it.
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
