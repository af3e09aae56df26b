package run

import (
	"slices"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestHintsGiveBlocksTheirTimes(t *testing.T) {
	const ms = time.Millisecond
	seen := func(hash trace.Hash, height uint64) trace.Event {
		return trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{Hash: hash, Height: height}}
	}
	head := func(hash trace.Hash, height uint64) trace.Event {
		return trace.Event{Kind: trace.KindHead, Head: &trace.Head{Hash: hash, Height: height}}
	}
	body := trace.Event{Kind: trace.KindBlock, Block: &trace.Block{}}
	final := trace.Event{Kind: trace.KindFinal, Final: &trace.Final{Height: 1}}
	at := func(d time.Duration, hash trace.Hash, height uint64) hint {
		return hint{chain.Notification{Hash: hash, Height: height}, d}
	}
	// Each look lasts from 1000ms, when the node was asked before, to 1100ms.
	for _, c := range []struct {
		name   string
		hints  []hint
		events []trace.Event
		times  []time.Duration // after 1000ms, in ms
		exact  []int           // of the events
	}{
		{"none", nil, []trace.Event{seen("a", 5), head("a", 5)}, []time.Duration{100, 100}, nil},
		{"by hash", []hint{at(1040*ms, "a", 0)}, []trace.Event{body, seen("a", 5), head("a", 5), final}, []time.Duration{40, 40, 40, 100}, []int{1}},
		{"by height", []hint{at(1040*ms, "", 5)}, []trace.Event{seen("a", 5), head("a", 5)}, []time.Duration{40, 40}, []int{0}},
		{"a wrong hash", []hint{at(1040*ms, "b", 5)}, []trace.Event{seen("a", 5)}, []time.Duration{100}, nil},
		{"before the last look, which did not show it", []hint{at(1000*ms, "a", 5)}, []trace.Event{seen("a", 5)}, []time.Duration{100}, nil},
		{"right after this look", []hint{at(1101*ms, "a", 5)}, []trace.Event{seen("a", 5)}, []time.Duration{100}, []int{0}},
		{"right after this look, its child before", []hint{at(1050*ms, "b", 6), at(1101*ms, "a", 5)}, []trace.Event{seen("a", 5), seen("b", 6)},
			[]time.Duration{50, 50}, []int{0, 1}},
		{"long after this look", []hint{at(1301*ms, "a", 5)}, []trace.Event{seen("a", 5)}, []time.Duration{100}, nil},
		{"twice", []hint{at(1060*ms, "a", 5), at(1050*ms, "a", 5)}, []trace.Event{seen("a", 5)}, []time.Duration{50}, []int{0}},
		{"a block came no later than its child", []hint{at(1030*ms, "b", 6)}, []trace.Event{seen("a", 5), seen("b", 6), seen("c", 7), head("c", 7)},
			[]time.Duration{30, 30, 100, 100}, []int{1}},
		{"in the wrong order", []hint{at(1070*ms, "a", 5), at(1030*ms, "b", 6)}, []trace.Event{seen("a", 5), seen("b", 6)}, []time.Duration{30, 30}, []int{1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var h hints
			for _, x := range c.hints {
				h.tell("n", x.at, x.Notification)
			}
			times, earliest := h.times("n", time.Second, 0, 1100*ms, c.events)
			for i := range c.events {
				exact := c.events[i].Kind == trace.KindSeen && times[i] == earliest[i]
				if times[i] != time.Second+c.times[i]*ms || exact != slices.Contains(c.exact, i) || !exact && earliest[i] != time.Second {
					t.Errorf("event %d: %v, at the earliest %v", i, times[i], earliest[i])
				}
			}
		})
	}
}

func TestHintsThatGiveNoTime(t *testing.T) {
	const ms = time.Millisecond
	seen := trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{Hash: "a", Height: 5}}
	t.Run("too old to be put in its place", func(t *testing.T) {
		var h hints
		h.tell("n", 1100*ms, chain.Notification{Hash: "a"})
		if times, earliest := h.times("n", time.Second, 0, 5*time.Second, []trace.Event{seen}); earliest[0] != time.Second || times[0] != 5*time.Second {
			t.Errorf("%v, %v", times, earliest)
		}
	})
	// The look before was asked at 1000ms and answered at 1080ms, which is when its last block was recorded.
	t.Run("hinted at before the last look's answer", func(t *testing.T) {
		var h hints
		h.tell("n", 1050*ms, chain.Notification{Hash: "a"})
		head := trace.Event{Kind: trace.KindHead, Head: &trace.Head{Hash: "a", Height: 5}}
		times, earliest := h.times("n", time.Second, 1080*ms, 1100*ms, []trace.Event{seen, head})
		if times[0] != 1080*ms || times[1] != 1080*ms || earliest[0] != 1050*ms {
			t.Errorf("%v, %v", times, earliest)
		}
	})
	t.Run("a flood", func(t *testing.T) {
		var h hints
		for i := range 10 * maxHints {
			h.tell("n", time.Duration(i), chain.Notification{Height: 1 << 60})
		}
		if n := len(h.of["n"].list); n != maxHints {
			t.Errorf("%d hints are kept", n)
		}
	})
}
