package sim

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stub is a machine that logs its inputs and returns only the effects that the test has set.
type stub struct {
	l        *lab
	name     string
	onStart  []node.Effect
	onTimer  func(now node.Time) []node.Effect
	onUp     func()
	onStop   func()
	messages []uint64
}

func (s *stub) logf(format string, args ...any) []node.Effect {
	at := time.Duration(s.l.r.clock.now.Load())
	s.l.log = append(s.l.log, fmt.Sprintf("%v %s %s", at, s.name, fmt.Sprintf(format, args...)))
	return nil
}

func (s *stub) Start(node.Time) []node.Effect { return s.onStart }
func (s *stub) PeerUp(_ node.Time, id chain.PeerID, outbound bool) []node.Effect {
	if s.onUp != nil {
		s.onUp()
	}
	return s.logf("up %s outbound=%v", s.l.nameOf(id), outbound)
}
func (s *stub) PeerDown(_ node.Time, id chain.PeerID, reason string) []node.Effect {
	return s.logf("down %s: %s", s.l.nameOf(id), reason)
}
func (s *stub) DialFailed(_ node.Time, id chain.PeerID) []node.Effect {
	return s.logf("dial %s failed", s.l.nameOf(id))
}
func (s *stub) Receive(_ node.Time, from chain.PeerID, m wire.Message) []node.Effect {
	n := m.(*wire.Ping).Nonce
	s.messages = append(s.messages, n)
	return s.logf("got %d from %s", n, s.l.nameOf(from))
}
func (s *stub) Timer(now node.Time, id node.TimerID) []node.Effect {
	s.logf("timer %d", id.Kind)
	if s.onTimer != nil {
		return s.onTimer(now)
	}
	return nil
}
func (s *stub) Malformed(_ node.Time, from chain.PeerID, err error) []node.Effect {
	return s.logf("malformed from %s: %v", s.l.nameOf(from), err)
}
func (s *stub) Stop(node.Time) []node.Effect {
	if s.onStop != nil {
		s.onStop()
	}
	return s.logf("stop")
}

// lab is a simulated network of stubs named a, b, c ...
type lab struct {
	t     *testing.T
	r     *Runtime
	stubs map[string]*stub
	hosts []runtime.Host
	log   []string
	sink  sinkLog
	err   error // error of the next newMachine
}

// sinkLog is a Sink that records exits.
type sinkLog struct{ exits []string }

func (s *sinkLog) Line(faults.NodeID, time.Time, []byte) {}
func (s *sinkLog) Gap(faults.NodeID, error)              {}
func (s *sinkLog) Exit(id faults.NodeID, err error) {
	s.exits = append(s.exits, fmt.Sprintf("%s: %v", id, err))
}

func (s *sinkLog) External(_ faults.NodeID, err *runtime.ExternalError) {
	s.exits = append(s.exits, err.Error())
}

func idOf(name string) chain.PeerID { return sha256.Sum256([]byte(name)) }

func newLab(t *testing.T, names ...string) *lab {
	t.Helper()
	l := &lab{t: t, r: New(Options{Seed: 1}), stubs: make(map[string]*stub)}
	l.r.newMachine = func(cfg node.Config, _ []*chain.Block, _ node.Time) (Machine, chain.PeerID, error) {
		if l.err != nil {
			return nil, chain.PeerID{}, l.err
		}
		s := l.stubs[cfg.Name]
		if s == nil {
			s = &stub{l: l, name: cfg.Name}
			l.stubs[cfg.Name] = s
		}
		return s, idOf(cfg.Name), nil
	}
	plan := runtime.Plan{ID: "lab", Sink: &l.sink}
	for _, n := range names {
		plan.Nodes = append(plan.Nodes, runtime.PlanNode{ID: faults.NodeID(n)})
	}
	l.hosts = must.Get(l.r.Create(t.Context(), plan))(t)
	t.Cleanup(func() { must.Do(t, l.r.Close(t.Context())) })
	return l
}

