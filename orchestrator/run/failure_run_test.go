package run_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/chain/native"
	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/fake"
	"github.com/netsplit/netsplit/orchestrator/runtime/sim"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestANodeThatDies(t *testing.T) {
	a := scripted(t, brief, fake.Script{DieAt: map[faults.NodeID]time.Duration{"miner-2": 10 * time.Second}})
	a.broke(t, "run node miner-2: exit status 1")
	tail := died(t, a.err, "miner-2", "run", "exit status 1")
	if !strings.HasSuffix(strings.TrimSpace(tail), "exit status 1") || !strings.Contains(tail, `"ev":"block"`) {
		t.Errorf("the node's last lines are not what it printed last: %s", tail)
	}
	if a.ended < 10*time.Second || a.ended > 11*time.Second {
		t.Errorf("the run went on until %v", a.ended)
	}
	if r := result(t, a.report, "no_crash"); r.Verdict != invariant.Fail || r.Evidence[0].Nodes[0] != "miner-2" {
		t.Errorf("no_crash: %s %v", r.Verdict, r.Evidence)
	}
	if r := result(t, a.report, "validity"); r.Verdict != invariant.Pass {
		t.Errorf("validity until then: %s (%s)", r.Verdict, r.Reason)
	}
	log, err := os.ReadFile(filepath.Join(a.dir, run.LogDir, "miner-2.log"))
	if err != nil || !strings.Contains(string(log), "exit status 1") {
		t.Errorf("its log was not kept: %v", err)
	}
}

func TestANodeThatDiesWhileTheTestnetStarts(t *testing.T) {
	rt := tardy{sim.New(sim.Options{Epoch: epoch, Plant: in(func(m sim.Machine) sim.Machine {
		return brittle{m, 5 * time.Second}
	}, "full-1").plant})}
	a := attempted(t.Context(), t, brief, rt, nil, nil)
	a.broke(t, "run node full-1: panic")
	died(t, a.err, "full-1", "run", "panic")
}

func TestANodeThatDiesAndLeavesNoLog(t *testing.T) {
	a := scripted(t, brief, fake.Script{
		DieAt: map[faults.NodeID]time.Duration{"full-1": 5 * time.Second}, LogsErr: errors.New("log driver is broken"),
	})
	a.broke(t, "run node full-1: exit status 1", "its log could not be read: log driver is broken")
}

// witness is a runtime that lets a test speak to its sink.
type witness struct {
	*sim.Runtime
	sink runtime.Sink
	logs func(runtime.Sink)
}

func (w *witness) Create(ctx context.Context, plan runtime.Plan) ([]runtime.Host, error) {
	w.sink = plan.Sink
	return w.Runtime.Create(ctx, plan)
}

func (w *witness) Logs(ctx context.Context, id faults.NodeID, n int) ([]string, error) {
	if w.logs != nil {
		w.logs(w.sink)
	}
	return w.Runtime.Logs(ctx, id, n)
}

// onBlock is a chain that calls fn after a node was asked for a block.
type onBlock struct {
	chain.Chain
	fn func()
}

func (o onBlock) Client(id faults.NodeID) chain.Client { return blockClient{o.Chain.Client(id), o.fn} }

type blockClient struct {
	chain.Client
	fn func()
}

func (c blockClient) Block(ctx context.Context, h trace.Hash) (trace.Block, error) {
	defer c.fn()
	return c.Client.Block(ctx, h)
}

const plain = `
name: plain
nodes: [{name: miner, count: 3, mine: 100/s}]
consensus: {pow: {block_interval: 500ms}}
duration: 5s
`

// The last that a run does is to ask for the blocks that it does not have yet. A run is the same each time, so that the
// number of the last question is known from the first time.
func TestADeathAtTheVeryEndCounts(t *testing.T) {
	attemptWith := func(fatal int) (a attempt, asked int) {
		rt := &witness{Runtime: sim.New(sim.Options{Epoch: epoch})}
		a = attempted(t.Context(), t, plain, rt, nil, func(c chain.Chain) chain.Chain {
			return onBlock{c, func() {
				if asked++; asked == fatal {
					rt.sink.Exit("miner-3", errScript)
				}
			}}
		})
		return a, asked
	}
	good, last := attemptWith(0)
	if good.err != nil {
		t.Fatal(good.err)
	}
	a, asked := attemptWith(last)
	if asked != last {
		t.Fatalf("%d blocks were asked for, then %d", last, asked)
	}
	a.broke(t, "run node miner-3: as scripted")
	died(t, a.err, "miner-3", "run", "as scripted")
}

// babbling is a chain one of whose head events cannot be recorded.
type babbling struct {
	chain.Chain
	heads, wrong int // head events until now, and the number of the wrong one
}

