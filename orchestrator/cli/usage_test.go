package cli

import (
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/orchestrator/report"
)

// quietApp is the command line, printing nothing.
func quietApp() *ucli.App { return newApp(&env{stdout: io.Discard, stderr: io.Discard}, nil) }

func TestArrange(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"netsplit run split-brain --json", "netsplit run --json=true -- split-brain"},
		{"netsplit run split-brain --seed 7 --nodes=20", "netsplit run --seed=7 --nodes=20 -- split-brain"},
		{"netsplit run --seed 7 split-brain", "netsplit run --seed=7 -- split-brain"},
		{"netsplit run -seed 7 split-brain --out=a=b", "netsplit run --seed=7 --out=a=b -- split-brain"},
		{"netsplit fault kill miner-1 -t x miner-2", "netsplit fault kill -t=x -- miner-1 miner-2"},
		{"netsplit logs miner-1 -n 5", "netsplit logs -n=5 -- miner-1"},
		{"netsplit logs miner-1 -n -5", "netsplit logs -n=-5 -- miner-1"},
		{"netsplit run -- --json", "netsplit run -- --json"},
		{"netsplit validate a -- --json", "netsplit validate -- a --json"},
		{"netsplit run -", "netsplit run -- -"},
		{"netsplit --version", "netsplit --version=true"},
	} {
		got, help, err := arrange(quietApp(), strings.Fields(c.args))
		if err != nil || help != nil {
			t.Errorf("%s: help %v, %v", c.args, help, err)
		}
		if d := cmp.Diff(strings.Fields(c.want), got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.args, d)
		}
	}
}

func TestArrange_Help(t *testing.T) {
	for args, want := range map[string]string{
		"": "netsplit", "netsplit": "netsplit", "netsplit help": "netsplit", "netsplit -h": "netsplit", "netsplit help run": "netsplit run",
		"netsplit fault": "netsplit fault", "netsplit help fault kill": "netsplit fault kill", "netsplit run x --help": "netsplit run",
		"netsplit tx -h send": "netsplit tx", "netsplit run --help --unknown": "netsplit run",
	} {
		_, help, err := arrange(quietApp(), strings.Fields(args))
		if err != nil || help == nil || help.HelpName != want {
			t.Errorf("%q: help of %+v, %v, want %s", args, help, err, want)
		}
	}
}

// TestHelp_EveryCommand walks all commands.
func TestHelp_EveryCommand(t *testing.T) {
	var walk func(path []string, commands []*ucli.Command)
	walk = func(path []string, commands []*ucli.Command) {
		for _, c := range commands {
			path := append(path[:len(path):len(path)], c.Name)
			var out, errs strings.Builder
			if code := execute(t.Context(), &env{stdout: &out, stderr: &errs}, nil, append(append([]string{"netsplit"}, path...), "--help")); code != 0 {
				t.Errorf("%v: exit code %d: %s", path, code, errs.String())
			}
			text := out.String()
			if c.Usage == "" || !strings.Contains(strings.Join(strings.Fields(text), " "), c.Usage) {
				t.Errorf("%v: the help does not say what it does:\n%s", path, text)
			}
			for _, line := range strings.Split(text, "\n") {
				if len([]rune(line)) > report.DefaultWidth {
					t.Errorf("%v: %d columns: %s", path, len(line), line)
				}
			}
			for _, f := range c.Flags {
				if !strings.Contains(text, dashed(f.Names()[0])) || strings.Contains(text, " value ") {
					t.Errorf("%v: flag %s is not described:\n%s", path, f.Names()[0], text)
				}
			}
			walk(path, c.Subcommands)
		}
	}
	walk(nil, quietApp().Commands)
}
