package behavior

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/consensus/pow"
	"github.com/netsplit/netsplit/node/peers"
	"github.com/netsplit/netsplit/node/wire"
)

// Timing of attacks.
const (
	tickInterval = 250 * time.Millisecond
	// stepInterval is the time between two attacks on one peer.
	stepInterval = 2 * time.Second
	// minHeight is the height of the chain at which attacks begin: some need a few blocks below the head.
	minHeight = 4
	// historyTimeout is how long a peer may take to request the history that it was promised.
	historyTimeout = 5 * time.Second
	// blockTimeout is how long a peer waits for a block that can be mutated.
	blockTimeout = 30 * time.Second
	// tries is how often it is promised one, and how often an attack is tried for which the chain lacks something yet.
	tries = 3
	// answerTimeout is how long a peer may take to ban the adversary before the next attack. It is more than the invariant
	// adversary allows, so that a ban is for one attack.
	answerTimeout = 12 * time.Second
	// holdTime is how long a node that came back gets nothing of the history that it was promised. It is more than a scenario allows
	// nodes until they agree.
	holdTime = 45 * time.Second
	// edgeHeight and edgeSpread bound the heights of the chain at which a valid block at the edge of the rules is sent: the median of
	// the times before it needs eleven blocks.
	edgeHeight, edgeSpread = 12, 4
)

// Adversary is a node that attacks its peers, each with one kind after the other: first those that an honest node merely
// refuses, then one that must get it banned, and another one after the ban. Different peers get different kinds first, so that
// a testnet sees many kinds in a short time.
type Adversary struct {
	*node.Node // follows the chain
	cfg        node.Config
	key        chain.Key
	genesis    chain.Hash
	engine     *pow.Engine
	tree       *chain.Tree // the same blocks; its ledger takes any signature
	rng        *rand.Rand

	soft      []*attack // kinds that get it refused at most
	hard      []hardAttack
	back      []*attack // kinds for nodes that come back
	edge      *attack   // the valid block that is to be sent yet; nil: none
	edgeSum   chain.Hash
	targets   []*target // in the order in which they were dialled or connected first
	byID      map[chain.PeerID]*target
	sent      int  // messages and handshakes that were reported as attacks
	paid      bool // it has sent valid transfers
	purse     chain.Key
	purseUsed int          // how often it was
	purseNext chain.Height // of the chain, at which it is again
	now       node.Time
	fx        []node.Effect
}

// hardAttack is one variant of a kind that may get the adversary banned.
type hardAttack struct {
	*attack
	variant int
}

// target is a peer and how far the attacks on it have come.
type target struct {
	id    chain.PeerID
	index int
	up    bool // connected, and the handshake is complete
	step  int  // number of the next attack
	next  node.Time
	gone  bool // a dial has failed since the last connection

	banned  node.Time // until when it must refuse connections; 0: it need not
	answer  node.Time // until when its ban is awaited before the next attack; 0: it is not
	armed   *attack   // not nil: new blocks go to it with another body
	repeat  bool      // of armed: with their last transaction twice
	held    *attack   // not nil: it gets nothing of the history that it was promised
	release node.Time // until when
	promise *attack   // by which it was promised a history
	history node.Time // until when it is awaited to request that; 0: it is not
	tries   int       // of the next attack that came to nothing
}

func newAdversary(cfg node.Config, n *node.Node, stored []*chain.Block) (*Adversary, error) {
	key, err := chain.KeyFromSeed(cfg.Key)
	if err != nil {
		return nil, err
	}
	engine := pow.New(&cfg.Genesis)
	anySignature := chain.NewMemoVerifying(func(chain.Hash, *chain.Tx) bool { return true })
	tree, err := chain.NewTree(&cfg.Genesis, engine, anySignature)
	if err != nil {
		return nil, err
	}
	id := key.Address()
	a := &Adversary{
		Node: n, cfg: cfg, key: key, genesis: tree.Genesis().Hash(), engine: engine, tree: tree,
		rng: rand.New(rand.NewPCG(cfg.Seed, ^binary.BigEndian.Uint64(id[:]))), byID: make(map[chain.PeerID]*target),
	}
	for _, k := range cfg.Adversary.Kinds {
		i := slices.IndexFunc(attacks, func(x attack) bool { return x.kind == k })
		switch {
		case i < 0:
			return nil, fmt.Errorf("adversary: unknown kind %q", k)
		case attacks[i].back:
			a.back = append(a.back, &attacks[i])
		case attacks[i].want == WantAccept:
			a.edge = &attacks[i]
		case attacks[i].want == WantBan || attacks[i].late:
			a.hard = append(a.hard, hardAttack{attack: &attacks[i]})
		default:
			a.soft = append(a.soft, &attacks[i])
		}
	}
	// One variant of every kind before the second one of any.
	first := a.hard
	for variant := 1; variant < maxVariants; variant++ {
		for _, x := range first {
			if variant < x.variants {
				a.hard = append(a.hard, hardAttack{x.attack, variant})
			}
		}
	}
	a.purseNext = purseHeight
	// A restart leaves it as it is: the transfers of one life are enough.
	if a.purse, err = chain.KeyFromSeed(purseSeed(key)); err != nil {
		return nil, err
	}
	if len(stored) > 0 || !slices.Contains(cfg.Adversary.Kinds, "overspend") {
		a.purseUsed = purseSpent
	}
	if len(stored) > 0 {
		a.edge = nil
	}
	for _, b := range stored {
		a.add(b)
	}
	return a, nil
}

