package testnets

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

func TestCatalog(t *testing.T) {
	var names []string
	for _, e := range Catalog() {
		names = append(names, e.Name)
		if e.Description == "" || strings.Contains(e.Description, "\n") {
			t.Errorf("%s: description %q is not one line", e.Name, e.Description)
		}
		s := must.Get(Open(e.Name))(t)
		if s.File != "catalog:"+e.Name {
			t.Errorf("%s comes from %s", e.Name, s.File)
		}
		if len(s.Expect) == 0 || s.Duration+s.Settle > 2*time.Minute || len(s.NodeIDs()) > 12 {
			t.Errorf("%s: %d expectations, %v + %v, %d nodes", e.Name, len(s.Expect), s.Duration, s.Settle, len(s.NodeIDs()))
		}
		plan := must.Get(s.PlanFaults())(t)
		// Convergence is judged from the end of the last fault; leave the schedule room to show progress.
		for _, p := range plan {
			if p.End+5*time.Second > s.Duration {
				t.Errorf("%s: %s ends at %v, the schedule at %v", e.Name, p.ID, p.End, s.Duration)
			}
		}
	}
	want := []string{"adversaries", "crash-restart", "isolated-miner", "quickstart", "slow-links", "split-brain"}
	if d := cmp.Diff(want, names); d != "" {
		t.Error(d)
	}
}

// TestCatalog_SplitBrainHalves: both halves must mine and be connected, or the scenario would not show what it says.
func TestCatalog_SplitBrainHalves(t *testing.T) {
	s := must.Get(Open("split-brain"))(t)
	plan := must.Get(s.PlanFaults())(t)
	p := plan[0]
	if p.At != 20*time.Second || p.End != 50*time.Second || p.Effect.Text != "cut 5 nodes from 5 nodes" {
		t.Errorf("%v to %v: %s", p.At, p.End, p.Effect.Text)
	}
	edges := s.Edges()
	for _, half := range []faults.Rule{p.Effect.Links.Rules[0], p.Effect.Links.Rules[1]} {
		miners := 0
		reached := []faults.NodeID{half.From[0]}
		for i := 0; i < len(reached); i++ {
			for _, e := range edges {
				for k := range e {
					if e[k] == reached[i] && slices.Contains(half.From, e[1-k]) && !slices.Contains(reached, e[1-k]) {
						reached = append(reached, e[1-k])
					}
				}
			}
		}
		for _, id := range half.From {
			if strings.HasPrefix(string(id), "miner-") {
				miners++
			}
		}
		if miners < 2 || len(reached) != 5 {
			t.Errorf("half %v: %d miners, %d of 5 connected", half.From, miners, len(reached))
		}
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "mine.yaml")
	must.Do(t, os.WriteFile(file, []byte("name: t\nnodes: [{name: miner, mine: 100/s}]\nduration: 60s\n"), 0o600))
	s, err := Open(file)
	if err != nil || s.File != file {
		t.Errorf("%v", err)
	}
	if _, err := Open(filepath.Join(dir, "none.yml")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := Open(dir + "/"); err == nil || !strings.HasPrefix(err.Error(), "read scenario: ") {
		t.Error(err)
	}
	t.Chdir(dir)
	if _, err := Open("mine.yaml"); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]string{
		"splitbrain": `no scenario of the catalog is called "splitbrain"
  hint: did you mean "split-brain"? (a file is given by its path, such as ./mine.yaml)`,
		"x": `no scenario of the catalog is called "x"
  hint: valid names: adversaries, crash-restart, isolated-miner, quickstart, slow-links, split-brain (a file is given by its path, such as ./mine.yaml)`,
	} {
		if _, err := Open(name); err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}

func TestOpen_FileTooBig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "big.yaml")
	must.Do(t, os.WriteFile(file, make([]byte, strictyaml.MaxSize+100), 0o600))
	want := file + ": the file has more than 1048576 bytes"
	if _, err := Open(file); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestChains: every ready chain can be decoded, is called as its file, says what it is and is short.
func TestChains(t *testing.T) {
	entries := Chains()
	if len(entries) != len(chains.names()) {
		t.Errorf("%d entries for %d names", len(entries), len(chains.names()))
	}
	for i, name := range chains.names() {
		c, err := OpenChain(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if entries[i].Name != name || c.File != "chain:"+name {
			t.Errorf("%s: %+v from %s", name, entries[i], c.File)
		}
		if c.Description == "" || strings.Contains(c.Description, "\n") {
			t.Errorf("%s: description %q is not one line", name, c.Description)
		}
		if n := bytes.Count(c.Source, []byte("\n")); n > 80 {
			t.Errorf("%s: %d lines are many for a chain", name, n)
		}
	}
}

func TestOpenChain(t *testing.T) {
	example := must.Get(os.ReadFile("chainspec/testdata/chain.yaml"))(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "mine.yaml")
	must.Do(t, os.WriteFile(file, example, 0o600))
	c, err := OpenChain(file)
	if err != nil || c.File != file {
		t.Error(err)
	}
	if _, err := OpenChain(filepath.Join(dir, "none.yml")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := OpenChain(dir + "/"); err == nil || !strings.HasPrefix(err.Error(), "read chain: ") {
		t.Error(err)
	}
	if _, err := OpenChain("netspilt"); err == nil || !strings.Contains(err.Error(), `no chain is called "netspilt"
  hint: did you mean "netsplit"?`) {
		t.Error(err)
	}
	if _, err := chains.ready("none"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
