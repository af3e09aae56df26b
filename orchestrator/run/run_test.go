package run_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/chain/native"
	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/fake"
	"github.com/netsplit/netsplit/orchestrator/runtime/sim"
	"github.com/netsplit/netsplit/orchestrator/trace"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

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

// brief is a scenario with a bit of everything.
const brief = `
name: brief
seed: 11
nodes:
  - {name: miner, count: 2, mine: 100/s}
  - {name: full, count: 2}
consensus: {pow: {block_interval: 500ms}}
load: [{transfers: 5/s, until: 10s}]
faults:
  - {at: 3s, for: 5s, partition: {isolate: full-2}}
  - {at: 12s, for: 4s, kill: full-1}
expect: [agreement, validity]
duration: 20s
`

// plain is a scenario without load or faults.
var plain = powNet(3, 0, "500ms") + "duration: 5s\n"

func TestRun_RecordsAllKindsOfEvents(t *testing.T) {
	progress := &watcher{}
	events := setup{progress: progress}.mustRun(t, small).events
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
	checkAnswers(t, events)
	if kinds[trace.KindSubmit] < 190 {
		t.Errorf("%d transfers submitted, want about 200", kinds[trace.KindSubmit])
	}

	// People are shown the run's state in every second.
	if len(progress.updates) < 30 {
		t.Fatalf("%d updates in 30 s and the settling", len(progress.updates))
	}
	for i, s := range progress.updates {
		if s.At != time.Duration(i+1)*time.Second || s.Duration != 30*time.Second {
			t.Errorf("update %d is at %v of %v", i, s.At, s.Duration)
		}
	}
	at := func(second int) run.Snapshot { return progress.updates[second-1] }
	if s := at(15); s.Chains != 2 || !slices.Equal(s.ActiveFaults, []string{"partition-1"}) || s.Up != 6 || s.Phase != trace.PhaseScheduled {
		t.Errorf("under the partition: %+v", s)
	}
	if s := at(22); s.Up != 5 || !slices.Equal(s.ActiveFaults, []string{"kill-1"}) || s.MaxHeight < 5 || s.MinHeight > s.MaxHeight {
		t.Errorf("with a node down: %+v", s)
	}
	if s := progress.updates[len(progress.updates)-1]; len(s.ActiveFaults) > 0 || s.Up != 6 {
		t.Errorf("at the end: %+v", s)
	}
}

