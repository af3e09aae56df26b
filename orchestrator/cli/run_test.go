package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/report"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestCompare_RowsAreInvariants(t *testing.T) {
	rep := func(chain string, results ...invariant.Result) *report.Report {
		return &report.Report{Judgement: invariant.Judgement{
			Run: trace.Run{Chain: trace.Facts{Name: chain}}, Results: results,
		}}
	}
	var out bytes.Buffer
	if err := compare(output{w: &out}, []string{"btcd", "geth"}, []*report.Report{
		rep("btcd", invariant.Result{Invariant: "agreement", Verdict: invariant.Pass, Figure: "deepest 2, over 9, times as reported by the nodes"}),
		rep("geth", invariant.Result{Invariant: "convergence", Verdict: invariant.Fail, Figure: "never"},
			invariant.Result{Invariant: "agreement", Verdict: invariant.Unknown}),
	}); err != nil {
		t.Fatal(err)
	}
	var rows []string
	for line := range strings.Lines(out.String()) {
		rows = append(rows, strings.Join(strings.Fields(line), " "))
	}
	want := []string{"", "on btcd, geth", "invariant btcd geth", rows[3], "agreement PASS UNKNOWN", "deepest 2", "over 9", "times as reported by the nodes", "convergence FAIL", "never"}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("printed\n%s", out.String())
	}
}

// interrupter is a standard error that interrupts the command, as Ctrl-C does, when a text appears on it.
type interrupter struct {
	bytes.Buffer
	at     string
	cancel context.CancelFunc
}

func (i *interrupter) Write(p []byte) (int, error) {
	n, err := i.Buffer.Write(p)
	if i.at != "" && strings.Contains(i.String(), i.at) {
		i.cancel()
	}
	return n, err
}

// interrupted runs a command line until a text appears on its standard error.
func interrupted(t *testing.T, at string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out bytes.Buffer
	errs := &interrupter{at: at, cancel: cancel}
	code = Main(ctx, append([]string{"netsplit"}, args...), &out, errs)
	return code, out.String(), errs.String()
}

func TestRun_InterruptedReportsWhatItRecorded(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("GITHUB_STEP_SUMMARY", "")
	dir := filepath.Join(t.TempDir(), "run")
	junit := filepath.Join(t.TempDir(), "junit.xml")
	code, out, errs := interrupted(t, "partition-1", "run", "testdata/small.yaml", "--runtime", "sim", "--out", dir, "--junit", junit)
	if code != exitInterrupted {
		t.Fatalf("exit code %d\n%s%s", code, out, errs)
	}
	for _, want := range []string{"5s → never ended", "UNKNOWN  ", "the run ended early: interrupted", "reproduce:     netsplit run "} {
		if !strings.Contains(out, want) {
			t.Errorf("the report lacks %q:\n%s", want, out)
		}
	}
	if !strings.HasSuffix(errs, "netsplit: interrupted\n") || strings.Count(errs, "interrupted") != 1 {
		t.Errorf("standard error ends with:\n%s", errs)
	}
	rep, err := report.Load(dir)
	if err != nil || !rep.Interrupted || !rep.Began {
		t.Errorf("report %+v, %v", rep, err)
	}
	if text, err := os.ReadFile(junit); err != nil || !strings.Contains(string(text), `<error message="interrupted">`) {
		t.Errorf("JUnit: %s, %v", text, err)
	}
	// Judged again later, it was interrupted still.
	if code, _, _ := interrupted(t, "", "check", dir); code != exitInterrupted {
		t.Errorf("check ends with %d", code)
	}
}

func TestRun_NeverBeganLeavesNothing(t *testing.T) {
	state := t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	t.Setenv("GITHUB_STEP_SUMMARY", "")
	code, out, errs := interrupted(t, "starting", "run", "testdata/small.yaml", "--runtime", "sim")
	if code != exitInterrupted || out != "" || !strings.HasSuffix(errs, "netsplit: interrupted\n") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	if left, _ := filepath.Glob(filepath.Join(state, "netsplit", "runs", "*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}

	// A directory that the user named is the user's.
	dir := filepath.Join(t.TempDir(), "run")
	code, out, errs = interrupted(t, "starting", "run", "testdata/small.yaml", "--runtime", "sim", "--out", dir, "--json")
	if code != exitInterrupted || !strings.Contains(out, `"interrupted": true`) || !strings.Contains(errs, "the schedule never began") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	if _, err := os.Stat(filepath.Join(dir, run.TraceFile)); err != nil {
		t.Error(err)
	}
	if rep, err := report.Load(dir); err != nil || rep.Began {
		t.Errorf("report %+v, %v", rep, err)
	}
}
