package report_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/report"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

var update = flag.Bool("update", false, "rewrite testdata with what Render draws now")

// scenes are the histories whose reports are in testdata.
var scenes = map[string]func(t *testing.T) *report.Report{
	"healthy":     healthy,
	"cut":         cut,
	"nodes":       nodeFaults,
	"fail":        fail,
	"interrupted": interrupted,
	"never-began": neverBegan,
	"truncated":   truncated,
	"many":        many,
}

// healthy is a run in which nothing goes wrong.
func healthy(t *testing.T) *report.Report {
	h := newHistory(t, "miner-1", "full-1")
	h.grow("a", 5, "miner-1", "full-1")
	h.end(trace.End{})
	return h.make()
}

// cut is a run with a partition, whose losing side reorganises, and a delay.
func cut(t *testing.T) *report.Report {
	h := newHistory(t, "miner-1", "miner-2")
	all := ids("miner-1", "miner-2")
	h.grow("a", 5, all...)
	p := trace.Fault{ID: "partition-1", Kind: "partition", Text: "cut 1 node from 1 node", PlannedAt: 10 * time.Second, PlannedFor: 10 * time.Second,
		Rules: []trace.Rule{{From: all[:1], To: all[1:], Cut: true}, {From: all[1:], To: all[:1], Cut: true}}}
	link := trace.LinkProbe{From: all[0], To: all[1], Sent: 5, Received: 5, Median: 500 * time.Microsecond}
	h.now = 9 * time.Second
	h.probe(p.ID, trace.ProbeBefore, link)
	h.now = 10 * time.Second
	h.fault(p, trace.FaultBegin)
	h.fault(p, trace.FaultActive)
	h.grow("b", 3, "miner-1")
	h.probe(p.ID, trace.ProbeDuring, trace.LinkProbe{From: all[0], To: all[1], Sent: 5, ExpectedCut: true})
	h.grow("c", 4, "miner-2")
	h.now = 20 * time.Second
	h.fault(p, trace.FaultHealing)
	h.fault(p, trace.FaultHealed)
	h.now += 1234 * time.Millisecond
	h.get("miner-2", []trace.Hash{"c-1", "c-2", "c-3", "c-4"}, "a-5", "miner-1")
	h.probe(p.ID, trace.ProbeAfter, link)

	d := trace.Fault{ID: "latency-1", Kind: "latency", Text: "delay 100ms on every link", PlannedAt: 30 * time.Second, PlannedFor: 10 * time.Second,
		Rules: []trace.Rule{{From: all, To: all, Delay: 100 * time.Millisecond}}}
	slow := link
	slow.Median, slow.ExpectedDelay = 100600*time.Microsecond, 100*time.Millisecond
	h.now = 29 * time.Second
	h.probe(d.ID, trace.ProbeBefore, link)
	h.now = 30 * time.Second
	h.fault(d, trace.FaultBegin)
	h.fault(d, trace.FaultActive)
	h.now = 35 * time.Second
	h.probe(d.ID, trace.ProbeDuring, slow)
	h.now = 40 * time.Second
	h.fault(d, trace.FaultHealing)
	h.fault(d, trace.FaultHealed)
	h.probe(d.ID, trace.ProbeAfter, link)
	h.grow("d", 3, "miner-2", "miner-1")
	h.end(trace.End{})
	return h.make()
}

// nodeFaults is a run in which nodes are killed and restarted, and one does not come back in time.
func nodeFaults(t *testing.T) *report.Report {
	h := newHistory(t, "miner-1", "miner-2", "miner-3", "full-1")
	h.grow("a", 3, "miner-1", "miner-2", "miner-3", "full-1")
	k := trace.Fault{ID: "kill-1", Kind: "kill", Text: "kill miner-1, miner-2 and miner-3", PlannedAt: 10 * time.Second, PlannedFor: 15 * time.Second,
		Nodes: ids("miner-1", "miner-2", "miner-3")}
	h.now = 10 * time.Second
	h.fault(k, trace.FaultBegin)
	for _, n := range k.Nodes {
		h.state(n, trace.StateDown, k.ID)
	}
	h.fault(k, trace.FaultActive)
	h.now = 15 * time.Second
	for _, n := range k.Nodes {
		h.status(n, "no answer")
	}
	h.now = 25 * time.Second
	h.fault(k, trace.FaultHealing)
	for _, n := range k.Nodes {
		h.state(n, trace.StateUp, k.ID)
	}
	h.fault(k, trace.FaultHealed)
	h.now = 30 * time.Second
	h.status("miner-1", "")
	h.status("miner-2", "")
	h.status("miner-3", "connection refused")

	r := trace.Fault{ID: "restart-1", Kind: "restart", Text: "restart full-1", PlannedAt: 40 * time.Second, Nodes: ids("full-1")}
	h.now = 40 * time.Second
	h.fault(r, trace.FaultBegin)
	h.state("full-1", trace.StateDown, r.ID)
	h.state("full-1", trace.StateUp, r.ID)
	h.fault(r, trace.FaultActive)
	h.fault(r, trace.FaultHealing)
	h.fault(r, trace.FaultHealed)
	h.now = 41 * time.Second
	h.status("full-1", "")
	h.end(trace.End{})
	return h.make()
}