func (b *babbling) ParseLog(id faults.NodeID, line []byte) (trace.Event, time.Time, bool) {
	e, at, ok := b.Chain.ParseLog(id, line)
	if ok && e.Kind == trace.KindHead {
		if b.heads++; b.heads == b.wrong {
			e.Peer = &trace.Peer{} // an event is about one thing
		}
	}
	return e, at, ok
}

func TestAnEventThatCannotBeRecordedEndsTheRun(t *testing.T) {
	attemptWith := func(wrong int) attempt {
		return attempted(t.Context(), t, plain, sim.New(sim.Options{Epoch: epoch}), nil, func(c chain.Chain) chain.Chain {
			return &babbling{Chain: c, wrong: wrong}
		})
	}
	good := attemptWith(0)
	if good.err != nil {
		t.Fatal(good.err)
	}
	last := 0
	if err := trace.Read(filepath.Join(good.dir, run.TraceFile), func(e *trace.Event) error {
		if e.Kind == trace.KindHead {
			last++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	early := attemptWith(5)
	early.broke(t, "write trace")
	if early.ended > good.ended-time.Second {
		t.Errorf("the run went on until %v", early.ended)
	}
	attemptWith(last).broke(t, "write trace")
}

func TestWhatNodesDoAfterTheEndIsNotRecorded(t *testing.T) {
	rt := &witness{Runtime: sim.New(sim.Options{Epoch: epoch})}
	spoke := 0
	rt.logs = func(s runtime.Sink) { // the logs are kept after the end event was written
		s.Line("miner-1", time.Time{}, []byte(`{"t":1750000009000000000,"ev":"head","hash":"`+strings.Repeat("ab", 32)+`","height":99}`))
		s.Gap("miner-1", errScript)
		spoke++
	}
	a := attempted(t.Context(), t, plain, rt, nil, nil)
	if a.err != nil || spoke == 0 {
		t.Fatalf("error %v, %d lines after the end", a.err, spoke)
	}
	if a.report.Verdict != invariant.Pass {
		t.Errorf("over all %s: %s", a.report.Verdict, a.report.Incomplete)
	}
}

func TestFaultsThatCannotBeMade(t *testing.T) {
	healing := func(layers []faults.Layer) error {
		if len(layers) == 0 {
			return errScript
		}
		return nil
	}
	on := func(verb faults.Verb) func(faults.Action) error {
		return func(a faults.Action) error {
			if a.Verb == verb {
				return errScript
			}
			return nil
		}
	}
	for _, c := range []struct {
		name   string
		script fake.Script
		words  []string
		until  time.Duration
	}{
		{"a cut", fake.Script{Shape: func([]faults.Layer) error { return errScript }}, []string{"faults: partition-1: as scripted"}, 3 * time.Second},
		{"a heal", fake.Script{Shape: healing}, []string{"faults: partition-1: as scripted"}, 8 * time.Second},
		{"a count", fake.Script{TrafficErr: errScript}, []string{"partition-1: count packets: as scripted"}, 3 * time.Second},
		{"a kill", fake.Script{Do: on(faults.Kill)}, []string{"kill-1: kill node full-1: as scripted"}, 12 * time.Second},
		{"a start", fake.Script{Do: on(faults.Start)}, []string{"kill-1: start node full-1: as scripted"}, 16 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := scripted(t, brief, c.script)
			a.broke(t, c.words...)
			if a.ended < c.until || a.ended > c.until+time.Second {
				t.Errorf("the run ended at %v, want %v", a.ended, c.until)
			}
		})
	}
}

func TestANodeThatDoesNotComeBack(t *testing.T) {
	rt := fake.New(sim.Options{Epoch: epoch}, fake.Script{Tail: []string{"database is locked"}})
	progress := &phases{}
	progress.on("running", func() {
		rt.Rewrite(func(s *fake.Script) { s.LaunchErr = map[faults.NodeID]error{"full-1": errScript} })
	})
	a := attempted(t.Context(), t, brief, rt, progress, nil)
	a.broke(t, "kill-1: start node full-1")
	if tail := died(t, a.err, "full-1", "start", "as scripted"); tail != "database is locked" {
		t.Errorf("the node's last lines: %q", tail)
	}
}

// careless is a runtime whose delay engine loses packets of its own.
type careless struct{ *sim.Runtime }

func (careless) Traffic(context.Context) (faults.Traffic, error) { return faults.Traffic{Lost: 3}, nil }

func TestADelayEngineThatLosesPackets(t *testing.T) {
	a := attempted(t.Context(), t, brief, careless{sim.New(sim.Options{Epoch: epoch})}, nil, nil)
	a.broke(t, "partition-1: the delay engine lost 3 packets of its own")
}

func TestALostLineMakesTheHistoryIncomplete(t *testing.T) {
	for name, after := range map[string]int{"before the schedule": 0, "during the schedule": 30} {
		t.Run(name, func(t *testing.T) {
			a := scripted(t, brief, fake.Script{GapAfter: map[faults.NodeID]int{"miner-1": after}})
			if a.err != nil {
				t.Fatal(a.err)
			}
			if a.report.Verdict != invariant.Unknown || a.report.ExitCode(true) != invariant.ExitFail {
				t.Errorf("over all %s, exit code %d", a.report.Verdict, a.report.ExitCode(true))
			}
			if err := trace.Read(filepath.Join(a.dir, run.TraceFile), func(e *trace.Event) error {
				if e.Kind == trace.KindGap && e.Gap.From != e.At {
					t.Errorf("a gap at %v is from %v on", e.At, e.Gap.From)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A fault may last as long as the schedule, and blocks may come faster than a measurement takes: neither may cut the heal
// or the measurement after it short.
func TestTheRunWaitsForItsLastHealAndMeasurement(t *testing.T) {
	rep, err := bug{}.run(t, `
name: to-the-end
nodes: [{name: miner, count: 3, mine: 500/s}]
consensus: {pow: {block_interval: 100ms}}
faults:
  - {at: 2s, for: 8s, partition: {isolate: miner-3}}
  - {at: 3s, for: 7s, latency: {delay: 40ms, between: [miner-1, miner-2]}}
  - {at: 4s, for: 6s, pause: miner-2}
expect: [isolation, fault_accuracy]
duration: 10s
settle: 1s
`)
	if err != nil {
		t.Fatal(err)
	}
	if r := result(t, rep, "fault_accuracy"); r.Verdict != invariant.Pass {
		t.Errorf("%s: %s", r.Verdict, r.Reason)
	}
	for _, f := range rep.Summary.Faults {
		if f.Reached != trace.FaultHealed || f.Healed > 10*time.Second+100*time.Millisecond {
			t.Errorf("%s: %s at %v", f.ID, f.Reached, f.Healed)
		}
	}
}

// sluggish is a runtime that takes its time to change links.
type sluggish struct{ *sim.Runtime }

func (s sluggish) Shape(ctx context.Context, layers []faults.Layer) (faults.Applied, error) {
	const takes = 1500 * time.Millisecond
	if err := s.Clock().Sleep(ctx, s.Clock().Now()+takes); err != nil {
		return faults.Applied{}, err
	}
	applied, err := s.Runtime.Shape(ctx, layers)
	applied.Took = takes
	return applied, err
}

func TestSettlingBeginsAfterTheLastHeal(t *testing.T) {
	rep, err := bug{runtime: func(o sim.Options) runtime.Runtime { return sluggish{sim.New(o)} }}.run(t, `
name: slow-heal
nodes: [{name: miner, count: 3, mine: 500/s}]
consensus: {pow: {block_interval: 100ms}}
faults: [{at: 2s, for: 8s, partition: {isolate: miner-3}}]
expect: [isolation, fault_accuracy]
duration: 10s
settle: 1s
`)
	if err != nil {
		t.Fatal(err)
	}
	if r := result(t, rep, "fault_accuracy"); r.Verdict != invariant.Pass {
		t.Errorf("%s: %s", r.Verdict, r.Reason)
	}
	if f := rep.Summary.Faults[0]; f.Healed != 11500*time.Millisecond || rep.Summary.Duration < f.Healed+time.Second {
		t.Errorf("healed at %v, and the run was over at %v", f.Healed, rep.Summary.Duration)
	}
}

func TestTwoRunsAtOnceDoNotDisturbEachOther(t *testing.T) {
	attemptWith := func(seed uint64) (string, error) {
		dir := t.TempDir()
		spec := parse(t, brief)
		spec.Seed = seed
		s := sim.New(sim.Options{Seed: seed, Epoch: epoch})
		err := run.Run(t.Context(), run.Options{
			ID: "t", Spec: spec, Runtime: s, Chain: native.New(s.Transport()), Dir: dir, Version: "test",
		})
		return filepath.Join(dir, run.TraceFile), errors.Join(err, s.Close(t.Context()))
	}
	var group sync.WaitGroup
	paths := make([]string, 3)
	for i := range paths {
		group.Go(func() {
			var err error
			if paths[i], err = attemptWith(uint64(1 + i%2)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	traces := make([][]byte, len(paths))
	for i, p := range paths {
		var err error
		if traces[i], err = os.ReadFile(p); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(traces[0], traces[2]) || bytes.Equal(traces[0], traces[1]) {
		t.Error("runs side by side do not depend on their seeds alone")
	}
}
