package run_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// span is a time for which a node was listened to, by the runtime's clock, and how that ended.
type span struct {
	from, to time.Duration
	err      error
}

// listened is how nodes are listened to in a test, and what came of it. The simulator runs one lane at a time.
type listened struct {
	spans map[faults.NodeID][]span
	open  int
}

// listen runs a subscription of a test and notes when.
func (e *listened) listen(fn func(ctx context.Context, a *asked, node faults.NodeID, tell func(chain.Notification)) error) func(*asked) {
	e.spans = make(map[faults.NodeID][]span)
	return func(a *asked) {
		a.listen = func(ctx context.Context, a *asked, node faults.NodeID, tell func(chain.Notification)) error {
			s := span{from: a.clock.Now()}
			e.open++
			s.err = fn(ctx, a, node, tell)
			e.open--
			s.to = a.clock.Now()
			e.spans[node] = append(e.spans[node], s)
			return s.err
		}
	}
}

// heads is a subscription that tells of each new head within 10 ms, and breaks when the node does not answer.
func heads(ctx context.Context, a *asked, node faults.NodeID, tell func(chain.Notification)) error {
	var head trace.Hash
	for {
		s, err := a.Client(node).Status(ctx)
		if err != nil {
			return err
		}
		if s.Head != head {
			head = s.Head
			tell(chain.Notification{Hash: head})
		}
		if err := a.clock.Sleep(ctx, a.clock.Now()+10*time.Millisecond); err != nil {
			return err
		}
	}
}

// exactly counts the arrivals at a node from a run time on, and those of which the time is exact.
func exactly(events []trace.Event, node trace.NodeID, from time.Duration) (exact, all int) {
	for _, e := range events {
		if e.Kind == trace.KindSeen && e.Node == node && !e.Seen.Sync && e.At >= from {
			all++
			if e.Seen.Within == 0 {
				exact++
			}
		}
	}
	return exact, all
}

// state returns the run time at which a node first was in a state at or after a time.
func state(t *testing.T, events []trace.Event, node trace.NodeID, want trace.State, from time.Duration) time.Duration {
	t.Helper()
	for _, e := range events {
		if e.Kind == trace.KindNode && e.Node == node && e.Lifecycle.State == want && e.At >= from {
			return e.At
		}
	}
	t.Fatalf("%s never was %s after %v", node, want, from)
	return 0
}

// TestANodeThatCameBackIsListenedToAgain: the subscription of a killed node breaks, and there is another one as soon as it is
// back, not before.
func TestANodeThatCameBackIsListenedToAgain(t *testing.T) {
	defer goleak.VerifyNone(t)
	var e listened
	start := e.listen(heads)
	events, _, err := recordAsked(t, func(a *asked) { start(a); a.every = 2 * time.Second },
		"faults: [{at: 5s, for: 5s, kill: full-1}]\n")
	if err != nil {
		t.Fatal(err)
	}
	spans := e.spans["full-1"]
	if len(spans) != 2 || errors.Is(spans[0].err, context.Canceled) || !errors.Is(spans[1].err, context.Canceled) {
		t.Fatalf("full-1 was listened to %+v", spans)
	}
	down := state(t, events, "full-1", trace.StateDown, 0)
	up := state(t, events, "full-1", trace.StateUp, down)
	zero := spans[0].to - down // the clock's time of run time 0, and up to 10 ms
	if again := spans[1].from - zero - up; again < -20*time.Millisecond || again > 150*time.Millisecond {
		t.Errorf("full-1 was back at %v, and listened to %v later", up, again)
	}
	if exact, all := exactly(events, "full-1", up+time.Second); all < 5 || exact < all*9/10 {
		t.Errorf("after it came back %d of %d arrivals are exact", exact, all)
	}
	if n := len(e.spans["miner-1"]); n != 1 || e.open != 0 {
		t.Errorf("miner-1 was listened to %d times; %d subscriptions are open", n, e.open)
	}
}

