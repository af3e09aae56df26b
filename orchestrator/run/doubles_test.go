package run_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node"
	nodechain "github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/chain/native"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/sim"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// This file has nodes, runtimes and chains that do one thing wrong.

// filtered is a node that does not receive some messages. drops says which, by the virtual time that has passed.
type filtered struct {
	sim.Machine
	drops func(passed time.Duration, m wire.Message) bool
}

func dropMessages(drops func(passed time.Duration, m wire.Message) bool) func(sim.Machine) sim.Machine {
	return func(m sim.Machine) sim.Machine { return filtered{m, drops} }
}

func (f filtered) Receive(now node.Time, from nodechain.PeerID, m wire.Message) []node.Effect {
	if f.drops(after(now), m) {
		return nil
	}
	return f.Machine.Receive(now, from, m)
}

// ignoreBlocks makes a node ignore the blocks of others for a while. It goes on mining and announcing.
func ignoreBlocks(from, until time.Duration) func(sim.Machine) sim.Machine {
	return dropMessages(func(passed time.Duration, m wire.Message) bool {
		return passed >= from && passed < until && aboutBlocks(m)
	})
}

// panicFrom makes a node panic at the first message that it gets after a time.
func panicFrom(from time.Duration) func(sim.Machine) sim.Machine {
	return dropMessages(func(passed time.Duration, _ wire.Message) bool {
		if passed >= from {
			panic("index out of range [7] with length 7")
		}
		return false
	})
}

// aboutBlocks reports whether a message announces or carries blocks.
func aboutBlocks(m wire.Message) bool {
	switch m := m.(type) {
	case *wire.Block, *wire.Blocks:
		return true
	case *wire.Inv:
		return m.Item == wire.ItemBlock
	}
	return false
}

// stoppedMiner is a miner that stops at a time.
type stoppedMiner struct {
	sim.Machine
	from time.Duration
}

func stopMining(from time.Duration) func(sim.Machine) sim.Machine {
	return func(m sim.Machine) sim.Machine { return stoppedMiner{m, from} }
}

func (s stoppedMiner) Timer(now node.Time, id node.TimerID) []node.Effect {
	if id.Kind == node.TimerMine && after(now) >= s.from {
		return nil
	}
	return s.Machine.Timer(now, id)
}

// withholdingBlocks is a node that from a time on sends no block and announces none.
type withholdingBlocks struct {
	sim.Machine
	from time.Duration
}

func withholdBlocks(from time.Duration) func(sim.Machine) sim.Machine {
	return func(m sim.Machine) sim.Machine { return withholdingBlocks{m, from} }
}

func (w withholdingBlocks) Receive(now node.Time, from nodechain.PeerID, msg wire.Message) []node.Effect {
	return w.filter(now, w.Machine.Receive(now, from, msg))
}

func (w withholdingBlocks) Timer(now node.Time, id node.TimerID) []node.Effect {
	return w.filter(now, w.Machine.Timer(now, id))
}

func (w withholdingBlocks) filter(now node.Time, effects []node.Effect) []node.Effect {
	if after(now) < w.from {
		return effects
	}
	return slices.DeleteFunc(effects, func(e node.Effect) bool { return e.Kind == node.EffectSend && aboutBlocks(e.Msg) })
}

// forgetful is a node that does not store the blocks that it accepts after a time.
type forgetful struct {
	sim.Machine
	until time.Duration
}

func storesUntil(until time.Duration) func(sim.Machine) sim.Machine {
	return func(m sim.Machine) sim.Machine { return forgetful{m, until} }
}

func (f forgetful) Receive(now node.Time, from nodechain.PeerID, m wire.Message) []node.Effect {
	effects := f.Machine.Receive(now, from, m)
	if after(now) < f.until {
		return effects
	}
	return slices.DeleteFunc(effects, func(e node.Effect) bool { return e.Kind == node.EffectPersist })
}