func TestRun_ConcurrentRunsAreIndependent(t *testing.T) {
	runWith := func(seed uint64) (string, error) {
		dir := t.TempDir()
		spec := parse(t, small)
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
			if paths[i], err = runWith(uint64(1 + i%2)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	traces := make([][]byte, len(paths))
	for i, p := range paths {
		traces[i] = must.Get(os.ReadFile(p))(t)
	}
	if !bytes.Equal(traces[0], traces[2]) || bytes.Equal(traces[0], traces[1]) {
		t.Error("the traces do not depend on their seeds alone")
	}
}

func TestRun_Interrupted(t *testing.T) {
	phase := func(prefix string) func(*watcher, func()) {
		return func(p *watcher, cancel func()) {
			p.onPhase = func(text string) {
				if strings.HasPrefix(text, prefix) {
					cancel()
				}
			}
		}
	}
	part := func(prefix string, number int) func(*watcher, func()) {
		return func(p *watcher, cancel func()) {
			p.onPart = func(phase string, parts int) {
				if strings.HasPrefix(phase, prefix) && parts == number {
					cancel()
				}
			}
		}
	}
	for _, c := range []struct {
		name string
		arm  func(p *watcher, cancel func())
		last string // phase
	}{
		{"before anything", func(_ *watcher, cancel func()) { cancel() }, ""},
		{"nodes start", phase("starting"), "starting 4 nodes"},
		{"between two nodes", part("starting", 2), "starting 4 nodes"},
		{"nodes connect", phase("connecting"), "connecting"},
		{"schedule begins", phase("running"), "running brief for 20s"},
		{"under a fault", part("running", 5), "running brief for 20s"},
		{"node down", part("running", 14), "running brief for 20s"},
		{"settling", phase("settling"), "settling"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			p := &watcher{}
			c.arm(p, cancel)
			var rt *fake.Runtime
			out := setup{progress: p, runtime: func(o sim.Options) runtime.Runtime {
				rt = fake.New(o, fake.Script{})
				return rt
			}}.runIn(ctx, t, brief)
			if !errors.Is(out.err, context.Canceled) {
				t.Errorf("error %v", out.err)
			}
			if p.phase != c.last {
				t.Errorf("interrupted in %q, want %q", p.phase, c.last)
			}
			if !out.end.Interrupted || out.end.Error != "" {
				t.Errorf("the trace ends with %+v", out.end)
			}
			if out.report.Verdict == invariant.Pass || out.report.ExitCode(invariant.Policy{}) != invariant.ExitInterrupted {
				t.Errorf("over all %s, exit code %d", out.report.Verdict, out.report.ExitCode(invariant.Policy{}))
			}
			if calls := rt.Calls(); calls[len(calls)-1].Op != "close" {
				t.Errorf("the last call of the runtime is %q", calls[len(calls)-1].Op)
			}
		})
	}
}

// A run whose time is over was not interrupted by its user.
func TestRun_DeadlineIsFailure(t *testing.T) {
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	out := setup{}.runIn(ctx, t, brief)
	if !errors.Is(out.err, context.DeadlineExceeded) {
		t.Errorf("error %v", out.err)
	}
	out.checkInfrastructure(t, "deadline exceeded")
}

func TestCheck_Position(t *testing.T) {
	spec := parse(t, strings.Replace(small, "{convergence: {within: 10s}}", "{convergence: {withn: 10s}}", 1))
	err := run.Check(spec, nil)
	var bad *strictyaml.Error
	if !errors.As(err, &bad) {
		t.Fatalf("error %v", err)
	}
	if bad.Pos.Line != 13 || !strings.Contains(err.Error(), "within") {
		t.Errorf("error at %v: %v", bad.Pos, err)
	}
}

// What cannot run is refused before the runtime is called.
func TestRun_Refused(t *testing.T) {
	for _, c := range []struct {
		name  string
		dir   string
		wrap  func(*fake.Runtime) runtime.Runtime
		check func(error) bool
	}{
		{"runtime cannot change links", t.TempDir(), func(rt *fake.Runtime) runtime.Runtime { return fake.WithoutLinkShaper(rt) },
			func(err error) bool {
				var bad *strictyaml.Error
				return errors.As(err, &bad) && bad.Pos.Line == 10 && bad.Hint != "" && strings.Contains(bad.Msg, "partition changes links")
			}},
		{"no directory for the trace", filepath.Join(t.TempDir(), "nowhere"), func(rt *fake.Runtime) runtime.Runtime { return rt },
			func(err error) bool {
				return errors.Is(err, os.ErrNotExist) && strings.Contains(err.Error(), "create trace")
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rt := fake.New(sim.Options{}, fake.Script{})
			err := run.Run(t.Context(), run.Options{
				ID: "t", Spec: parse(t, brief), Runtime: c.wrap(rt), Chain: native.New(rt.Transport()), Dir: c.dir,
			})
			if !c.check(err) {
				t.Errorf("error %#v", err)
			}
			if calls := rt.Calls(); len(calls) != 0 {
				t.Errorf("the runtime was called: %v", calls)
			}
			if files, _ := os.ReadDir(c.dir); len(files) != 0 {
				t.Errorf("the run left %v", files)
			}
		})
	}
}

// errScript is what scripted failures are.
var errScript = errors.New("as scripted")

func TestRun_InfrastructureFailures(t *testing.T) {
	script := func(s fake.Script) setup { return scripted(s) }
	shape := func(fails func(layers int) bool) setup {
		return script(fake.Script{Shape: func(layers []faults.Layer) error {
			if fails(len(layers)) {
				return errScript
			}
			return nil
		}})
	}
	do := func(verb faults.Verb) setup {
		return script(fake.Script{Do: func(a faults.Action) error {
			if a.Verb == verb {
				return errScript
			}
			return nil
		}})
	}
	for _, c := range []struct {
		name  string
		setup setup
		words []string
		from  time.Duration // when the run must end at the earliest
		to    time.Duration // and at the latest; 0: from + 1s
		// The node that the error must be about, what it was doing, what its error and its last lines must say; if any.
		node          faults.NodeID
		op, text, log string
	}{
		{name: "create testnet", setup: script(fake.Script{CreateErr: errScript}), words: []string{"create testnet t", "as scripted"}},
		{
			name:  "start node",
			setup: script(fake.Script{LaunchErr: map[faults.NodeID]error{"full-1": errScript}, Tail: []string{"open /data: input/output error"}}),
			words: []string{"start testnet t", "start node full-1", "as scripted"},
			node:  "full-1", op: "start", text: "as scripted", log: "open /data: input/output error",
		},
		{
			name: "node connects to no peer", setup: in(func(m sim.Machine) sim.Machine { return refusesPeers{m} }, "full-2"),
			words: []string{"connect node full-2"}, from: 30 * time.Second, to: time.Minute,
			node: "full-2", op: "connect", text: "connected to 0 peers, waiting for 3",
		},
		{
			name: "node starts late and stays behind",
			setup: setup{plant: in(ignoreBlocks(0, time.Hour), "full-2").plant, runtime: func(o sim.Options) runtime.Runtime {
				return lateLaunch{sim.New(o)}
			}},
			words: []string{"connect node full-2"}, from: 30 * time.Second, to: time.Minute,
			node: "full-2", op: "connect", text: "blocks shorter than that of",
		},
		{
			name: "node does not answer", setup: on(func(o sim.Options) runtime.Runtime { return unreachable{sim.New(o), "10.0.0.4"} }),
			words: []string{"connect node full-2"}, from: 30 * time.Second, to: time.Minute,
			node: "full-2", op: "connect", text: "no route to host",
		},
		{
			name: "node dies as the testnet starts",
			setup: setup{plant: in(panicFrom(5*time.Second), "full-1").plant, runtime: func(o sim.Options) runtime.Runtime {
				return lateLaunch{sim.New(o)}
			}},
			words: []string{"run node full-1: panic"}, from: 5 * time.Second, to: 11 * time.Second,
			node: "full-1", op: "run", text: "panic",
		},
		{
			name: "node dies and its log cannot be read",
			setup: script(fake.Script{
				DieAt: map[faults.NodeID]time.Duration{"full-1": 5 * time.Second}, LogsErr: errors.New("log driver is broken"),
			}),
			words: []string{"run node full-1: exit status 1", "its log could not be read: log driver is broken"}, from: 5 * time.Second,
		},
		{name: "cut", setup: shape(func(int) bool { return true }), words: []string{"faults: partition-1: as scripted"}, from: 3 * time.Second},
		{name: "heal", setup: shape(func(n int) bool { return n == 0 }), words: []string{"faults: partition-1: as scripted"}, from: 8 * time.Second},
		{name: "count packets", setup: script(fake.Script{TrafficErr: errScript}), words: []string{"partition-1: count packets: as scripted"}, from: 3 * time.Second},
		{name: "kill", setup: do(faults.Kill), words: []string{"kill-1: kill node full-1: as scripted"}, from: 12 * time.Second},
		{name: "start after kill", setup: do(faults.Start), words: []string{"kill-1: start node full-1: as scripted"}, from: 16 * time.Second},
		{
			name:  "delay engine loses packets",
			setup: on(func(o sim.Options) runtime.Runtime { return losesPackets{sim.New(o)} }),
			words: []string{"partition-1: the delay engine lost 3 packets of its own"}, from: 8 * time.Second,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := c.setup.run(t, brief)
			out.checkInfrastructure(t, c.words...)
			if c.to == 0 {
				c.to = c.from + time.Second
			}
			if out.ended < c.from || out.ended > c.to {
				t.Errorf("the run ended at %v, want %v to %v", out.ended, c.from, c.to)
			}
			if c.node == "" {
				return
			}
			if log := checkNodeError(t, out.err, c.node, c.op, c.text); !strings.HasSuffix(strings.TrimSpace(log), c.log) {
				t.Errorf("the node's last lines are %q", log)
			}
		})
	}
}

