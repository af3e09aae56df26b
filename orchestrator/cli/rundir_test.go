package cli

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/chain/native"
	"github.com/netsplit/netsplit/orchestrator/run"
)

func TestNewID(t *testing.T) {
	valid := regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)
	seen := make(map[string]bool)
	for _, scenario := range []string{"a", "split-brain", "a-name-of-forty-bytes-which-is-the-limit0", "cut-exactly-behind-dash-x"} {
		for range 3 {
			id, err := newID(scenario)
			if err != nil || !valid.MatchString(id) || seen[id] {
				t.Errorf("%s: %q, %v", scenario, id, err)
			}
			seen[id] = true
		}
	}
}

func TestRemoveRunDir_OnlyWhatUpMade(t *testing.T) {
	state := t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	runs := filepath.Join(state, "netsplit", "runs")
	make := func(dir string, files ...string) string {
		must.Do(t, os.MkdirAll(dir, 0o755))
		for _, f := range files {
			must.Do(t, os.WriteFile(filepath.Join(dir, f), nil, 0o644))
		}
		return dir
	}
	describe := func(dir, id string) string {
		must.Do(t, run.SaveNetwork(dir, chain.Network{ID: id}, native.New(nil)))
		return dir
	}
	killed := describe(make(filepath.Join(runs, "killed"), run.SpecFile, run.TraceFile), "t")
	named := describe(make(filepath.Join(t.TempDir(), "named"), run.SpecFile), "t")
	later := describe(make(filepath.Join(t.TempDir(), "later"), run.SpecFile), "later")
	for _, c := range []struct {
		dir  string
		gone bool
	}{
		{killed, false}, {named, false}, {later, false},
		{describe(make(filepath.Join(runs, "up"), run.SpecFile), "t"), true},
		{make(filepath.Join(runs, "judged"), run.SpecFile, run.TraceFile), false},
		{make(filepath.Join(runs, "notes"), run.SpecFile, "notes.txt"), false},
		{make(filepath.Join(t.TempDir(), "elsewhere"), run.SpecFile), false},
	} {
		if err := removeRunDir(c.dir, "t"); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(c.dir); errors.Is(err, os.ErrNotExist) != c.gone {
			t.Errorf("%s: gone is not %v", c.dir, c.gone)
		}
	}
	if err := removeRunDir(filepath.Join(runs, "nothing"), "t"); err != nil {
		t.Error(err)
	}
	// The secrets of a run that was killed go with its testnet, those of a later testnet in the same place do not.
	for dir, there := range map[string]bool{killed: false, named: false, later: true} {
		if _, err := os.Stat(filepath.Join(dir, run.NetworkFile)); (err == nil) != there {
			t.Errorf("description in %s: %v", dir, err)
		}
	}
}
