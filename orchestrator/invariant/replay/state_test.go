package replay

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// play applies events one second apart, after a run event of nodes a, b and c that all make blocks.
func play(t *testing.T, events ...*trace.Event) *State {
	t.Helper()
	run := &trace.Run{
		Format: trace.Format, PeerExchange: true, Chain: trace.Facts{BlockInterval: time.Second, GenesisHash: "g"}, Plan: &trace.Plan{},
	}
	for _, id := range []trace.NodeID{"a", "b", "c"} {
		run.Nodes = append(run.Nodes, trace.RunNode{ID: id, Mine: 1})
	}
	events = append([]*trace.Event{{Kind: trace.KindRun, Run: run}}, events...)
	s := must.Get(Play(func(fn func(*trace.Event) error) error {
		for i, e := range events {
			e.At = time.Duration(i) * time.Second
			if err := fn(e); err != nil {
				return err
			}
		}
		return nil
	}, func(*State, *trace.Event) error { return nil }))(t)
	return s
}

func up(n trace.NodeID) *trace.Event {
	return &trace.Event{Kind: trace.KindNode, Node: n, Lifecycle: &trace.Lifecycle{State: trace.StateUp}}
}

func seen(n trace.NodeID, hash, parent trace.Hash, height uint64) *trace.Event {
	return &trace.Event{Kind: trace.KindSeen, Node: n, Seen: &trace.Seen{Hash: hash, Parent: parent, Height: height}}
}

func head(n trace.NodeID, hash trace.Hash, height uint64) *trace.Event {
	return &trace.Event{Kind: trace.KindHead, Node: n, Head: &trace.Head{Hash: hash, Height: height}}
}

func cut(phase trace.FaultPhase, rules ...trace.Rule) *trace.Event {
	return &trace.Event{Kind: trace.KindFault, Fault: &trace.Fault{ID: "p", Phase: phase, Rules: rules}}
}

func TestState_AfterACut(t *testing.T) {
	one, two := []trace.NodeID{"a"}, []trace.NodeID{"b", "c"}
	s := play(t, up("a"), up("b"), up("c"), seen("a", "x", "g", 1), head("a", "x", 1), head("b", "x", 1),
		cut(trace.FaultBegin, trace.Rule{From: one, To: two, Cut: true}), cut(trace.FaultActive), head("b", "y", 2))
	a, b := s.Net.Component(0), s.Net.Component(1)
	if a == b || b != s.Net.Component(2) || s.Net.Group(0) == s.Net.Group(1) {
		t.Errorf("components %d, %d, %d", a, b, s.Net.Component(2))
	}
	if cut := &s.Faults.Enforced; !cut.Separates || cut.Side(0) == cut.Side(1) || cut.Side(1) != cut.Side(2) || cut.Since != 8*time.Second {
		t.Errorf("enforced cut %+v", cut)
	}
	if n := s.Nodes.At(1); s.Blocks.At(n.Head).Hash != "y" || n.State != trace.StateUp {
		t.Errorf("node b %+v", n)
	}
	if d := cmp.Diff([]string{"p"}, s.Faults.Windows(7*time.Second)); d != "" {
		t.Error(d)
	}
	if got := s.Faults.Windows(6 * time.Second); got != nil {
		t.Errorf("windows %v before any fault", got)
	}
}

func TestState_Incomplete(t *testing.T) {
	for _, c := range []struct {
		name  string
		event trace.Event
		want  string
	}{
		{"no end event", trace.Event{Kind: trace.KindPhase, Phase: &trace.Phase{}}, "no end event"},
		{"gap of all", trace.Event{Kind: trace.KindGap, Gap: &trace.Gap{Reason: "lost lines"}}, "events of all nodes since 0s may be missing: lost lines"},
		{"unknown node", trace.Event{Kind: trace.KindHead, Node: "z", Head: &trace.Head{}}, `node "z"`},
		{"unknown fault phase", trace.Event{Kind: trace.KindFault, Fault: &trace.Fault{ID: "f", Phase: "odd"}}, `unknown phase "odd"`},
	} {
		events := []*trace.Event{up("a"), up("b"), &c.event}
		if c.want != "no end event" {
			events = append(events, &trace.Event{Kind: trace.KindEnd, End: &trace.End{}})
		}
		if got := play(t, events...).Incomplete(); !strings.Contains(got, c.want) {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

func TestState_Gaps(t *testing.T) {
	const s = time.Second
	gap := func(node trace.NodeID) *trace.Event {
		return &trace.Event{Kind: trace.KindGap, Node: node, Gap: &trace.Gap{From: 2 * s, Reason: "lost lines"}}
	}
	end := &trace.Event{Kind: trace.KindEnd, End: &trace.End{Interrupted: true}} // it need not go through all phases
	state := play(t, up("a"), up("b"), gap("b"), seen("b", "x", "g", 1), end)    // a second apart
	if got := state.Gap(); got != "events of b since 2s may be missing: lost lines" || state.Incomplete() != "" || !state.HasGaps() {
		t.Errorf("gap %q, incomplete %q", got, state.Incomplete())
	}
	for _, c := range []struct {
		from, to time.Duration
		want     bool
	}{{0, s, true}, {0, 2 * s, false}, {4 * s, 5 * s, false}, {5 * s, 5 * s, true}} {
		if got := state.Read(1, c.from, c.to); got != c.want {
			t.Errorf("b is read from %v to %v: %v", c.from, c.to, got)
		}
	}
	if !state.ReadAtEnd(1) || !state.AnyRead([]NodeIndex{0, 1}, 0, 5*s) || state.AnyRead([]NodeIndex{1}, 0, 5*s) {
		t.Error("a is read all the time, b after its gap")
	}
	if state = play(t, up("a"), up("b"), gap("b"), end); state.ReadAtEnd(1) || !state.ReadAtEnd(0) {
		t.Error("the gap of b is open at the end")
	}
	if state = play(t, up("a"), up("b"), gap(""), end); state.ReadAtEnd(0) {
		t.Error("a gap of all nodes is one of a")
	}
}

// A head without a hash is neither genesis nor another block.
func TestState_HeadWithoutHash(t *testing.T) {
	end := &trace.Event{Kind: trace.KindEnd, End: &trace.End{}}
	for _, height := range []uint64{0, 1, 9} {
		s := play(t, up("a"), up("b"), head("b", "x", 1), head("b", "", height), end)
		if n := s.Nodes.At(1); s.Blocks.At(n.Head).Hash != "x" || n.Reorgs != 0 || s.Gap() == "" || s.ReadAtEnd(1) {
			t.Errorf("height %d: %+v, gap %q", height, n, s.Gap())
		}
	}
	// At its beginning a chain has no block to name.
	if s := play(t, up("a"), up("b"), head("b", "", 0), end); s.HasGaps() {
		t.Errorf("gap %q", s.Gap())
	}
}