// What somebody else does to a node ends the run and is no violation by the node.
func TestRun_ExternalActs(t *testing.T) {
	for what, state := range map[string]trace.State{
		"paused": trace.StatePaused, "removed": trace.StateDown, runtime.ExternalDisconnect: trace.StateUp,
	} {
		t.Run(what, func(t *testing.T) {
			const at = 10 * time.Second
			out := scripted(fake.Script{ExternalAt: map[time.Duration]runtime.ExternalError{at: {Node: "miner-2", What: what}}}).run(t, brief)
			out.checkInfrastructure(t, "node miner-2 was "+what+" by somebody else")
			var external *runtime.ExternalError
			if !errors.As(out.err, &external) || external.Hint() == "" {
				t.Errorf("error %v", out.err)
			}
			if out.ended < at || out.ended > at+time.Second {
				t.Errorf("the run ended at %v", out.ended)
			}
			reached(t, out.events, "miner-2", state, 0)
			for _, r := range out.report.Results {
				if r.Verdict == invariant.Fail {
					t.Errorf("%s: FAIL: %s", r.Invariant, r.Reason)
				}
				if strings.Contains(r.Reason, "somebody else") {
					t.Errorf("%s repeats what ended the run: %s", r.Invariant, r.Reason)
				}
			}
		})
	}
}

