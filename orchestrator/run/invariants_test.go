package run_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	nodechain "github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/chain/native"
	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/report"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/fake"
	"github.com/netsplit/netsplit/orchestrator/runtime/sim"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// line is a testnet in which every block passes through full-1.
const line = `
name: line
seed: 6
nodes:
  - {name: miner, mine: 100/s}
  - {name: full, count: 3}
topology: {line: , peer_exchange: false}
consensus: {pow: {block_interval: 1s}}
`

var forged = powNet(2, 2, "500ms") + `seed: 8
load: [{transfers: 4/s, until: 8s}]
expect: [agreement, validity, convergence, chain_growth, inclusion]
duration: 15s
`

var cutInTwo = powNet(2, 2, "500ms") + `seed: 9
faults: [{at: 4s, for: 20s, partition: {groups: [[miner-1, full-1], [miner-2, full-2]]}}]
expect: [agreement, validity, convergence, chain_growth, block_propagation, isolation, fault_accuracy]
duration: 30s
`

var delayed = powNet(2, 2, "1s") + `seed: 10
faults: [{at: 4s, for: 10s, latency: {delay: 100ms, jitter: 10ms, between: [miner, full]}}]
expect: [agreement, validity, convergence, block_propagation, fault_accuracy]
duration: 20s
`

var killed = powNet(2, 2, "500ms") + `seed: 12
faults: [{at: 10s, for: 4s, kill: full-1}]
expect: [agreement, validity, convergence, fault_accuracy, durability]
duration: 20s
`

// attacked has an adversary that tries one kind on every node.
func attacked(kind string) string {
	nodes := "nodes: [{name: bad, adversary: [" + kind + "]}, "
	return strings.Replace(powNet(2, 2, "500ms"), "nodes: [", nodes, 1) + `seed: 13
load: [{transfers: 4/s, until: 10s}]
expect: [agreement, validity, convergence, chain_growth, block_propagation, adversary]
duration: 25s
`
}

// planted is a scenario with a bug planted in nodes or in the runtime, and the invariants that it breaks.
type planted struct {
	name     string
	scenario string
	bug      setup
	fails    []string
	// also are invariants that the bug breaks beside these, with the node that their evidence must name first.
	also    map[string]trace.NodeID
	vacuous []string // those that are expected and that nothing could have violated because of the bug
	unknown []string // those that the bug leaves without evidence
	code    int
	// nodes are those that the evidence of each broken invariant must name, windows the faults that its first piece must
	// fall in.
	nodes   []trace.NodeID
	windows []string
}