// TestTriesToListenBackOff: the pause doubles up to 5 s, and begins anew after a subscription that held.
func TestTriesToListenBackOff(t *testing.T) {
	defer goleak.VerifyNone(t)
	refused := errors.New("refused")
	const ms = time.Millisecond
	for _, c := range []struct {
		name  string
		holds time.Duration
		want  []time.Duration // the pauses
		told  int             // how often people are told of a node
	}{
		{"at once", 0, []time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 5000 * ms, 5000 * ms}, 1},
		{"after a while", 2 * time.Second, []time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms}, 1},
		{"after it held", 6 * time.Second, []time.Duration{100 * ms, 100 * ms}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var e listened
			events, a, err := recordAsked(t, e.listen(func(ctx context.Context, a *asked, _ faults.NodeID, _ func(chain.Notification)) error {
				if err := a.clock.Sleep(ctx, a.clock.Now()+c.holds); err != nil {
					return err
				}
				return refused
			}))
			if err != nil {
				t.Fatal(err) // a node that cannot be listened to ends no run
			}
			spans := e.spans["full-1"]
			var pauses []time.Duration
			for i := 1; i < len(spans); i++ {
				pauses = append(pauses, spans[i].from-spans[i-1].to)
			}
			if len(pauses) < len(c.want) || !slices.Equal(pauses[:len(c.want)], c.want) {
				t.Errorf("pauses %v, want %v", pauses, c.want)
			}
			if p := slices.Max(pauses); p > 5*time.Second {
				t.Errorf("a pause of %v", p)
			}
			told := 0
			for _, note := range a.told.notes {
				if strings.HasPrefix(note, "no subscription to full-1, its blocks are found by polling alone: refused") {
					told++
				}
			}
			if told != c.told {
				t.Errorf("people were told %d times: %q", told, a.told.notes)
			}
			if exact, all := exactly(events, "full-1", 0); exact > 0 || all < 10 {
				t.Errorf("%d of %d arrivals are exact", exact, all)
			}
		})
	}
}

// TestListeningEndsWithTheRun: whoever is listened to at the end, and whoever is about to be tried again, is let go.
func TestListeningEndsWithTheRun(t *testing.T) {
	defer goleak.VerifyNone(t)
	var e listened
	_, _, err := recordAsked(t, e.listen(func(ctx context.Context, a *asked, node faults.NodeID, _ func(chain.Notification)) error {
		if node == "miner-1" {
			return errors.New("refused")
		}
		return a.clock.Sleep(ctx, a.clock.Now()+1000*time.Hour)
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range []faults.NodeID{"full-1", "miner-2"} {
		if s := e.spans[node]; len(s) != 1 || !errors.Is(s[0].err, context.Canceled) || s[0].to > time.Hour {
			t.Errorf("%s was listened to %+v", node, s)
		}
	}
	if e.open != 0 {
		t.Errorf("%d subscriptions are open", e.open)
	}
}

// TestAHintMayComeRightAfterTheAnswer: a node that shows its blocks before it tells of them is asked just then now and again.
func TestAHintMayComeRightAfterTheAnswer(t *testing.T) {
	for lag, want := range map[time.Duration]bool{60 * time.Millisecond: true, 400 * time.Millisecond: false} {
		var e listened
		start := e.listen(func(ctx context.Context, a *asked, node faults.NodeID, tell func(chain.Notification)) error {
			return heads(ctx, a, node, func(h chain.Notification) {
				if a.clock.Sleep(ctx, a.clock.Now()+lag) == nil {
					tell(h)
				}
			})
		})
		events, _, err := recordAsked(t, start)
		if err != nil {
			t.Fatal(err)
		}
		if exact, all := exactly(events, "full-1", 0); all < 10 || want != (exact > all*9/10) {
			t.Errorf("hints that lag %v: %d of %d arrivals are exact", lag, exact, all)
		}
	}
}

// TestHintsThatMeanNothingAreNotFollowed: a node that says something whenever it is asked is not asked all the time.
func TestHintsThatMeanNothingAreNotFollowed(t *testing.T) {
	var looks int
	var e listened
	start := e.listen(func(ctx context.Context, a *asked, node faults.NodeID, tell func(chain.Notification)) error {
		for {
			if err := a.clock.Sleep(ctx, a.clock.Now()+time.Millisecond); err != nil {
				return err
			}
			tell(chain.Notification{Hash: "nothing"})
		}
	})
	_, _, err := recordAsked(t, func(a *asked) {
		start(a)
		a.every, a.looked = 500*time.Millisecond, func(node faults.NodeID) {
			if node == "full-1" {
				looks++
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if most := 5 * 25 * 2; looks > most { // of some 25 s: two in a second, and the tries that follow a hint
		t.Errorf("%d looks", looks)
	}
}