func TestRun_NodeDies(t *testing.T) {
	out := scripted(fake.Script{DieAt: map[faults.NodeID]time.Duration{"miner-2": 10 * time.Second}}).run(t, brief)
	out.checkInfrastructure(t, "run node miner-2: exit status 1")
	if out.ended < 10*time.Second || out.ended > 11*time.Second {
		t.Errorf("the run ended at %v", out.ended)
	}
	log := checkNodeError(t, out.err, "miner-2", "run", "exit status 1")
	if !strings.Contains(log, `"ev":"block"`) || !strings.HasSuffix(strings.TrimSpace(log), "exit status 1") {
		t.Errorf("the node's last lines are not what it printed last: %s", log)
	}
	if r := result(t, out.report, "no_crash"); r.Verdict != invariant.Fail || r.Evidence[0].Nodes[0] != "miner-2" {
		t.Errorf("no_crash: %s %v", r.Verdict, r.Evidence)
	}
	if r := result(t, out.report, "validity"); r.Verdict != invariant.Pass {
		t.Errorf("validity until then: %s (%s)", r.Verdict, r.Reason)
	}
	file, err := os.ReadFile(filepath.Join(out.dir, run.LogDir, "miner-2.log"))
	if err != nil || !strings.Contains(string(file), "exit status 1") {
		t.Errorf("its log was not written: %v", err)
	}
}

func TestRun_NodeDoesNotComeBack(t *testing.T) {
	var rt *fake.Runtime
	progress := &watcher{onPhase: func(text string) {
		if strings.HasPrefix(text, "running") {
			rt.Rewrite(func(s *fake.Script) { s.LaunchErr = map[faults.NodeID]error{"full-1": errScript} })
		}
	}}
	out := setup{progress: progress, runtime: func(o sim.Options) runtime.Runtime {
		rt = fake.New(o, fake.Script{Tail: []string{"database is locked"}})
		return rt
	}}.run(t, brief)
	out.checkInfrastructure(t, "kill-1: start node full-1")
	if log := checkNodeError(t, out.err, "full-1", "start", "as scripted"); log != "database is locked" {
		t.Errorf("the node's last lines: %q", log)
	}
}

