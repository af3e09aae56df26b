package behavior_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/behavior"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/consensus/pow"
	"github.com/netsplit/netsplit/node/wire"
)

const epoch = node.Time(1_700_000_000_000_000_000)

// delay is how long a message, a dial and a disconnection take.
const delay = 20 * time.Millisecond

// lab is machines in virtual time, linked by connections. Messages of a connection arrive in order, or not if it was closed.
type lab struct {
	t     *testing.T
	now   node.Time
	seq   int
	queue []event
	hosts []*host
	// unreachable, where it is not nil, gets no connection with honest nodes.
	unreachable *host
}

type event struct {
	at  node.Time
	seq int
	do  func()
}

type host struct {
	name    string
	id      chain.PeerID
	machine behavior.Machine
	node    *node.Node
	timers  map[node.TimerID]int // number of the setting
	conns   map[chain.PeerID]int // number of the connection
	log     []node.Event
	cfg     node.Config
	stored  []*chain.Block
	down    bool // its process has ended
}

// newLab makes a line of a miner and two other honest nodes, and an adversary of one kind that is connected to all of them.
func newLab(t *testing.T, kind string, first int) *lab {
	t.Helper()
	l := &lab{t: t, now: epoch}
	const rate = 50
	g := chain.Genesis{
		Network: "lab", Time: chain.Millis(epoch / 1e6), Bits: pow.InitialBits(rate, 1000), Interval: 1000, HalfLife: 100_000, Subsidy: 50,
	}
	names := []string{"miner", "middle", "far", "adversary"}
	keys := make([]chain.Key, len(names))
	for i := range names {
		keys[i] = must.Get(chain.KeyFromSeed(seed(i)))(t)
		g.Alloc = append(g.Alloc, chain.Alloc{Address: keys[i].Address(), Amount: 1_000_000})
	}
	slices.SortFunc(g.Alloc, func(a, b chain.Alloc) int { return a.Address.Cmp(b.Address) })
	dials := [][]int{{}, {0}, {1}, {0, 1, 2}}
	for i, name := range names {
		cfg := node.Config{Name: name, Genesis: g, Key: seed(i), Relay: "inventory", Seed: 7}
		for _, to := range dials[i] {
			cfg.Peers = append(cfg.Peers, node.PeerAddr{ID: keys[to].Address(), Addr: fmt.Sprintf("10.0.0.%d:1", to)})
		}
		switch name {
		case "miner":
			cfg.Mine = rate
		case "adversary":
			cfg.Adversary = &node.Adversary{Kinds: []string{kind}, First: first}
		}
		m, n, err := behavior.New(cfg, node.Deps{}, nil, l.now)
		must.Do(t, err)
		h := &host{name: name, id: n.ID(), cfg: cfg, machine: m, node: n, timers: map[node.TimerID]int{}, conns: map[chain.PeerID]int{}}
		l.hosts = append(l.hosts, h)
	}
	for _, h := range l.hosts {
		l.perform(h, h.machine.Start(l.now))
	}
	return l
}

func seed(i int) string { return fmt.Sprintf("%064x", i+1) }

func (l *lab) host(id chain.PeerID) *host {
	return l.hosts[slices.IndexFunc(l.hosts, func(h *host) bool { return h.id == id })]
}

func (l *lab) after(d time.Duration, do func()) {
	l.seq++
	l.queue = append(l.queue, event{l.now + node.Time(d), l.seq, do})
}

func (l *lab) run(d time.Duration) {
	for end := l.now + node.Time(d); ; {
		next := slices.MinFunc(l.queue, func(a, b event) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.seq, b.seq)) })
		if next.at > end {
			l.now = end
			return
		}
		l.queue = slices.DeleteFunc(l.queue, func(e event) bool { return e.seq == next.seq })
		l.now = max(l.now, next.at)
		next.do()
	}
}

func (l *lab) perform(h *host, effects []node.Effect) {
	for _, e := range slices.Clone(effects) {
		switch e.Kind {
		case node.EffectEvent:
			h.log = append(h.log, *e.Event)
		case node.EffectPersist:
			h.stored = append(h.stored, e.Block)
		case node.EffectTimer:
			l.setTimer(h, e.Timer, e.At)
		case node.EffectDial:
			l.after(delay, func() { l.connect(h, l.host(e.Peer)) })
		case node.EffectDisconnect:
			l.disconnect(h, l.host(e.Peer), e.Reason)
		case node.EffectSend:
			l.send(h, l.host(e.Peer), e.Msg)
		}
	}
}

func (l *lab) setTimer(h *host, id node.TimerID, at node.Time) {
	h.timers[id]++
	set := h.timers[id]
	if at == 0 {
		return
	}
	l.after(time.Duration(max(0, at-l.now)), func() {
		if h.timers[id] == set {
			l.perform(h, h.machine.Timer(l.now, id))
		}
	})
}

