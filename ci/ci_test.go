package ci_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/ci"
	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/invariant/replay"
	"github.com/netsplit/netsplit/orchestrator/report"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

var update = flag.Bool("update", false, "rewrite testdata with what is written now")

// hostile is text that would break XML, a Markdown table or a page if it were taken as it is.
const hostile = "a|b <script>&\"x'` *c* _d_ [e](f) @g #h\nsecond\x00line"

func sampleRun() trace.Run {
	return trace.Run{
		Scenario: "small", Seed: 7, Runtime: "sim, virtual time", Duration: time.Minute, Chain: trace.Facts{Name: "netsplit"},
		Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600)), Nodes: make([]trace.RunNode, 4),
	}
}

func pass(name string) invariant.Result {
	return invariant.Result{Invariant: name, Class: invariant.Safety, Verdict: invariant.Pass, Expected: true, Figure: "0 wrong", Bound: "0 wrong"}
}

// with is a result with another verdict and class.
func with(r invariant.Result, v invariant.Verdict, c invariant.Class, expected bool) invariant.Result {
	r.Verdict, r.Class, r.Expected, r.Reason = v, c, expected, "because"
	return r
}

func violated() invariant.Result {
	r := with(pass("agreement"), invariant.Fail, invariant.Safety, true)
	r.Figure, r.Bound, r.Reason = hostile, "<= 6", "reason "+hostile
	r.Evidence = []invariant.Evidence{
		{At: 1500 * time.Millisecond, Text: hostile, Nodes: []trace.NodeID{"miner-1", "full-1"}, Blocks: []trace.Hash{"aa", "bb"},
			Windows: []string{"partition-1"}},
		{At: time.Second, Text: "again"},
	}
	return r
}

// reports are what testdata has the JUnit XML and the summary of; strict.xml is written with strict.
var reports = map[string]*report.Report{
	"pass": {Verdict: invariant.Pass, Began: true, Judgement: invariant.Judgement{Run: sampleRun(), Results: []invariant.Result{
		pass("agreement"), pass("block_propagation"),
	}}},
	"fail": {
		Verdict: invariant.Fail, Began: true, Reproduce: "netsplit run small --seed 7 --runtime sim",
		Judgement: invariant.Judgement{
			Run:     sampleRun(),
			Results: []invariant.Result{violated(), pass("validity"), with(pass("fault_accuracy"), invariant.Fail, invariant.Infrastructure, true)},
			Summary: invariant.Summary{Faults: []invariant.FaultSummary{
				{Fault: replay.Fault{ID: "partition-1", Text: "cut | 5", PlannedAt: 20 * time.Second, PlannedFor: 30 * time.Second}, OK: true},
				{Fault: replay.Fault{ID: "kill-1", Text: "kill miner-1", PlannedAt: 20 * time.Second}},
			}},
		},
	},
	"unjudged":         unjudged(),
	"unjudged.strict":  unjudged(),
	"unjudged.allowed": unjudged(),
	"unreadable": {Verdict: invariant.Unknown, Began: true, Judgement: invariant.Judgement{Run: sampleRun(), Results: []invariant.Result{
		with(pass("agreement"), invariant.Unknown, invariant.Safety, true), pass("no_crash"),
		with(pass("convergence"), invariant.Unknown, invariant.Liveness, true),
	}}},
	"ended": {Verdict: invariant.Unknown, Began: true, Judgement: invariant.Judgement{
		Run: sampleRun(), Error: "node miner-1: " + hostile, Results: []invariant.Result{with(pass("convergence"), invariant.Unknown, invariant.Liveness, true)},
	}},
	"incomplete": {Verdict: invariant.Unknown, Began: true, Judgement: invariant.Judgement{
		Run: sampleRun(), Incomplete: "the trace has no end", Results: []invariant.Result{with(pass("agreement"), invariant.Unknown, invariant.Safety, true)},
	}},
	"never-began": report.Failed(trace.Run{Scenario: "small", Seed: 7}, errors.New("no engine answers")),
}

func unjudged() *report.Report {
	return &report.Report{Verdict: invariant.Unknown, Began: true, Judgement: invariant.Judgement{Run: sampleRun(), Results: []invariant.Result{
		with(pass("convergence"), invariant.Unknown, invariant.Liveness, true),
		with(pass("isolation"), invariant.Vacuous, invariant.Safety, true),
		with(pass("fault_accuracy"), invariant.Vacuous, invariant.Infrastructure, false),
		with(pass("validity"), invariant.NotApplicable, invariant.Safety, true),
	}}}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	file = filepath.Join("testdata", file)
	if *update {
		must.Do(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want := must.Get(os.ReadFile(file))(t)
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", file, d)
	}
}

func TestJUnit(t *testing.T) {
	for name, r := range reports {
		t.Run(name, func(t *testing.T) {
			policy := invariant.Policy{Strict: strings.HasSuffix(name, ".strict"), AllowUnknown: strings.HasSuffix(name, ".allowed")}
			var b bytes.Buffer
			must.Do(t, ci.JUnit(&b, policy, r))
			golden(t, name+".xml", b.String())
			var suite struct {
				Failures int `xml:"failures,attr"`
				Errors   int `xml:"errors,attr"`
			}
			if err := xml.Unmarshal(b.Bytes(), &suite); err != nil {
				t.Fatalf("not XML: %v", err)
			}
			if failed := suite.Failures+suite.Errors > 0; failed != (r.ExitCode(policy) != 0) {
				t.Errorf("failed is %v, but the exit code is %d", failed, r.ExitCode(policy))
			}
		})
	}
}

func TestSummary(t *testing.T) {
	for name, r := range reports {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			must.Do(t, ci.Summary(&b, r))
			golden(t, name+".md", b.String())
			checkTables(t, b.String())
			if strings.Contains(b.String(), "<script>") {
				t.Error("HTML got through")
			}
			if !strings.HasSuffix(b.String(), "\n\n") {
				t.Error("does not end with an empty line")
			}
		})
	}
}

// checkTables checks that every row of a table has as many cells as the row above it.
func checkTables(t *testing.T, markdown string) {
	t.Helper()
	above := 0
	for _, line := range strings.Split(markdown, "\n") {
		cells := 0
		if strings.HasPrefix(line, "|") {
			cells = strings.Count(line, "|") - strings.Count(line, `\|`)
		}
		if above > 0 && cells > 0 && cells != above {
			t.Errorf("%d cells under %d: %s", cells-1, above-1, line)
		}
		above = cells
	}
}

var errFull = errors.New("disk full")

// full is a writer that fails after some writes.
type full struct{ left int }

func (f *full) Write(p []byte) (int, error) {
	if f.left--; f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestWriteErrorsAreReturned(t *testing.T) {
	for after := range 3 {
		if err := ci.JUnit(&full{left: after}, invariant.Policy{}, reports["fail"]); !errors.Is(err, errFull) {
			t.Errorf("JUnit, after %d writes: %v", after, err)
		}
	}
	if err := ci.Summary(&full{}, reports["fail"]); !errors.Is(err, errFull) {
		t.Errorf("Summary: %v", err)
	}
}