// The last that a run does is to fetch the blocks that it does not have yet. A run is the same each time, so that the number
// of the last query is known from the first time.
func TestRun_NodeDiesAtTheLastQuery(t *testing.T) {
	runWith := func(fatal int) (out outcome, queries int) {
		var rt *tapped
		out = setup{
			runtime: func(o sim.Options) runtime.Runtime { rt = &tapped{Runtime: sim.New(o)}; return rt },
			chain: func(c *native.Chain, _ http.RoundTripper) chain.Chain {
				return blockHook{c, func() {
					if queries++; queries == fatal {
						rt.sink.Exit("miner-3", errScript)
					}
				}}
			},
		}.run(t, plain)
		return out, queries
	}
	good, last := runWith(0)
	if good.err != nil {
		t.Fatal(good.err)
	}
	out, queries := runWith(last)
	if queries != last {
		t.Fatalf("%d blocks were queried, then %d", last, queries)
	}
	out.checkInfrastructure(t, "run node miner-3: as scripted")
	checkNodeError(t, out.err, "miner-3", "run", "as scripted")
}

func TestRun_EventThatCannotBeRecorded(t *testing.T) {
	runWith := func(wrong int) outcome {
		return setup{chain: func(c *native.Chain, _ http.RoundTripper) chain.Chain {
			return &invalidHead{Chain: c, wrong: wrong}
		}}.run(t, plain)
	}
	good := runWith(0)
	if good.err != nil {
		t.Fatal(good.err)
	}
	last := 0
	for _, e := range good.events {
		if e.Kind == trace.KindHead {
			last++
		}
	}
	early := runWith(5)
	early.checkInfrastructure(t, "write trace")
	if early.ended > good.ended-time.Second {
		t.Errorf("the run went on until %v", early.ended)
	}
	runWith(last).checkInfrastructure(t, "write trace")
}

