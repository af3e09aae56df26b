package sim

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
)

func TestShape_DelayOnOldAndNewConnections(t *testing.T) {
	l := launchAll(t, "a", "b")
	l.shape(oneWay("a", "b", false, faults.Shape{Delay: 100 * ms}))
	l.dial("a", "b") // there, back, there
	l.until(500 * ms)
	l.expect("201.5ms a up b outbound=true", "201.5ms b up a outbound=false")
	l.send("a", "b", 1)
	l.send("b", "a", 2)
	l.shape(oneWay("b", "a", false, faults.Shape{Delay: 50 * ms}))
	l.send("a", "b", 3) // does not overtake 1
	l.send("b", "a", 4)
	l.until(time.Second)
	l.expect("500.5ms a got 2 from b", "550.5ms a got 4 from b", "600.5ms b got 1 from a", "600.5ms b got 3 from a")
}

func TestLatency_AtLeastBaseDelay(t *testing.T) {
	w := newWorld(Options{}.withDefaults(), &New(Options{}).clock.now)
	l := link{delay: int64(ms), jitter: int64(10 * ms)}
	low, high := int64(never), int64(0)
	for range 10000 {
		d := w.latency(&l)
		low, high = min(low, d), max(high, d)
	}
	if low != int64(BaseDelay) || high < int64(BaseDelay)+int64(10*ms) || high > int64(BaseDelay)+int64(11*ms) {
		t.Errorf("latencies from %v to %v", time.Duration(low), time.Duration(high))
	}
}

func TestShape_LayersExpire(t *testing.T) {
	l := joined(t)
	first, second := cut("a", "b"), oneWay("a", "b", false, faults.Shape{Delay: 100 * ms})
	at := func(d time.Duration) time.Time { return l.r.Clock().Epoch().Add(d) }
	first.Until, second.Until = at(time.Second), at(2*time.Second)
	past := cut("a", "b")
	past.Until = at(0)
	l.shape(first, second, past)
	for _, now := range []time.Duration{1100 * ms, 2100 * ms} {
		l.until(now)
		l.send("a", "b", 1)
	}
	l.until(3 * time.Second)
	l.expect("1.2005s b got 1 from a", "2.1005s b got 1 from a")
}

func TestShape_ReplacedLayersDoNotExpire(t *testing.T) {
	l := joined(t)
	first := cut("a", "b")
	first.Until = l.r.Clock().Epoch().Add(time.Second)
	l.shape(first)
	l.shape(cut("a", "b"))
	l.until(2 * time.Second)
	l.send("a", "b", 1)
	l.until(3 * time.Second)
	l.expect()
}

func TestShape_Refuses(t *testing.T) {
	l := launchAll(t, "a", "b")
	for want, layer := range map[string]faults.Layer{
		`unknown node "x"`: oneWay("a", "x", true, faults.Shape{}),
		`unknown node "y"`: oneWay("y", "a", true, faults.Shape{}),
		"negative delay":   oneWay("a", "b", false, faults.Shape{Delay: -1}),
		"or jitter -1ns":   oneWay("a", "b", false, faults.Shape{Jitter: -1}),
	} {
		_, err := l.r.Shape(t.Context(), []faults.Layer{layer})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestProbe(t *testing.T) {
	l := launchAll(t, "a", "b", "c", "d")
	l.shape(oneWay("a", "b", false, faults.Shape{Delay: 20 * ms, Jitter: 10 * ms}), oneWay("a", "c", true, faults.Shape{}))
	l.do(faults.Kill, "d")
	link := func(from, to faults.NodeID) faults.Link { return faults.Link{From: from, To: to} }
	links := []faults.Link{link("a", "b"), link("b", "a"), link("a", "c"), link("a", "d"), link("d", "a"), link("a", "a")}
	got := must.Get(l.r.Probe(t.Context(), links, faults.ProbePlan{Count: 10, Interval: 5 * ms, Wait: time.Second}))(t)
	slow := got[0]
	if slow.Received != 10 || slow.Min < 10*ms || slow.Max > 31*ms || slow.Min >= slow.Max ||
		len(slow.Delays) != 10 || slow.Median < slow.Min || slow.Median > slow.Max {
		t.Errorf("slow link: %+v", slow)
	}
	base := BaseDelay
	want := []faults.Measurement{
		{Link: links[1], Sent: 10, Received: 10, Min: base, Median: base, Max: base, Delays: slices.Repeat([]time.Duration{base}, 10)},
		{Link: links[2], Sent: 10}, {Link: links[3], Sent: 10}, {Link: links[4], Sent: 10}, {Link: links[5], Sent: 10},
	}
	for i := range want {
		want[i].Waited = time.Second
	}
	if diff := cmp.Diff(want, got[1:]); diff != "" {
		t.Error(diff)
	}
	if now := l.r.Clock().Now(); now != 45*ms+time.Second {
		t.Errorf("ended at %v, want after Wait", now)
	}
}

func TestProbe_EndsEarlyWithoutLoss(t *testing.T) {
	l := launchAll(t, "a", "b")
	l.do(faults.Pause, "b") // its host answers
	plan := faults.ProbePlan{Count: 2, Interval: 5 * ms, Wait: time.Second}
	got, err := l.r.Probe(t.Context(), []faults.Link{{From: "a", To: "b"}}, plan)
	if err != nil || got[0].Received != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	if now := l.r.Clock().Now(); now != 5*ms+BaseDelay {
		t.Errorf("took until %v", now)
	}
}

func TestProbe_WaitLimit(t *testing.T) {
	l := launchAll(t, "a", "b")
	l.shape(oneWay("a", "b", false, faults.Shape{Delay: time.Second}))
	plan := faults.ProbePlan{Count: 1, Wait: 100 * ms}
	got, err := l.r.Probe(t.Context(), []faults.Link{{From: "a", To: "b"}}, plan)
	if err != nil || got[0].Received != 0 || l.r.Clock().Now() != 100*ms {
		t.Fatalf("%+v, %v at %v", got, err, l.r.Clock().Now())
	}
}

func TestProbe_Refuses(t *testing.T) {
	l := launchAll(t, "a", "b")
	link := []faults.Link{{From: "a", To: "b"}}
	for _, plan := range []faults.ProbePlan{{}, {Count: 1, Interval: -1}, {Count: 1, Wait: -1}} {
		if _, err := l.r.Probe(t.Context(), link, plan); err == nil {
			t.Errorf("plan %+v: no error", plan)
		}
	}
	for _, bad := range []faults.Link{{From: "x", To: "a"}, {From: "a", To: "x"}} {
		if _, err := l.r.Probe(t.Context(), []faults.Link{bad}, faults.ProbePlan{Count: 1}); err == nil {
			t.Errorf("link %v: no error", bad)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	l.launchTicker("a", cancel)
	_, err := l.r.Probe(ctx, link, faults.ProbePlan{Count: 2, Interval: time.Hour})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled between packets: %v", err)
	}
}
