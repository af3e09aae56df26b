package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestNodeWords(t *testing.T) {
	var many, alone []trace.NodeID
	for i := range 600 {
		if i%7 != 0 {
			many = append(many, trace.NodeID(fmt.Sprintf("miner-%d", i)))
		}
	}
	for i := range 9 {
		alone = append(alone, trace.NodeID(fmt.Sprintf("node%d", i)))
	}
	for _, c := range []struct {
		ids  []trace.NodeID
		want string
	}{
		{nil, ""},
		{ids("a"), "a"},
		{ids("miner-1"), "miner-1"},
		{ids("miner-1", "miner-2"), "miner-1, miner-2"},
		{ids("miner-1", "miner-2", "miner-3"), "miner-1..3"},
		{ids("miner-3", "miner-10", "miner-1", "miner-2"), "miner-1..3, miner-10"},
		{ids("full-1", "miner-1", "full-2", "full-3", "miner-7"), "full-1..3, miner-1, miner-7"},
		{ids("a-b-1", "a-b-2", "a-b-3", "a-1"), "a-b-1..3, a-1"},
		{ids("x-01", "x-1", "-1", "x-"), "x-01, x-1, -1, x-"},
		{append(ids("full-1", "full-2"), many...), "2 full, 514 miner"},
		{alone, "node0, node1, node2, node3, node4, node5, and 3 more"},
	} {
		if got := nodeWords(c.ids); got != c.want {
			t.Errorf("%v: %q, want %q", c.ids, got, c.want)
		}
	}
}

func ids(n ...trace.NodeID) []trace.NodeID { return n }

func TestLinkWords(t *testing.T) {
	for _, c := range []struct {
		l    *invariant.LinkSummary
		want string
	}{
		{nil, "-"},
		{&invariant.LinkSummary{}, "-"},
		{&invariant.LinkSummary{Links: 2, CutLinks: 2, CutSent: 10}, "0 of 10"},
		{&invariant.LinkSummary{Links: 2, CutLinks: 2, CutSent: 10, Leaked: 1}, "1 of 10"},
		{&invariant.LinkSummary{Links: 2, Sent: 10, Received: 9, Median: 1500 * time.Microsecond}, "9 of 10, 1.5ms"},
		{&invariant.LinkSummary{Links: 2, Sent: 10}, "0 of 10"},
		{&invariant.LinkSummary{Links: 2, Sent: 10, Received: 10, ExpectedDelay: 100 * time.Millisecond, Delay: 101 * time.Millisecond},
			"10 of 10, +100ms → +101ms"},
		{&invariant.LinkSummary{Links: 2, CutLinks: 1, CutSent: 5, Sent: 5, Received: 5, Median: time.Millisecond},
			"cut: 0 of 5; others: 5 of 5, 1ms"},
	} {
		if got := linkWords(c.l); got != c.want {
			t.Errorf("%+v: %q, want %q", c.l, got, c.want)
		}
	}
}

func TestLasted(t *testing.T) {
	f := invariant.FaultSummary{PlannedFor: 30 * time.Second, Active: 10 * time.Second, Healing: 41 * time.Second, TookActive: time.Millisecond}
	for _, c := range []struct {
		reached          trace.FaultPhase
		lasted, switched string
	}{
		{trace.FaultBegin, "30s → never active", "-"},
		{trace.FaultActive, "30s → never ended", "1ms"},
		{trace.FaultHealing, "30s → 31s", "1ms"},
		{trace.FaultHealed, "30s → 31s", "1ms / 0s"},
	} {
		f.Reached = c.reached
		if l, s := lasted(&f), switched(&f); l != c.lasted || s != c.switched {
			t.Errorf("%s: %q %q, want %q %q", c.reached, l, s, c.lasted, c.switched)
		}
	}
	f.PlannedFor = 0
	if l, s := lasted(&f), switched(&f); l != "at once" || s != "1ms" {
		t.Errorf("a restart lasted %q, was switched in %q", l, s)
	}
}

func TestFold(t *testing.T) {
	long := strings.Repeat("word ", 60)
	for _, c := range []struct {
		text          string
		first, indent int
	}{{"", 10, 3}, {"short", 119, 3}, {long, 0, 0}, {long, 30, 3}, {strings.Repeat("x", 200) + " y", 0, 3}} {
		got := fold(c.text, c.first, c.indent)
		if strings.Join(strings.Fields(got), " ") != strings.TrimSpace(c.text) {
			t.Errorf("words changed: %q", got)
		}
		for i, line := range strings.Split(strings.Repeat(" ", c.first)+got, "\n") {
			if len(line) > width && strings.Contains(strings.TrimSpace(line), " ") {
				t.Errorf("%d columns: %q", len(line), line)
			}
			if i > 0 && !strings.HasPrefix(line, strings.Repeat(" ", c.indent)) {
				t.Errorf("not indented: %q", line)
			}
		}
	}
}

func TestOverall(t *testing.T) {
	result := func(v invariant.Verdict, asked bool) invariant.Result {
		return invariant.Result{Verdict: v, Expected: asked}
	}
	for _, c := range []struct {
		name string
		j    invariant.Judgement
		want invariant.Verdict
	}{
		{"nothing judged", invariant.Judgement{}, invariant.Unknown},
		{"all hold", invariant.Judgement{Results: []invariant.Result{result(invariant.Pass, true)}}, invariant.Pass},
		{"one about the testnet had nothing to judge", invariant.Judgement{Results: []invariant.Result{
			result(invariant.Pass, true), {Verdict: invariant.Vacuous, Class: invariant.Infrastructure}}}, invariant.Pass},
		{"one about the nodes had nothing to judge", invariant.Judgement{Results: []invariant.Result{
			result(invariant.Pass, true), result(invariant.Vacuous, false)}}, invariant.Vacuous},
		{"one had nothing to judge, asked", invariant.Judgement{Results: []invariant.Result{
			result(invariant.Pass, true), result(invariant.Vacuous, true)}}, invariant.Vacuous},
		{"unknown over vacuous", invariant.Judgement{Results: []invariant.Result{
			result(invariant.Vacuous, true), result(invariant.Unknown, false)}}, invariant.Unknown},
		{"fail over all", invariant.Judgement{Results: []invariant.Result{
			result(invariant.Fail, false), result(invariant.Unknown, true)}}, invariant.Fail},
		{"interrupted", invariant.Judgement{Interrupted: true, Results: []invariant.Result{result(invariant.Pass, true)}}, invariant.Unknown},
		{"ended by an error", invariant.Judgement{Error: "x", Results: []invariant.Result{result(invariant.Pass, true)}}, invariant.Unknown},
	} {
		if got := overall(&c.j); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