func (l *lab) connect(from, to *host) {
	if from.conns[to.id] != 0 {
		return
	}
	eclipsed := (from == l.unreachable || to == l.unreachable) && from.cfg.Adversary == nil && to.cfg.Adversary == nil
	if to.down || eclipsed {
		l.perform(from, from.machine.DialFailed(l.now, to.id))
		return
	}
	l.seq++
	from.conns[to.id], to.conns[from.id] = l.seq, l.seq
	l.perform(from, from.machine.PeerUp(l.now, to.id, true))
	l.perform(to, to.machine.PeerUp(l.now, from.id, false))
}

func (l *lab) disconnect(from, to *host, reason string) {
	conn := from.conns[to.id]
	if conn == 0 {
		return
	}
	delete(from.conns, to.id)
	l.after(0, func() { l.perform(from, from.machine.PeerDown(l.now, to.id, reason)) })
	l.after(delay, func() {
		if to.conns[from.id] == conn {
			delete(to.conns, from.id)
			l.perform(to, to.machine.PeerDown(l.now, from.id, "closed by the peer"))
		}
	})
}

func (l *lab) send(from, to *host, m wire.Message) {
	conn := from.conns[to.id]
	l.after(delay, func() {
		if conn == 0 || to.conns[from.id] != conn {
			return
		}
		if raw, ok := m.(*wire.Raw); ok {
			decoded, err := raw.Decode()
			if err != nil {
				l.perform(to, to.machine.Malformed(l.now, from.id, err))
				return
			}
			m = decoded
		}
		l.perform(to, to.machine.Receive(l.now, from.id, m))
	})
}

// reasons are those for which honest nodes must refuse what each kind sends; none where they need not notice it.
var reasons = map[string][]string{
	"bad_signature":      {"bad signature"},
	"bad_amount":         {"amount is zero", "amount and fee overflow"},
	"overspend":          nil,
	"invalid_block":      {"state root does not match", "unknown header version", "height is not the parent's plus one"},
	"invalid_side_block": {"state root does not match"},
	"forged_block":       {"bad signature"},
	"resigned_block":     {"bad signature"},
	"replay_block":       {"wrong nonce"},
	"double_spend_block": {"wrong nonce"},
	"overspend_block":    {"insufficient balance", "amount and fee overflow", "amount is zero"},
	"mismatched_block":   {"transactions do not match"},
	"old_block":          {"block time is not after the median"},
	"future_block":       nil,
	"mutated_block":      nil,
	"low_work":           {"proof of work does not meet the target", "wrong difficulty bits"},
	"invalid_history":    {"state root does not match"},
	"old_history":        {"bad signature", "state root does not match"},
	"silent_history":     nil,
	"empty_history":      nil,
	"broken_history":     nil,
	"edge_block":         nil,
	"early_message":      nil,
	"replay":             nil,
	"wrong_genesis":      {"genesis differs"},
	"garbage":            {"malformed message"},
	"oversized":          {"frame is too large"},
	"flood":              {"flood of ping"},
}

// Honest nodes refuse every variant of every kind for the reason that the adversary reports, ban where they must, accept nothing of
// it, and stay together.
func TestAdversary_HonestNodesRefuse(t *testing.T) {
	if len(reasons) != len(behavior.Kinds()) {
		t.Errorf("%d kinds, want %d", len(behavior.Kinds()), len(reasons))
	}
	for _, kind := range behavior.Kinds() {
		t.Run(kind, func(t *testing.T) {
			given := make(map[string]bool)
			for first := range 3 {
				l := newLab(t, kind, first)
				l.run(30 * time.Second)
				l.checkHonest()
				for _, reason := range l.checkAttacks(kind) {
					given[reason] = true
				}
			}
			for _, want := range reasons[kind] {
				ok := false
				for reason := range given {
					ok = ok || strings.Contains(reason, want)
				}
				if !ok {
					t.Errorf("no attack was refused for %q: %v", want, given)
				}
			}
		})
	}
}

// checkHonest fails unless the honest nodes are connected to each other and have the same long chain.
func (l *lab) checkHonest() {
	l.t.Helper()
	for i, h := range l.hosts[:3] {
		for _, e := range h.log {
			if e.Kind == node.EventInvalid && l.host(*e.Peer).name != "adversary" {
				l.t.Errorf("%s refused what %s sent: %s", h.name, l.host(*e.Peer).name, e.Reason)
			}
		}
		if i > 0 && h.conns[l.hosts[i-1].id] == 0 {
			l.t.Errorf("%s is not connected to %s", h.name, l.hosts[i-1].name)
		}
		if a, b := h.node.Status().Height, l.hosts[0].node.Status().Height; a < 10 || a+2 < b {
			l.t.Errorf("%s is at height %d, the miner at %d", h.name, a, b)
		}
	}
}