// launchAll launches every node.
func launchAll(t *testing.T, names ...string) *lab {
	t.Helper()
	l := newLab(t, names...)
	for _, n := range names {
		l.launch(n)
	}
	return l
}

func launchOf(t *testing.T, cfg node.Config) runtime.Launch {
	t.Helper()
	text := must.Get(json.Marshal(cfg))(t)
	return runtime.Launch{
		ID: faults.NodeID(cfg.Name), Args: []string{"node", "--config", "/c.json"},
		Files: map[string][]byte{"/c.json": text},
	}
}

func (l *lab) launch(name string) {
	l.t.Helper()
	cfg := launchOf(l.t, node.Config{Name: name})
	must.Do(l.t, l.r.Launch(l.t.Context(), []runtime.Launch{cfg}, nil))
}

func (l *lab) nameOf(id chain.PeerID) string {
	for n := range l.stubs {
		if idOf(n) == id {
			return n
		}
	}
	return "?"
}

// perform performs effects of a node.
func (l *lab) perform(name string, effects ...node.Effect) {
	l.r.mu.Lock()
	defer l.r.mu.Unlock()
	l.r.w.perform(l.r.w.names[faults.NodeID(name)], effects)
}

func (l *lab) dial(from, to string) {
	l.perform(from, node.Effect{Kind: node.EffectDial, Peer: idOf(to), Addr: l.addr(to)})
}

func (l *lab) addr(name string) string {
	for _, h := range l.hosts {
		if string(h.ID) == name {
			return fmt.Sprintf("%s:%d", h.Addr, runtime.PeerPort)
		}
	}
	return "10.9.9.9:4001"
}

func (l *lab) send(from, to string, n uint64) {
	l.perform(from, node.Effect{Kind: node.EffectSend, Peer: idOf(to), Msg: &wire.Ping{Nonce: n}})
}

func (l *lab) disconnect(from, to, reason string) {
	l.perform(from, node.Effect{Kind: node.EffectDisconnect, Peer: idOf(to), Reason: reason})
}

func (l *lab) do(verb faults.Verb, name string) {
	l.t.Helper()
	must.Do(l.t, l.r.Do(l.t.Context(), faults.Action{Verb: verb, Node: faults.NodeID(name)}))
}

// until lets virtual time pass until at.
func (l *lab) until(at time.Duration) {
	l.t.Helper()
	must.Do(l.t, l.r.Clock().Sleep(l.t.Context(), at))
}

func (l *lab) shape(layers ...faults.Layer) {
	l.t.Helper()
	must.Get(l.r.Shape(l.t.Context(), layers))(l.t)
}

// oneWay is a layer with one rule, from one node to another.
func oneWay(from, to string, cut bool, s faults.Shape) faults.Layer {
	rule := faults.Rule{From: []faults.NodeID{faults.NodeID(from)}, To: []faults.NodeID{faults.NodeID(to)}, Cut: cut, Shape: s}
	return faults.Layer{ID: from + to, Links: faults.Links{Rules: []faults.Rule{rule}}}
}

// cut is a layer that cuts two nodes from each other.
func cut(a, b string) faults.Layer {
	l := oneWay(a, b, true, faults.Shape{})
	l.Links.Rules = append(l.Links.Rules, oneWay(b, a, true, faults.Shape{}).Links.Rules...)
	return l
}

// expect compares the inputs logged since the last call with want.
func (l *lab) expect(want ...string) {
	l.t.Helper()
	got := l.log
	l.log = nil
	if !slices.Equal(got, want) {
		l.t.Fatalf("inputs\n%q\nwant\n%q", got, want)
	}
}

// joined is a lab of two connected nodes, at 10 ms.
func joined(t *testing.T) *lab {
	t.Helper()
	l := launchAll(t, "a", "b")
	l.dial("a", "b")
	l.until(10 * time.Millisecond)
	l.expect("1.5ms a up b outbound=true", "1.5ms b up a outbound=false")
	return l
}
