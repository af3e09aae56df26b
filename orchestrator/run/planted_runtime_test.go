package run_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/report"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/fake"
	"github.com/netsplit/netsplit/orchestrator/runtime/sim"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// leaky is a runtime whose cuts leave the link between two nodes whole.
type leaky struct {
	*sim.Runtime
	a, b faults.NodeID
	// hidden: the measurements do not show the leak, as when probes go another way than the nodes' own packets.
	hidden bool
	layers int
}

func (l *leaky) Shape(ctx context.Context, layers []faults.Layer) (faults.Applied, error) {
	l.layers = len(layers)
	layers = slices.Clone(layers)
	for i := range layers {
		rules := except(layers[i].Links.Rules, l.a, l.b)
		layers[i].Links.Rules = except(rules, l.b, l.a)
	}
	return l.Runtime.Shape(ctx, layers)
}

func (l *leaky) Probe(ctx context.Context, links []faults.Link, plan faults.ProbePlan) ([]faults.Measurement, error) {
	out, err := l.Runtime.Probe(ctx, links, plan)
	for i := range out {
		if pair := out[i].Link; l.hidden && l.layers > 0 && (pair == faults.Link{From: l.a, To: l.b} || pair == faults.Link{From: l.b, To: l.a}) {
			out[i] = faults.Measurement{Link: pair, Sent: out[i].Sent}
		}
	}
	return out, err
}

// except returns rules without the link between two nodes, in one direction.
func except(rules []faults.Rule, from, to faults.NodeID) []faults.Rule {
	var out []faults.Rule
	for _, r := range rules {
		if !slices.Contains(r.From, from) || !slices.Contains(r.To, to) {
			out = append(out, r)
			continue
		}
		others := func(ids []faults.NodeID, id faults.NodeID) []faults.NodeID {
			return slices.DeleteFunc(slices.Clone(ids), func(x faults.NodeID) bool { return x == id })
		}
		out = append(out,
			faults.Rule{From: others(r.From, from), To: r.To, Cut: r.Cut, Shape: r.Shape},
			faults.Rule{From: []faults.NodeID{from}, To: others(r.To, to), Cut: r.Cut, Shape: r.Shape})
	}
	return out
}

const cutInTwo = `
name: cut
seed: 9
nodes:
  - {name: miner, count: 2, mine: 100/s}
  - {name: full, count: 2}
consensus: {pow: {block_interval: 500ms}}
faults: [{at: 4s, for: 20s, partition: {groups: [[miner-1, full-1], [miner-2, full-2]]}}]
expect: [agreement, validity, convergence, chain_growth, block_propagation, isolation, fault_accuracy]
duration: 30s
`

func TestALeakBreaksIsolation(t *testing.T) {
	leak := func(hidden bool) bug {
		return bug{runtime: func(o sim.Options) runtime.Runtime {
			return &leaky{Runtime: sim.New(o), a: "miner-1", b: "miner-2", hidden: hidden}
		}}
	}
	planted{
		name: "blocks cross the cut over a link that the measurements say is silent", scenario: cutInTwo,
		bug:   leak(true),
		fails: []string{"isolation"}, code: invariant.ExitInfrastructure,
		nodes: []trace.NodeID{"miner-1", "miner-2"}, windows: []string{"partition-1"},
	}.try(t)
	planted{
		name: "packets and blocks cross the cut", scenario: cutInTwo,
		bug:   leak(false),
		fails: []string{"isolation", "fault_accuracy"}, code: invariant.ExitInfrastructure,
		nodes: []trace.NodeID{"miner-1", "miner-2"}, windows: []string{"partition-1"},
	}.try(t)
}

// lying is a runtime that says it shapes links and does something else, or nothing.
type lying struct {
	*sim.Runtime
	change func(faults.Shape) faults.Shape
}