// fail is a run whose nodes disagree for good, although nothing keeps them apart.
func fail(t *testing.T) *report.Report {
	h := newHistory(t, "miner-1", "miner-2", "full-1", "full-2", "full-3")
	h.grow("a", 2, "miner-1", "miner-2", "full-1", "full-2", "full-3")
	h.grow("b", 3, "miner-1", "full-1", "full-2", "full-3")
	h.grow("c", 5, "miner-2")
	h.now = 20 * time.Second
	h.get("miner-2", []trace.Hash{"c-1", "c-2", "c-3", "c-4", "c-5"}, "a-2", "miner-1", "full-1", "full-2", "full-3")
	h.end(trace.End{})
	r := h.make()
	r.Reproduce = "netsplit run small --seed 7 --runtime sim"
	return r
}

// interrupted is a run that the user stopped in the middle of a fault.
func interrupted(t *testing.T) *report.Report {
	h := newHistory(t, "miner-1", "full-1")
	h.grow("a", 3, "miner-1", "full-1")
	p := trace.Fault{ID: "partition-1", Kind: "partition", Text: "cut 1 node from 1 node", PlannedAt: 10 * time.Second, PlannedFor: 10 * time.Second,
		Rules: []trace.Rule{{From: ids("miner-1"), To: ids("full-1"), Cut: true}, {From: ids("full-1"), To: ids("miner-1"), Cut: true}}}
	h.now = 10 * time.Second
	h.fault(p, trace.FaultBegin)
	h.fault(p, trace.FaultActive)
	h.now = 12 * time.Second
	h.phase(trace.PhaseStopping)
	h.add("", trace.Event{Kind: trace.KindEnd, End: &trace.End{Interrupted: true}})
	return h.make()
}

// neverBegan is a run whose nodes did not start.
func neverBegan(t *testing.T) *report.Report {
	h := newHistory(t, "miner-1", "full-1")
	h.events = h.events[:1]
	h.add("", trace.Event{Kind: trace.KindEnd, End: &trace.End{Error: "start node full-1: exit status 1"}})
	return h.make()
}

// truncated is a run whose orchestrator was killed: the trace's end is missing.
func truncated(t *testing.T) *report.Report {
	h := newHistory(t, "miner-1", "full-1")
	h.grow("a", 3, "miner-1", "full-1")
	r := h.make()
	r.Reproduce = "netsplit run small --seed 7 --runtime sim"
	return r
}

// many is a run of more nodes than a table lists, on two heads.
func many(t *testing.T) *report.Report {
	var all []trace.NodeID
	for i := range 20 {
		all = append(all, trace.NodeID(fmt.Sprintf("miner-%d", i+1)))
	}
	for i := range 10 {
		all = append(all, trace.NodeID(fmt.Sprintf("full-%d", i+1)))
	}
	h := newHistory(t, all...)
	h.grow("a", 2, all...)
	h.grow("b", 1, all[:25]...)
	h.state("full-10", trace.StateDown, "")
	h.end(trace.End{})
	return h.make()
}

func render(t *testing.T, r *report.Report, s report.Style) string {
	t.Helper()
	var b bytes.Buffer
	must.Do(t, r.Render(&b, s))
	return b.String()
}

