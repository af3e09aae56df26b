package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/report"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
)

// splitScenario cuts four nodes in halves for a short time. Both halves make blocks.
const splitScenario = `
name: split
nodes: [{name: val, count: 4, mine: 100/s}]
consensus: {pow: {block_interval: 300ms}}
faults: [{at: 2s, for: 5s, partition: {halves: ordered}}]
expect: [agreement, {convergence: {within: 6s}}, chain_growth, {block_propagation: {p95: 2s}}, isolation, fault_accuracy]
duration: 14s
settle: 6s
`

// verdictsOf gives the verdict of each invariant.
func verdictsOf(rep *report.Report) map[string]invariant.Verdict {
	out := map[string]invariant.Verdict{}
	for _, r := range rep.Results {
		out[r.Invariant] = r.Verdict
	}
	return out
}

func TestAttach_NodesAreSplitAndLeftUnchanged(t *testing.T) {
	c := startExternalNodes(t, 4, "full")
	code, said, rep := c.run(splitScenario, "--attach", c.label())
	if rep == nil || code != exitOK && code != invariant.ExitUnknown {
		t.Fatalf("exit code %d: %s", code, said)
	}
	expected := []string{"agreement", "convergence", "chain_growth", "block_propagation", "isolation", "fault_accuracy"}
	for _, r := range rep.Results {
		// On a machine that is late, what is about times alone may stay unknown.
		late := r.Verdict == invariant.Unknown && strings.HasPrefix(r.Reason, "the machine was late ")
		if r.Verdict == invariant.Unknown && !late || slices.Contains(expected, r.Invariant) && r.Verdict != invariant.Pass && !late {
			t.Errorf("%s: %s", r.Invariant, r.Verdict)
		}
	}
	// One node has nobody to be cut from.
	code, said, _ = c.run(splitScenario, "--attach", c.name("val-1"))
	if code != exitUsage || !strings.Contains(said, "scenario.yaml:5:") {
		t.Errorf("one node: exit code %d: %s", code, said)
	}
	code, said, rep = c.run("name: alone\nnodes: [{name: val, mine: 100/s}]\nconsensus: {pow: {block_interval: 300ms}}\n"+
		"expect: [agreement, convergence]\nduration: 5s\nsettle: 5s\n", "--strict", "--attach", c.name("val-1"))
	if code == exitOK {
		t.Errorf("one node passes strictly: %s", said)
	}
	if rep != nil && (verdictsOf(rep)["agreement"] != invariant.Vacuous || verdictsOf(rep)["convergence"] != invariant.Vacuous) {
		t.Errorf("one node: %v", verdictsOf(rep))
	}
}

// Four of five nodes in a line are attached to. The one in the middle joins the halves, whatever is cut between them.
func TestAttach_PartitionWithoutEffectDoesNotPass(t *testing.T) {
	c := startExternalNodes(t, 5, "line")
	code, said, rep := c.run(splitScenario, "--attach", c.name("val-1")+","+c.name("val-2"), "--attach", c.name("val-4"), "--attach", c.name("val-5"))
	if code == exitOK || rep == nil {
		t.Fatalf("exit code %d: %s", code, said)
	}
	got := verdictsOf(rep)
	if got["fault_accuracy"] != invariant.Vacuous || got["isolation"] == invariant.Pass {
		t.Errorf("verdicts %v", got)
	}
}

func TestAttach_TwoNetworksDoNotPass(t *testing.T) {
	c := startExternalNodes(t, 4, "full",
		"--network={{.Network}}", "'--network={{.Network}}-{{lt .Node.Index 2}}'")
	code, said, rep := c.run("name: two\nnodes: [{name: val, count: 4, mine: 100/s}]\nconsensus: {pow: {block_interval: 300ms}}\n"+
		"expect: [agreement, {convergence: {within: 4s}}]\nduration: 10s\nsettle: 6s\n", "--attach", c.label())
	switch {
	case rep == nil: // one of them is more than a block ahead
		if code != exitInfrastructure || !strings.Contains(said, "it is on another chain: block 0 is ") {
			t.Errorf("exit code %d: %s", code, said)
		}
	case code != exitViolated || verdictsOf(rep)["agreement"] != invariant.Fail || verdictsOf(rep)["convergence"] == invariant.Pass:
		t.Errorf("exit code %d, verdicts %v", code, verdictsOf(rep))
	}
}