func TestRun_FullDisk(t *testing.T) {
	const full = "/dev/full"
	if _, err := os.Stat(full); err != nil {
		t.Skipf("needs a device that is always full: %v", err)
	}
	dir := t.TempDir()
	must.Do(t, os.Symlink(full, filepath.Join(dir, run.TraceFile)))
	rt := sim.New(sim.Options{})
	err := run.Run(t.Context(), run.Options{ID: "t", Spec: parse(t, brief), Runtime: rt, Chain: native.New(rt.Transport()), Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("error %v", err)
	}
	if now := rt.Clock().Now(); now > 10*time.Second {
		t.Errorf("the run went on until %v", now)
	}
	must.Do(t, rt.Close(t.Context()))
}

func TestRun_LinesAfterTheEndAreNotRecorded(t *testing.T) {
	lines := 0
	out := on(func(o sim.Options) runtime.Runtime {
		return &tapped{Runtime: sim.New(o), onLogs: func(s runtime.Sink) { // logs are read after the end event was written
			s.Line("miner-1", time.Time{}, []byte(`{"t":1750000009000000000,"ev":"head","hash":"`+strings.Repeat("ab", 32)+`","height":99}`))
			s.Gap("miner-1", errScript)
			lines++
		}}
	}).mustRun(t, plain)
	if lines == 0 {
		t.Fatal("no line after the end")
	}
	if out.report.Verdict != invariant.Pass {
		t.Errorf("over all %s: %s", out.report.Verdict, out.report.Incomplete)
	}
}

func TestRun_LostLineIsGap(t *testing.T) {
	for name, line := range map[string]int{"before the schedule": 0, "during the schedule": 30} {
		t.Run(name, func(t *testing.T) {
			out := scripted(fake.Script{GapAfter: map[faults.NodeID]int{"miner-1": line}}).mustRun(t, brief)
			if out.report.Verdict != invariant.Unknown || out.report.ExitCode(invariant.Policy{}) != invariant.ExitUnknown {
				t.Errorf("over all %s, exit code %d", out.report.Verdict, out.report.ExitCode(invariant.Policy{}))
			}
			for _, e := range out.events {
				if e.Kind == trace.KindGap && e.Gap.From != e.At {
					t.Errorf("a gap at %v is from %v on", e.At, e.Gap.From)
				}
			}
		})
	}
}

// A fault may last as long as the schedule, blocks may come faster than a measurement takes, and links may change slowly: none
// of that may cut the last heal or the measurement after it short.
func TestRun_WaitsForLastHealAndProbe(t *testing.T) {
	const head = `
name: to-the-end
nodes: [{name: miner, count: 3, mine: 500/s}]
consensus: {pow: {block_interval: 100ms}}
expect: [isolation, fault_accuracy]
duration: 10s
settle: 1s
`
	for _, c := range []struct {
		name   string
		setup  setup
		faults string
		from   time.Duration // when faults are healed at the earliest
		to     time.Duration // and at the latest
		settle time.Duration // how long the run must go on after that
	}{
		{"three faults at once", setup{}, `faults:
  - {at: 2s, for: 8s, partition: {isolate: miner-3}}
  - {at: 3s, for: 7s, latency: {delay: 40ms, between: [miner-1, miner-2]}}
  - {at: 4s, for: 6s, pause: miner-2}
`, 10 * time.Second, 10*time.Second + 100*time.Millisecond, 0},
		{"links change slowly", on(func(o sim.Options) runtime.Runtime { return slowShaper{sim.New(o), 1500 * time.Millisecond} }),
			"faults: [{at: 2s, for: 8s, partition: {isolate: miner-3}}]\n", 11500 * time.Millisecond, 11500 * time.Millisecond, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			rep := c.setup.mustRun(t, head+c.faults).report
			if r := result(t, rep, "fault_accuracy"); r.Verdict != invariant.Pass {
				t.Errorf("%s: %s", r.Verdict, r.Reason)
			}
			for _, f := range rep.Summary.Faults {
				if f.Reached != trace.FaultHealed || f.Healed < c.from || f.Healed > c.to {
					t.Errorf("%s: %s at %v", f.ID, f.Reached, f.Healed)
				}
				if rep.Summary.Duration < f.Healed+c.settle {
					t.Errorf("healed at %v, and the run was over at %v", f.Healed, rep.Summary.Duration)
				}
			}
		})
	}
}

// TestRun_LateMachine runs a cut that holds late. On a machine whose timers are late that is nobody's fault.
func TestRun_LateMachine(t *testing.T) {
	for by, want := range map[time.Duration]invariant.Verdict{0: invariant.Fail, 300 * time.Millisecond: invariant.Unknown} {
		out := on(func(o sim.Options) runtime.Runtime {
			return lateMachine{slowShaper{sim.New(o), 15 * time.Second}, by}
		}).run(t, cutInTwo)
		must.Do(t, out.err)
		r := result(t, out.report, "fault_accuracy")
		if r.Verdict != want || strings.Contains(r.Reason, "the machine was late by up to") != (want == invariant.Unknown) {
			t.Errorf("timers %v late: %s (%s), want %s", by, r.Verdict, r.Reason, want)
		}
		if m := out.report.Summary.Machine; m == nil || m.Measured < 25*time.Second || m.Worst != by {
			t.Errorf("timers %v late: %+v", by, m)
		}
	}
}

