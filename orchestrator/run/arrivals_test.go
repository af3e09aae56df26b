package run

import (
	"slices"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestArrivals_Times(t *testing.T) {
	const ms = time.Millisecond
	seen := func(hash trace.Hash, height uint64) trace.Event {
		return trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{Hash: hash, Height: height}}
	}
	head := func(hash trace.Hash, height uint64) trace.Event {
		return trace.Event{Kind: trace.KindHead, Head: &trace.Head{Hash: hash, Height: height}}
	}
	body := trace.Event{Kind: trace.KindBlock, Block: &trace.Block{}}
	final := trace.Event{Kind: trace.KindFinal, Final: &trace.Final{Height: 1}}
	at := func(d time.Duration, hash trace.Hash, height uint64) notification {
		return notification{chain.Notification{Hash: hash, Height: height}, d}
	}
	// The poll before began at 1000ms; this one was answered at 1100ms.
	for _, c := range []struct {
		name   string
		sent   []notification
		events []trace.Event
		times  []time.Duration // after 1000ms, in ms
		exact  []int           // of the events
	}{
		{"none", nil, []trace.Event{seen("a", 5), head("a", 5)}, []time.Duration{100, 100}, nil},
		{"by hash", []notification{at(1040*ms, "a", 0)}, []trace.Event{body, seen("a", 5), head("a", 5), final}, []time.Duration{40, 40, 40, 100}, []int{1}},
		{"by height", []notification{at(1040*ms, "", 5)}, []trace.Event{seen("a", 5), head("a", 5)}, []time.Duration{40, 40}, []int{0}},
		{"a wrong hash", []notification{at(1040*ms, "b", 5)}, []trace.Event{seen("a", 5)}, []time.Duration{100}, nil},
		{"before the last poll, which did not show it", []notification{at(1000*ms, "a", 5)}, []trace.Event{seen("a", 5)}, []time.Duration{100}, nil},
		{"right after this poll", []notification{at(1101*ms, "a", 5)}, []trace.Event{seen("a", 5)}, []time.Duration{100}, []int{0}},
		{"right after this poll, its child before", []notification{at(1050*ms, "b", 6), at(1101*ms, "a", 5)}, []trace.Event{seen("a", 5), seen("b", 6)},
			[]time.Duration{50, 50}, []int{0, 1}},
		{"long after this poll", []notification{at(1301*ms, "a", 5)}, []trace.Event{seen("a", 5)}, []time.Duration{100}, nil},
		{"twice", []notification{at(1060*ms, "a", 5), at(1050*ms, "a", 5)}, []trace.Event{seen("a", 5)}, []time.Duration{50}, []int{0}},
		{"a block came no later than its child", []notification{at(1030*ms, "b", 6)}, []trace.Event{seen("a", 5), seen("b", 6), seen("c", 7), head("c", 7)},
			[]time.Duration{30, 30, 100, 100}, []int{1}},
		{"in the wrong order", []notification{at(1070*ms, "a", 5), at(1030*ms, "b", 6)}, []trace.Event{seen("a", 5), seen("b", 6)}, []time.Duration{30, 30}, []int{1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newArrivals(nil)
			for _, x := range c.sent {
				a.notify("n", x.at, x.Notification)
			}
			times := a.times("n", time.Second, 0, 1100*ms, c.events)
			for i := range c.events {
				exact := c.events[i].Kind == trace.KindSeen && times[i].at == times[i].earliest
				if times[i].at != time.Second+c.times[i]*ms || exact != slices.Contains(c.exact, i) || !exact && times[i].earliest != time.Second {
					t.Errorf("event %d: %v, at the earliest %v", i, times[i].at, times[i].earliest)
				}
			}
		})
	}
}

func TestArrivals_NotificationsWithoutTime(t *testing.T) {
	const ms = time.Millisecond
	seen := trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{Hash: "a", Height: 5}}
	t.Run("too old to be put in its place", func(t *testing.T) {
		a := newArrivals(nil)
		a.notify("n", 1100*ms, chain.Notification{Hash: "a"})
		if times := a.times("n", time.Second, 0, 5*time.Second, []trace.Event{seen}); times[0].earliest != time.Second || times[0].at != 5*time.Second {
			t.Errorf("%+v", times)
		}
	})
	// The poll before began at 1000ms and was answered at 1080ms, which is when its last block was recorded.
	t.Run("before the last poll's answer", func(t *testing.T) {
		a := newArrivals(nil)
		a.notify("n", 1050*ms, chain.Notification{Hash: "a"})
		head := trace.Event{Kind: trace.KindHead, Head: &trace.Head{Hash: "a", Height: 5}}
		times := a.times("n", time.Second, 1080*ms, 1100*ms, []trace.Event{seen, head})
		if times[0].at != 1080*ms || times[1].at != 1080*ms || times[0].earliest != 1050*ms {
			t.Errorf("%+v", times)
		}
	})
	t.Run("a flood", func(t *testing.T) {
		a := newArrivals(nil)
		for i := range 10 * maxNotifications {
			a.notify("n", time.Duration(i), chain.Notification{Height: 1 << 60})
		}
		if n := len(a.nodes["n"].list); n != maxNotifications {
			t.Errorf("%d notifications are remembered", n)
		}
	})
}
