package run_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/chain/native"
	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/sim"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// asked is our own chain as one that prints nothing: its nodes are asked instead.
type asked struct {
	*native.Chain
	blindTo               faults.NodeID // does not answer between these times of the runtime's clock
	blindFrom, blindUntil time.Duration
	clock                 runtime.Clock
	hints                 bool          // what nodes print hints at their blocks
	every                 time.Duration // how often they are asked; 100ms at least
	listen                func(ctx context.Context, a *asked, node faults.NodeID, tell func(chain.Notification)) error
	elected               func(nodes []chain.Node) ([]chain.Node, string)
	slow                  time.Duration // how long an answer takes
	mute                  error         // of every look
	building              time.Duration // how long its image takes
	looked                func(faults.NodeID)

	mu       sync.Mutex
	heads    map[faults.NodeID]trace.Status
	known    map[trace.Hash]bool
	produces bool
	produced map[faults.NodeID]int
	made     []time.Duration // when
	refuse   error           // of Produce

	told noted

	began   time.Time         // of the network that it was prepared for
	met     [][]faults.NodeID // calls of Connect
	meeting error             // of Connect with nodes
}

func (a *asked) Capabilities() chain.Capabilities {
	caps := a.Chain.Capabilities()
	caps.ExactPeers, caps.StartHeight = false, 2
	caps.Polling = &chain.Polling{Interval: max(a.every, 100*time.Millisecond), Poll: a.poll}
	caps.ConnectPeers = a.connectPeers
	caps.AssignProducers = a.elected
	if a.building > 0 {
		caps.BuildImage = a.buildImage
	}
	if a.listen != nil {
		caps.Subscribe = func(ctx context.Context, node faults.NodeID, notify func(chain.Notification)) error {
			return a.listen(ctx, a, node, notify)
		}
	}
	if a.hints {
		caps.ParseNotification = a.parseNotification
	}
	if a.produces {
		caps.MakeBlock, caps.StartHeight = a.makeBlock, 0
	}
	return caps
}

func (a *asked) connectPeers(ctx context.Context, nodes ...faults.NodeID) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.met = append(a.met, nodes)
	if len(nodes) > 0 {
		return a.meeting
	}
	return nil
}

func (a *asked) buildImage(ctx context.Context) (string, error) {
	return "", a.clock.Sleep(ctx, a.clock.Now()+a.building)
}

func (a *asked) Prepare(ctx context.Context, net chain.Network) (chain.Prepared, error) {
	a.began = net.Start
	return a.Chain.Prepare(ctx, net)
}

func (a *asked) ParseLog(faults.NodeID, []byte) (trace.Event, time.Time, bool) {
	return trace.Event{}, time.Time{}, false
}

