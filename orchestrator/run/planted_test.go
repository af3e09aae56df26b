package run_test

import (
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node"
	nodechain "github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/chain/native"
	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/report"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/sim"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// The tests in planted_*_test.go run real nodes in the simulator with one bug planted, in a node, in all of them or in the
// runtime, and look whether the invariant that the bug breaks fails, and no other. Each scenario is run without the bug
// too: then everything holds.

// epoch is the wall-clock time at which the virtual time of these runs begins.
var epoch = time.Unix(1_750_000_000, 0)

// after is the virtual time that has passed at a moment of a node's clock: a little more than the run time.
func after(now node.Time) time.Duration { return time.Duration(int64(now) - epoch.UnixNano()) }

// bug is what is planted in a run.
type bug struct {
	plant func(id faults.NodeID, m sim.Machine) sim.Machine
	memo  *nodechain.Memo
	// runtime, if not nil, makes the runtime; chain, if not nil, may put something around the driver.
	runtime func(sim.Options) runtime.Runtime
	chain   func(*native.Chain, http.RoundTripper) chain.Chain
}

// in plants a bug in some nodes.
func in(plant func(m sim.Machine) sim.Machine, nodes ...faults.NodeID) bug {
	return bug{plant: func(id faults.NodeID, m sim.Machine) sim.Machine {
		if !slices.Contains(nodes, id) {
			return m
		}
		return plant(m)
	}}
}

// run runs a scenario with the bug and returns the report on it and the error of the run.
func (b bug) run(t *testing.T, src string) (*report.Report, error) {
	t.Helper()
	spec := parse(t, src)
	opts := sim.Options{Seed: spec.Seed, Epoch: epoch, Plant: b.plant, Memo: b.memo}
	var rt runtime.Runtime
	if b.runtime != nil {
		rt = b.runtime(opts)
	} else {
		rt = sim.New(opts)
	}
	transport := rt.Transport()
	c := native.New(transport)
	var dc chain.Chain = c
	if b.chain != nil {
		dc = b.chain(c, transport)
	}
	dir := t.TempDir()
	runErr := run.Run(t.Context(), run.Options{
		ID: "t", Spec: spec, Runtime: rt, Chain: dc, Dir: dir, Version: "test",
	})
	if err := rt.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return judged(t, dir), runErr
}

// judged is the report on the run in a directory.
func judged(t *testing.T, dir string) *report.Report {
	t.Helper()
	rep, err := report.Make(dir, filepath.Join(dir, run.TraceFile), nil)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// planted is a scenario with a bug, and the invariants that it breaks.
type planted struct {
	name     string
	scenario string
	bug      bug
	fails    []string
	vacuous  []string // those that were asked for and that nothing could have violated because of the bug
	code     int
	// nodes are those that the evidence of each broken invariant must name, windows the faults that its first piece must
	// fall in.
	nodes   []trace.NodeID
	windows []string
}

// try runs the scenario with the bug and without.
func (p planted) try(t *testing.T) {
	t.Run(p.name, func(t *testing.T) {
		rep, err := p.bug.run(t, p.scenario)
		if err != nil {
			t.Fatal(err)
		}
		p.check(t, rep)
	})
	t.Run(p.name+", without the bug", func(t *testing.T) {
		rep, err := bug{}.run(t, p.scenario)
		if err != nil {
			t.Fatal(err)
		}
		holds(t, rep)
	})
}

// check compares what fails with what should.
func (p planted) check(t *testing.T, rep *report.Report) {
	t.Helper()
	for _, r := range rep.Results {
		if slices.Contains(p.fails, r.Invariant) {
			p.checkFailed(t, r)
			continue
		}
		if slices.Contains(p.vacuous, r.Invariant) {
			if r.Verdict != invariant.Vacuous {
				t.Errorf("%s: %s (%s), want VACUOUS", r.Invariant, r.Verdict, r.Reason)
			}
			continue
		}
		if r.Verdict != invariant.Pass && (r.Verdict != invariant.Vacuous || r.Expected) {
			t.Errorf("%s: %s (%s), want PASS", r.Invariant, r.Verdict, r.Reason)
		}
	}
	if rep.Verdict != invariant.Fail || rep.ExitCode(false) != p.code {
		t.Errorf("over all %s, exit code %d, want FAIL and %d", rep.Verdict, rep.ExitCode(false), p.code)
	}
}

func (p planted) checkFailed(t *testing.T, r invariant.Result) {
	t.Helper()
	if r.Verdict != invariant.Fail || r.Reason == "" || len(r.Evidence) == 0 {
		t.Errorf("%s: %s (%s) with %d pieces of evidence, want FAIL", r.Invariant, r.Verdict, r.Reason, len(r.Evidence))
		return
	}
	var named []trace.NodeID
	for _, e := range r.Evidence {
		named = append(named, e.Nodes...)
	}
	for _, n := range p.nodes {
		if !slices.Contains(named, n) {
			t.Errorf("%s: the evidence names %v, not %s: %+v", r.Invariant, named, n, r.Evidence)
		}
	}
	if !slices.Equal(r.Evidence[0].Windows, p.windows) {
		t.Errorf("%s: the evidence falls in %v, want %v: %+v", r.Invariant, r.Evidence[0].Windows, p.windows, r.Evidence)
	}
}

// holds checks that every invariant that could be judged holds.
func holds(t *testing.T, rep *report.Report) {
	t.Helper()
	for _, r := range rep.Results {
		if r.Verdict != invariant.Pass && (r.Verdict != invariant.Vacuous || r.Expected) {
			t.Errorf("%s: %s (%s) without a bug", r.Invariant, r.Verdict, r.Reason)
		}
	}
	if rep.Verdict != invariant.Pass || rep.ExitCode(true) != invariant.ExitPass {
		t.Errorf("over all %s, exit code %d, want PASS and 0", rep.Verdict, rep.ExitCode(true))
	}
}

// result is the result of one invariant.
func result(t *testing.T, rep *report.Report, name string) invariant.Result {
	t.Helper()
	for _, r := range rep.Results {
		if r.Invariant == name {
			return r
		}
	}
	t.Fatalf("%s was not judged", name)
	return invariant.Result{}
}