func TestAttach_NamesUnreachableNode(t *testing.T) {
	c := startExternalNodes(t, 4, "full", "--rpc=0.0.0.0:{{.Ports.rpc}}", `'--rpc={{if eq .Node.Name "val-4"}}127.0.0.1{{else}}0.0.0.0{{end}}:{{.Ports.rpc}}'`)
	code, said, rep := c.run(splitScenario, "--attach", c.label(), "--start-timeout", "3s")
	if code != exitInfrastructure || rep != nil || !strings.Contains(said, "connect node val-4: ") || !strings.Contains(said, "refused") {
		t.Errorf("exit code %d: %s", code, said)
	}
}

func TestAttach_HaltedChainDoesNotPass(t *testing.T) {
	c := startExternalNodes(t, 4, "full", makeInterval, "{{if lt .Node.Index 2}}0s{{else}}500ms{{end}}") // two of them make blocks
	reach(t, c, 3)
	for _, id := range c.ids[2:] { // and are gone before anything begins
		must.Do(t, c.engine.ContainerPause(t.Context(), id))
	}
	code, said, rep := c.run(splitScenario, "--attach", c.name("val-1"), "--attach", c.name("val-2"))
	for _, id := range c.ids[2:] {
		must.Do(t, c.engine.ContainerUnpause(t.Context(), id))
	}
	if code == exitOK || rep == nil {
		t.Fatalf("exit code %d: %s", code, said)
	}
	for _, name := range []string{"convergence", "chain_growth", "block_propagation"} {
		if got := verdictsOf(rep)[name]; got == invariant.Pass {
			t.Errorf("%s: PASS", name)
		}
	}
}

// reach waits until the first node is at a height.
func reach(t *testing.T, c *externalNodes, height int) {
	t.Helper()
	until(t, time.Minute, "a height", func() bool {
		resp, err := http.Post("http://"+c.first.String()+":7001", "application/json", strings.NewReader(`{"jsonrpc": "2.0", "id": 1, "method": "status"}`))
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		var s struct{ Result struct{ Height int } }
		err = json.NewDecoder(resp.Body).Decode(&s)
		return err == nil && s.Result.Height >= height
	})
	http.DefaultClient.CloseIdleConnections()
}

// until waits for a condition.
func until(t *testing.T, limit time.Duration, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within %s", what, limit)
		}
	}
}