// Real nodes run in the simulator with one bug planted: the invariant that the bug breaks fails, and no other. Each scenario is
// run without the bug too: then everything holds.
func TestInvariants_PlantedBugs(t *testing.T) {
	leak := func(hidden bool) setup {
		return on(func(o sim.Options) runtime.Runtime {
			return &leaky{Runtime: sim.New(o), a: "miner-1", b: "miner-2", hidden: hidden}
		})
	}
	delay := func(change func(time.Duration) time.Duration) setup {
		return on(func(o sim.Options) runtime.Runtime { return wrongDelay{sim.New(o), change, nil} })
	}
	same := func(d time.Duration) time.Duration { return d }
	jitter := func(change func(time.Duration) time.Duration) setup {
		return on(func(o sim.Options) runtime.Runtime { return wrongDelay{sim.New(o), same, change} })
	}
	sound := make(map[string]bool) // scenarios that were run without a bug
	for _, p := range []planted{
		{
			name: "miner ignores blocks for 40 s and then drops its own",
			scenario: powNet(3, 2, "500ms") + `seed: 2
load: [{transfers: 5/s, until: 20s}]
expect: [agreement, validity, convergence, chain_growth, inclusion]
duration: 50s
`,
			bug:   in(ignoreBlocks(3*time.Second, 43*time.Second), "miner-1"),
			fails: []string{"agreement"}, code: invariant.ExitFail,
			nodes: []trace.NodeID{"miner-1"}, also: map[string]trace.NodeID{"connectivity": "miner-1"},
		},
		{
			name: "miner ignores all blocks and has another chain at the end",
			scenario: powNet(3, 0, "500ms") + `expect: [agreement]
duration: 40s
settle: 5s
`,
			bug:   in(ignoreBlocks(0, time.Hour), "miner-2"),
			fails: []string{"agreement"}, code: invariant.ExitFail,
			nodes: []trace.NodeID{"miner-2"}, also: map[string]trace.NodeID{"connectivity": "miner-2"},
		},
		{
			name: "miner stays on its own chain for 15 s after the heal",
			scenario: powNet(6, 0, "500ms") + `seed: 4
faults: [{at: 3s, for: 10s, partition: {isolate: miner-3}}]
expect: [agreement, validity, {convergence: {within: 12s}}, chain_growth, block_propagation, isolation, fault_accuracy]
duration: 40s
`,
			bug:   in(ignoreBlocks(5*time.Second, 30*time.Second), "miner-3"),
			fails: []string{"convergence"}, code: invariant.ExitFail,
			nodes: []trace.NodeID{"miner-3"}, windows: []string{"partition-1"},
		},
		{
			name: "all miners stop",
			scenario: powNet(2, 2, "500ms") + `seed: 5
expect: [agreement, validity, convergence, chain_growth, block_propagation]
duration: 60s
settle: 15s
`,
			bug:   in(stopMining(6*time.Second), "miner-1", "miner-2"),
			fails: []string{"chain_growth"}, code: invariant.ExitFail,
			vacuous: []string{"convergence"}, // they have the head that they had
			nodes:   []trace.NodeID{"miner-1", "miner-2"},
		},
		{
			name: "miners of one side stop while the network is cut",
			scenario: powNet(4, 0, "500ms") + `seed: 5
faults: [{at: 2s, for: 40s, partition: {groups: [[miner-1, miner-2], [miner-3, miner-4]]}}]
expect: [agreement, validity, chain_growth, isolation, fault_accuracy]
duration: 44s
`,
			bug:   in(stopMining(2*time.Second), "miner-3", "miner-4"),
			fails: []string{"chain_growth"}, code: invariant.ExitFail,
			nodes: []trace.NodeID{"miner-3", "miner-4"}, windows: []string{"partition-1"},
		},
		{
			name:     "node passes announcements on after 3 s",
			scenario: line + "expect: [agreement, validity, convergence, chain_growth, {block_propagation: {p95: 1s}}]\nduration: 30s\n",
			bug:      in(delayRelay(3*time.Second), "full-1"),
			fails:    []string{"block_propagation"}, code: invariant.ExitFail,
		},
		{
			name:     "node passes no block on",
			scenario: line + "expect: [agreement, validity, {block_propagation: {window: 4s}}]\nduration: 20s\nsettle: 2s\n",
			bug:      in(withholdBlocks(5*time.Second), "full-1"),
			fails:    []string{"block_propagation"}, code: invariant.ExitFail,
			nodes: []trace.NodeID{"full-2", "full-3"}, also: map[string]trace.NodeID{"connectivity": "full-1"},
		},
		{
			name: "node stores no block for 4 s before it is killed", scenario: killed,
			bug:   in(storesUntil(6*time.Second), "full-1"),
			fails: []string{"durability"}, code: invariant.ExitFail,
			nodes: []trace.NodeID{"full-1"}, windows: []string{"kill-1"},
		},
		{
			name: "signatures are not checked", scenario: attacked("bad_signature"),
			bug:   setup{memo: nodechain.NewMemoVerifying(func(nodechain.Hash, *nodechain.Tx) bool { return true })},
			fails: []string{"adversary", "validity"}, code: invariant.ExitFail,
		},
		{
			name: "signatures in blocks are not checked", scenario: attacked("forged_block"),
			bug:   setup{memo: nodechain.NewMemoVerifying(func(nodechain.Hash, *nodechain.Tx) bool { return true })},
			fails: []string{"adversary", "validity"}, code: invariant.ExitFail,
		},
		{
			name: "nobody is banned", scenario: attacked("bad_amount"),
			bug:   in(ignoreBadAmounts, "miner-1", "full-1"),
			fails: []string{"adversary"}, code: invariant.ExitFail,
			nodes: []trace.NodeID{"miner-1", "full-1", "bad-1"},
		},
		{
			name: "forged transfers are included", scenario: forged,
			bug: setup{
				memo:  nodechain.NewMemoVerifying(func(nodechain.Hash, *nodechain.Tx) bool { return true }),
				chain: forge("full-1"),
			},
			fails: []string{"validity"}, code: invariant.ExitFail,
		},
		{
			name: "blocks cross the cut over a link on which probes do not", scenario: cutInTwo,
			bug:   leak(true),
			fails: []string{"isolation"}, code: invariant.ExitInfrastructure,
			nodes: []trace.NodeID{"miner-1", "miner-2"}, windows: []string{"partition-1"},
		},
		{
			name: "probes and blocks cross the cut", scenario: cutInTwo,
			bug:   leak(false),
			fails: []string{"isolation", "fault_accuracy"}, code: invariant.ExitInfrastructure,
			nodes: []trace.NodeID{"miner-1", "miner-2"}, windows: []string{"partition-1"},
		},
		{
			name: "no cut", scenario: cutInTwo,
			bug:   scripted(fake.Script{ShapeLies: true}),
			fails: []string{"isolation", "fault_accuracy"}, code: invariant.ExitInfrastructure,
			windows: []string{"partition-1"},
		},
		{
			name: "no delay", scenario: delayed,
			bug:   delay(func(time.Duration) time.Duration { return 0 }),
			fails: []string{"fault_accuracy"}, code: invariant.ExitInfrastructure, windows: []string{"latency-1"},
		},
		{
			name: "microseconds taken for milliseconds", scenario: delayed,
			bug:   delay(func(d time.Duration) time.Duration { return d / 1000 }),
			fails: []string{"fault_accuracy"}, code: invariant.ExitInfrastructure, windows: []string{"latency-1"},
		},
		{
			name: "delay too long by half", scenario: delayed,
			bug:   delay(func(d time.Duration) time.Duration { return d * 3 / 2 }),
			fails: []string{"fault_accuracy"}, code: invariant.ExitInfrastructure, windows: []string{"latency-1"},
		},
		{
			name: "no jitter", scenario: delayed,
			bug:   jitter(func(time.Duration) time.Duration { return 0 }),
			fails: []string{"fault_accuracy"}, code: invariant.ExitInfrastructure, windows: []string{"latency-1"},
		},
		{
			name: "half the jitter", scenario: delayed,
			bug:   jitter(func(d time.Duration) time.Duration { return d / 2 }),
			fails: []string{"fault_accuracy"}, code: invariant.ExitInfrastructure, windows: []string{"latency-1"},
		},
		{
			name: "a cut that holds late", scenario: cutInTwo,
			bug: on(func(o sim.Options) runtime.Runtime {
				return slowShaper{Runtime: sim.New(o), takes: 15 * time.Second}
			}),
			fails: []string{"fault_accuracy"}, code: invariant.ExitInfrastructure, windows: []string{"partition-1"},
		},
		{
			name: "killed node goes on",
			scenario: powNet(2, 2, "500ms") + `faults: [{at: 4s, for: 8s, kill: full-1}]
expect: [agreement, validity, fault_accuracy]
duration: 15s
`,
			bug:   on(func(o sim.Options) runtime.Runtime { return ignoresActions{sim.New(o)} }),
			fails: []string{"fault_accuracy"}, unknown: []string{"durability"}, code: invariant.ExitInfrastructure,
			nodes: []trace.NodeID{"full-1"}, windows: []string{"kill-1"},
		},
	} {
		t.Run(p.name, func(t *testing.T) { p.check(t, p.bug.mustRun(t, p.scenario).report) })
		if !sound[p.scenario] {
			sound[p.scenario] = true
			t.Run(p.name+", without the bug", func(t *testing.T) { checkHolds(t, setup{}.mustRun(t, p.scenario).report) })
		}
	}
}

