package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/report"
	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestSelectorOf(t *testing.T) {
	got := selectorOf([]string{"com.docker.compose.project=four", "node-1", "a=b"})
	want := docker.Selector{Labels: []string{"com.docker.compose.project=four", "a=b"}, Names: []string{"node-1"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestVerdictsOfSeveralChainsAreComparedByInvariant(t *testing.T) {
	rep := func(chain string, results ...invariant.Result) *report.Report {
		return &report.Report{Judgement: invariant.Judgement{
			Run: trace.Run{Chain: trace.Facts{Name: chain}}, Results: results,
		}}
	}
	var out bytes.Buffer
	e := &env{out: &out}
	if err := e.compare([]string{"btcd", "geth"}, []*report.Report{
		rep("btcd", invariant.Result{Invariant: "agreement", Verdict: invariant.Pass, Figure: "deepest 2, over 9"}),
		rep("geth", invariant.Result{Invariant: "convergence", Verdict: invariant.Fail, Figure: "never"},
			invariant.Result{Invariant: "agreement", Verdict: invariant.Unknown}),
	}); err != nil {
		t.Fatal(err)
	}
	var rows []string
	for line := range strings.Lines(out.String()) {
		rows = append(rows, strings.Join(strings.Fields(line), " "))
	}
	want := []string{"", "on btcd, geth", "invariant btcd geth", rows[3], "agreement PASS UNKNOWN", "deepest 2", "over 9", "convergence FAIL", "never"}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("printed\n%s", out.String())
	}
}