// TestAttach_FaultsEndWithTheirOwner kills netsplit in the middle of a cut. A second one, which only measures,
// sees the links cut, and healed again.
func TestAttach_FaultsEndWithTheirOwner(t *testing.T) {
	c := startExternalNodes(t, 4, "full")
	probe := c.prober()
	if got := probe(); got != "healed" {
		t.Fatalf("the links are %s at first", got)
	}
	dir := t.TempDir()
	file, out := filepath.Join(dir, "long.yaml"), filepath.Join(dir, "run")
	long := strings.NewReplacer("for: 6s", "for: 10m", "duration: 22s", "duration: 11m").Replace(splitScenario)
	must.Do(t, os.WriteFile(file, []byte(long), 0o600))
	cmd := c.attachedRun(file, out)
	until(t, time.Minute, "the cut", func() bool { return probe() == "cut" })
	must.Do(t, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
	until(t, 10*time.Second, "the heal", func() bool { return probe() == "healed" })
	c.same()
	net, _, err := run.LoadNetwork(out)
	must.Do(t, err)
	must.Do(t, docker.Remove(t.Context(), net.ID))
	c.same()
}

// prober returns a function that measures the links from val-1 to val-4 and back.
func (c *externalNodes) prober() func() string {
	c.t.Helper()
	f, err := docker.Attach(c.t.Context(), docker.Selector{Labels: []string{c.label()}}, docker.AttachOptions{Lease: true})
	must.Do(c.t, err)
	c.t.Cleanup(func() {
		if err := f.Close(context.WithoutCancel(c.t.Context())); err != nil {
			c.t.Error(err)
		}
	})
	hosts := must.Get(f.Hosts(c.t.Context()))(c.t)
	plan := runtime.Plan{ID: c.who, Name: "probe", Dir: c.t.TempDir()}
	for _, h := range hosts {
		plan.Nodes = append(plan.Nodes, runtime.PlanNode{ID: h.ID, Role: h.Role})
	}
	if _, err := f.Create(c.t.Context(), plan); err != nil {
		c.t.Fatal(err)
	}
	must.Do(c.t, f.Launch(c.t.Context(), nil, nil))
	links := []faults.Link{{From: "val-1", To: "val-4"}, {From: "val-4", To: "val-1"}}
	return func() string {
		m, err := f.Probe(c.t.Context(), links, faults.ProbePlan{Count: 3, Interval: 10 * time.Millisecond, Wait: 300 * time.Millisecond})
		must.Do(c.t, err)
		switch got := []int{m[0].Received, m[1].Received}; {
		case slices.Equal(got, []int{3, 3}):
			return "healed"
		case slices.Equal(got, []int{0, 0}):
			return "cut"
		}
		return "partly cut"
	}
}

// TestDown_RestoresAttachedNodesOfKilledRun kills netsplit while faults hold containers of others, and ends its testnet.
func TestDown_RestoresAttachedNodesOfKilledRun(t *testing.T) {
	c := startExternalNodes(t, 4, "full")
	dir := t.TempDir()
	file, out := filepath.Join(dir, "long.yaml"), filepath.Join(dir, "run")
	if err := os.WriteFile(file, []byte(`
name: long
nodes: [{name: val, count: 4, mine: 100/s}]
consensus: {pow: {block_interval: 300ms}}
faults: [{at: 1s, for: 10m, pause: val-2}, {at: 1s, for: 10m, kill: val-3}, {at: 1s, for: 10m, stop: val-4}]
expect: [agreement]
duration: 11m
`), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := c.attachedRun(file, out)
	until(t, time.Minute, "the faults", func() bool { return c.are("running paused exited exited") })
	c.before = nil // the run has changed them, as planned
	must.Do(t, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
	if !c.are("running paused exited exited") {
		t.Error("they go on by themselves; say so in docs/attach.md")
	}
	net, _, err := run.LoadNetwork(out)
	must.Do(t, err)
	var stdout, stderr bytes.Buffer
	if code := execute(t.Context(), &env{stdout: &stdout, stderr: &stderr}, openDocker, []string{"netsplit", "down", net.ID}); code != exitOK {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}
	if !c.are("running running running running") {
		t.Error("down did not undo what the run had done")
	}
}

// are reports whether the containers are in these states.
func (c *externalNodes) are(want string) bool {
	c.t.Helper()
	var is []string
	for _, id := range c.ids {
		got := must.Get(c.engine.ContainerInspect(c.t.Context(), id))(c.t)
		is = append(is, got.State.Status)
	}
	return strings.Join(is, " ") == want
}

// Mistakes in what to attach to are found before anything starts.
func TestAttach_UsageErrors(t *testing.T) {
	c := startExternalNodes(t, 4, "full")
	project := "com.docker.compose.service=val"
	for _, r := range []struct {
		scenario string
		args     []string
		want     []string
	}{
		{splitScenario, []string{"--attach", c.name("val1")}, []string{"no container is named " + c.name("val1"), "did you mean " + c.name("val-1") + "?"}},
		{splitScenario, []string{"--attach", c.label() + "x"}, []string{"no container has label " + c.label() + "x", "did you mean " + c.label() + "?"}},
		{splitScenario, []string{"--attach", c.label() + "," + project, "--network", c.who + "x"}, []string{"not all of the containers are on network", "did you mean --network " + c.who + "?"}},
	} {
		code, said, rep := c.run(r.scenario, r.args...)
		if code != exitUsage || rep != nil {
			t.Errorf("%v: exit code %d: %s", r.args, code, said)
		}
		for _, want := range r.want {
			if !strings.Contains(said, want) {
				t.Errorf("%v: it lacks %q: %s", r.args, want, said)
			}
		}
	}
	must.Do(t, c.engine.ContainerPause(t.Context(), c.ids[3]))
	code, said, _ := c.run(splitScenario, "--attach", c.label())
	if code != exitUsage || !strings.Contains(said, c.name("val-4")+" is paused") || !strings.Contains(said, "docker unpause "+c.name("val-4")) {
		t.Errorf("one is paused: exit code %d: %s", code, said)
	}
	must.Do(t, c.engine.ContainerUnpause(t.Context(), c.ids[3]))
}
