package sim

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

func TestHostAddr(t *testing.T) {
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
			t.Fatalf("hostAt(%v) = %v, want %v", h.addr, got, h)
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

func TestCreate_Refuses(t *testing.T) {
	r := New(Options{})
	twice := runtime.Plan{ID: "p", Nodes: []runtime.PlanNode{{ID: "a"}, {ID: "a"}}}
	if _, err := r.Create(t.Context(), twice); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("node planned twice: %v", err)
	}
	many := runtime.Plan{ID: "p", Nodes: make([]runtime.PlanNode, maxHosts+1)}
	if _, err := r.Create(t.Context(), many); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("too many nodes: %v", err)
	}
	must.Get(r.Create(t.Context(), runtime.Plan{ID: "p"}))(t)
	if _, err := r.Create(t.Context(), runtime.Plan{ID: "p"}); err == nil {
		t.Error("second create: no error")
	}
}

func TestLaunch_Refuses(t *testing.T) {
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

func TestDial_AdvertisedName(t *testing.T) {
	l := newLab(t, "a", "b")
	for _, n := range []string{"a", "b"} {
		cfg := node.Config{Name: n, Advertise: "gate.example:4001"} // belongs to the first node
		must.Do(t, l.r.Launch(t.Context(), []runtime.Launch{launchOf(t, cfg)}, nil))
	}
	l.perform("b", node.Effect{Kind: node.EffectDial, Peer: idOf("a"), Addr: "gate.example:4001"})
	l.until(10 * ms)
	l.expect("1.5ms b up a outbound=true", "1.5ms a up b outbound=false")
}

func TestClose_RefusesCalls(t *testing.T) {
	l := launchAll(t, "a")
	l.timer("a", 1, 10*ms)
	for range 2 {
		must.Do(t, l.r.Close(t.Context()))
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
	l.until(20 * ms) // the clock continues, the nodes do not
	l.expect()
}

func TestInfo(t *testing.T) {
	l := newLab(t, "a", "b")
	if got, want := l.r.Info(t.Context()).Text, "sim, virtual time, 2 nodes, 500µs link delay, seed 1"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestDo_States(t *testing.T) {
	verbs := []faults.Verb{faults.Kill, faults.Stop, faults.Pause, faults.Resume, faults.Start, faults.Restart}
	states := map[string]struct {
		prepare func(l *lab)
		fit     []faults.Verb
	}{
		"running": {func(l *lab) { l.launch("a") }, []faults.Verb{faults.Kill, faults.Stop, faults.Pause, faults.Restart}},
		"paused": {func(l *lab) { l.launch("a"); l.do(faults.Pause, "a") },
			[]faults.Verb{faults.Kill, faults.Stop, faults.Resume}},
		"down":         {func(l *lab) { l.launch("a"); l.do(faults.Kill, "a") }, []faults.Verb{faults.Start}},
		"not launched": {func(*lab) {}, nil},
	}
	for name, s := range states {
		for _, v := range verbs {
			l := newLab(t, "a")
			s.prepare(l)
			err := l.r.Do(t.Context(), faults.Action{Verb: v, Node: "a"})
			if slices.Contains(s.fit, v) != (err == nil) {
				t.Errorf("%s a node that is %s: %v", v, name, err)
			}
			if err != nil && (!errors.Is(err, runtime.ErrState) || !strings.Contains(err.Error(), name)) {
				t.Errorf("%s a node that is %s: %v, want ErrState and the state", v, name, err)
			}
		}
	}
}

func TestDo_StopPaused(t *testing.T) {
	l := launchAll(t, "a")
	l.do(faults.Pause, "a")
	l.do(faults.Stop, "a")
	l.expect()
}

func TestDo_StartLoadsPersistedBlocks(t *testing.T) {
	l := newLab(t, "a")
	var stored [][]*chain.Block
	inner := l.r.newMachine
	l.r.newMachine = func(cfg node.Config, s []*chain.Block, now node.Time) (Machine, chain.PeerID, error) {
		stored = append(stored, slices.Clone(s))
		return inner(cfg, s, now)
	}
	l.launch("a")
	b := chain.NewBlock(chain.Header{Height: 1}, nil)
	l.perform("a", node.Effect{Kind: node.EffectPersist, Block: b})
	l.do(faults.Kill, "a")
	l.do(faults.Start, "a")
	if len(stored) != 2 || len(stored[0]) != 0 || len(stored[1]) != 1 || stored[1][0] != b {
		t.Fatalf("stored at the starts: %v", stored)
	}
}

func TestDo_StartFails(t *testing.T) {
	l := launchAll(t, "a")
	l.do(faults.Kill, "a")
	l.err = errors.New("disk full")
	err := l.r.Do(t.Context(), faults.Action{Verb: faults.Start, Node: "a"})
	var failed *runtime.NodeError
	if !errors.As(err, &failed) || failed.Node != "a" || failed.Op != "start" || !errors.Is(err, l.err) {
		t.Fatalf("start: %v", err)
	}
	if len(failed.Tail) == 0 || !strings.Contains(failed.Tail[0], "disk full") {
		t.Fatalf("tail %q", failed.Tail)
	}
	l.err = nil
	l.do(faults.Start, "a") // it can be started again
}

func TestPanic_EndsOneNode(t *testing.T) {
	tests := []struct {
		name string
		set  func(s *stub)
		act  func(l *lab)
	}{
		{"in the event loop",
			func(s *stub) { s.onTimer = func(node.Time) []node.Effect { panic("ouch") } },
			func(l *lab) { l.timer("a", 1, 20*ms) }},
		{"at its stop", func(s *stub) { s.onStop = func() { panic("ouch") } }, func(l *lab) { l.do(faults.Stop, "a") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := joined(t)
			tt.set(l.stubs["a"])
			tt.act(l)
			l.log = nil
			l.timer("b", 2, time.Second)
			l.until(2 * time.Second)
			if got := l.log[len(l.log)-1]; got != "1s b timer 2" {
				t.Errorf("the other node's last input: %q", got)
			}
			if !slices.Equal(l.sink.exits, []string{"a: panic: ouch"}) {
				t.Errorf("exits %q", l.sink.exits)
			}
			logs, err := l.r.Logs(t.Context(), "a", 100)
			if err != nil || !strings.Contains(strings.Join(logs, "\n"), "goroutine") {
				t.Errorf("logs %q, %v: want a stack", logs, err)
			}
			*l.stubs["a"] = stub{l: l, name: "a"}
			l.do(faults.Start, "a")
		})
	}
}

func TestPanic_InNewMachine(t *testing.T) {
	l := newLab(t, "a")
	l.r.newMachine = func(node.Config, []*chain.Block, node.Time) (Machine, chain.PeerID, error) { panic("ouch") }
	err := l.r.Launch(t.Context(), []runtime.Launch{launchOf(t, node.Config{Name: "a"})}, nil)
	if err == nil || !strings.Contains(err.Error(), "panic: ouch") {
		t.Fatalf("launch: %v", err)
	}
}

func TestCrash(t *testing.T) {
	l := launchAll(t, "a", "b")
	for id, at := range map[faults.NodeID]time.Duration{"a": time.Second, "b": 2 * time.Second} {
		must.Do(t, l.r.Crash(id, at, errors.New("exit status 1")))
	}
	if err := l.r.Crash("x", 0, nil); err == nil {
		t.Error("crash of an unknown node: no error")
	}
	l.until(1500 * ms)
	l.do(faults.Kill, "b") // it cannot crash then
	l.until(3 * time.Second)
	if !slices.Equal(l.sink.exits, []string{"a: exit status 1"}) {
		t.Errorf("exits %q", l.sink.exits)
	}
	l.do(faults.Start, "a")
}

func TestConfigPath(t *testing.T) {
	for _, tt := range []struct {
		args string
		want string // empty: an error
	}{
		{"node --config /a.json", "/a.json"},
		{"node -config /a.json", "/a.json"},
		{"node --config=/a.json", "/a.json"},
		{"node --verbose --config /a.json", "/a.json"},
		{"node --config", ""},
		{"node", ""},
		{"agent --config /a.json", ""},
		{"", ""},
	} {
		got, err := configPath(strings.Fields(tt.args))
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%q: %q, %v, want %q", tt.args, got, err, tt.want)
		}
	}
}

func TestReadConfig_Strict(t *testing.T) {
	const genesis = `"genesis": {"network": "n", "bits": 7}`
	for _, tt := range []struct{ text, err string }{
		{`{"name": "a", ` + genesis + `}`, ""},
		{`{"name": "a", "colour": 1, ` + genesis + `}`, `unknown field "colour"`},
		{`{"name": "a", "genesis": {"network": "n", "colour": 1}}`, `unknown field "colour"`},
		{`{"name": "a"}`, "genesis: missing"},
		{`{"name": 3, ` + genesis + `}`, "cannot unmarshal"},
		{`{"name": "a", ` + genesis + `} {}`, "after the end"},
		{``, "missing"},
	} {
		r := New(Options{})
		cfg, err := r.readConfig(runtime.Launch{
			Args: []string{"node", "--config", "/c"}, Files: map[string][]byte{"/c": []byte(tt.text)},
		})
		switch {
		case tt.err == "" && (err != nil || cfg.Name != "a" || cfg.Genesis.Bits != 7):
			t.Errorf("%s: %+v, %v", tt.text, cfg, err)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%s: %v, want %q", tt.text, err, tt.err)
		}
	}
	if _, err := New(Options{}).readConfig(runtime.Launch{Args: []string{"node", "--config", "/c"}}); err == nil {
		t.Error("missing file: no error")
	}
}

func TestReadConfig_SharesGenesis(t *testing.T) {
	var g internedGenesis
	decode := func(text string) node.Config {
		t.Helper()
		cfg := must.Get(g.decode([]byte(text)))(t)
		return cfg
	}
	const alloc = `"alloc": [{"address": "0101010101010101010101010101010101010101010101010101010101010101", "amount": 1}]`
	a := decode(`{"name": "a", "genesis": {"network": "n", ` + alloc + `}}`)
	b := decode(`{"name": "b", "genesis": {"network": "n", ` + alloc + `}}`)
	c := decode(`{"name": "c", "genesis": {"network": "m", ` + alloc + `}}`)
	if &a.Genesis.Alloc[0] != &b.Genesis.Alloc[0] {
		t.Error("equal genesis is not shared")
	}
	if &a.Genesis.Alloc[0] == &c.Genesis.Alloc[0] || c.Genesis.Network != "m" {
		t.Error("another genesis is shared")
	}
}