// Kinds lists the kinds of attack.
func Kinds() []string {
	out := make([]string, len(attacks))
	for i := range attacks {
		out[i] = attacks[i].kind
	}
	return out
}

// add adds a block that the node has accepted.
func (a *Adversary) add(b *chain.Block) {
	_, _ = a.tree.Add(b, max(b.Time, a.millis())) // the node has checked it
}

func (a *Adversary) millis() chain.Millis { return chain.Millis(a.now / node.Time(time.Millisecond)) }

// input passes on what the node does, and keeps up with it.
func (a *Adversary) input(now node.Time, effects []node.Effect) []node.Effect {
	a.now = now
	a.fx = a.fx[:0]
	for _, e := range effects {
		switch {
		case e.Kind == node.EffectPersist:
			a.add(e.Block)
			a.fx = append(a.fx, e)
			a.mutateNew(e.Block)
			continue
		case e.Kind == node.EffectEvent && e.Event.Kind == node.EventPeerUp:
			t := a.target(*e.Event.Peer)
			t.up, t.next = true, max(t.next, now+node.Time(stepInterval))
		case (e.Kind == node.EffectDial || e.Kind == node.EffectSend) && a.withheld(&e):
			continue // the node takes a dial for one that gets no answer
		}
		a.fx = append(a.fx, e)
	}
	return a.fx
}

// withheld reports whether an effect would give something to a peer that is to get nothing for now.
func (a *Adversary) withheld(e *node.Effect) bool {
	t := a.byID[e.Peer]
	if t == nil || !a.holds(t) {
		return false
	}
	switch e.Msg.(type) {
	case *wire.Hello, *wire.Ping, *wire.Pong: // that the connection stays
		return false
	}
	return true
}

// holds reports whether a peer gets nothing of the history that it was promised.
func (a *Adversary) holds(t *target) bool { return t.held != nil && a.now < t.release }

// down ends what is under way on a connection.
func (t *target) down() { t.up, t.answer, t.armed, t.history = false, 0, nil, 0 }

// target returns the state of a peer.
func (a *Adversary) target(id chain.PeerID) *target {
	t := a.byID[id]
	if t == nil {
		t = &target{id: id, index: len(a.targets)}
		a.byID[id] = t
		a.targets = append(a.targets, t)
	}
	return t
}

// Start implements Machine.
func (a *Adversary) Start(now node.Time) []node.Effect {
	out := a.input(now, a.Node.Start(now))
	return append(out, tick(now))
}

func tick(now node.Time) node.Effect {
	return node.Effect{Kind: node.EffectTimer, Timer: node.TimerID{Kind: node.TimerBehavior}, At: now + node.Time(tickInterval)}
}

// Stop implements Machine.
func (a *Adversary) Stop(now node.Time) []node.Effect { return a.input(now, a.Node.Stop(now)) }

// PeerUp implements Machine. Attacks on the handshake happen here.
func (a *Adversary) PeerUp(now node.Time, id chain.PeerID, outbound bool) []node.Effect {
	a.input(now, a.Node.PeerUp(now, id, outbound))
	t := a.target(id)
	back := t.gone
	t.down()
	t.gone = false
	next := a.next(t)
	switch {
	case a.holds(t):
		next = t.held // it has dialled the adversary
	case back && a.ready() && a.mayHold(t):
		next = a.back[(a.cfg.Adversary.First+int(id[0]))%len(a.back)]
		t.release = now + node.Time(holdTime)
	default:
		t.held = nil
	}
	if next == nil || next.hello == nil || !a.ready() || now < t.banned {
		return a.fx
	}
	for i := range a.fx {
		hello, ok := a.fx[i].Msg.(*wire.Hello)
		if !ok || a.fx[i].Peer != id {
			continue
		}
		forged := *hello
		a.fx[i].Msg = next.hello(a, t, next, &forged)
		if t.history == 0 && t.held == nil {
			a.advance(t) // else when the peer has requested it, or no step
		}
		return a.fx
	}
	return a.fx
}

// mayHold reports whether a node that came back may be promised a history that it never gets: one that was attacked before, so that
// each peer gets a kind for which it must ban.
func (a *Adversary) mayHold(t *target) bool {
	return len(a.back) > 0 && (t.step > len(a.soft) || len(a.hard) == 0)
}

// PeerDown implements Machine.
func (a *Adversary) PeerDown(now node.Time, id chain.PeerID, reason string) []node.Effect {
	t := a.target(id)
	t.down()
	return a.input(now, a.Node.PeerDown(now, id, reason))
}

