package run_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/agent"
	"github.com/netsplit/netsplit/node"
	nodechain "github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/chain/native"
	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/report"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
	"github.com/netsplit/netsplit/orchestrator/runtime/fake"
	"github.com/netsplit/netsplit/orchestrator/runtime/sim"
	"github.com/netsplit/netsplit/orchestrator/trace"
	"github.com/netsplit/netsplit/testnets/scenario"
)

// The test binary is also the fault agent of the testnets in containers that tests start.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "agent" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		os.Exit(agent.Main(ctx, os.Args[2:], os.Stdout, os.Stderr))
	}
	if err := docker.OwnTests(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// Tests with containers wait most of the time: more of them than there are processors may run at once.
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == strconv.Itoa(goruntime.GOMAXPROCS(0)) {
		if err := parallel.Value.Set(strconv.Itoa(max(4, goruntime.GOMAXPROCS(0)))); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

func parse(t *testing.T, src string) *scenario.Spec {
	t.Helper()
	spec := must.Get(scenario.Parse("test.yaml", []byte(src)))(t)
	return spec
}

// powNet is the beginning of a scenario: miners of equal power and full nodes.
func powNet(miners, full int, blockInterval string) string {
	nodes := fmt.Sprintf("{name: miner, count: %d, mine: 100/s}", miners)
	if full > 0 {
		nodes += fmt.Sprintf(", {name: full, count: %d}", full)
	}
	return fmt.Sprintf("name: net\nnodes: [%s]\nconsensus: {pow: {block_interval: %s}}\n", nodes, blockInterval)
}

// epoch is the wall-clock time at which the virtual time of these runs begins.
var epoch = time.Unix(1_750_000_000, 0)

// after is the virtual time that has passed at a moment of a node's clock: a little more than the run time.
func after(now node.Time) time.Duration { return time.Duration(int64(now) - epoch.UnixNano()) }

// setup is what a test puts in the place of the usual parts of a run in the simulator. The zero value changes nothing.
type setup struct {
	plant   func(id faults.NodeID, m sim.Machine) sim.Machine
	memo    *nodechain.Memo
	runtime func(sim.Options) runtime.Runtime
	// chain wraps netsplit's own chain, which queries nodes through the transport.
	chain    func(*native.Chain, http.RoundTripper) chain.Chain
	progress run.Progress
}

// in plants other machines in some nodes.
func in(plant func(m sim.Machine) sim.Machine, nodes ...faults.NodeID) setup {
	return setup{plant: func(id faults.NodeID, m sim.Machine) sim.Machine {
		if !slices.Contains(nodes, id) {
			return m
		}
		return plant(m)
	}}
}

// on runs in another runtime.
func on(rt func(sim.Options) runtime.Runtime) setup { return setup{runtime: rt} }

// scripted runs in a runtime that fails as scripted.
func scripted(s fake.Script) setup {
	return on(func(o sim.Options) runtime.Runtime { return fake.New(o, s) })
}

// outcome is what came of a run.
type outcome struct {
	err    error
	dir    string
	report *report.Report
	events []trace.Event // of the trace, in time
	end    trace.End     // as it stands last in the file
	ended  time.Duration // virtual time at the end
}

// run runs a scenario and returns its outcome, whether it failed or not.
func (s setup) run(t *testing.T, src string) outcome {
	t.Helper()
	return s.runIn(t.Context(), t, src)
}

// mustRun is run for scenarios that must not fail.
func (s setup) mustRun(t *testing.T, src string) outcome {
	t.Helper()
	out := s.run(t, src)
	if out.err != nil {
		t.Fatal(out.err)
	}
	return out
}

// runIn is run in a context. It checks what must be so however a run ends: the trace ends with an end event and can be
// judged, and no goroutine is left.
func (s setup) runIn(ctx context.Context, t *testing.T, src string) outcome {
	t.Helper()
	spec := parse(t, src)
	opts := sim.Options{Seed: spec.Seed, Epoch: epoch, Plant: s.plant, Memo: s.memo}
	var rt runtime.Runtime
	if s.runtime != nil {
		rt = s.runtime(opts)
	} else {
		rt = sim.New(opts)
	}
	own := native.New(rt.Transport())
	var c chain.Chain = own
	if s.chain != nil {
		c = s.chain(own, rt.Transport())
	}
	out := outcome{dir: t.TempDir()}
	out.err = run.Run(ctx, run.Options{
		ID: "t", Spec: spec, Runtime: rt, Chain: c, Dir: out.dir, Version: "test", Progress: s.progress,
	})
	out.ended = rt.Clock().Now()
	must.Do(t, rt.Close(context.WithoutCancel(ctx)))
	goleak.VerifyNone(t)
	path := filepath.Join(out.dir, run.TraceFile)
	var last trace.Event
	must.Do(t, trace.Read(path, func(e *trace.Event) error { last = *e; return nil }))
	if last.Kind != trace.KindEnd {
		t.Fatalf("the trace ends with a %s event", last.Kind)
	}
	out.end = *last.End
	must.Do(t, trace.ReadSorted(path, func(e *trace.Event) error {
		out.events = append(out.events, *e)
		return nil
	}))
	out.report = judged(t, out.dir)
	return out
}

// judged is the report on the run in a directory.
func judged(t *testing.T, dir string) *report.Report {
	t.Helper()
	rep := must.Get(report.Make(dir, filepath.Join(dir, run.TraceFile), nil))(t)
	return rep
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

// checkInfrastructure checks that the run ended as a failure of the infrastructure, with an error that says all words.
func (o outcome) checkInfrastructure(t *testing.T, words ...string) {
	t.Helper()
	if o.err == nil {
		t.Fatal("the run ended without an error")
	}
	for _, w := range words {
		if !strings.Contains(o.err.Error(), w) {
			t.Errorf("error %q does not say %q", o.err, w)
		}
		if !strings.Contains(o.report.Error, w) {
			t.Errorf("the trace ends with the error %q, which does not say %q", o.report.Error, w)
		}
	}
	if code := o.report.ExitCode(invariant.Policy{}); code != invariant.ExitInfrastructure {
		t.Errorf("exit code %d, want 3", code)
	}
	if o.report.Verdict == invariant.Pass || o.end.Interrupted {
		t.Errorf("over all %s, interrupted %v", o.report.Verdict, o.end.Interrupted)
	}
}

// checkNodeError checks that an error is about one node, and says what it was doing and what was wrong. It returns what the
// node printed last.
func checkNodeError(t *testing.T, err error, node faults.NodeID, op, text string) string {
	t.Helper()
	var failed *runtime.NodeError
	if !errors.As(err, &failed) {
		t.Fatalf("error %v, want a *runtime.NodeError", err)
	}
	if failed.Node != node || failed.Op != op || !strings.Contains(failed.Err.Error(), text) {
		t.Errorf("%s node %s: %v, want %s node %s: %s", failed.Op, failed.Node, failed.Err, op, node, text)
	}
	if len(failed.Tail) == 0 {
		t.Error("the last lines of the node's log are missing")
	}
	return strings.Join(failed.Tail, "\n")
}

// watcher is a Progress that remembers what it was shown and calls functions.
type watcher struct {
	mu      sync.Mutex
	phase   string // the present one
	parts   int    // of it
	notes   []string
	updates []run.Snapshot
	// onPhase is called when a phase begins, onPart after each part of it or update in it; both may be nil.
	onPhase func(text string)
	onPart  func(phase string, parts int)
}

func (w *watcher) Phase(text string, _ int) {
	w.mu.Lock()
	w.phase, w.parts = text, 0
	w.mu.Unlock()
	if w.onPhase != nil {
		w.onPhase(text)
	}
}

func (w *watcher) Part() {
	w.mu.Lock()
	w.parts++
	phase, parts := w.phase, w.parts
	w.mu.Unlock()
	if w.onPart != nil {
		w.onPart(phase, parts)
	}
}

func (w *watcher) Note(_ time.Duration, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notes = append(w.notes, text)
}

func (w *watcher) Update(s run.Snapshot) {
	w.mu.Lock()
	w.updates = append(w.updates, s)
	w.mu.Unlock()
	w.Part()
}
