package cli

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
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