// DialFailed implements Machine.
func (a *Adversary) DialFailed(now node.Time, id chain.PeerID) []node.Effect {
	t := a.target(id)
	t.gone, t.banned = true, 0 // a node that went down has forgotten its bans
	return a.input(now, a.Node.DialFailed(now, id))
}

// Receive implements Machine. It answers a peer that requests the history that it was promised.
func (a *Adversary) Receive(now node.Time, from chain.PeerID, m wire.Message) []node.Effect {
	t := a.byID[from]
	if request, ok := m.(*wire.GetBlocks); ok && t != nil && (t.history != 0 || t.held != nil && now < t.release) {
		a.now, a.fx = now, a.fx[:0]
		if t.history == 0 {
			t.held.history(a, t, t.held, request)
			return a.fx
		}
		t.history = 0
		t.promise.history(a, t, t.promise, request)
		a.advance(t)
		return a.fx
	}
	return a.input(now, a.Node.Receive(now, from, m))
}

// Malformed implements Machine.
func (a *Adversary) Malformed(now node.Time, from chain.PeerID, err error) []node.Effect {
	return a.input(now, a.Node.Malformed(now, from, err))
}

// Timer implements Machine.
func (a *Adversary) Timer(now node.Time, id node.TimerID) []node.Effect {
	if id.Kind != node.TimerBehavior {
		return a.input(now, a.Node.Timer(now, id))
	}
	a.now, a.fx = now, a.fx[:0]
	if a.ready() {
		for _, t := range a.targets {
			a.attack(t)
		}
		a.usePurse()
		a.sendEdge()
	}
	return append(a.fx, tick(now))
}

// ready reports whether the chain is high enough.
func (a *Adversary) ready() bool { return a.tree.Head().Height >= minHeight }

// next is the next attack on a peer, nil if there is none left.
func (a *Adversary) next(t *target) *attack {
	if t.step < len(a.soft) {
		return a.soft[t.step]
	}
	if len(a.hard) == 0 {
		return nil
	}
	return a.nextHard(t).attack
}

// nextHard is the next attack on a peer that may get the adversary banned. There must be one. Adversaries, peers and rounds go
// through the list side by side.
func (a *Adversary) nextHard(t *target) hardAttack {
	return a.hard[(a.cfg.Adversary.First+t.index+max(0, t.step-len(a.soft)))%len(a.hard)]
}

func (a *Adversary) advance(t *target) {
	t.step++
	t.tries = 0
	t.next = a.now + node.Time(stepInterval)
}

// retry goes on with the next attack if this one has come to nothing too often.
func (a *Adversary) retry(t *target) {
	t.next = a.now + node.Time(stepInterval)
	if t.tries++; t.tries >= tries {
		a.advance(t)
	}
}

// variant is which variant of the next attack a peer gets.
func (a *Adversary) variant(t *target) int {
	if t.step < len(a.soft) {
		return t.index % max(1, a.soft[t.step].variants)
	}
	return a.nextHard(t).variant
}

// attack makes the next attack on a peer, if it is due.
func (a *Adversary) attack(t *target) {
	if t.history != 0 && a.now >= t.history {
		t.history = 0 // it had no reason to sync
		a.retry(t)
	}
	if !t.up || a.holds(t) || a.now < t.next || a.now < t.answer || t.history != 0 || t.armed != nil && a.now < t.next+node.Time(blockTimeout) {
		return
	}
	t.armed = nil
	next := a.next(t)
	switch sent := a.sent; {
	case next == nil || next.want == WantBan && a.needsPeers(t):
	case next.hello != nil: // on the next connection
		t.up = false
		a.fx = append(a.fx, node.Effect{Kind: node.EffectDisconnect, Peer: t.id, Reason: "reconnecting"})
	default:
		if next.send(a, t, next); a.sent == sent && t.armed == nil {
			a.retry(t)
		} else {
			a.advance(t)
		}
	}
}

// needsPeers reports whether an attack on another peer needs the adversary to get new blocks from those that have not banned it.
func (a *Adversary) needsPeers(than *target) bool {
	return slices.ContainsFunc(a.targets, func(t *target) bool {
		return t != than && t.up && !a.holds(t) && (t.armed != nil && a.now < t.next+node.Time(blockTimeout) || a.nextHard(t).late)
	})
}

// sendTo sends a message.
func (a *Adversary) sendTo(t *target, m wire.Message) {
	a.fx = append(a.fx, node.Effect{Kind: node.EffectSend, Peer: t.id, Msg: m})
}

// report writes an attack to the event log. h is the block or transaction that no honest node may accept, or nil; reason is part of
// the reason that an honest node must give for the refusal, or empty.
func (a *Adversary) report(t *target, x *attack, h *chain.Hash, reason string) {
	a.sent++
	if x.want == WantBan {
		t.banned, t.answer = a.now+node.Time(peers.BanTime), a.now+node.Time(answerTimeout)
	}
	id := t.id
	a.fx = append(a.fx, node.Effect{Kind: node.EffectEvent, Event: &node.Event{
		Time: a.now, Kind: node.EventAttack, Peer: &id, Hash: h, Attack: x.kind, Want: x.want, Reason: reason,
	}})
}