// results are verdicts for the reports in testdata. The real ones are in words that change with the invariants, which is
// no concern of a renderer.
func results(scene string) ([]invariant.Result, invariant.Verdict) {
	pass := invariant.Result{Invariant: "agreement", Verdict: invariant.Pass, Expected: true, Figure: "no reorg", Bound: "at most 2 blocks outside partitions"}
	spread := invariant.Result{
		Invariant: "block_propagation", Verdict: invariant.Pass, Expected: true,
		Figure: "p50 2ms, p95 2ms, p99 2ms, coverage 100.00%", Bound: "p95 at most 2s, coverage at least 99%",
	}
	idle := invariant.Result{Invariant: "isolation", Verdict: invariant.Vacuous, Figure: "0 crossings", Bound: "no crossing", Reason: "no cut kept any nodes apart"}
	switch scene {
	case "healthy":
		return []invariant.Result{pass, spread, idle}, invariant.Pass
	case "cut", "many":
		return []invariant.Result{pass, spread}, invariant.Pass
	case "interrupted", "truncated":
		spread.Verdict, spread.Reason = invariant.Unknown, "the history is not complete"
		return []invariant.Result{pass, spread, idle}, invariant.Unknown
	case "never-began":
		return nil, invariant.Unknown
	case "nodes":
		spread.Verdict, spread.Reason = invariant.Vacuous, "no block was made"
		return []invariant.Result{pass, spread}, invariant.Vacuous
	}
	pass.Verdict, pass.Figure = invariant.Fail, "deepest reorg 3 blocks, outside partitions"
	pass.Reason = "miner-1 dropped 3 blocks: from b-3 at height 5 to c-4 at height 6; the chains fork after a-2 at height 2; at most 2 may be dropped"
	pass.Evidence = []invariant.Evidence{{
		At: 20 * time.Second, Text: pass.Reason, Nodes: ids("miner-1"), Blocks: []trace.Hash{"b-3", "c-4"}, Windows: []string{"partition-1", "kill-1"},
	}}
	spread.Verdict, spread.Reason = invariant.Fail, "blocks reached 52.50% of the nodes that could be reached"
	spread.Evidence = []invariant.Evidence{
		{At: 1500 * time.Millisecond, Text: "block b-1 did not reach 4 of 5 nodes", Nodes: ids("miner-2", "full-1", "full-2", "full-3"), Blocks: []trace.Hash{"b-1"}},
		{At: 2 * time.Second, Text: "block b-2 did not either"},
	}
	unknown := invariant.Result{Invariant: "validity", Verdict: invariant.Unknown, Figure: "0 blocks", Bound: "every block", Reason: "no body was recorded"}
	foreign := invariant.Result{Invariant: "inclusion", Verdict: invariant.NotApplicable, Figure: "no transactions", Bound: "at least 95% within 20s",
		Expected: true, Reason: "this chain does not show a way to submit transactions"}
	again := unknown
	again.Invariant = "durability"
	return []invariant.Result{pass, unknown, spread, foreign, idle, again}, invariant.Fail
}

// temporary are directories of tests, which differ from run to run.
var temporary = regexp.MustCompile(`/\S*/Test[^/\s]*/\d+(/\d+)?`)

// goldenWidths are the widths in which reports are in testdata; those of every scene but two have DefaultWidth alone.
var goldenWidths = []int{80, 100, 120, 160}

func TestRender(t *testing.T) {
	for name, scene := range scenes {
		for _, width := range goldenWidths {
			if width != report.DefaultWidth && name != "cut" && name != "fail" {
				continue
			}
			t.Run(fmt.Sprintf("%s %d", name, width), func(t *testing.T) {
				r := scene(t)
				r.Results, r.Verdict = results(name)
				plain := render(t, r, report.Style{Width: width})
				got := temporary.ReplaceAllString(plain, "DIR")
				file := filepath.Join("testdata", fmt.Sprintf("%s.%d.txt", name, width))
				if *update {
					must.Do(t, os.WriteFile(file, []byte(got), 0o644))
				}
				want := must.Get(os.ReadFile(file))(t)
				if d := cmp.Diff(string(want), got); d != "" {
					t.Errorf("(-want +got):\n%s", d)
				}
				for _, line := range strings.Split(got, "\n") {
					if n := utf8.RuneCountInString(line); n > width {
						t.Errorf("%d columns: %s", n, line)
					}
				}
				coloured := render(t, r, report.Style{Width: width, Colour: true})
				if !strings.Contains(coloured, "\x1b[") {
					t.Error("no colour")
				}
				if d := cmp.Diff(plain, escapes.ReplaceAllString(coloured, "")); d != "" {
					t.Errorf("colour changes more than the colour (-plain +coloured):\n%s", d)
				}
			})
		}
	}
}

// escapes are the terminal's codes for colour.
var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