// checkAttacks fails unless each attack was answered as it must be. It returns the reasons that the adversary demands.
func (l *lab) checkAttacks(kind string) (given []string) {
	l.t.Helper()
	accepted, refused := make(map[chain.Hash]bool), make(map[chain.Hash]bool)
	for _, h := range l.hosts[:3] {
		for _, e := range h.log {
			switch {
			case e.Kind == node.EventBlock:
				accepted[*e.Hash] = true
			case e.Kind == node.EventInvalid && e.Hash != nil:
				refused[*e.Hash] = true
			}
		}
	}
	attacked := make(map[string]node.Time) // when each was attacked first
	for _, e := range l.hosts[3].log {
		if e.Kind != node.EventAttack {
			continue
		}
		must.Equal(l.t, e.Attack, kind)
		victim := l.host(*e.Peer)
		if e.Hash != nil && accepted[*e.Hash] != (e.Want == behavior.WantAccept) {
			l.t.Errorf("%s: accepted %v", e.Hash, accepted[*e.Hash])
		}
		if e.Want == behavior.WantAccept || e.Want == behavior.WantIgnore {
			if refused[*e.Hash] {
				l.t.Errorf("somebody refused %s", e.Hash)
			}
			attacked[victim.name] = e.Time
			continue
		}
		if at, again := attacked[victim.name]; e.Want == behavior.WantNothing || again && e.Time != at {
			continue
		}
		attacked[victim.name] = e.Time
		given = append(given, e.Reason)
		i := slices.IndexFunc(victim.log, func(r node.Event) bool { return r.Kind == node.EventInvalid })
		if i < 0 {
			l.t.Fatalf("%s did not refuse %s", victim.name, kind)
		}
		r := victim.log[i]
		if r.Banned != (e.Want == behavior.WantBan) || !strings.Contains(r.Reason, e.Reason) || e.Reason == "" || (r.Hash == nil) != (e.Hash == nil) {
			l.t.Errorf("%s: %s, banned %v; want %q, %s", victim.name, r.Reason, r.Banned, e.Reason, e.Want)
		}
	}
	if (len(reasons[kind]) > 0 || kind == "edge_block" || kind == "early_message") && len(attacked) == 0 {
		l.t.Error("nobody was attacked")
	}
	return given
}

// A node that comes back and meets an adversary first gets nothing of the history that it is promised, and catches up with the
// honest nodes as soon as these can reach it.
func TestAdversary_ReturningNodeCatchesUp(t *testing.T) {
	for _, kind := range []string{"silent_history", "empty_history", "broken_history"} {
		t.Run(kind, func(t *testing.T) {
			l := newLab(t, kind, 0)
			l.run(10 * time.Second)
			far := l.hosts[2]
			l.perform(far, far.machine.Stop(l.now))
			far.down, l.unreachable = true, far
			l.run(10 * time.Second)
			before := far.node.Status().Height
			m, n, err := behavior.New(far.cfg, node.Deps{}, far.stored, l.now)
			must.Do(t, err)
			for id := range far.timers {
				far.timers[id]++
			}
			far.machine, far.node, far.down = m, n, false
			l.perform(far, m.Start(l.now))
			l.run(10 * time.Second)
			must.Equal(t, far.node.Status().Height, before)
			l.unreachable = nil
			l.run(6 * time.Second)
			l.checkHonest()
			count := 0
			for _, e := range l.hosts[3].log {
				if e.Kind == node.EventAttack {
					count++
					must.Equal(t, *e.Peer, far.id)
					must.Equal(t, e.Attack, kind)
				}
			}
			must.Equal(t, count, 1)
		})
	}
}

// A node that gets a new block with another body bans the sender, and accepts the block from others all the same.
func TestAdversary_MutatesBlocksBeforeOthersHaveThem(t *testing.T) {
	l := newLab(t, "mutated_block", 0)
	l.run(60 * time.Second)
	far := l.hosts[2]
	i := slices.IndexFunc(far.log, func(e node.Event) bool { return e.Kind == node.EventInvalid })
	if i < 0 {
		t.Fatal("the far node got no mutated block")
	}
	r := far.log[i]
	if !r.Banned || l.host(*r.Peer).name != "adversary" || !strings.Contains(r.Reason, chain.ErrTxRoot.Error()) {
		t.Errorf("%+v", r)
	}
	if !slices.ContainsFunc(far.log[i:], func(e node.Event) bool { return e.Kind == node.EventBlock && *e.Hash == *r.Hash }) {
		t.Error("the far node did not accept the block with its own body")
	}
}

// After an attack that must get it banned, an adversary waits for the ban, so that a ban is for one attack.
func TestAdversary_WaitsForBan(t *testing.T) {
	l := newLab(t, "bad_amount", 0)
	for _, h := range l.hosts[:3] {
		h.machine = ignoresTxs{h.machine}
	}
	l.run(40 * time.Second)
	last := make(map[chain.PeerID]node.Time)
	for _, e := range l.hosts[3].log {
		if e.Kind != node.EventAttack {
			continue
		}
		if at, again := last[*e.Peer]; again && e.Time-at < node.Time(10*time.Second) {
			t.Errorf("attacked again after %v", time.Duration(e.Time-at))
		}
		last[*e.Peer] = e.Time
	}
	must.Equal(t, len(last), 3)
}

// ignoresTxs is a node that ignores transfers.
type ignoresTxs struct{ behavior.Machine }

func (d ignoresTxs) Receive(now node.Time, from chain.PeerID, m wire.Message) []node.Effect {
	if _, ok := m.(*wire.Tx); ok {
		return nil
	}
	return d.Machine.Receive(now, from, m)
}