// ignoreBadAmounts makes a node drop transfers that nobody may send, instead of banning who does.
var ignoreBadAmounts = dropMessages(func(_ time.Duration, m wire.Message) bool {
	tx, ok := m.(*wire.Tx)
	if !ok {
		return false
	}
	_, fits := tx.Tx.Cost()
	return tx.Tx.Amount == 0 || !fits
})

// slowRelay is a node that passes announcements of blocks on late.
type slowRelay struct {
	sim.Machine
	by   time.Duration
	held []heldSend
}

type heldSend struct {
	at   node.Time
	send node.Effect
}

func delayRelay(by time.Duration) func(sim.Machine) sim.Machine {
	return func(m sim.Machine) sim.Machine { return &slowRelay{Machine: m, by: by} }
}

func (s *slowRelay) Receive(now node.Time, from nodechain.PeerID, m wire.Message) []node.Effect {
	effects := s.Machine.Receive(now, from, m)
	return slices.DeleteFunc(effects, func(e node.Effect) bool { return s.hold(now, e) })
}

// hold takes an announcement out, to be sent later.
func (s *slowRelay) hold(now node.Time, e node.Effect) bool {
	inv, ok := e.Msg.(*wire.Inv)
	if !ok || inv.Item != wire.ItemBlock {
		return false
	}
	s.held = append(s.held, heldSend{now + node.Time(s.by), e})
	return true
}

// Timer releases what has been held for long enough whenever a timer of the node's own fires, twice a second at least.
func (s *slowRelay) Timer(now node.Time, id node.TimerID) []node.Effect {
	effects := s.Machine.Timer(now, id)
	for len(s.held) > 0 && s.held[0].at <= now {
		effects = append(effects, s.held[0].send)
		s.held = s.held[1:]
	}
	return effects
}

// refusesPeers is a node that takes up no connection.
type refusesPeers struct{ sim.Machine }

func (refusesPeers) PeerUp(node.Time, nodechain.PeerID, bool) []node.Effect { return nil }

// lateLaunch is a runtime that takes a while to start the last node.
type lateLaunch struct{ *sim.Runtime }

func (r lateLaunch) Launch(ctx context.Context, nodes []runtime.Launch, progress func(faults.NodeID)) error {
	last := len(nodes) - 1
	if err := r.Runtime.Launch(ctx, nodes[:last], progress); err != nil {
		return err
	}
	if err := r.Clock().Sleep(ctx, 10*time.Second); err != nil {
		return err
	}
	return r.Runtime.Launch(ctx, nodes[last:], progress)
}

// unreachable is a runtime one of whose nodes cannot be queried.
type unreachable struct {
	*sim.Runtime
	addr string
}

func (u unreachable) Transport() http.RoundTripper { return u }

func (u unreachable) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Hostname() == u.addr {
		return nil, errors.New("no route to host")
	}
	return u.Runtime.Transport().RoundTrip(r)
}

// losesPackets is a runtime whose delay engine loses packets of its own.
type losesPackets struct{ *sim.Runtime }

func (losesPackets) Traffic(context.Context) (faults.Traffic, error) {
	return faults.Traffic{Lost: 3}, nil
}

// slowShaper is a runtime that takes its time to change links.
type slowShaper struct {
	*sim.Runtime
	takes time.Duration
}

func (s slowShaper) Shape(ctx context.Context, layers []faults.Layer) (faults.Applied, error) {
	if err := s.Clock().Sleep(ctx, s.Clock().Now()+s.takes); err != nil {
		return faults.Applied{}, err
	}
	applied, err := s.Runtime.Shape(ctx, layers)
	applied.Took = s.takes
	return applied, err
}

// lateMachine is a runtime on a machine whose timers are late.
type lateMachine struct {
	slowShaper
	by time.Duration
}

func (m lateMachine) Clock() runtime.Clock { return lateClock{m.slowShaper.Clock(), m.by} }

func (lateMachine) CPUWait() (time.Duration, bool) { return 0, false }

type lateClock struct {
	runtime.Clock
	by time.Duration
}

func (c lateClock) Sleep(ctx context.Context, until time.Duration) error {
	return c.Clock.Sleep(ctx, until+c.by)
}

