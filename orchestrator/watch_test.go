package orchestrator_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator"
	"github.com/netsplit/netsplit/orchestrator/driver/netsplit"
	"github.com/netsplit/netsplit/orchestrator/runtime/sim"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// asked is our own chain as one that prints nothing: its nodes are asked instead.
type asked struct {
	*netsplit.Chain
	blindTo faults.NodeID // never answers

	mu       sync.Mutex
	heads    map[faults.NodeID]trace.Status
	known    map[trace.Hash]bool
	produces bool
	produced map[faults.NodeID]int
	refuse   error // of Produce
}

func (a *asked) Parse(faults.NodeID, []byte) (trace.Event, time.Time, bool) {
	return trace.Event{}, time.Time{}, false
}

func (a *asked) Every() time.Duration { return 100 * time.Millisecond }

func (a *asked) Look(ctx context.Context, id faults.NodeID) ([]trace.Event, error) {
	if id == a.blindTo {
		return nil, errors.New("no answer")
	}
	now, err := a.Client(id).Status(ctx)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.heads[id]
	if now.Head == old.Head {
		return nil, nil
	}
	a.heads[id] = now
	b, err := a.Client(id).Block(ctx, now.Head)
	if err != nil {
		return nil, err
	}
	var events []trace.Event
	if !a.known[b.Hash] {
		a.known[b.Hash] = true
		events = append(events, trace.Event{Kind: trace.KindBlock, Block: &b})
	}
	return append(events,
		trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{Hash: b.Hash, Parent: b.Parent, Height: b.Height}},
		trace.Event{Kind: trace.KindHead, Head: &trace.Head{Hash: b.Hash, Height: b.Height, Old: old.Head}}), nil
}

func (a *asked) Produces() bool { return a.produces }

func (a *asked) Produce(_ context.Context, id faults.NodeID) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.produced[id]++
	return a.refuse
}

const calm = `
name: calm
seed: 5
nodes:
  - {name: miner, count: 2, mine: 100/s}
  - {name: full, count: 1}
consensus: {pow: {block_interval: 1s}}
expect: [agreement]
duration: 20s
`

// recordAsked runs calm with the chain as one that is asked.
func recordAsked(t *testing.T, change func(*asked)) ([]trace.Event, *asked, error) {
	t.Helper()
	spec := parse(t, calm)
	s := sim.New(sim.Options{Seed: spec.Seed})
	a := &asked{
		Chain: netsplit.New(s.Transport()), heads: make(map[faults.NodeID]trace.Status), known: make(map[trace.Hash]bool),
		produced: make(map[faults.NodeID]int),
	}
	change(a)
	dir := t.TempDir()
	err := orchestrator.Run(context.Background(), orchestrator.Options{
		ID: "t", Spec: spec, Runtime: s, Chain: a, Dir: dir, Version: "test", Progress: &quiet{},
	})
	if closeErr := s.Close(context.Background()); closeErr != nil {
		t.Fatal(closeErr)
	}
	return readTrace(t, dir), a, err
}

func readTrace(t *testing.T, dir string) []trace.Event {
	t.Helper()
	var events []trace.Event
	if err := trace.ReadSorted(dir+"/"+orchestrator.TraceFile, func(e *trace.Event) error {
		events = append(events, *e)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return events
}

func TestNodesThatAreAskedAreRecorded(t *testing.T) {
	events, _, err := recordAsked(t, func(*asked) {})
	if err != nil {
		t.Fatal(err)
	}
	heads := make(map[trace.NodeID]int)
	bodies := make(map[trace.Hash]int)
	for _, e := range events {
		switch e.Kind {
		case trace.KindHead:
			heads[e.Node]++
		case trace.KindBlock:
			bodies[e.Block.Hash]++
		case trace.KindGap:
			t.Errorf("a gap: %s", e.Gap.Reason)
		}
	}
	for _, id := range []trace.NodeID{"miner-1", "miner-2", "full-1"} {
		if heads[id] < 5 {
			t.Errorf("%d heads of %s", heads[id], id)
		}
	}
	for h, n := range bodies {
		if n != 1 {
			t.Errorf("the body of %s is recorded %d times", h, n)
		}
	}
}

func TestANodeThatDoesNotAnswerIsAGap(t *testing.T) {
	events, _, err := recordAsked(t, func(a *asked) { a.blindTo = "full-1" })
	if err != nil {
		t.Fatal(err)
	}
	gaps := 0
	for _, e := range events {
		if e.Kind == trace.KindGap && e.Node == "full-1" && strings.Contains(e.Gap.Reason, "no answer") {
			gaps++
		}
	}
	// One while it was watched, one at the end.
	if gaps != 2 {
		t.Errorf("%d gaps of the node that never answers", gaps)
	}
}

func TestBlocksAreMadeOnCommandByWhoHasPower(t *testing.T) {
	_, a, err := recordAsked(t, func(a *asked) { a.produces = true })
	if err != nil {
		t.Fatal(err)
	}
	// Two producers share one block a second over 20 s and the settling.
	if a.produced["full-1"] != 0 || a.produced["miner-1"] < 4 || a.produced["miner-2"] < 4 {
		t.Errorf("blocks made on command: %v", a.produced)
	}
	_, _, err = recordAsked(t, func(a *asked) { a.produces, a.refuse = true, errors.New("not now") })
	if err == nil || !strings.Contains(err.Error(), "make a block on miner-") {
		t.Errorf("error %v", err)
	}
}