// check compares what fails with what should.
func (p planted) check(t *testing.T, rep *report.Report) {
	t.Helper()
	for _, r := range rep.Results {
		switch {
		case slices.Contains(p.fails, r.Invariant):
			p.checkFailed(t, r)
		case p.also[r.Invariant] != "":
			if r.Verdict != invariant.Fail || len(r.Evidence) == 0 || r.Evidence[0].Nodes[0] != p.also[r.Invariant] {
				t.Errorf("%s: %s (%s), want FAIL and %s as the first node of its evidence", r.Invariant, r.Verdict, r.Reason, p.also[r.Invariant])
			}
		case slices.Contains(p.vacuous, r.Invariant):
			if r.Verdict != invariant.Vacuous {
				t.Errorf("%s: %s (%s), want VACUOUS", r.Invariant, r.Verdict, r.Reason)
			}
		case slices.Contains(p.unknown, r.Invariant):
			if r.Verdict != invariant.Unknown {
				t.Errorf("%s: %s (%s), want UNKNOWN", r.Invariant, r.Verdict, r.Reason)
			}
		case r.Verdict != invariant.Pass && (r.Verdict != invariant.Vacuous || r.Expected):
			t.Errorf("%s: %s (%s), want PASS", r.Invariant, r.Verdict, r.Reason)
		}
	}
	if rep.Verdict != invariant.Fail || rep.ExitCode(invariant.Policy{}) != p.code {
		t.Errorf("over all %s, exit code %d, want FAIL and %d", rep.Verdict, rep.ExitCode(invariant.Policy{}), p.code)
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

// checkHolds checks that every invariant that could be judged holds.
func checkHolds(t *testing.T, rep *report.Report) {
	t.Helper()
	for _, r := range rep.Results {
		if r.Verdict != invariant.Pass && (r.Verdict != invariant.Vacuous || r.Expected) {
			t.Errorf("%s: %s (%s) without a bug", r.Invariant, r.Verdict, r.Reason)
		}
	}
	if rep.Verdict != invariant.Pass || rep.ExitCode(invariant.Policy{Strict: true}) != invariant.ExitPass {
		t.Errorf("over all %s, exit code %d, want PASS and 0", rep.Verdict, rep.ExitCode(invariant.Policy{Strict: true}))
	}
}

func TestInvariants_CensoringMinersBreakInclusion(t *testing.T) {
	var c *native.Chain
	bug := in(dropMessages(func(_ time.Duration, m wire.Message) bool {
		key, _ := c.Key("full-2")
		tx, ok := m.(*wire.Tx)
		return ok && tx.Tx.From == key.Address()
	}), "miner-1", "miner-2", "miner-3")
	bug.chain = func(own *native.Chain, _ http.RoundTripper) chain.Chain {
		c = own
		return own
	}
	scenario := powNet(3, 2, "500ms") + `seed: 7
load: [{transfers: 10/s, until: 15s}]
expect: [agreement, validity, convergence, chain_growth, block_propagation, inclusion]
duration: 25s
`
	rep := bug.mustRun(t, scenario).report
	// The miners do not count what they drop, which full-2 counts as sent.
	planted{
		fails: []string{"inclusion"}, code: invariant.ExitFail, nodes: []trace.NodeID{"full-2"},
		also: map[string]trace.NodeID{"consistency": "full-2"},
	}.check(t, rep)
	for _, e := range result(t, rep, "inclusion").Evidence {
		if len(e.Nodes) != 1 || e.Nodes[0] != "full-2" {
			t.Errorf("a transfer of %v is said to be lost", e.Nodes)
		}
	}
	checkHolds(t, setup{}.mustRun(t, scenario).report)
}

// What is missing when the schedule ends is not too young to be judged: the run goes on until it is lost.
func TestInvariants_LostTransfersAreAwaited(t *testing.T) {
	late := func(now time.Duration, m wire.Message) bool {
		_, ok := m.(*wire.Tx)
		return ok && now > 8*time.Second
	}
	scenario := powNet(3, 2, "500ms") + `seed: 7
load: [{transfers: 10/s, until: 15s}]
expect: [{inclusion: {within: 15s}}]
duration: 15s
`
	rep := in(dropMessages(late), "miner-1", "miner-2", "miner-3").mustRun(t, scenario).report
	planted{
		fails: []string{"inclusion"}, code: invariant.ExitFail, nodes: []trace.NodeID{"full-1", "full-2"},
		also: map[string]trace.NodeID{"consistency": "full-1"},
	}.check(t, rep)
	if txs := rep.Summary.Txs; txs.Lost < 20 || txs.Open > 0 || txs.Included+txs.Lost != txs.Submitted {
		t.Errorf("%+v", txs)
	}
}

func TestInvariants_GoodNodesRefuseForgedTransfers(t *testing.T) {
	rep := setup{chain: forge("full-1")}.mustRun(t, forged).report
	if r := result(t, rep, "inclusion"); r.Verdict != invariant.Fail || !strings.Contains(r.Reason, "full-1 refused") {
		t.Errorf("inclusion %s (%s)", r.Verdict, r.Reason)
	}
	rep = setup{chain: forge("full-1")}.mustRun(t, strings.Replace(forged, "inclusion]", "inclusion: {max_refused: 100%}]", 1)).report
	checkHolds(t, rep)
	if rep.Summary.Txs.Refused == 0 {
		t.Error("no transfer was refused: none was forged")
	}
}

func TestInvariants_PanicIsCrash(t *testing.T) {
	scenario := powNet(2, 2, "500ms") + `expect: [agreement, no_crash]
duration: 20s
`
	out := in(panicFrom(10*time.Second), "full-2").run(t, scenario)
	tail := checkNodeError(t, out.err, "full-2", "run", "panic: index out of range [7] with length 7")
	if !strings.Contains(tail, "goroutine") {
		t.Errorf("the node's last lines are no stack: %s", tail)
	}
	planted{fails: []string{"no_crash"}, code: invariant.ExitInfrastructure, nodes: []trace.NodeID{"full-2"}}.check(t, out.report)
	if !strings.Contains(out.report.Error, "run node full-2: panic") {
		t.Errorf("the run ended with %q", out.report.Error)
	}
	checkHolds(t, setup{}.mustRun(t, scenario).report)
}

func TestInvariants_FailedProbesFailTheInfrastructure(t *testing.T) {
	rep := scripted(fake.Script{ProbeErr: errScript}).mustRun(t, cutInTwo).report
	planted{fails: []string{"fault_accuracy"}, code: invariant.ExitInfrastructure}.check(t, rep)
	if r := result(t, rep, "fault_accuracy"); !strings.Contains(r.Reason, errScript.Error()) {
		t.Errorf("the reason is %q", r.Reason)
	}
}

// A run in which nothing happened shows nothing. It must not pass, whatever was expected.
func TestInvariants_NothingHappenedNeverPasses(t *testing.T) {
	idleNetwork := powNet(3, 0, "500ms") + `settle: 2s
`
	single := powNet(1, 0, "500ms") + `duration: 40s
`
	// A line whose ends are cut from each other: they have no link, and whatever is cut between them changes nothing.
	const ends = `
name: ends
nodes: [{name: miner, count: 3, mine: 100/s}]
topology: {line: , peer_exchange: false}
consensus: {pow: {block_interval: 500ms}}
faults: [{at: 2s, for: 4s, partition: {one_way: {from: miner-1, to: miner-3}}}]
duration: 10s
`
	idle := in(stopMining(0), "miner-1", "miner-2", "miner-3")
	all := "expect: [agreement, validity, convergence, chain_growth, block_propagation, inclusion, isolation, fault_accuracy, no_crash]\n"
	for _, c := range []struct {
		name     string
		scenario string
		bug      setup
		want     invariant.Verdict
		vacuous  string // an invariant that must be vacuous
	}{
		{"no mining, no expectation", idleNetwork + "duration: 5s\n", idle, invariant.Vacuous, "agreement"},
		{"no mining, agreement expected", idleNetwork + "duration: 5s\nexpect: [agreement]\n", idle, invariant.Vacuous, "agreement"},
		{"no mining, all expected of a short run", idleNetwork + "duration: 3s\n" + all, idle, invariant.Vacuous, "validity"},
		{"no mining, all expected of a long run", idleNetwork + "duration: 40s\n" + all, idle, invariant.Fail, "convergence"},
		{"one node, no expectation", single, setup{}, invariant.Vacuous, "agreement"},
		{"one node, what it can do alone is expected", single + "expect: [chain_growth, validity]\n", setup{}, invariant.Vacuous, "agreement"},
		{"one node, all expected", single + all, setup{}, invariant.Vacuous, "block_propagation"},
		{"cut that separates no peers", ends + "expect: [isolation]\n", setup{}, invariant.Vacuous, "isolation"},
		{"no fault", idleNetwork + "duration: 5s\nexpect: [fault_accuracy]\n", setup{}, invariant.Vacuous, "fault_accuracy"},
		{"no load", idleNetwork + "duration: 10s\nexpect: [agreement, inclusion]\n", setup{}, invariant.Vacuous, "inclusion"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rep := c.bug.mustRun(t, c.scenario).report
			if rep.Verdict != c.want || rep.ExitCode(invariant.Policy{Strict: true}) == invariant.ExitPass {
				t.Errorf("over all %s, exit code %d: want %s and not 0", rep.Verdict, rep.ExitCode(invariant.Policy{Strict: true}), c.want)
			}
			if r := result(t, rep, c.vacuous); r.Verdict != invariant.Vacuous || r.Reason == "" {
				t.Errorf("%s: %s (%s), want VACUOUS", r.Invariant, r.Verdict, r.Reason)
			}
			for _, r := range rep.Results {
				if r.Verdict == invariant.Pass && rep.Summary.Blocks == 0 {
					t.Errorf("%s: PASS without a block", r.Invariant)
				}
			}
		})
	}
}

// A load whose transfers are all refused is no load.
func TestInvariants_RefusedLoadNeverPasses(t *testing.T) {
	rep := setup{chain: forge("miner-1", "miner-2", "full-1", "full-2")}.mustRun(t, forged).report
	if r := result(t, rep, "inclusion"); r.Verdict != invariant.Vacuous && r.Verdict != invariant.Unknown || r.Reason == "" {
		t.Errorf("inclusion %s (%s)", r.Verdict, r.Reason)
	}
	if rep.Verdict == invariant.Pass || rep.ExitCode(invariant.Policy{Strict: true}) == invariant.ExitPass {
		t.Errorf("over all %s, exit code %d", rep.Verdict, rep.ExitCode(invariant.Policy{Strict: true}))
	}
	if rep.Summary.Txs.Submitted != 0 || rep.Summary.Txs.Refused == 0 {
		t.Errorf("%d transfers were accepted and %d refused", rep.Summary.Txs.Submitted, rep.Summary.Txs.Refused)
	}
}
