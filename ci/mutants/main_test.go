package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/testnets"
)

func TestMutants_ApplyToTheSource(t *testing.T) {
	dir := filepath.Join("..", "..", "node")
	names := make(map[string]bool)
	for _, m := range mutants {
		if names[m.name] {
			t.Errorf("two mutants are called %s", m.name)
		}
		names[m.name] = true
		if m.area == "" || m.bug == "" || m.like == "" || len(m.by) == 0 {
			t.Errorf("%s: area, bug, like or by is missing", m.name)
		}
		if _, err := m.apply(dir); err != nil {
			t.Error(err)
		}
		for _, name := range m.by {
			if !slices.ContainsFunc(invariant.Definitions(), func(d invariant.Definition) bool { return d.Name == name }) {
				t.Errorf("%s: there is no invariant %s", m.name, name)
			}
		}
		for _, name := range m.in {
			_, err := os.Stat(filepath.Join("..", "..", name))
			if err != nil && !slices.ContainsFunc(testnets.Catalog(), func(e testnets.Entry) bool { return e.Name == name }) {
				t.Errorf("%s: there is no scenario %s", m.name, name)
			}
		}
	}
	if len(mutants) < 70 {
		t.Errorf("%d mutants", len(mutants))
	}
}

func TestPage_IsUpToDate(t *testing.T) {
	written, err := os.ReadFile(filepath.Join("..", "..", "docs", "invariants.md"))
	if err != nil {
		t.Fatal(err)
	}
	if string(written) != page() {
		t.Error("docs/invariants.md is not what the definitions say: run go generate ./ci/mutants")
	}
}

func TestApply_Refuses(t *testing.T) {
	dir := filepath.Join("..", "..", "node")
	for _, c := range []struct {
		name, want string
		edits      []edit
	}{
		{"missing text", "0 times", []edit{{"sync.go", "no such text", "x"}}},
		{"text that occurs twice", "times, want once", []edit{{"sync.go", "return", "x"}}},
		{"no change", "1 times", []edit{{"sync.go", "package node\n", "package node\n"}}},
		{"missing file", "no such file", []edit{{"none.go", "a", "b"}}},
		{"nothing", "no edits", nil},
	} {
		_, err := (&mutant{name: "m", edits: c.edits}).apply(dir)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestHits(t *testing.T) {
	h := hits{Failed: map[string]int{}, Ended: map[string]int{}}
	h.add(outcome{failed: []string{"agreement"}}, []string{"validity"})
	h.add(outcome{failed: []string{"agreement", "validity"}}, []string{"validity"})
	h.add(outcome{ended: "out of memory"}, []string{"validity"})
	if h.Runs != 3 || h.Caught != 1 {
		t.Errorf("%d of %d, want 1 of 3", h.Caught, h.Runs)
	}
	if got, want := h.text([]string{"validity"}), "validity 1, (agreement 2), out of memory: 1"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestConclude(t *testing.T) {
	many := slices.Repeat([]result{{Caught: true}}, 19)
	for _, c := range []struct {
		name    string
		results []result
		want    string // error; empty: none
	}{
		{"all caught", many, ""},
		{"one survives for a reason", append(slices.Clone(many), result{Name: "m", Survives: "reason"}), ""},
		{"one survives", append(slices.Clone(many), result{Name: "m"}), "survive: m"},
		{"too many survive for a reason", append(slices.Clone(many[:18]), result{Survives: "reason"}), "94.7 %"},
	} {
		var out strings.Builder
		err := conclude(c.results, options{seeds: 3}, &out)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if !strings.Contains(out.String(), "3 seeds") {
			t.Errorf("%s: %s", c.name, out.String())
		}
	}
}

func TestChoose(t *testing.T) {
	if got, err := choose("^mempool/"); err != nil || len(got) < 5 {
		t.Errorf("%d mutants, %v", len(got), err)
	}
	for _, bad := range []string{"(", "no such mutant"} {
		if _, err := choose(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
