package report

import (
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/invariant/replay"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestLinkText(t *testing.T) {
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
		if got := strings.ReplaceAll(linkText(c.l), NBSP, " "); got != c.want {
			t.Errorf("%+v: %q, want %q", c.l, got, c.want)
		}
	}
}

func TestLengthAndSwitchTimes(t *testing.T) {
	f := invariant.FaultSummary{Fault: replay.Fault{
		PlannedFor: 30 * time.Second, Active: 10 * time.Second, Healing: 41 * time.Second, TookActive: time.Millisecond,
	}}
	for _, c := range []struct {
		reached          trace.FaultPhase
		length, switched string
	}{
		{trace.FaultBegin, "30s → never active", "-"},
		{trace.FaultActive, "30s → never ended", "1ms"},
		{trace.FaultHealing, "30s → 31s", "1ms"},
		{trace.FaultHealed, "30s → 31s", "1ms / 0s"},
	} {
		f.Reached = c.reached
		if l, s := strings.ReplaceAll(length(&f), NBSP, " "), strings.ReplaceAll(switchTimes(&f), NBSP, " "); l != c.length || s != c.switched {
			t.Errorf("%s: %q %q, want %q %q", c.reached, l, s, c.length, c.switched)
		}
	}
	f.PlannedFor = 0
	if l, s := length(&f), switchTimes(&f); l != "instant" || s != "1ms" {
		t.Errorf("a restart lasted %q, was switched in %q", l, s)
	}
}
