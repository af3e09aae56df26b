package run_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/netsplit/netsplit/faults/agent"
	"github.com/netsplit/netsplit/orchestrator/chain/native"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
	"github.com/netsplit/netsplit/orchestrator/runtime/sim"
	"github.com/netsplit/netsplit/orchestrator/trace"
	"github.com/netsplit/netsplit/testnets"
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
	goleak.VerifyTestMain(m)
}

// quiet is a Progress that forgets what it is told.
type quiet struct{}

func (quiet) Phase(string, int)          {}
func (quiet) Part()                      {}
func (quiet) Note(time.Duration, string) {}
func (quiet) Update(run.Snapshot)        {}

func parse(t *testing.T, src string) *testnets.Spec {
	t.Helper()
	spec, err := testnets.Parse("test.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

const small = `
name: small
seed: 3
nodes:
  - {name: miner, count: 3, mine: 100/s}
  - {name: full, count: 3}
consensus: {pow: {block_interval: 1s}}
load: [{transfers: 10/s, until: 20s}]
faults:
  - {at: 5s, for: 10s, partition: {groups: [[miner-1, full-1, full-2], [miner-2, miner-3, full-3]]}}
  - {at: 20s, for: 4s, kill: miner-2}
  - {at: 25s, for: 3s, pause: full-1}
expect: [agreement, {convergence: {within: 10s}}, chain_growth, block_propagation, inclusion]
duration: 30s
`

// record runs a scenario in the simulator and returns its directory and events.
func record(t *testing.T, spec *testnets.Spec, wrap func(runtime.Runtime) runtime.Runtime) (string, []trace.Event, error) {
	t.Helper()
	dir := t.TempDir()
	s := sim.New(sim.Options{Seed: spec.Seed})
	var rt runtime.Runtime = s
	if wrap != nil {
		rt = wrap(rt)
	}
	err := run.Run(context.Background(), run.Options{
		ID: "t", Spec: spec, Runtime: rt, Chain: native.New(s.Transport()), Dir: dir, Version: "test",
	})
	if closeErr := rt.Close(context.Background()); closeErr != nil {
		t.Fatal(closeErr)
	}
	var events []trace.Event
	if readErr := trace.ReadSorted(filepath.Join(dir, run.TraceFile), func(e *trace.Event) error {
		events = append(events, *e)
		return nil
	}); readErr != nil {
		t.Fatal(readErr)
	}
	return dir, events, err
}

func TestRunRecordsEverything(t *testing.T) {
	_, events, err := record(t, parse(t, small), nil)
	if err != nil {
		t.Fatal(err)
	}
	kinds := make(map[trace.Kind]int)
	phases := make(map[string]int)
	bodies := make(map[trace.Hash]bool)
	for _, e := range events {
		kinds[e.Kind]++
		switch e.Kind {
		case trace.KindFault:
			phases[e.Fault.ID+" "+string(e.Fault.Phase)]++
		case trace.KindProbe:
			phases[e.Probe.Fault+" probed "+string(e.Probe.Phase)]++
			if len(e.Probe.Links) != 18 || e.Probe.Total != 18 {
				t.Errorf("%s %s measured %d of %d links, want 18", e.Probe.Fault, e.Probe.Phase, len(e.Probe.Links), e.Probe.Total)
			}
		case trace.KindBlock:
			bodies[e.Block.Hash] = true
		}
	}
	if events[0].Kind != trace.KindRun || events[len(events)-1].Kind != trace.KindEnd {
		t.Errorf("trace goes from %s to %s", events[0].Kind, events[len(events)-1].Kind)
	}
	for _, want := range []string{
		"partition-1 begin", "partition-1 active", "partition-1 healing", "partition-1 healed",
		"partition-1 probed before", "partition-1 probed during", "partition-1 probed after",
		"kill-1 begin", "kill-1 healed", "pause-1 begin", "pause-1 healed",
	} {
		if phases[want] == 0 {
			t.Errorf("nothing recorded of: %s", want)
		}
	}
	for _, e := range events {
		if e.Kind == trace.KindSeen && !bodies[e.Seen.Hash] {
			t.Errorf("block %s was seen by %s and its body is not recorded", e.Seen.Hash, e.Node)
		}
	}
	if kinds[trace.KindSubmit] < 190 {
		t.Errorf("%d transfers submitted, want about 200", kinds[trace.KindSubmit])
	}
}

func TestSameSeedSameTrace(t *testing.T) {
	read := func(src string) string {
		dir, _, err := record(t, parse(t, src), nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(dir, run.TraceFile))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	first := read(small)
	if read(small) != first {
		t.Error("two runs with one seed differ")
	}
	if read(strings.Replace(small, "seed: 3", "seed: 4", 1)) == first {
		t.Error("two seeds give one trace")
	}
}

func TestInterruptedRunHasAnEnd(t *testing.T) {
	dir := t.TempDir()
	spec := parse(t, small)
	s := sim.New(sim.Options{Seed: 1})
	ctx, cancel := context.WithCancel(context.Background())
	err := run.Run(ctx, run.Options{
		ID: "t", Spec: spec, Runtime: s, Chain: native.New(s.Transport()), Dir: dir, Version: "test",
		Progress: cancelAt{cancel: cancel},
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	var end *trace.End
	if err := trace.Read(filepath.Join(dir, run.TraceFile), func(e *trace.Event) error {
		end = e.End
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if end == nil || !end.Interrupted {
		t.Errorf("the trace ends with %+v", end)
	}
}

// cancelAt cancels the run at its first note, which is when the first fault holds.
type cancelAt struct {
	quiet
	cancel func()
}

func (c cancelAt) Note(time.Duration, string) { c.cancel() }

func TestCheckGivesPositions(t *testing.T) {
	spec := parse(t, strings.Replace(small, "{convergence: {within: 10s}}", "{convergence: {withn: 10s}}", 1))
	err := run.Check(spec, nil)
	var bad *testnets.Error
	if !errors.As(err, &bad) {
		t.Fatalf("error %v", err)
	}
	if bad.Pos.Line != 13 || !strings.Contains(err.Error(), "within") {
		t.Errorf("error at %v: %v", bad.Pos, err)
	}
}
