package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/run"
)

// TestWhatAKilledRunPausedAndEndedGoesOn kills netsplit while faults hold containers of others, and ends its testnet.
func TestWhatAKilledRunPausedAndEndedGoesOn(t *testing.T) {
	c := newCrowd(t, 4, "full")
	dir := t.TempDir()
	file, out := filepath.Join(dir, "long.yaml"), filepath.Join(dir, "run")
	if err := os.WriteFile(file, []byte(`
name: long
nodes: [{name: val, count: 4, mine: 100/s}]
consensus: {pow: {block_interval: 1s}}
faults: [{at: 1s, for: 10m, pause: val-2}, {at: 1s, for: 10m, kill: val-3}, {at: 1s, for: 10m, stop: val-4}]
expect: [agreement]
duration: 11m
`), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := c.attachedRun(file, out)
	until(t, time.Minute, "the faults", func() bool { return c.are("running paused exited exited") })
	c.before = nil // the run has changed them, as it was told to
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if !c.are("running paused exited exited") {
		t.Error("they go on by themselves; say so in docs/attach.md")
	}
	net, _, err := run.LoadNetwork(out)
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	e := &env{out: &stdout, err: &stderr}
	if code := e.run(t.Context(), []string{"netsplit", "down", net.ID}); code != exitOK {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}
	if !c.are("running running running running") {
		t.Error("down did not undo what the run had done")
	}
}

// are reports whether the containers are in these states.
func (c *crowd) are(want string) bool {
	c.t.Helper()
	var is []string
	for _, id := range c.ids {
		got, err := c.engine.ContainerInspect(c.t.Context(), id)
		if err != nil {
			c.t.Fatal(err)
		}
		is = append(is, got.State.Status)
	}
	return strings.Join(is, " ") == want
}

// What cannot be attached to is the user's to mend, and is told before anything starts.
func TestAttachingRefusedBeforeAnythingStarts(t *testing.T) {
	c := newCrowd(t, 4, "full")
	project := "com.docker.compose.service=val"
	for _, r := range []struct {
		scenario string
		args     []string
		want     []string
	}{
		{split, []string{"--attach", c.name("val1")}, []string{"no container is named " + c.name("val1"), "did you mean " + c.name("val-1") + "?"}},
		{split, []string{"--attach", c.label() + "x"}, []string{"no container has label " + c.label() + "x", "did you mean " + c.label() + "?"}},
		{split, []string{"--attach", c.label() + "," + project, "--network", c.who + "x"}, []string{"not all of the containers are on network", "did you mean --network " + c.who + "?"}},
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
	if err := c.engine.ContainerPause(t.Context(), c.ids[3]); err != nil {
		t.Fatal(err)
	}
	code, said, _ := c.run(split, "--attach", c.label())
	if code != exitUsage || !strings.Contains(said, c.name("val-4")+" is paused") || !strings.Contains(said, "docker unpause "+c.name("val-4")) {
		t.Errorf("one is paused: exit code %d: %s", code, said)
	}
	if err := c.engine.ContainerUnpause(t.Context(), c.ids[3]); err != nil {
		t.Fatal(err)
	}
}