func (l lying) Shape(ctx context.Context, layers []faults.Layer) (faults.Applied, error) {
	layers = slices.Clone(layers)
	for i := range layers {
		layers[i].Links.Rules = slices.Clone(layers[i].Links.Rules)
		for k := range layers[i].Links.Rules {
			r := &layers[i].Links.Rules[k]
			r.Shape = l.change(r.Shape)
		}
	}
	return l.Runtime.Shape(ctx, layers)
}

// immortal is a runtime that says it acts on nodes and does not.
type immortal struct{ *sim.Runtime }

func (immortal) Do(context.Context, faults.Action) error { return nil }

const delayed = `
name: delayed
seed: 10
nodes:
  - {name: miner, count: 2, mine: 100/s}
  - {name: full, count: 2}
consensus: {pow: {block_interval: 1s}}
faults: [{at: 4s, for: 10s, latency: {delay: 100ms, jitter: 10ms, between: [miner, full]}}]
expect: [agreement, validity, convergence, block_propagation, fault_accuracy]
duration: 20s
`

func TestAWrongDelayBreaksFaultAccuracy(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(time.Duration) time.Duration
		windows []string
	}{
		{"no delay is made", func(time.Duration) time.Duration { return 0 }, []string{"latency-1"}},
		{"microseconds are taken for milliseconds", func(d time.Duration) time.Duration { return d / 1000 }, []string{"latency-1"}},
		// The median over all links is known, and judged, at the end.
		{"the delay is too long by half", func(d time.Duration) time.Duration { return d * 3 / 2 }, nil},
	} {
		planted{
			name: c.name, scenario: delayed,
			bug: bug{runtime: func(o sim.Options) runtime.Runtime {
				return lying{sim.New(o), func(s faults.Shape) faults.Shape {
					return faults.Shape{Delay: c.change(s.Delay), Jitter: s.Jitter}
				}}
			}},
			fails: []string{"fault_accuracy"}, code: invariant.ExitInfrastructure, windows: c.windows,
		}.try(t)
	}
}

func TestAKillThatDoesNothingBreaksFaultAccuracy(t *testing.T) {
	planted{
		name: "a node goes on although it was killed",
		scenario: `
name: immortal
nodes:
  - {name: miner, count: 2, mine: 100/s}
  - {name: full, count: 2}
consensus: {pow: {block_interval: 500ms}}
faults: [{at: 4s, for: 8s, kill: full-1}]
expect: [agreement, validity, fault_accuracy]
duration: 15s
`,
		bug:   bug{runtime: func(o sim.Options) runtime.Runtime { return immortal{sim.New(o)} }},
		fails: []string{"fault_accuracy"}, code: invariant.ExitInfrastructure,
		nodes: []trace.NodeID{"full-1"}, windows: []string{"kill-1"},
	}.try(t)
}

// faked runs a scenario on a scripted runtime, and returns the report on it.
func faked(t *testing.T, src string, script fake.Script) (*report.Report, error) {
	t.Helper()
	return bug{runtime: func(o sim.Options) runtime.Runtime { return fake.New(o, script) }}.run(t, src)
}

func TestACutThatIsNotMadeFailsTheInfrastructure(t *testing.T) {
	rep, err := faked(t, cutInTwo, fake.Script{ShapeLies: true})
	if err != nil {
		t.Fatal(err)
	}
	planted{
		fails: []string{"isolation", "fault_accuracy"}, code: invariant.ExitInfrastructure, windows: []string{"partition-1"},
	}.check(t, rep)
}

func TestAMeasurementThatFailsFailsTheInfrastructure(t *testing.T) {
	rep, err := faked(t, cutInTwo, fake.Script{ProbeErr: errScript})
	if err != nil {
		t.Fatal(err)
	}
	planted{fails: []string{"fault_accuracy"}, code: invariant.ExitInfrastructure}.check(t, rep)
	if r := result(t, rep, "fault_accuracy"); !strings.Contains(r.Reason, errScript.Error()) {
		t.Errorf("the reason is %q", r.Reason)
	}
}