func TestMake_Verdict(t *testing.T) {
	for name, want := range map[string]invariant.Verdict{
		"healthy": invariant.Unknown, "fail": invariant.Fail, "nodes": invariant.Fail, // healthy: the chain's genesis is not there
		"interrupted": invariant.Unknown, "never-began": invariant.Unknown, "truncated": invariant.Unknown,
	} {
		if r := scenes[name](t); r.Verdict != want {
			t.Errorf("%s: %s, want %s", name, r.Verdict, want)
		}
	}
}

func TestReport_SaveAndLoad(t *testing.T) {
	for name, scene := range scenes {
		t.Run(name, func(t *testing.T) {
			r := scene(t)
			text := render(t, r, report.Style{})
			dir := strings.TrimSpace(text[strings.LastIndex(text, ":")+1:])
			must.Do(t, r.Save())
			if err := r.Save(); err != nil { // replaces
				t.Fatal(err)
			}
			loaded := must.Get(report.Load(dir))(t)
			if d := cmp.Diff(r, loaded, cmpopts.IgnoreUnexported(report.Report{}), cmpopts.EquateEmpty()); d != "" {
				t.Errorf("(-saved +loaded):\n%s", d)
			}
			if d := cmp.Diff(text, render(t, loaded, report.Style{})); d != "" {
				t.Errorf("a loaded report looks different (-made +loaded):\n%s", d)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "*.new")); len(left) > 0 {
				t.Errorf("left over: %v", left)
			}
		})
	}
}

