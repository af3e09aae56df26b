package run_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain/external"
	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/report"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
	"github.com/netsplit/netsplit/testnets"
	"github.com/netsplit/netsplit/testnets/chainspec"
)

// The tests in this file run btcd, CometBFT and geth in containers with one bug planted: it must be found, with the right
// cause. Their images are compiled from source, which takes minutes, so they run only where NETSPLIT_REQUIRE names chains,
// as it does in CI.

// dockerRun is a scenario on a chain of the catalog, in containers.
type dockerRun struct {
	chain    string
	replace  []string // texts of the chain file and what stands for them, in pairs
	scenario string
	// runtime, if not nil, wraps the runtime; progress, if not nil, is shown what the run does.
	runtime  func(*docker.Runtime) runtime.Runtime
	progress func(*docker.Runtime) run.Progress
}

// run runs the scenario and returns the report on it, nil where the schedule never began, and the run's error.
func (r dockerRun) run(t *testing.T) (*report.Report, error) {
	t.Helper()
	if testing.Short() {
		t.Skip("containers for up to a minute")
	}
	if !must.Required("chains") {
		t.Skip("nodes of other chains are compiled first, which takes minutes: NETSPLIT_REQUIRE=chains runs this test")
	}
	_, err := docker.Available(t.Context())
	must.Do(t, err)
	t.Parallel()
	d := must.Get(docker.New(t.Context(), docker.Options{Lease: true}))(t)
	t.Cleanup(func() {
		if err := d.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	var rt runtime.Runtime = d
	if r.runtime != nil {
		rt = r.runtime(d)
	}
	var progress run.Progress
	if r.progress != nil {
		progress = r.progress(d)
	}
	chain := external.New(r.file(t), d, d.Transport(), nil)
	defer chain.CloseIdleConnections()
	spec, dir := parse(t, r.scenario), t.TempDir()
	runErr := run.Run(t.Context(), run.Options{
		ID: fmt.Sprintf("%s-%d-%d", spec.Name, os.Getpid(), time.Now().UnixNano()%1e9), Spec: spec, Runtime: rt, Chain: chain,
		Dir: dir, Version: "test", Progress: progress,
	})
	rep := judged(t, dir)
	if !rep.Began {
		return nil, runErr
	}
	for _, x := range rep.Results {
		t.Logf("%s %s: %s %s", x.Invariant, x.Verdict, x.Figure, x.Reason)
	}
	return rep, runErr
}

// file is the chain file with its replacements.
func (r dockerRun) file(t *testing.T) *chainspec.Chain {
	t.Helper()
	file := must.Get(testnets.OpenChain(r.chain))(t)
	src := string(file.Source)
	for i := 0; i < len(r.replace); i += 2 {
		if !strings.Contains(src, r.replace[i]) {
			t.Fatalf("%s has no %s", r.chain, r.replace[i])
		}
		src = strings.Replace(src, r.replace[i], r.replace[i+1], 1)
	}
	file = must.Get(chainspec.Parse(r.chain+"-planted.yaml", []byte(src)))(t)
	return file
}

// fails checks that an invariant failed, for a reason that says all of the words. On a machine that was late, what is about times
// alone may be UNKNOWN, for that reason and with the same words.
func fails(t *testing.T, rep *report.Report, name string, words ...string) invariant.Result {
	t.Helper()
	r := result(t, rep, name)
	late := r.Verdict == invariant.Unknown && strings.HasPrefix(r.Reason, "the machine was late ")
	if r.Verdict != invariant.Fail && !late || len(r.Evidence) == 0 {
		t.Fatalf("%s: %s (%s) with %d pieces of evidence, want FAIL", name, r.Verdict, r.Reason, len(r.Evidence))
	}
	for _, w := range words {
		if !strings.Contains(r.Reason, w) {
			t.Errorf("%s: the reason does not say %q: %s", name, w, r.Reason)
		}
	}
	return r
}

// neverHeals is a runtime whose links stay cut when they should heal.
type neverHeals struct{ *docker.Runtime }

func (u neverHeals) Shape(ctx context.Context, layers []faults.Layer) (faults.Applied, error) {
	if len(layers) == 0 {
		return faults.Applied{Engine: "none"}, nil
	}
	return u.Runtime.Shape(ctx, layers)
}

func TestDocker_MissingHeal(t *testing.T) {
	rep := must.Get(dockerRun{
		chain:   "cometbft",
		runtime: func(d *docker.Runtime) runtime.Runtime { return neverHeals{d} },
		scenario: `
name: unhealed
nodes: [{name: validator, count: 4, mine: 100/s}]
topology: {full: }
consensus: {pow: {block_interval: 1s}}
faults: [{at: 4s, for: 5s, partition: {groups: [[validator-1, validator-2], [validator-3, validator-4]]}}]
expect: [agreement, {convergence: {within: 15s}}]
duration: 20s
settle: 12s
`}.run(t))(t)
	r := fails(t, rep, "fault_accuracy", "partition-1: none of 5 packets from validator-", "after the fault")
	if len(r.Evidence[0].Nodes) != 2 {
		t.Errorf("the evidence names %v, not the link's two ends", r.Evidence[0].Nodes)
	}
	r = fails(t, rep, "convergence", "after partition-1", "4 nodes had not converged")
	if len(r.Evidence[0].Nodes) != 4 {
		t.Errorf("the evidence names %v", r.Evidence[0].Nodes)
	}
	if result(t, rep, "agreement").Verdict != invariant.Pass {
		t.Error("agreement does not hold, although no block was made")
	}
	// A fault that did not do what was planned is the infrastructure's failure.
	want := invariant.ExitInfrastructure
	if result(t, rep, "fault_accuracy").Verdict == invariant.Unknown {
		want = invariant.ExitUnknown
	}
	if code := rep.ExitCode(invariant.Policy{}); code != want {
		t.Errorf("exit code %d", code)
	}
}

const withOutsider = `
name: outsider
nodes: [{name: maker, count: 3, mine: 100/s}, {name: full, count: 2}]
topology: {full: }
consensus: {pow: {block_interval: 1s}}
expect: [agreement, {convergence: {within: 4s}}]
duration: 15s
settle: 6s
`

func TestDocker_OtherGenesis(t *testing.T) {
	for name, c := range map[string]struct {
		dockerRun
		words []string
	}{
		"cometbft, another chain id": {
			dockerRun{chain: "cometbft", replace: []string{
				`"chain_id": {{json .Network}}`, `"chain_id": {{if eq .Node.Name "full-2"}}"elsewhere"{{else}}{{json .Network}}{{end}}`,
			}},
			[]string{"it has another genesis: chain_id is elsewhere on full-2 and outsider-", " on maker-1, maker-2, maker-3, full-1"},
		},
		"cometbft, other validators": {
			dockerRun{chain: "cometbft", replace: []string{
				`"power": "{{printf "%.0f" $n.Mine}}"`, `"power": "{{if eq $.Node.Name "full-2"}}7{{else}}{{printf "%.0f" $n.Mine}}{{end}}"`,
			}},
			[]string{"it has another genesis: validators[0].power is 7 on full-2 and 100 on maker-1, maker-2, maker-3, full-1"},
		},
		"geth, another time": {
			dockerRun{chain: "geth", replace: []string{
				"    keep: [/data/geth]\n", "    keep: [/data/geth]\n    each: node\n", // it is made once otherwise
				`"timestamp": "`, `"timestamp": "{{if eq .Node.Name "full-2"}}1{{end}}`,
			}},
			[]string{"it is on another chain: block 0 is 0x", " on full-2 and 0x", " on maker-1, maker-2, maker-3, full-1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.scenario = withOutsider
			rep, err := c.run(t)
			var failed *runtime.NodeError
			if rep != nil || !errors.As(err, &failed) || failed.Node != "full-2" || failed.Op != "connect" {
				t.Fatalf("error %v, want one about connecting full-2", err)
			}
			for _, w := range c.words {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("it does not say %q: %v", w, err)
				}
			}
		})
	}
}

func TestDocker_NodeWithOwnValidatorSet(t *testing.T) {
	// full-2 believes that it is the only validator. It has the right chain id, so the others accept it.
	rep, err := dockerRun{
		chain: "cometbft", scenario: withOutsider,
		replace: []string{
			`{{range $i, $n := .Producers}}{{if $i}},{{end}}`,
			`{{$makers := .Producers}}{{if eq .Node.Name "full-2"}}{{$makers = slice .Nodes 4 5}}{{end}}{{range $i, $n := $makers}}{{if $i}},{{end}}`,
			`"{{printf "%.0f" $n.Mine}}"`, `"10"`,
		},
	}.run(t)
	if err != nil {
		// They did not even stay connected.
		if !strings.Contains(err.Error(), "it has another genesis: validators is ") {
			t.Fatal(err)
		}
		return
	}
	fails(t, rep, "agreement", "two final blocks at height 1", "full-2", "another genesis")
	fails(t, rep, "convergence", "5 nodes had not converged")
}

func TestDocker_ValidatorKeyUsedTwice(t *testing.T) {
	// The key has 36 % of the power and each of the others 32 %: with either of them it is more than two thirds.
	rep := must.Get(dockerRun{
		chain: "cometbft",
		replace: []string{
			`{{.Node.Keys.validator.PrivateBase64}}`,
			`{{if eq .Node.Name "twin-1"}}{{(index .Nodes 0).Keys.validator.PrivateBase64}}{{else}}{{.Node.Keys.validator.PrivateBase64}}{{end}}`,
		},
		scenario: `
name: twins
nodes: [{name: key, mine: 36/s}, {name: left, mine: 32/s}, {name: right, mine: 32/s}, {name: twin}]
topology: {full: }
consensus: {pow: {block_interval: 1s}}
faults: [{at: 2s, for: 25s, partition: {groups: [[key, left], [twin, right]]}}]
expect: [agreement]
duration: 30s
settle: 3s
`}.run(t))(t)
	r := fails(t, rep, "agreement", "two final blocks at height ")
	var named []string
	made := false
	for _, e := range r.Evidence {
		for _, n := range e.Nodes {
			named = append(named, string(n))
		}
		made = made || len(e.Blocks) == 2 && (strings.Contains(e.Text, " made both") || strings.Contains(e.Text, " made two blocks at height "))
	}
	if !made {
		t.Errorf("nothing says that one key made two blocks: %+v", r.Evidence)
	}
	for _, n := range []string{"key-1", "twin-1"} {
		if !slices.Contains(named, n) {
			t.Errorf("the evidence names %v, not %s", named, n)
		}
	}
	// A block that was proposed before the cut may be decided on both sides after it; on a very busy host so late that it
	// counts as having crossed, which is the infrastructure's failure and has a code of its own.
	crossed := result(t, rep, "isolation").Verdict == invariant.Fail
	if code := rep.ExitCode(invariant.Policy{}); code != invariant.ExitFail && !crossed {
		t.Errorf("exit code %d", code)
	}
}

// hiddenCut is a Progress that cuts links without the run's knowledge, from one second of the schedule to another.
type hiddenCut struct {
	watcher
	t           *testing.T
	d           *docker.Runtime
	layers      []faults.Layer
	from, until int
	second      int // of the goroutine alone that calls Update
}

func (s *hiddenCut) Update(run.Snapshot) {
	var layers []faults.Layer
	switch s.second++; s.second {
	case s.from:
		layers = s.layers
	case s.until:
	default:
		return
	}
	if _, err := s.d.Shape(s.t.Context(), layers); err != nil {
		s.t.Error(err)
	}
}

func TestDocker_HiddenPartition(t *testing.T) {
	left, right := []faults.NodeID{"miner-1", "miner-2"}, []faults.NodeID{"miner-3", "miner-4"}
	rep := must.Get(dockerRun{
		chain: "btcd",
		progress: func(d *docker.Runtime) run.Progress {
			return &hiddenCut{t: t, d: d, from: 3, until: 23, layers: []faults.Layer{{
				ID: "secret", Kind: "partition", Text: "secret", Since: time.Now(), Links: faults.Links{Rules: []faults.Rule{
					{From: left, To: right, Cut: true}, {From: right, To: left, Cut: true},
				}},
			}}}
		},
		scenario: `
name: secret
seed: 4
nodes: [{name: miner, count: 4, mine: 100/s}]
topology: {full: }
consensus: {pow: {block_interval: 500ms}}
expect: [agreement]
duration: 27s
settle: 20s
`}.run(t))(t)
	r := fails(t, rep, "agreement", " dropped ", "the chains fork after ")
	if r.Bound != "at most 6 blocks outside partitions" || r.Metrics["deepest_reorg_outside_partitions"] <= 6 || len(r.Evidence[0].Nodes) == 0 || len(r.Evidence[0].Windows) > 0 {
		t.Errorf("bound %q, metrics %v, evidence %+v", r.Bound, r.Metrics, r.Evidence)
	}
	if code := rep.ExitCode(invariant.Policy{}); code != invariant.ExitFail {
		t.Errorf("exit code %d", code)
	}
}
