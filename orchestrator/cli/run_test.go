package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/internal/must"
	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/report"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// TestCompare_LinesOfAFigure: a figure is shown in lines, each of which stands for itself.
func TestCompare_LinesOfAFigure(t *testing.T) {
	judgement := must.Get(invariant.Judge(polledRun, []trace.Expectation{{Name: "block_propagation"}}))(t)
	var out bytes.Buffer
	must.Do(t, compare(output{w: &out}, []string{"x"}, []*report.Report{{Judgement: *judgement}}))
	var rows []string
	for line := range strings.Lines(out.String()) {
		rows = append(rows, strings.Join(strings.Fields(line), " "))
	}
	want := []string{"p50 10ms", "p95 110..610ms", "p99 110..610ms", "exact times as reported by the nodes", "coverage 100.00%"}
	if i := slices.Index(rows, want[0]); i < 0 || len(rows) < i+len(want) || !slices.Equal(rows[i:i+len(want)], want) {
		t.Errorf("printed\n%s", out.String())
	}
}

// polledRun is of two nodes that are polled. Of their ten blocks nine are reported at once and arrive after 10ms; the arrival
// of one is known to 500ms.
func polledRun(fn func(*trace.Event) error) error {
	var err error
	emit := func(at time.Duration, node trace.NodeID, e trace.Event) {
		if e.At, e.Node = at, node; err == nil {
			err = fn(&e)
		}
	}
	emit(-time.Second, "", trace.Event{Kind: trace.KindRun, Run: &trace.Run{
		Format: trace.Format, ID: "x", PeerExchange: true, Nodes: []trace.RunNode{{ID: "a", Mine: 1}, {ID: "b", Mine: 1}},
		Chain: trace.Facts{Name: "x", Family: "pow", BlockInterval: time.Second, Resolution: time.Second, Measured: true},
	}})
	emit(-time.Second, "a", trace.Event{Kind: trace.KindNode, Lifecycle: &trace.Lifecycle{State: trace.StateUp}})
	emit(-time.Second, "b", trace.Event{Kind: trace.KindNode, Lifecycle: &trace.Lifecycle{State: trace.StateUp}})
	emit(0, "", trace.Event{Kind: trace.KindPhase, Phase: &trace.Phase{Name: trace.PhaseScheduled}})
	for i := range 10 {
		s := trace.Seen{Hash: trace.Hash(fmt.Sprint(i + 1)), Parent: trace.Hash(fmt.Sprint(i)), Height: uint64(i + 1)}
		first, then, at := s, s, time.Duration(i)*time.Second
		emit(at, "a", trace.Event{Kind: trace.KindSeen, Seen: &first})
		took := 10 * time.Millisecond
		if i == 9 {
			took, then.Within = 610*time.Millisecond, 500*time.Millisecond
		}
		emit(at+took, "b", trace.Event{Kind: trace.KindSeen, Seen: &then})
	}
	emit(20*time.Second, "", trace.Event{Kind: trace.KindPhase, Phase: &trace.Phase{Name: trace.PhaseStopping}})
	emit(20*time.Second, "", trace.Event{Kind: trace.KindEnd, End: &trace.End{}})
	return err
}

func TestCompare_RowsAreInvariants(t *testing.T) {
	rep := func(chain string, results ...invariant.Result) *report.Report {
		return &report.Report{Judgement: invariant.Judgement{
			Run: trace.Run{Chain: trace.Facts{Name: chain}}, Results: results,
		}}
	}
	var out bytes.Buffer
	if err := compare(output{w: &out}, []string{"btcd", "geth"}, []*report.Report{
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
