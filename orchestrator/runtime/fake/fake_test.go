package fake_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/fake"
	"github.com/netsplit/netsplit/orchestrator/runtime/runtimetest"
	"github.com/netsplit/netsplit/orchestrator/runtime/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	runtimetest.Run(t, func(*testing.T) runtime.Runtime {
		return fake.New(sim.Options{Seed: 3}, fake.Script{})
	}, runtimetest.Shape)
}

func TestConformance_WithoutLinkShaper(t *testing.T) {
	open := func(*testing.T) runtime.Runtime {
		return fake.WithoutLinkShaper(fake.New(sim.Options{}, fake.Script{}))
	}
	if _, ok := open(t).(runtime.LinkShaper); ok {
		t.Fatal("a runtime without LinkShaper has it")
	}
	runtimetest.Run(t, open)
}

var errScript = errors.New("as scripted")

// recorder is a Sink.
type recorder struct {
	lines int
	gaps  []error
	exits []error
}

func (r *recorder) Line(faults.NodeID, time.Time, []byte) { r.lines++ }
func (r *recorder) Gap(_ faults.NodeID, err error)        { r.gaps = append(r.gaps, err) }
func (r *recorder) Exit(_ faults.NodeID, err error)       { r.exits = append(r.exits, err) }
func launches(r *fake.Runtime, hosts []runtime.Host) []runtime.Launch {
	n := runtimetest.Network{ID: "fake", Hosts: hosts, Start: r.Clock().Epoch(), Interval: time.Second, Miners: 1}
	return n.Launches()
}

// up returns a running testnet of two nodes.
func up(t *testing.T, script fake.Script) (*fake.Runtime, *recorder, error) {
	t.Helper()
	r := fake.New(sim.Options{}, script)
	var rec recorder
	hosts, err := r.Create(t.Context(), runtime.Plan{ID: "fake", Sink: &rec, Nodes: []runtime.PlanNode{{ID: "a"}, {ID: "b"}}})
	if err != nil {
		t.Fatal(err)
	}
	return r, &rec, r.Launch(t.Context(), launches(r, hosts), nil)
}

func sleep(t *testing.T, r *fake.Runtime, until time.Duration) {
	t.Helper()
	if err := r.Clock().Sleep(t.Context(), until); err != nil {
		t.Fatal(err)
	}
}