func (a *asked) poll(ctx context.Context, id faults.NodeID) ([]trace.Event, error) {
	if a.looked != nil {
		a.looked(id)
	}
	if now := a.clock.Now(); id == a.blindTo && a.blindFrom <= now && now < a.blindUntil {
		return nil, errors.New("no answer")
	}
	if a.slow > 0 {
		if err := a.clock.Sleep(ctx, a.clock.Now()+a.slow); err != nil {
			return nil, err
		}
	}
	if a.mute != nil {
		return nil, a.mute
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

func (a *asked) makeBlock(_ context.Context, id faults.NodeID) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.produced[id]++
	if a.clock != nil {
		a.made = append(a.made, a.clock.Now())
	}
	return a.refuse
}

// noted is a Progress that keeps the notes.
type noted struct {
	quiet
	mu    sync.Mutex
	notes []string
}

func (n *noted) Note(_ time.Duration, text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.notes = append(n.notes, text)
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

// recordAsked runs calm, with more of a scenario at its end, with the chain as one that is asked.
func recordAsked(t *testing.T, change func(*asked), more ...string) ([]trace.Event, *asked, error) {
	t.Helper()
	return recordScenario(t, calm+strings.Join(more, ""), change)
}

// recordScenario runs a scenario with the chain as one that is asked.
func recordScenario(t *testing.T, scenario string, change func(*asked)) ([]trace.Event, *asked, error) {
	t.Helper()
	spec := parse(t, scenario)
	s := sim.New(sim.Options{Seed: spec.Seed})
	a := &asked{
		Chain: native.New(s.Transport()), heads: make(map[faults.NodeID]trace.Status), known: make(map[trace.Hash]bool),
		produced: make(map[faults.NodeID]int), clock: s.Clock(),
	}
	change(a)
	dir := t.TempDir()
	err := run.Run(context.Background(), run.Options{
		ID: "t", Spec: spec, Runtime: s, Chain: a, Dir: dir, Version: "test", Progress: &a.told,
	})
	if closeErr := s.Close(context.Background()); closeErr != nil {
		t.Fatal(closeErr)
	}
	return readTrace(t, dir), a, err
}

func readTrace(t *testing.T, dir string) []trace.Event {
	t.Helper()
	var events []trace.Event
	if err := trace.ReadSorted(dir+"/"+run.TraceFile, func(e *trace.Event) error {
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
	const killed = "faults: [{at: 10s, for: 5s, kill: full-1}]\n"
	for _, test := range []struct {
		name        string
		from, until time.Duration // run times between which full-1 does not answer
		more        string
		want        []string
	}{
		{"never", -time.Hour, time.Hour, "", []string{"at the end: no answer"}},
		{"for a while", 3 * time.Second, 9 * time.Second, "", nil},
		{"not before it was killed", 3 * time.Second, time.Hour, killed, []string{"before it went down", "at the end: no answer"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			events, _, err := recordAsked(t, func(a *asked) { a.blindTo, a.blindFrom, a.blindUntil = "full-1", test.from, test.until }, test.more)
			if err != nil {
				t.Fatal(err)
			}
			var gaps []string
			for _, e := range events {
				if e.Kind == trace.KindGap && e.Node == "full-1" {
					gaps = append(gaps, e.Gap.Reason)
				}
			}
			if !slices.EqualFunc(gaps, test.want, strings.Contains) {
				t.Errorf("gaps %q", gaps)
			}
		})
	}
}

// TestWhatWasNotSeenBeforeANodeWentDownIsMissing: the node is up when it stops answering and answers after its restart, so
// that only its gap tells that something is missing.
func TestWhatWasNotSeenBeforeANodeWentDownIsMissing(t *testing.T) {
	for blind, want := range map[time.Duration]invariant.Verdict{0: invariant.Pass, 9 * time.Second: invariant.Unknown} {
		events, _, err := recordAsked(t, func(a *asked) {
			const down = 16 * time.Second // on the runtime's clock, which is some seconds ahead of run time
			a.blindTo, a.blindFrom, a.blindUntil = "full-1", down-blind, down
		}, "faults: [{at: 10s, for: 5s, kill: full-1}]\n")
		if err != nil {
			t.Fatal(err)
		}
		j, err := invariant.Judge(func(fn func(*trace.Event) error) error {
			for i := range events {
				if err := fn(&events[i]); err != nil {
					return err
				}
			}
			return nil
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range j.Results {
			if r.Invariant == "agreement" && r.Verdict != want {
				t.Errorf("blind for %v: agreement is %s (%s), want %s", blind, r.Verdict, r.Reason, want)
			}
		}
		if missing := strings.Contains(j.Incomplete, "before it went down"); missing != (blind > 0) {
			t.Errorf("blind for %v: incomplete %q", blind, j.Incomplete)
		}
	}
}

// TestAChainThatShowsNoBlockEndsTheRun: a query that is wrong, say, is not found by asking for heights alone.
func TestAChainThatShowsNoBlockEndsTheRun(t *testing.T) {
	misread := errors.New("observe.block.hash: jq .hush gives null")
	events, _, err := recordAsked(t, func(a *asked) { a.mute = misread })
	var at *runtime.NodeError
	if !errors.As(err, &at) || at.Op != "observe" || !errors.Is(err, misread) {
		t.Fatalf("the run ended with %v", err)
	}
	if end := events[len(events)-1]; end.Kind != trace.KindEnd || !strings.Contains(end.End.Error, ".hush") || end.At > 15*time.Second {
		t.Errorf("the trace ends with %+v at %v", end.End, end.At)
	}
	if len(at.Tail) == 0 {
		t.Error("without the last lines of the node")
	}
}

// TestAnImageIsMadeBeforeTheNetworkBegins: a genesis must not be minutes old when its nodes start.
func TestAnImageIsMadeBeforeTheNetworkBegins(t *testing.T) {
	_, a, err := recordAsked(t, func(a *asked) { a.building = time.Minute })
	if err != nil {
		t.Fatal(err)
	}
	if got := a.began.Sub(a.clock.Epoch()); got != time.Minute {
		t.Errorf("the network begins %v after the clock, its image took a minute", got)
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

// TestBlocksOnCommandComeAtPoissonTimes: the seed decides when, and the times between them are exponential, by the test of
// Kolmogorov and Smirnov at one in a thousand.
func TestBlocksOnCommandComeAtPoissonTimes(t *testing.T) {
	times := func(seed int) []time.Duration {
		scenario := strings.NewReplacer("seed: 5", fmt.Sprint("seed: ", seed), "duration: 20s", "duration: 1000s").Replace(calm)
		_, a, err := recordScenario(t, scenario, func(a *asked) { a.produces, a.every = true, time.Minute })
		if err != nil {
			t.Fatal(err)
		}
		return a.made
	}
	first := times(5)
	if !slices.Equal(first, times(5)) {
		t.Error("one seed gives two histories")
	}
	if slices.Equal(first, times(6)) {
		t.Error("two seeds give one history")
	}
	var gaps []float64 // in mean intervals, of which there is one a second
	for i := 1; i < len(first); i++ {
		gaps = append(gaps, (first[i] - first[i-1]).Seconds())
	}
	slices.Sort(gaps)
	n, worst := float64(len(gaps)), 0.
	for i, gap := range gaps {
		p := 1 - math.Exp(-gap)
		worst = max(worst, p-float64(i)/n, float64(i+1)/n-p)
	}
	if n < 900 || worst > 1.95/math.Sqrt(n) {
		t.Errorf("%v intervals are off an exponential distribution by %v", n, worst)
	}
}

func TestNodesStartedAgainAreToldOfTheirPeers(t *testing.T) {
	const crashes = `faults:
  - {at: 3s, for: 2s, kill: full-1}
  - {at: 8s, for: 1s, pause: miner-1}
  - {at: 12s, restart: miner-2}
`
	_, a, err := recordAsked(t, func(*asked) {}, crashes)
	if err != nil {
		t.Fatal(err)
	}
	// All at the start; then who was started again. Who was paused has lost nothing.
	if d := cmp.Diff([][]faults.NodeID{nil, {"full-1"}, {"miner-2"}}, a.met); d != "" {
		t.Error(d)
	}
	_, _, err = recordAsked(t, func(a *asked) { a.meeting = errors.New("it refuses") }, crashes)
	if err == nil || !strings.Contains(err.Error(), "reconnect peers of full-1: it refuses") {
		t.Errorf("error %v", err)
	}
}

func TestAChainMayElectItsProducers(t *testing.T) {
	events, _, err := recordAsked(t, func(a *asked) {
		a.elected = func(nodes []chain.Node) ([]chain.Node, string) {
			nodes[1].Mine = 0
			return nodes, "miner-2 makes no blocks"
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range events[0].Run.Nodes {
		if power := map[trace.NodeID]float64{"miner-1": 100}[n.ID]; n.Mine != power {
			t.Errorf("%s has power %v in the trace", n.ID, n.Mine)
		}
	}
	for _, e := range events {
		if e.Kind == trace.KindBlock && e.Block.Height > 0 && e.Block.Producer != events[0].Run.Nodes[0].Account {
			t.Fatalf("block %d is not of miner-1", e.Block.Height)
		}
	}
}