// tapped is a runtime that gives a test its sink.
type tapped struct {
	*sim.Runtime
	sink   runtime.Sink
	onLogs func(runtime.Sink) // called when logs are read; may be nil
}

func (r *tapped) Create(ctx context.Context, plan runtime.Plan) ([]runtime.Host, error) {
	r.sink = plan.Sink
	return r.Runtime.Create(ctx, plan)
}

func (r *tapped) Logs(ctx context.Context, id faults.NodeID, n int) ([]string, error) {
	if r.onLogs != nil {
		r.onLogs(r.sink)
	}
	return r.Runtime.Logs(ctx, id, n)
}

// leaky is a runtime whose cuts leave the link between two nodes whole.
type leaky struct {
	*sim.Runtime
	a, b faults.NodeID
	// hidden: the measurements do not show the leak, as when probes go another way than the nodes' own packets.
	hidden bool
	layers int
}

func (l *leaky) Shape(ctx context.Context, layers []faults.Layer) (faults.Applied, error) {
	l.layers = len(layers)
	layers = slices.Clone(layers)
	for i := range layers {
		rules := except(layers[i].Links.Rules, l.a, l.b)
		layers[i].Links.Rules = except(rules, l.b, l.a)
	}
	return l.Runtime.Shape(ctx, layers)
}

func (l *leaky) Probe(ctx context.Context, links []faults.Link, plan faults.ProbePlan) ([]faults.Measurement, error) {
	out, err := l.Runtime.Probe(ctx, links, plan)
	for i := range out {
		if pair := out[i].Link; l.hidden && l.layers > 0 && (pair == faults.Link{From: l.a, To: l.b} || pair == faults.Link{From: l.b, To: l.a}) {
			out[i] = faults.Measurement{Link: pair, Sent: out[i].Sent}
		}
	}
	return out, err
}

// except returns rules without the link between two nodes, in one direction.
func except(rules []faults.Rule, from, to faults.NodeID) []faults.Rule {
	var out []faults.Rule
	for _, r := range rules {
		if !slices.Contains(r.From, from) || !slices.Contains(r.To, to) {
			out = append(out, r)
			continue
		}
		others := func(ids []faults.NodeID, id faults.NodeID) []faults.NodeID {
			return slices.DeleteFunc(slices.Clone(ids), func(x faults.NodeID) bool { return x == id })
		}
		out = append(out,
			faults.Rule{From: others(r.From, from), To: r.To, Cut: r.Cut, Shape: r.Shape},
			faults.Rule{From: []faults.NodeID{from}, To: others(r.To, to), Cut: r.Cut, Shape: r.Shape})
	}
	return out
}

// wrongDelay is a runtime that makes other delays than planned.
type wrongDelay struct {
	*sim.Runtime
	change func(time.Duration) time.Duration
	jitter func(time.Duration) time.Duration // nil: as planned
}

func (l wrongDelay) Shape(ctx context.Context, layers []faults.Layer) (faults.Applied, error) {
	layers = slices.Clone(layers)
	for i := range layers {
		layers[i].Links.Rules = slices.Clone(layers[i].Links.Rules)
		for k := range layers[i].Links.Rules {
			r := &layers[i].Links.Rules[k]
			r.Shape.Delay = l.change(r.Shape.Delay)
			if l.jitter != nil {
				r.Shape.Jitter = l.jitter(r.Shape.Jitter)
			}
		}
	}
	return l.Runtime.Shape(ctx, layers)
}

// ignoresActions is a runtime that says it acts on nodes and does not.
type ignoresActions struct{ *sim.Runtime }

func (ignoresActions) Do(context.Context, faults.Action) error { return nil }

// blockHook is a chain that calls fn after a node was queried for a block.
type blockHook struct {
	chain.Chain
	fn func()
}

func (h blockHook) Client(id faults.NodeID) chain.Client {
	return blockClient{h.Chain.Client(id), h.fn}
}

type blockClient struct {
	chain.Client
	fn func()
}

func (c blockClient) Block(ctx context.Context, h trace.Hash) (trace.Block, error) {
	defer c.fn()
	return c.Client.Block(ctx, h)
}

