package cli

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ucli "github.com/urfave/cli/v2"
)

// quietEnv is an env that prints nothing.
func quietEnv() *env { return &env{out: io.Discard, err: io.Discard} }

func TestArrange(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"netsplit", "netsplit"},
		{"netsplit run split-brain --json", "netsplit run --json -- split-brain"},
		{"netsplit run split-brain --seed 7 --nodes=20", "netsplit run --seed 7 --nodes=20 -- split-brain"},
		{"netsplit run --seed 7 split-brain", "netsplit run --seed 7 -- split-brain"},
		{"netsplit run --seed -7 split-brain", "netsplit run --seed -7 -- split-brain"},
		{"netsplit fault kill miner-1 -t x miner-2", "netsplit fault kill -t x -- miner-1 miner-2"},
		{"netsplit logs miner-1 -n 5", "netsplit logs -n 5 -- miner-1"},
		{"netsplit run -- --json", "netsplit run -- --json"},
		{"netsplit run a -- --json", "netsplit run -- a --json"},
		{"netsplit run -", "netsplit run -- -"},
		{"netsplit run --unknown value", "netsplit run --unknown -- value"},
		{"netsplit --version", "netsplit --version"},
		{"netsplit help", "netsplit --help"},
		{"netsplit help run", "netsplit run --help"},
		{"netsplit help fault kill", "netsplit fault kill --help"},
		{"netsplit run x --help", "netsplit run --help"},
		{"netsplit tx -h send", "netsplit tx -h send"},
	} {
		got, err := arrange(quietEnv().app(), strings.Fields(c.args))
		if err != nil {
			t.Errorf("%s: %v", c.args, err)
		}
		if d := cmp.Diff(strings.Fields(c.want), got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.args, d)
		}
	}
	if got, err := arrange(quietEnv().app(), nil); got != nil || err != nil {
		t.Errorf("no arguments: %v, %v", got, err)
	}
}

func TestArrangeRefuses(t *testing.T) {
	for args, hint := range map[string]string{
		"netsplit rnu":               "netsplit run",
		"netsplit zzz":               "netsplit help",
		"netsplit quickstart":        "netsplit run quickstart",
		"netsplit fault quickstart":  "netsplit help fault",
		"netsplit help fault parti":  "netsplit help fault",
		"netsplit wallet nwe":        "netsplit wallet new",
		"netsplit run x --nodes":     "--nodes 20",
		"netsplit fault latency -t":  "--help",
		"netsplit fault --json kill": "",
	} {
		_, err := arrange(quietEnv().app(), strings.Fields(args))
		if hint == "" {
			if err != nil {
				t.Errorf("%s: %v", args, err)
			}
			continue
		}
		var exit *exitError
		if !errors.As(err, &exit) || exit.code != exitUsage || !strings.Contains(exit.hint, hint) {
			t.Errorf("%s: %+v", args, err)
		}
	}
}

// TestEveryCommandHasHelp walks all commands.
func TestEveryCommandHasHelp(t *testing.T) {
	var walk func(path []string, commands []*ucli.Command)
	walk = func(path []string, commands []*ucli.Command) {
		for _, c := range commands {
			path := append(path[:len(path):len(path)], c.Name)
			var out, errs strings.Builder
			if code := (&env{out: &out, err: &errs}).run(t.Context(), append(append([]string{"netsplit"}, path...), "--help")); code != 0 {
				t.Errorf("%v: exit code %d: %s", path, code, errs.String())
			}
			text := out.String()
			if c.Usage == "" || !strings.Contains(text, c.Usage) {
				t.Errorf("%v: the help does not say what it does:\n%s", path, text)
			}
			for _, line := range strings.Split(text, "\n") {
				if len([]rune(line)) > 130 {
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
	walk(nil, quietEnv().app().Commands)
}
