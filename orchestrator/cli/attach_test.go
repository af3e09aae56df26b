package cli

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
)

func TestAttachTakesLabelsAndNames(t *testing.T) {
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
			Name: "run", Flags: chainFlags(),
			Action: func(ctx *ucli.Context) error {
				if diff := cmp.Diff(c.want, selectorOf(ctx.StringSlice(flagAttach))); diff != "" {
					t.Errorf("%q: %s", c.args, diff)
				}
				if got := calledAs(ctx); got != c.call {
					t.Errorf("%q: called as %s, want %s", c.args, got, c.call)
				}
				return nil
			},
		}}}
		if err := app.RunContext(t.Context(), append([]string{"netsplit", "run"}, c.args...)); err != nil {
			t.Errorf("%q: %v", c.args, err)
		}
	}
}