func TestScript_Errors(t *testing.T) {
	r, _, err := up(t, fake.Script{
		Do:         func(faults.Action) error { return errScript },
		Shape:      func([]faults.Layer) error { return errScript },
		ProbeErr:   errScript,
		TrafficErr: errScript,
		LogsErr:    errScript,
		CloseErr:   errScript,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	_, shape := r.Shape(ctx, nil)
	_, probe := r.Probe(ctx, nil, faults.ProbePlan{Count: 1})
	_, traffic := r.Traffic(ctx)
	_, logs := r.Logs(ctx, "a", 1)
	for name, err := range map[string]error{
		"shape": shape, "probe": probe, "traffic": traffic, "logs": logs,
		"do":    r.Do(ctx, faults.Action{Verb: faults.Kill, Node: "a"}),
		"close": r.Close(ctx),
	} {
		if !errors.Is(err, errScript) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := r.Do(ctx, faults.Action{Verb: faults.Kill, Node: "a"}); !errors.Is(err, errScript) {
		t.Errorf("do after close: %v", err)
	}
	r.Rewrite(func(s *fake.Script) { s.Do, s.CloseErr = nil, nil })
	if err := r.Do(ctx, faults.Action{Verb: faults.Kill, Node: "a"}); !errors.Is(err, sim.ErrClosed) {
		t.Errorf("close with an error did not close: %v", err)
	}
	if err := r.Close(ctx); err != nil {
		t.Errorf("rewritten close: %v", err)
	}
}

func TestScript_CreateErr(t *testing.T) {
	r := fake.New(sim.Options{}, fake.Script{CreateErr: errScript})
	if _, err := r.Create(t.Context(), runtime.Plan{}); !errors.Is(err, errScript) {
		t.Errorf("create: %v", err)
	}
}

func TestScript_LaunchErr(t *testing.T) {
	r, _, err := up(t, fake.Script{LaunchErr: map[faults.NodeID]error{"b": errScript}, Tail: []string{"oh no"}})
	var failed *runtime.NodeError
	if !errors.As(err, &failed) || failed.Node != "b" || !errors.Is(err, errScript) || !slices.Equal(failed.Tail, []string{"oh no"}) {
		t.Fatalf("launch: %v", err)
	}
	r.Rewrite(func(s *fake.Script) { s.LaunchErr = map[faults.NodeID]error{"a": errScript} })
	if err := r.Do(t.Context(), faults.Action{Verb: faults.Restart, Node: "a"}); !errors.Is(err, errScript) {
		t.Errorf("restart: %v", err)
	}
}

func TestScript_DieAt(t *testing.T) {
	r, rec, err := up(t, fake.Script{DieAt: map[faults.NodeID]time.Duration{"a": 5 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	sleep(t, r, 4*time.Second)
	if len(rec.exits) != 0 {
		t.Fatalf("early exits %v", rec.exits)
	}
	sleep(t, r, 6*time.Second)
	if len(rec.exits) != 1 {
		t.Fatalf("exits %v", rec.exits)
	}
	if err := r.Do(t.Context(), faults.Action{Verb: faults.Kill, Node: "a"}); !errors.Is(err, runtime.ErrState) {
		t.Errorf("kill of a dead node: %v", err)
	}
}

func TestScript_GapAfter(t *testing.T) {
	r, rec, err := up(t, fake.Script{GapAfter: map[faults.NodeID]int{"a": 3}})
	if err != nil {
		t.Fatal(err)
	}
	sleep(t, r, 20*time.Second)
	if len(rec.gaps) != 1 || !errors.Is(rec.gaps[0], fake.ErrGap) || rec.lines < 5 {
		t.Errorf("%d lines, gaps %v", rec.lines, rec.gaps)
	}
}

func TestScript_ShapeLiesAndProbe(t *testing.T) {
	r, _, err := up(t, fake.Script{ShapeLies: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	cut := faults.Layer{ID: "cut", Links: faults.Links{Rules: []faults.Rule{
		{From: []faults.NodeID{"a"}, To: []faults.NodeID{"b"}, Cut: true}}}}
	if _, err := r.Shape(ctx, []faults.Layer{cut}); err != nil {
		t.Fatal(err)
	}
	link := []faults.Link{{From: "a", To: "b"}}
	probe := func() int {
		t.Helper()
		m, err := r.Probe(ctx, link, faults.ProbePlan{Count: 4, Wait: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		return m[0].Received
	}
	if got := probe(); got != 4 {
		t.Errorf("%d probes crossed a cut that was not made", got)
	}
	r.Rewrite(func(s *fake.Script) {
		s.ShapeLies = false
		s.Probe = func(m faults.Measurement) faults.Measurement { m.Received = 1; return m }
	})
	if _, err := r.Shape(ctx, []faults.Layer{cut}); err != nil {
		t.Fatal(err)
	}
	if got := probe(); got != 1 {
		t.Errorf("the measurement was not falsified: %d", got)
	}
}

func TestRuntime_RecordsCalls(t *testing.T) {
	r, _, err := up(t, fake.Script{})
	if err != nil {
		t.Fatal(err)
	}
	sleep(t, r, time.Second)
	if err := r.Do(t.Context(), faults.Action{Verb: faults.Kill, Node: "b"}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Shape(t.Context(), make([]faults.Layer, 2)); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []fake.Call{
		{Op: "create", Count: 2}, {Op: "launch", Node: "a", Count: 1}, {Op: "launch", Node: "b", Count: 1},
		{At: time.Second, Op: "kill", Node: "b", Count: 1}, {At: time.Second, Op: "shape", Count: 2},
		{At: time.Second, Op: "close"},
	}
	if got := r.Calls(); !slices.Equal(got, want) {
		t.Errorf("calls %+v\nwant %+v", got, want)
	}
	if got := r.Info(t.Context()); got == r.Runtime.Info(t.Context()) {
		t.Errorf("described as %+v", got)
	}
}

func TestLaunch_ContextEnded(t *testing.T) {
	r := fake.New(sim.Options{}, fake.Script{})
	hosts, err := r.Create(t.Context(), runtime.Plan{ID: "fake", Nodes: []runtime.PlanNode{{ID: "a"}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Launch(ctx, launches(r, hosts), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("launch: %v", err)
	}
}
