package fake_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/netsplit/netsplit/ci/must"
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

func (r *recorder) External(_ faults.NodeID, err *runtime.ExternalError) {
	r.exits = append(r.exits, err)
}

// up is tryUp for scripts that let all nodes start.
func up(t *testing.T, script fake.Script) (*fake.Runtime, *recorder) {
	t.Helper()
	r, rec, err := tryUp(t, script)
	must.Do(t, err)
	return r, rec
}

// tryUp starts a testnet of two nodes and lets it run for 20 s; the error is that of the launch.
func tryUp(t *testing.T, script fake.Script) (*fake.Runtime, *recorder, error) {
	t.Helper()
	r := fake.New(sim.Options{}, script)
	var rec recorder
	hosts, err := r.Create(t.Context(), runtime.Plan{ID: "fake", Sink: &rec, Nodes: []runtime.PlanNode{{ID: "a"}, {ID: "b"}}})
	if err != nil {
		t.Fatal(err)
	}
	n := runtimetest.Network{ID: "fake", Hosts: hosts, Start: r.Clock().Epoch(), Interval: time.Second, Miners: 1}
	err = r.Launch(t.Context(), n.Launches(), nil)
	must.Do(t, r.Clock().Sleep(t.Context(), 20*time.Second))
	return r, &rec, err
}

func TestScript_Errors(t *testing.T) {
	r, _ := up(t, fake.Script{
		Do:         func(faults.Action) error { return errScript },
		Shape:      func([]faults.Layer) error { return errScript },
		ProbeErr:   errScript,
		TrafficErr: errScript,
		LogsErr:    errScript,
	})
	ctx := t.Context()
	_, create := fake.New(sim.Options{}, fake.Script{CreateErr: errScript}).Create(ctx, runtime.Plan{})
	_, shape := r.Shape(ctx, nil)
	_, probe := r.Probe(ctx, nil, faults.ProbePlan{Count: 1})
	_, traffic := r.Traffic(ctx)
	_, logs := r.Logs(ctx, "a", 1)
	do := r.Do(ctx, faults.Action{Verb: faults.Kill, Node: "a"})
	r.Rewrite(func(s *fake.Script) { s.Do, s.LaunchErr = nil, map[faults.NodeID]error{"a": errScript} })
	for name, err := range map[string]error{
		"create": create, "shape": shape, "probe": probe, "traffic": traffic, "logs": logs, "do": do,
		"restart": r.Do(ctx, faults.Action{Verb: faults.Restart, Node: "a"}),
	} {
		if !errors.Is(err, errScript) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestScript_Nodes(t *testing.T) {
	_, _, err := tryUp(t, fake.Script{LaunchErr: map[faults.NodeID]error{"b": errScript}, Tail: []string{"oh no"}})
	var failed *runtime.NodeError
	if !errors.As(err, &failed) || failed.Node != "b" || !errors.Is(err, errScript) || !slices.Equal(failed.Tail, []string{"oh no"}) {
		t.Errorf("launch: %v", err)
	}
	r, rec := up(t, fake.Script{
		DieAt: map[faults.NodeID]time.Duration{"b": 5 * time.Second}, GapAfter: map[faults.NodeID]int{"a": 3},
	})
	if len(rec.exits) != 1 || len(rec.gaps) != 1 || !errors.Is(rec.gaps[0], fake.ErrGap) || rec.lines < 5 {
		t.Errorf("%d lines, gaps %v, exits %v", rec.lines, rec.gaps, rec.exits)
	}
	if err := r.Do(t.Context(), faults.Action{Verb: faults.Kill, Node: "b"}); !errors.Is(err, runtime.ErrState) {
		t.Errorf("kill of a dead node: %v", err)
	}
}

func TestScript_ShapeLies(t *testing.T) {
	r, _ := up(t, fake.Script{ShapeLies: true})
	cut := faults.Layer{ID: "cut", Links: faults.Links{Rules: []faults.Rule{
		{From: []faults.NodeID{"a"}, To: []faults.NodeID{"b"}, Cut: true}}}}
	for _, received := range []int{4, 0} {
		must.Get(r.Shape(t.Context(), []faults.Layer{cut}))(t)
		m, err := r.Probe(t.Context(), []faults.Link{{From: "a", To: "b"}}, faults.ProbePlan{Count: 4, Wait: time.Second})
		if err != nil || m[0].Received != received {
			t.Errorf("%d probes crossed the cut, want %d; %v", m[0].Received, received, err)
		}
		r.Rewrite(func(s *fake.Script) { s.ShapeLies = false })
	}
}

func TestRuntime_RecordsCalls(t *testing.T) {
	r, _ := up(t, fake.Script{})
	must.Do(t, r.Do(t.Context(), faults.Action{Verb: faults.Kill, Node: "b"}))
	must.Get(r.Shape(t.Context(), make([]faults.Layer, 2)))(t)
	must.Do(t, r.Close(t.Context()))
	const end = 20 * time.Second
	want := []fake.Call{
		{Op: "create", Count: 2}, {Op: "launch", Node: "a", Count: 1}, {Op: "launch", Node: "b", Count: 1},
		{At: end, Op: "kill", Node: "b", Count: 1}, {At: end, Op: "shape", Count: 2}, {At: end, Op: "close"},
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
	hosts := must.Get(r.Create(t.Context(), runtime.Plan{ID: "fake", Nodes: []runtime.PlanNode{{ID: "a"}}}))(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n := runtimetest.Network{ID: "fake", Hosts: hosts, Start: r.Clock().Epoch(), Interval: time.Second, Miners: 1}
	if err := r.Launch(ctx, n.Launches(), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("launch: %v", err)
	}
}