// TestRun_WrongClock runs nodes one of which has a wrong clock, with a cut and a delay.
func TestRun_WrongClock(t *testing.T) {
	scenario := powNet(3, 2, "500ms") + `seed: 9
load: [{transfers: 5/s, until: 25s}]
faults:
  - {at: 4s, for: 10s, partition: {groups: [[miner-1, full-1], [miner-2, miner-3, full-2]]}}
  - {at: 18s, for: 6s, latency: {delay: 20ms}}
expect: [agreement, validity, convergence, chain_growth, block_propagation, inclusion, isolation, fault_accuracy]
duration: 30s
`
	checkHolds(t, setup{}.mustRun(t, scenario).report)
	for _, node := range []faults.NodeID{"miner-2", "full-2"} {
		for _, by := range []time.Duration{-30 * time.Second, -1500 * time.Millisecond, -5 * time.Millisecond, 5 * time.Millisecond, 30 * time.Second} {
			out := setup{chain: func(c *native.Chain, _ http.RoundTripper) chain.Chain {
				return skewed{Chain: c, node: node, by: by}
			}}.mustRun(t, scenario)
			for _, r := range out.report.Results {
				if node == "miner-2" && r.Invariant == "consistency" && by.Abs() > time.Second {
					continue // the times in its blocks are not those of its clock
				}
				if r.Verdict != invariant.Pass && (r.Expected || r.Verdict == invariant.Fail) {
					t.Errorf("the clock of %s %v ahead: %s: %s (%s)", node, by, r.Invariant, r.Verdict, r.Reason)
				}
			}
			clocks := out.report.Summary.Clocks
			if len(clocks) != 1 || clocks[0].Node != trace.NodeID(node) || (clocks[0].Offset-by).Abs() > time.Millisecond {
				t.Errorf("the clock of %s %v ahead: the report says %+v", node, by, clocks)
			}
			// Where only the times in its log are wrong, its reports contradict those of others: nothing fails because of it.
			out = setup{chain: func(c *native.Chain, _ http.RoundTripper) chain.Chain {
				return skewed{Chain: c, node: node, by: by, silent: true}
			}}.mustRun(t, scenario)
			for _, r := range out.report.Results {
				if r.Verdict == invariant.Fail && r.Class != invariant.Safety {
					t.Errorf("times of %s %v ahead: %s: %s (%s)", node, by, r.Invariant, r.Verdict, r.Reason)
				}
			}
		}
	}
}

// Lines that come late say when things happened, and are waited for at the end.
func TestRun_LateLines(t *testing.T) {
	scenario := powNet(3, 2, "500ms") + `seed: 9
load: [{transfers: 5/s, until: 25s}]
faults:
  - {at: 4s, for: 10s, partition: {groups: [[miner-1, full-1], [miner-2, miner-3, full-2]]}}
  - {at: 18s, for: 6s, pause: full-1}
  - {at: 20s, for: 6s, kill: full-2}
expect: [agreement, validity, convergence, chain_growth, block_propagation, inclusion, isolation, fault_accuracy]
duration: 35s
settle: 40s
`
	for _, by := range []time.Duration{time.Second, 5 * time.Second} {
		out := on(func(o sim.Options) runtime.Runtime { return lateOutput{sim.New(o), by} }).mustRun(t, scenario)
		checkHolds(t, out.report)
	}
}

// checkAnswers checks that nodes were polled for all that an answer can hold, and for different accounts and transactions.
func checkAnswers(t *testing.T, events []trace.Event) {
	t.Helper()
	accounts, txs, states := map[string]bool{}, map[trace.Hash]bool{}, map[string]int{}
	for _, e := range events {
		if e.Kind != trace.KindAnswer || e.Answer.Error != "" {
			continue
		}
		a := e.Answer
		if a.Mode == nil || len(a.Mode.Work) != 64 {
			t.Fatalf("answer without its mode: %+v", a)
		}
		if a.Account != nil {
			accounts[a.Account.Address] = true
		}
		if a.Tx != nil {
			txs[a.Tx.Tx] = true
			states[a.Tx.Status]++
		}
	}
	if len(accounts) < 3 || len(txs) < 10 || states["included"] == 0 || states["pending"] == 0 {
		t.Errorf("polled for %d accounts and %d transactions, which were: %v", len(accounts), len(txs), states)
	}
}
