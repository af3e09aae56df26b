package sim

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

func TestHostAddresses(t *testing.T) {
	seen := make(map[netip.Addr]bool)
	w := &world{}
	for i := range 20000 {
		a := hostAddr(i)
		w.hosts = append(w.hosts, &host{index: int32(i), addr: a})
		b := a.As4()
		if seen[a] || b[0] != 10 || b[3] == 0 || b[3] == 255 {
			t.Fatalf("host %d has address %v", i, a)
		}
		seen[a] = true
	}
	for _, h := range w.hosts {
		if got := w.hostAt(h.addr); got != h {
			t.Fatalf("nobody, or somebody else, at %v", h.addr)
		}
	}
	for _, a := range []string{"10.0.0.0", "10.255.255.255", "11.0.0.1", "10.0.0.255", "::1"} {
		if h := w.hostAt(netip.MustParseAddr(a)); h != nil {
			t.Errorf("host %d at %s", h.index, a)
		}
	}
	if a := hostAddr(maxHosts - 1); a != netip.MustParseAddr("10.255.255.254") {
		t.Errorf("last address %v", a)
	}
}

func TestCreateRefuses(t *testing.T) {
	r := New(Options{})
	twice := runtime.Plan{ID: "p", Nodes: []runtime.PlanNode{{ID: "a"}, {ID: "a"}}}
	if _, err := r.Create(t.Context(), twice); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("node planned twice: %v", err)
	}
	many := runtime.Plan{ID: "p", Nodes: make([]runtime.PlanNode, maxHosts+1)}
	if _, err := r.Create(t.Context(), many); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("too many nodes: %v", err)
	}
	if _, err := r.Create(t.Context(), runtime.Plan{ID: "p"}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Create(t.Context(), runtime.Plan{ID: "p"}); err == nil {
		t.Error("second create: no error")
	}
}

func TestLaunchRefuses(t *testing.T) {
	l := launchAll(t, "a")
	fresh := launchOf(t, node.Config{Name: "a"})
	unknown := fresh
	unknown.ID = "x"
	for name, c := range map[string]struct {
		launch runtime.Launch
		is     error
	}{"again": {fresh, runtime.ErrState}, "unknown": {unknown, nil}} {
		err := l.r.Launch(t.Context(), []runtime.Launch{c.launch}, nil)
		var failed *runtime.NodeError
		if !errors.As(err, &failed) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAdvertisedNamesAreDialled(t *testing.T) {
	l := newLab(t, "a", "b")
	for _, n := range []string{"a", "b"} {
		cfg := node.Config{Name: n, Advertise: "gate.example:4001"} // the first to take it has it
		if err := l.r.Launch(t.Context(), []runtime.Launch{launchOf(t, cfg)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	l.perform("b", node.Effect{Kind: node.EffectDial, Peer: idOf("a"), Addr: "gate.example:4001"})
	l.until(10 * ms)
	l.expect("1.5ms b up a outbound=true", "1.5ms a up b outbound=false")
}

func TestClosedRefusesEverything(t *testing.T) {
	l := launchAll(t, "a")
	l.timer("a", 1, 10*ms)
	for range 2 {
		if err := l.r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	_, create := l.r.Create(ctx, runtime.Plan{})
	_, logs := l.r.Logs(ctx, "a", 1)
	_, shape := l.r.Shape(ctx, nil)
	_, traffic := l.r.Traffic(ctx)
	_, probe := l.r.Probe(ctx, []faults.Link{{From: "a", To: "a"}}, faults.ProbePlan{Count: 1})
	for name, err := range map[string]error{
		"create": create, "logs": logs, "shape": shape, "traffic": traffic, "probe": probe,
		"do":     l.r.Do(ctx, faults.Action{Verb: faults.Kill, Node: "a"}),
		"launch": l.r.Launch(ctx, []runtime.Launch{{ID: "a"}}, nil),
		"crash":  l.r.Crash("a", 0, nil),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v, want ErrClosed", name, err)
		}
	}
	l.until(20 * ms) // the clock goes on, the nodes do not
	l.expect()
}

func TestDescribe(t *testing.T) {
	l := newLab(t, "a", "b")
	if got, want := l.r.Describe(t.Context()), "sim, virtual time, 2 nodes, 500µs base delay, seed 1"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestEventsArePrintedAsJSON(t *testing.T) {
	l := launchAll(t, "a")
	h := chain.Hash{1}
	l.perform("a", node.Effect{Kind: node.EffectEvent, Event: &node.Event{Time: 5, Kind: node.EventHead, Hash: &h, Height: 2}})
	want := `{"t":5,"ev":"head","hash":"01` + strings.Repeat("00", 31) + `","height":2}`
	if len(l.sink.lines) != 1 || l.sink.lines[0] != "a "+want {
		t.Errorf("printed %q, want %q", l.sink.lines, want)
	}
	logs, err := l.r.Logs(t.Context(), "a", 5)
	if err != nil || len(logs) != 1 || logs[0] != want {
		t.Errorf("logs %q, %v", logs, err)
	}
}
