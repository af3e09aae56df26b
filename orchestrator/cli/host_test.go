package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
	"github.com/netsplit/netsplit/testnets"
	"github.com/netsplit/netsplit/testnets/chainspec"
	"github.com/netsplit/netsplit/testnets/scenario"
)

func TestSelectorOf(t *testing.T) {
	for _, c := range []struct {
		args []string
		want docker.Selector
		call string
	}{
		{
			[]string{"--attach", "com.docker.compose.project=p"},
			docker.Selector{Labels: []string{"com.docker.compose.project=p"}},
			"netsplit run --attach com.docker.compose.project=p",
		},
		{
			[]string{"--attach", "a, b", "--attach", "x=1,y=2", "--attach=c", "--network", "n 1"},
			docker.Selector{Labels: []string{"x=1", "y=2"}, Names: []string{"a", "b", "c"}},
			"netsplit run --attach a --attach b --attach x=1 --attach y=2 --attach c --network 'n 1'",
		},
		{[]string{"--attach", ","}, docker.Selector{}, "netsplit run --attach '' --attach ''"},
		{nil, docker.Selector{}, ""},
	} {
		app := &ucli.App{Name: "netsplit", Commands: []*ucli.Command{{
			Name: "run", Flags: append(startFlags(), runOnlyFlags()...),
			Action: func(ctx *ucli.Context) error {
				o := startOptionsOf(ctx)
				if diff := cmp.Diff(c.want, selectorOf(o.attach)); diff != "" {
					t.Errorf("%q: %s", c.args, diff)
				}
				if got := o.commandLine(); got != c.call {
					t.Errorf("%q: command line %s, want %s", c.args, got, c.call)
				}
				return nil
			},
		}}}
		if err := app.RunContext(t.Context(), append([]string{"netsplit", "run"}, c.args...)); err != nil {
			t.Errorf("%q: %v", c.args, err)
		}
	}
}

// Faults that cannot be applied to containers are mistakes in the scenario.
func TestAtFaults_AddsPositions(t *testing.T) {
	spec := must.Get(scenario.Parse("x.yaml", []byte(`name: x
nodes: [{name: val, count: 2, mine: 100/s}]
consensus: {pow: {block_interval: 1s}}
faults:
  - {at: 1s, for: 2s, pause: val-1}
  - {at: 5s, for: 2s, kill: val-2}
duration: 20s
`)))(t)
	gone := &faults.PlanError{Index: 1, ID: "kill-1", Err: errors.New("container b would be gone for good")}
	var stderr bytes.Buffer
	if code := printErrors(t.Context(), &stderr, usageError(atFaults(spec, errors.Join(gone)))); code != exitUsage {
		t.Errorf("exit code %d", code)
	}
	if got := stderr.String(); !strings.HasPrefix(got, "x.yaml:6:5: fault kill-1: container b would be gone for good\n") {
		t.Errorf("said %s", got)
	}
	other := fmt.Errorf("wrapped: %w", errors.New("the engine is gone"))
	if got := atFaults(spec, other); !errors.Is(got, other) {
		t.Errorf("got %v", got)
	}
}

func TestChooseRuntime(t *testing.T) {
	missing := func(named string, absent bool) error {
		return fmt.Errorf("x: %w", &docker.UnavailableError{
			Host: "unix:///s", Named: named, Err: errors.New("permission denied"), Advice: "join the docker group", Absent: absent,
		})
	}
	for _, c := range []struct {
		name    string
		err     error
		ci      bool
		runtime string
		why     string
	}{
		{"an engine answers", nil, false, runtimeDocker, "auto: Docker Engine 1.2 answers"},
		{"in CI", nil, true, runtimeDocker, "auto: Docker Engine 1.2 answers"},
		{"none is there", missing("", true), false, runtimeSim, "auto: no Docker Engine answers"},
		{"none in CI", missing("", true), true, "", "in a CI environment"},
		{"one is named", missing("DOCKER_HOST", true), false, "", "netsplit doctor"},
		{"one that is named cannot be used", missing("docker context x", false), true, "", "netsplit doctor"},
		{"one that cannot be used", missing("", false), false, runtimeSim, "auto: permission denied (unix:///s); join the docker group"},
		{"one that cannot be used in CI", missing("", false), true, "", "in a CI environment"},
		{"interrupted", context.Canceled, false, "", "netsplit doctor"},
	} {
		name, why, err := chooseRuntime("1.2", c.err, c.ci)
		var exit *exitError
		switch {
		case name != c.runtime || (err == nil) != (c.runtime != ""):
			t.Errorf("%s: %q, %v", c.name, name, err)
		case err == nil && why != c.why:
			t.Errorf("%s: %s", c.name, why)
		case err != nil && (!errors.As(err, &exit) || exit.code != exitInfrastructure || !strings.Contains(exit.hint, c.why)):
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestInCI(t *testing.T) {
	for value, want := range map[string]bool{"": false, "true": true, "1": true, "woodpecker": true, "false": false, "0": false} {
		t.Setenv("CI", value)
		if inCI() != want {
			t.Errorf("CI=%s: %v", value, !want)
		}
	}
}

// Logs that cannot be read are said at the start, and are refused where blocks come from there.
func TestCheckLogs(t *testing.T) {
	polled := must.Get(testnets.OpenChain("cometbft"))(t)
	printed := *polled
	printed.Observe.Arrival = &chainspec.Arrival{Log: &chainspec.LogArrival{}}
	silent := *polled
	silent.Observe.Arrival = nil
	for _, c := range []struct {
		name       string
		file       *chainspec.Chain
		unreadable []string
		fail, said string
	}{
		{"all can be read", &printed, nil, "", ""},
		{"not needed", &silent, []string{"a (log driver none)"}, "", "warning: the engine cannot read the logs of a (log driver none): what they print is not recorded\n"},
		{"needed", &printed, []string{"a (log driver none)", "b (log driver none)"}, "a (log driver none), b (log driver none), and chain cometbft", ""},
	} {
		var said strings.Builder
		err := checkLogs(&said, c.file, c.unreadable)
		if said.String() != c.said || (err == nil) != (c.fail == "") || err != nil && !strings.Contains(err.Error(), c.fail) {
			t.Errorf("%s: %v, said %q", c.name, err, said.String())
		}
	}
}

// The hint of a command that needs to know which testnet is meant shows how to name it.
func TestHowToName(t *testing.T) {
	err := error(&severalError{[]string{"a-1", "b-2"}})
	for want, cmd := range map[string]*ucli.Command{
		"name one as in `netsplit down a-1`: a-1, b-2": {HelpName: "netsplit down"},
		"name one with --testnet: a-1, b-2":            {HelpName: "netsplit fault ls", Flags: []ucli.Flag{testnetFlag()}},
	} {
		var exit *exitError
		if got := howToName(cmd, err); !errors.As(got, &exit) || exit.hint != want || exit.code != exitUsage {
			t.Errorf("%s: %v", cmd.HelpName, got)
		}
	}
	other := errors.New("x")
	if howToName(&ucli.Command{}, other) != other || howToName(&ucli.Command{}, nil) != nil {
		t.Error("other errors are changed")
	}
}