// invalidHead is a chain one of whose head events cannot be recorded.
type invalidHead struct {
	chain.Chain
	heads, wrong int // head events until now, and the number of the wrong one
}

func (b *invalidHead) ParseLog(id faults.NodeID, line []byte) (trace.Event, time.Time, bool) {
	e, at, ok := b.Chain.ParseLog(id, line)
	if ok && e.Kind == trace.KindHead {
		if b.heads++; b.heads == b.wrong {
			e.Peer = &trace.Peer{} // an event is about one thing
		}
	}
	return e, at, ok
}

// forging is a chain of which some nodes' clients submit transfers that are signed for another network.
type forging struct {
	*native.Chain
	other *native.Chain // with the same keys and addresses
	nodes []faults.NodeID
}

func forge(nodes ...faults.NodeID) func(*native.Chain, http.RoundTripper) chain.Chain {
	return func(c *native.Chain, transport http.RoundTripper) chain.Chain {
		return forging{c, native.New(transport), nodes}
	}
}

func (f forging) Prepare(ctx context.Context, net chain.Network) (chain.Prepared, error) {
	other := net
	other.ID = "other"
	if _, err := f.other.Prepare(ctx, other); err != nil {
		return chain.Prepared{}, err
	}
	return f.Chain.Prepare(ctx, net)
}

func (f forging) Client(id faults.NodeID) chain.Client {
	if slices.Contains(f.nodes, id) {
		return f.other.Client(id)
	}
	return f.Chain.Client(id)
}

// skewed is a chain one of whose nodes has a clock that is ahead, or behind if by is negative.
type skewed struct {
	chain.Chain
	node faults.NodeID
	by   time.Duration
	// silent: its answers do not show it.
	silent bool
}

func (c skewed) ParseLog(id faults.NodeID, line []byte) (trace.Event, time.Time, bool) {
	e, at, ok := c.Chain.ParseLog(id, line)
	if id == c.node {
		at = at.Add(c.by)
	}
	return e, at, ok
}

func (c skewed) Client(id faults.NodeID) chain.Client {
	if id != c.node || c.silent {
		return c.Chain.Client(id)
	}
	return skewedClient{c.Chain.Client(id), c.by}
}

func (c skewed) Capabilities() chain.Capabilities {
	caps := c.Chain.Capabilities()
	if answer := caps.Answer; answer != nil && !c.silent {
		caps.Answer = func(ctx context.Context, id faults.NodeID) (trace.Answer, error) {
			a, err := answer(ctx, id)
			if id == c.node && err == nil {
				a.Clock, a.PeersClock = a.Clock.Add(c.by), a.PeersClock.Add(c.by)
			}
			return a, err
		}
	}
	return caps
}

type skewedClient struct {
	chain.Client
	by time.Duration
}

func (c skewedClient) Status(ctx context.Context) (trace.Status, error) {
	s, err := c.Client.Status(ctx)
	s.Time = s.Time.Add(c.by)
	return s, err
}

// lateOutput is a simulator whose nodes' lines come late.
type lateOutput struct {
	*sim.Runtime
	by time.Duration
}

func (l lateOutput) Create(ctx context.Context, plan runtime.Plan) ([]runtime.Host, error) {
	plan.Sink = &lateSink{Sink: plan.Sink, by: l.by}
	return l.Runtime.Create(ctx, plan)
}

// lateSink passes each line on with the first one that comes at least some time later.
type lateSink struct {
	runtime.Sink
	by    time.Duration
	lines []lateLine
}

type lateLine struct {
	node faults.NodeID
	at   time.Time
	text []byte
}

func (s *lateSink) Line(node faults.NodeID, at time.Time, line []byte) {
	for len(s.lines) > 0 && at.Sub(s.lines[0].at) >= s.by {
		x := s.lines[0]
		s.lines = s.lines[1:]
		s.Sink.Line(x.node, at, x.text)
	}
	s.lines = append(s.lines, lateLine{node, at, slices.Clone(line)})
}
