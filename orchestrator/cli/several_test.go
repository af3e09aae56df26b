package cli

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

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

// TestEachLineOfSeveralChainsSaysHowWellItIsKnown: a figure is shown in lines, and none may lean on another.
func TestEachLineOfSeveralChainsSaysHowWellItIsKnown(t *testing.T) {
	judgement, err := invariant.Judge(askedRun, []trace.Expectation{{Name: "block_propagation"}})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	e := &env{out: &out}
	if err := e.compare([]string{"x"}, []*report.Report{{Judgement: *judgement}}); err != nil {
		t.Fatal(err)
	}
	var rows []string
	for line := range strings.Lines(out.String()) {
		rows = append(rows, strings.Join(strings.Fields(line), " "))
	}
	want := []string{"p50 10ms", "p95 110..610ms", "p99 110..610ms", "exact times as nodes told", "coverage 100.00%"}
	if i := slices.Index(rows, want[0]); i < 0 || len(rows) < i+len(want) || !slices.Equal(rows[i:i+len(want)], want) {
		t.Errorf("printed\n%s", out.String())
	}
}

// askedRun is of two nodes that are asked. Of their ten blocks nine are told of at once, and come after 10ms; when one came
// is known to 500ms.
func askedRun(fn func(*trace.Event) error) error {
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