func TestLoad_Errors(t *testing.T) {
	dir := t.TempDir()
	if _, err := report.Load(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no report: %v", err)
	}
	file := filepath.Join(dir, report.File)
	for text, want := range map[string]error{`{"format": 2`: nil, `{"format": 1}`: report.ErrFormat, `{"format": 99}`: report.ErrFormat} {
		must.Do(t, os.WriteFile(file, []byte(text), 0o644))
		_, err := report.Load(dir)
		if err == nil || want != nil && !errors.Is(err, want) || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A report of many empty parts takes a hundred times the memory of its text: it is refused before it is decoded.
func TestLoad_Bounded(t *testing.T) {
	dir := t.TempDir()
	text := `{"format":2,"run":{"nodes":[` + strings.Repeat("{},", 3<<20) + `{}]}}`
	must.Do(t, os.WriteFile(filepath.Join(dir, report.File), []byte(text), 0o644))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := report.Load(dir)
	runtime.ReadMemStats(&after)
	must.Fail(t, "more than 2000000 objects and lists")(err)
	if used := after.TotalAlloc - before.TotalAlloc; used > 4*uint64(len(text)) {
		t.Errorf("%d MiB were allocated", used>>20)
	}
}

// A small trace gives no large report: one partition of 300 nodes into 300 parts, whose rules name all of them 20 times.
func TestMake_Bounded(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "trace.jsonl.zst")
	w := must.Get(trace.Create(path))(t)
	r := &trace.Run{Format: trace.Format, ID: "x", Chain: trace.Facts{Family: "pow", BlockInterval: time.Second}}
	var all []trace.NodeID
	for i := range 300 {
		all = append(all, trace.NodeID(fmt.Sprint("n", i)))
		r.Nodes = append(r.Nodes, trace.RunNode{ID: all[i], Role: "miner", Mine: 1})
	}
	f := &trace.Fault{ID: "partition-1", Kind: "partition", Phase: trace.FaultBegin, Rules: slices.Repeat([]trace.Rule{{From: all, To: all, Cut: true}}, 20)}
	r.Plan = &trace.Plan{Faults: []trace.PlannedFault{{ID: f.ID, Kind: f.Kind, Rules: f.Rules}}}
	must.Do(t, w.Append(&trace.Event{Kind: trace.KindRun, Run: r}))
	for _, id := range all {
		must.Do(t, w.Append(&trace.Event{Kind: trace.KindNode, Node: id, Lifecycle: &trace.Lifecycle{State: trace.StateUp}}))
	}
	must.Do(t, w.Append(&trace.Event{Kind: trace.KindPhase, Phase: &trace.Phase{Name: trace.PhaseScheduled}}))
	for i, phase := range []trace.FaultPhase{trace.FaultBegin, trace.FaultActive, trace.FaultHealing, trace.FaultHealed} {
		f.Phase = phase
		must.Do(t, w.Append(&trace.Event{At: time.Duration(i) * time.Second, Kind: trace.KindFault, Fault: f}))
	}
	must.Do(t, w.Append(&trace.Event{At: time.Minute, Kind: trace.KindEnd, End: &trace.End{}}))
	must.Do(t, w.Close())
	rep := must.Get(report.Make(dir, path, nil))(t)
	must.Do(t, rep.Save())
	if text := render(t, rep, report.Style{}); len(text) > 20_000 || !strings.Contains(text, "and 276 more parts") {
		t.Errorf("%d bytes are printed", len(text))
	}
	if info := must.Get(os.Stat(filepath.Join(dir, report.File)))(t); info.Size() > 1000*int64(len(all)) {
		t.Errorf("report.json has %d bytes", info.Size())
	}
}

func TestMake_Errors(t *testing.T) {
	dir := t.TempDir()
	if _, err := report.Make(dir, filepath.Join(dir, "nothing"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no trace: %v", err)
	}
	r := healthy(t)
	path := strings.TrimSpace(strings.SplitAfter(render(t, r, report.Style{}), "run directory:")[1]) + "/trace.jsonl.zst"
	if _, err := report.Make(dir, path, []trace.Expectation{{Name: "nonsense"}}); err == nil {
		t.Error("an expectation that is not there is accepted")
	}
}

func TestReport_WriteErrors(t *testing.T) {
	r := report.Failed(trace.Run{Scenario: "s"}, errors.New("no engine"))
	if r.Verdict != invariant.Unknown || r.Ended() != "no engine" || r.ExitCode(invariant.Policy{}) != invariant.ExitInfrastructure {
		t.Errorf("got %s, %q, exit %d", r.Verdict, r.Ended(), r.ExitCode(invariant.Policy{}))
	}
	made := healthy(t)
	dir := strings.TrimSpace(strings.SplitAfter(render(t, made, report.Style{}), "run directory:")[1])
	must.Do(t, os.RemoveAll(dir))
	if err := made.Save(); err == nil {
		t.Error("saved into a directory that is gone")
	}
	for _, after := range []int{0, 3, 8} {
		if err := made.Render(&full{left: after}, report.Style{}); !errors.Is(err, errFull) {
			t.Errorf("after %d writes: %v", after, err)
		}
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

// TestRender_PropagationRanges: each figure by itself, and where the times begin.
func TestRender_PropagationRanges(t *testing.T) {
	const ms = time.Millisecond
	delays := invariant.Delays{P50: 44 * ms, P95: 112 * ms, P99: 400 * ms, Max: 410 * ms}
	for _, c := range []struct {
		polled    bool
		low, high *invariant.Delays
		want      []string // title, columns, figures, note
	}{
		{false, nil, nil, []string{"from production to arrival", " max coverage", " 44ms 112ms 400ms 410ms 100.00%"}},
		{true, nil, nil, []string{"from first arrival to arrival", " max coverage", " 44ms 112ms 400ms 410ms 100.00%", " times as reported by the nodes"}},
		{true, &invariant.Delays{P50: 44 * ms, P95: 112 * ms, P99: 150 * ms, Max: 150 * ms},
			&invariant.Delays{P50: 44 * ms, P95: 112 * ms, P99: 650 * ms, Max: 1200 * ms},
			[]string{"from first arrival to arrival", " max coverage", " 44ms 112ms 150..650ms 150ms..1.2s 100.00%", " exact times as reported by the nodes"}},
		{true, &invariant.Delays{P99: 150 * ms, Max: 410 * ms}, &invariant.Delays{P50: 500 * ms, P95: 512 * ms, P99: 650 * ms, Max: 900 * ms},
			[]string{"from first arrival to arrival", " max coverage", " < 500ms < 512ms 150..650ms 410..900ms 100.00%"}},
	} {
		r := healthy(t)
		x := &r.Summary.Propagation
		x.Delays, x.Polled, x.Low, x.High = delays, c.polled, c.low, c.high
		var rows []string
		_, table, _ := strings.Cut(render(t, r, report.Style{}), "Block propagation, ")
		for line := range strings.Lines(table) {
			rows = append(rows, " "+strings.Join(strings.Fields(line), " "))
		}
		got := []string{rows[0], rows[1], rows[3], rows[4]}
		for i, want := range append(c.want, " ")[:len(got)] {
			if !strings.HasSuffix(got[i], want) {
				t.Errorf("%q, want %q", got[i], want)
			}
		}
	}
}
