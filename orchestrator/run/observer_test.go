package run_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
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
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/sim"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// polledChain is netsplit's own chain as one whose nodes print nothing and are polled instead, and what a test changes of it.
type polledChain struct {
	*native.Chain
	clock runtime.Clock

	interval              time.Duration // between polls; 100ms at least
	muted                 faults.NodeID // does not answer between these times of the clock
	mutedFrom, mutedTo    time.Duration
	latency               time.Duration // of an answer
	resolution            time.Duration // as the facts state it; 0 where it does not matter that nodes are polled
	pollErr               error         // of every poll
	silentFrom            time.Duration // a time of the clock from which on no node answers polls, if it is not 0
	polled                func(faults.NodeID)
	notifies              bool // what nodes print notifies of their blocks
	subscribe             func(ctx context.Context, c *polledChain, node faults.NodeID, notify func(chain.Notification)) error
	assign                func(nodes []chain.Node) ([]chain.Node, string)
	buildTime             time.Duration // of its image
	onCommand             bool          // blocks are made on command
	makeErr, reconnectErr error

	mu        sync.Mutex
	heads     map[faults.NodeID]trace.Status
	known     map[trace.Hash]bool
	had       map[faults.NodeID]map[trace.Hash]bool // what the node has reported
	made      map[faults.NodeID]int
	madeAt    []time.Duration
	began     time.Time         // of the network that it was prepared for
	connected [][]faults.NodeID // calls of ConnectPeers
}

func newPolledChain(c *native.Chain, clock runtime.Clock) *polledChain {
	return &polledChain{
		Chain: c, clock: clock, heads: make(map[faults.NodeID]trace.Status), known: make(map[trace.Hash]bool),
		had: make(map[faults.NodeID]map[trace.Hash]bool), made: make(map[faults.NodeID]int),
	}
}

func (c *polledChain) Capabilities() chain.Capabilities {
	caps := c.Chain.Capabilities()
	caps.ExactPeers, caps.StartHeight = false, 2
	caps.Polling = &chain.Polling{Interval: max(c.interval, 100*time.Millisecond), Poll: c.poll}
	caps.ConnectPeers = c.connectPeers
	caps.AssignProducers = c.assign
	if c.buildTime > 0 {
		caps.BuildImage = func(ctx context.Context) (string, error) {
			return "", c.clock.Sleep(ctx, c.clock.Now()+c.buildTime)
		}
	}
	if c.subscribe != nil {
		caps.Subscribe = func(ctx context.Context, node faults.NodeID, notify func(chain.Notification)) error {
			return c.subscribe(ctx, c, node, notify)
		}
	}
	if c.notifies {
		caps.ParseNotification = c.parseNotification
	}
	if c.onCommand {
		caps.MakeBlock, caps.StartHeight = c.makeBlock, 0
	}
	return caps
}

func (c *polledChain) Prepare(ctx context.Context, net chain.Network) (chain.Prepared, error) {
	c.began = net.Start
	p, err := c.Chain.Prepare(ctx, net)
	if p.Facts.Resolution = c.resolution; c.resolution > 0 {
		p.Facts.Genesis = nil // as of chains that are described by a file
	}
	return p, err
}

func (c *polledChain) ParseLog(faults.NodeID, []byte) (trace.Event, time.Time, bool) {
	return trace.Event{}, time.Time{}, false
}

// parseNotification reads a block's arrival out of what a node prints.
func (c *polledChain) parseNotification(node faults.NodeID, line []byte) (chain.Notification, bool) {
	e, _, ok := c.Chain.ParseLog(node, line)
	if !ok || e.Kind != trace.KindSeen {
		return chain.Notification{}, false
	}
	return chain.Notification{Hash: e.Seen.Hash}, true
}

func (c *polledChain) connectPeers(_ context.Context, nodes ...faults.NodeID) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.connected = append(c.connected, nodes)
	if len(nodes) > 0 {
		return c.reconnectErr
	}
	return nil
}

func (c *polledChain) poll(ctx context.Context, id faults.NodeID) ([]trace.Event, error) {
	if c.polled != nil {
		c.polled(id)
	}
	if now := c.clock.Now(); id == c.muted && c.mutedFrom <= now && now < c.mutedTo {
		return nil, errors.New("no answer")
	}
	if c.latency > 0 {
		if err := c.clock.Sleep(ctx, c.clock.Now()+c.latency); err != nil {
			return nil, err
		}
	}
	if c.pollErr != nil {
		return nil, c.pollErr
	}
	if c.silentFrom > 0 && c.clock.Now() >= c.silentFrom {
		return nil, errors.New("503 Service Unavailable")
	}
	now, err := c.Client(id).Status(ctx)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.heads[id]
	if now.Head == old.Head {
		return nil, nil
	}
	if c.had[id] == nil {
		c.had[id] = make(map[trace.Hash]bool)
	}
	events := []trace.Event{{Kind: trace.KindHead, Head: &trace.Head{Hash: now.Head, Height: now.Height, Old: old.Head}}}
	for hash, height := now.Head, now.Height; height > 0 && !c.had[id][hash]; height-- {
		b, err := c.Client(id).Block(ctx, hash)
		if err != nil {
			return nil, err
		}
		c.had[id][hash] = true
		events = slices.Insert(events, 0, trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{Hash: b.Hash, Parent: b.Parent, Height: b.Height}})
		if !c.known[b.Hash] {
			c.known[b.Hash] = true
			events = slices.Insert(events, 0, trace.Event{Kind: trace.KindBlock, Block: &b})
		}
		hash = b.Parent
	}
	c.heads[id] = now
	return events, nil
}

func (c *polledChain) makeBlock(_ context.Context, id faults.NodeID) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made[id]++
	c.madeAt = append(c.madeAt, c.clock.Now())
	return c.makeErr
}

var steady = powNet(2, 1, "1s") + `seed: 5
expect: [agreement]
duration: 20s
`

const killFull = "faults: [{at: 10s, for: 5s, kill: full-1}]\n"

// runPolled runs a scenario with the chain as one that is polled.
func runPolled(t *testing.T, scenario string, change func(*polledChain)) (outcome, *polledChain, *watcher) {
	t.Helper()
	var rt runtime.Runtime
	var c *polledChain
	progress := &watcher{}
	out := setup{
		progress: progress,
		runtime:  func(o sim.Options) runtime.Runtime { rt = sim.New(o); return rt },
		chain: func(own *native.Chain, _ http.RoundTripper) chain.Chain {
			c = newPolledChain(own, rt.Clock())
			change(c)
			return c
		},
	}.run(t, scenario)
	return out, c, progress
}

// mustRunPolled is runPolled for scenarios that must not fail.
func mustRunPolled(t *testing.T, scenario string, change func(*polledChain)) (outcome, *polledChain, *watcher) {
	t.Helper()
	out, c, progress := runPolled(t, scenario, change)
	if out.err != nil {
		t.Fatal(out.err)
	}
	return out, c, progress
}

func TestObserver_RecordsPolledNodes(t *testing.T) {
	out, _, _ := mustRunPolled(t, steady, func(*polledChain) {})
	heads := make(map[trace.NodeID]int)
	bodies := make(map[trace.Hash]int)
	for _, e := range out.events {
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

func TestObserver_NoAnswerIsGap(t *testing.T) {
	for _, test := range []struct {
		name     string
		from, to time.Duration // run times between which full-1 does not answer
		more     string        // of the scenario
		want     []string
	}{
		{"never", -time.Hour, time.Hour, "", []string{"at the end: no answer"}},
		{"for a while", 3 * time.Second, 9 * time.Second, "", nil},
		{"not before it was killed", 3 * time.Second, time.Hour, killFull, []string{"before it went down", "at the end: no answer"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, _, _ := mustRunPolled(t, steady+test.more, func(c *polledChain) { c.muted, c.mutedFrom, c.mutedTo = "full-1", test.from, test.to })
			var gaps []string
			for _, e := range out.events {
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

// The node is up when it stops answering and answers after its restart: only its gap says that something is missing.
func TestObserver_GapBeforeRestartMakesAgreementUnknown(t *testing.T) {
	for muted, want := range map[time.Duration]invariant.Verdict{0: invariant.Pass, 9 * time.Second: invariant.Unknown} {
		out, _, _ := mustRunPolled(t, steady+killFull, func(c *polledChain) {
			const down = 16 * time.Second // of the clock, which is some seconds ahead of run time
			c.muted, c.mutedFrom, c.mutedTo, c.resolution = "full-1", down-muted, down, 200*time.Millisecond
		})
		if r := result(t, out.report, "agreement"); r.Verdict != want {
			t.Errorf("muted for %v: agreement is %s (%s), want %s; %s", muted, r.Verdict, r.Reason, want, out.report.Incomplete)
		}
		if missing := strings.Contains(result(t, out.report, "agreement").Reason, "before it went down"); missing != (muted > 0) {
			t.Errorf("muted for %v: %q", muted, result(t, out.report, "agreement").Reason)
		}
	}
}

// What no node showed is neither good nor bad: such a run is no success, and no violation.
func TestObserver_NoNodeAnswersAnyMore(t *testing.T) {
	const expect = "expect: [agreement, convergence, chain_growth, block_propagation]\n"
	out, _, _ := mustRunPolled(t, strings.Replace(steady, "expect: [agreement]\n", expect, 1), func(c *polledChain) {
		c.silentFrom, c.resolution = 12*time.Second, 100*time.Millisecond
	})
	for _, name := range []string{"agreement", "convergence", "chain_growth", "block_propagation"} {
		if r := result(t, out.report, name); r.Verdict != invariant.Unknown && r.Verdict != invariant.Vacuous {
			t.Errorf("%s is %s (%s; %s)", name, r.Verdict, r.Figure, r.Reason)
		}
	}
	if r := result(t, out.report, "no_crash"); r.Verdict != invariant.Pass {
		t.Errorf("no_crash is %s (%s)", r.Verdict, r.Reason)
	}
	for _, r := range out.report.Results {
		if r.Verdict == invariant.Fail {
			t.Errorf("%s: FAIL: %s", r.Invariant, r.Reason)
		}
	}
	if code := out.report.ExitCode(invariant.Policy{}); code != invariant.ExitUnknown || out.report.Verdict != invariant.Unknown {
		t.Errorf("exit code %d, over all %s", code, out.report.Verdict)
	}
}

// A chain that halts fails although one node cannot be read at the end.
func TestObserver_HaltedChainAndUnreadableNode(t *testing.T) {
	var rt runtime.Runtime
	halts := in(stopMining(15*time.Second), "miner-1", "miner-2")
	halts.runtime = func(o sim.Options) runtime.Runtime { rt = sim.New(o); return rt }
	halts.chain = func(own *native.Chain, _ http.RoundTripper) chain.Chain {
		c := newPolledChain(own, rt.Clock())
		c.muted, c.mutedFrom, c.mutedTo, c.resolution = "full-1", 60*time.Second, time.Hour, 100*time.Millisecond
		return c
	}
	scenario := strings.NewReplacer("expect: [agreement]", "expect: [chain_growth]", "duration: 20s", "duration: 80s\nsettle: 20s").Replace(steady)
	out := halts.mustRun(t, scenario)
	if r := result(t, out.report, "chain_growth"); r.Verdict != invariant.Fail {
		t.Errorf("chain_growth is %s (%s)", r.Verdict, r.Reason)
	}
	if r := result(t, out.report, "agreement"); r.Verdict != invariant.Unknown {
		t.Errorf("agreement is %s (%s)", r.Verdict, r.Reason)
	}
	if code := out.report.ExitCode(invariant.Policy{}); code != invariant.ExitFail {
		t.Errorf("exit code %d", code)
	}
}

// A query that is wrong, say, is not found by reading heights alone.
func TestObserver_NoBlockEndsRun(t *testing.T) {
	misread := errors.New("observe.block.hash: jq .hush gives null")
	out, _, _ := runPolled(t, steady, func(c *polledChain) { c.pollErr = misread })
	var at *runtime.NodeError
	if !errors.As(out.err, &at) || at.Op != "observe" || !errors.Is(out.err, misread) {
		t.Fatalf("the run ended with %v", out.err)
	}
	if end := out.events[len(out.events)-1]; !strings.Contains(out.end.Error, ".hush") || end.At > 15*time.Second {
		t.Errorf("the trace ends with %+v at %v", out.end, end.At)
	}
	if len(at.Tail) == 0 {
		t.Error("without the last lines of the node")
	}
}

// What is stated is what was measured, not the interval between polls.
func TestObserver_SlowAnswersWidenArrivals(t *testing.T) {
	width := func(latency time.Duration) time.Duration {
		out, _, _ := mustRunPolled(t, steady, func(c *polledChain) { c.latency = latency })
		if run := out.events[0].Run; run == nil || !run.Chain.Measured {
			t.Fatalf("the run event does not say that times were measured: %+v", out.events[0])
		}
		var widths []time.Duration
		for _, e := range out.events {
			switch {
			case e.Kind != trace.KindSeen:
			case e.At < 0:
				if !e.Seen.Sync {
					t.Errorf("%s at %v of the first poll is not marked as there before", e.Seen.Hash, e.At)
				}
			case !e.Seen.Sync:
				widths = append(widths, e.Seen.Within)
			}
		}
		if len(widths) < 15 {
			t.Fatalf("%d arrivals", len(widths))
		}
		slices.Sort(widths)
		return widths[len(widths)*95/100]
	}
	// The simulator answers in no time: what is left is the interval of 100ms.
	if got := width(0); got != 100*time.Millisecond {
		t.Errorf("answers at once: known to %v", got)
	}
	if got := width(150 * time.Millisecond); got < 250*time.Millisecond || got > 400*time.Millisecond {
		t.Errorf("answers after 150ms: known to %v", got)
	}
}

// exactArrivals counts the arrivals at a node, any if empty, from a run time on, and those of which the time is exact.
func exactArrivals(events []trace.Event, node trace.NodeID, from time.Duration) (exact, all int) {
	for _, e := range events {
		if e.Kind == trace.KindSeen && (node == "" || e.Node == node) && !e.Seen.Sync && e.At >= from {
			all++
			if e.Seen.Within == 0 {
				exact++
			}
		}
	}
	return exact, all
}

// Nodes that are polled seldom, and print what they get.
func TestObserver_PrintedNotificationsMakeTimesExact(t *testing.T) {
	for _, notifies := range []bool{false, true} {
		out, _, _ := mustRunPolled(t, steady, func(c *polledChain) { c.notifies, c.interval = notifies, 2*time.Second })
		for _, e := range out.events {
			if e.Kind == trace.KindSeen && !e.Seen.Sync && e.Seen.Within > 2*time.Second {
				t.Errorf("within %v", e.Seen.Within)
			}
		}
		if exact, all := exactArrivals(out.events, "", -time.Hour); !notifies && exact > 0 || notifies && (exact < all*9/10 || all < 15) {
			t.Errorf("notifications %v: %d of %d arrivals are exact", notifies, exact, all)
		}
	}
}

// subscription is a time for which a node was subscribed to, by the clock, and how that ended.
type subscription struct {
	from, to time.Duration
	err      error
}

// subscriptions are those of a test. The simulator runs one task at a time.
type subscriptions struct {
	of   map[faults.NodeID][]subscription
	open int
}

type subscribeFunc func(ctx context.Context, c *polledChain, node faults.NodeID, notify func(chain.Notification)) error

// with has a chain subscribe with fn, and records the subscriptions.
func (s *subscriptions) with(fn subscribeFunc) func(*polledChain) {
	s.of = make(map[faults.NodeID][]subscription)
	return func(c *polledChain) {
		c.subscribe = func(ctx context.Context, c *polledChain, node faults.NodeID, notify func(chain.Notification)) error {
			x := subscription{from: c.clock.Now()}
			s.open++
			x.err = fn(ctx, c, node, notify)
			s.open--
			x.to = c.clock.Now()
			s.of[node] = append(s.of[node], x)
			return x.err
		}
	}
}

// newHeads is a subscription that notifies of each new head within 10 ms, and breaks when the node does not answer.
func newHeads(ctx context.Context, c *polledChain, node faults.NodeID, notify func(chain.Notification)) error {
	var head trace.Hash
	for {
		s, err := c.Client(node).Status(ctx)
		if err != nil {
			return err
		}
		if s.Head != head {
			head = s.Head
			notify(chain.Notification{Hash: head})
		}
		if err := c.clock.Sleep(ctx, c.clock.Now()+10*time.Millisecond); err != nil {
			return err
		}
	}
}

// reached returns the run time at which a node first was in a state at or after a time.
func reached(t *testing.T, events []trace.Event, node trace.NodeID, want trace.State, from time.Duration) time.Duration {
	t.Helper()
	for _, e := range events {
		if e.Kind == trace.KindNode && e.Node == node && e.Lifecycle.State == want && e.At >= from {
			return e.At
		}
	}
	t.Fatalf("%s never was %s after %v", node, want, from)
	return 0
}

// The subscription of a killed node breaks, and there is another one as soon as it is back, not before.
func TestObserver_SubscribesAgainAfterRestart(t *testing.T) {
	var s subscriptions
	subscribe := s.with(newHeads)
	out, _, _ := mustRunPolled(t, steady+"faults: [{at: 5s, for: 5s, kill: full-1}]\n",
		func(c *polledChain) { subscribe(c); c.interval = 2 * time.Second })
	all := s.of["full-1"]
	if len(all) != 2 || errors.Is(all[0].err, context.Canceled) || !errors.Is(all[1].err, context.Canceled) {
		t.Fatalf("subscriptions to full-1: %+v", all)
	}
	down := reached(t, out.events, "full-1", trace.StateDown, 0)
	up := reached(t, out.events, "full-1", trace.StateUp, down)
	zero := all[0].to - down // the clock's time of run time 0, and up to 10 ms
	if again := all[1].from - zero - up; again < -20*time.Millisecond || again > 150*time.Millisecond {
		t.Errorf("full-1 was back at %v, and subscribed to %v later", up, again)
	}
	if exact, all := exactArrivals(out.events, "full-1", up+time.Second); all < 5 || exact < all*9/10 {
		t.Errorf("after it came back %d of %d arrivals are exact", exact, all)
	}
	if n := len(s.of["miner-1"]); n != 1 || s.open != 0 {
		t.Errorf("%d subscriptions to miner-1; %d are open", n, s.open)
	}
}

// The pause doubles up to 5 s, and begins anew after a subscription that held.
func TestObserver_SubscribeBackoff(t *testing.T) {
	refused := errors.New("refused")
	const ms = time.Millisecond
	for _, c := range []struct {
		name  string
		holds time.Duration
		want  []time.Duration // the pauses
		noted int             // notes about a node
	}{
		{"fails at once", 0, []time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 5000 * ms, 5000 * ms}, 1},
		{"fails after a while", 2 * time.Second, []time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms}, 1},
		{"fails after it held", 6 * time.Second, []time.Duration{100 * ms, 100 * ms}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s subscriptions
			// A subscription that fails ends no run.
			out, _, progress := mustRunPolled(t, steady, s.with(func(ctx context.Context, x *polledChain, _ faults.NodeID, _ func(chain.Notification)) error {
				if err := x.clock.Sleep(ctx, x.clock.Now()+c.holds); err != nil {
					return err
				}
				return refused
			}))
			all := s.of["full-1"]
			var pauses []time.Duration
			for i := 1; i < len(all); i++ {
				pauses = append(pauses, all[i].from-all[i-1].to)
			}
			if len(pauses) < len(c.want) || !slices.Equal(pauses[:len(c.want)], c.want) {
				t.Errorf("pauses %v, want %v", pauses, c.want)
			}
			if p := slices.Max(pauses); p > 5*time.Second {
				t.Errorf("a pause of %v", p)
			}
			noted := 0
			for _, note := range progress.notes {
				if strings.HasPrefix(note, "no subscription to full-1, its blocks are found by polling alone: refused") {
					noted++
				}
			}
			if noted != c.noted {
				t.Errorf("noted %d times: %q", noted, progress.notes)
			}
			if exact, all := exactArrivals(out.events, "full-1", 0); exact > 0 || all < 10 {
				t.Errorf("%d of %d arrivals are exact", exact, all)
			}
		})
	}
}

// Subscriptions that stand at the end, and those that are about to be tried again, end with the run.
func TestObserver_SubscriptionsEndWithRun(t *testing.T) {
	var s subscriptions
	mustRunPolled(t, steady, s.with(func(ctx context.Context, c *polledChain, node faults.NodeID, _ func(chain.Notification)) error {
		if node == "miner-1" {
			return errors.New("refused")
		}
		return c.clock.Sleep(ctx, c.clock.Now()+1000*time.Hour)
	}))
	for _, node := range []faults.NodeID{"full-1", "miner-2"} {
		if all := s.of[node]; len(all) != 1 || !errors.Is(all[0].err, context.Canceled) || all[0].to > time.Hour {
			t.Errorf("subscriptions to %s: %+v", node, all)
		}
	}
	if s.open != 0 {
		t.Errorf("%d subscriptions are open", s.open)
	}
}

// A node whose answers have a block before it notifies of it is polled between the two now and then.
func TestObserver_NotificationAfterAnswer(t *testing.T) {
	for lag, want := range map[time.Duration]bool{60 * time.Millisecond: true, 400 * time.Millisecond: false} {
		var s subscriptions
		out, _, _ := mustRunPolled(t, steady, s.with(func(ctx context.Context, c *polledChain, node faults.NodeID, notify func(chain.Notification)) error {
			return newHeads(ctx, c, node, func(n chain.Notification) {
				if c.clock.Sleep(ctx, c.clock.Now()+lag) == nil {
					notify(n)
				}
			})
		}))
		if exact, all := exactArrivals(out.events, "full-1", 0); all < 10 || want != (exact > all*9/10) {
			t.Errorf("notifications that lag %v: %d of %d arrivals are exact", lag, exact, all)
		}
	}
}

// A node that notifies of something whenever it is polled is not polled all the time.
func TestObserver_MeaninglessNotificationsAreNotFollowed(t *testing.T) {
	polls := 0
	var s subscriptions
	subscribe := s.with(func(ctx context.Context, c *polledChain, node faults.NodeID, notify func(chain.Notification)) error {
		for {
			if err := c.clock.Sleep(ctx, c.clock.Now()+time.Millisecond); err != nil {
				return err
			}
			notify(chain.Notification{Hash: "nothing"})
		}
	})
	mustRunPolled(t, steady, func(c *polledChain) {
		subscribe(c)
		c.interval, c.polled = 500*time.Millisecond, func(node faults.NodeID) {
			if node == "full-1" {
				polls++
			}
		}
	})
	if most := 5 * 25 * 2; polls > most { // of some 25 s: two in a second, and the retries that follow a notification
		t.Errorf("%d polls", polls)
	}
}

// A genesis must not be minutes old when its nodes start.
func TestUp_BuildsImageBeforeNetworkBegins(t *testing.T) {
	_, c, _ := mustRunPolled(t, steady, func(c *polledChain) { c.buildTime = time.Minute })
	if got := c.began.Sub(c.clock.Epoch()); got != time.Minute {
		t.Errorf("the network begins %v after the clock, its image took a minute", got)
	}
}

func TestUp_AssignsProducers(t *testing.T) {
	out, _, _ := mustRunPolled(t, steady, func(c *polledChain) {
		c.assign = func(nodes []chain.Node) ([]chain.Node, string) {
			nodes[1].Mine = 0
			return nodes, "miner-2 makes no blocks"
		}
	})
	nodes := out.events[0].Run.Nodes
	for _, n := range nodes {
		if power := map[trace.NodeID]float64{"miner-1": 100}[n.ID]; n.Mine != power {
			t.Errorf("%s has power %v in the trace", n.ID, n.Mine)
		}
	}
	for _, e := range out.events {
		if e.Kind == trace.KindBlock && e.Block.Height > 0 && e.Block.Producer != nodes[0].Account {
			t.Fatalf("block %d is not of miner-1", e.Block.Height)
		}
	}
}

func TestRun_ReconnectsPeersOfRestartedNodes(t *testing.T) {
	const crashes = `faults:
  - {at: 3s, for: 2s, kill: full-1}
  - {at: 8s, for: 1s, pause: miner-1}
  - {at: 12s, restart: miner-2}
`
	_, c, _ := mustRunPolled(t, steady+crashes, func(*polledChain) {})
	// All at the start; then who was started again. Who was paused has lost nothing.
	if d := cmp.Diff([][]faults.NodeID{nil, {"full-1"}, {"miner-2"}}, c.connected); d != "" {
		t.Error(d)
	}
	out, _, _ := runPolled(t, steady+crashes, func(c *polledChain) { c.reconnectErr = errors.New("it refuses") })
	if out.err == nil || !strings.Contains(out.err.Error(), "reconnect peers of full-1: it refuses") {
		t.Errorf("error %v", out.err)
	}
}

func TestBlockMakers_ShareByPower(t *testing.T) {
	_, c, _ := mustRunPolled(t, steady, func(c *polledChain) { c.onCommand = true })
	// Two producers share one block a second over 20 s and the settling.
	if c.made["full-1"] != 0 || c.made["miner-1"] < 4 || c.made["miner-2"] < 4 {
		t.Errorf("blocks made on command: %v", c.made)
	}
	out, _, _ := runPolled(t, steady, func(c *polledChain) { c.onCommand, c.makeErr = true, errors.New("not now") })
	if out.err == nil || !strings.Contains(out.err.Error(), "make a block on miner-") {
		t.Errorf("error %v", out.err)
	}
}

// The seed decides when blocks come, and the times between them are exponential, by the test of Kolmogorov and Smirnov at one in
// a thousand.
func TestBlockMakers_PoissonTimes(t *testing.T) {
	times := func(seed int) []time.Duration {
		scenario := strings.NewReplacer("seed: 5", fmt.Sprint("seed: ", seed), "duration: 20s", "duration: 1000s").Replace(steady)
		_, c, _ := mustRunPolled(t, scenario, func(c *polledChain) { c.onCommand, c.interval = true, time.Minute })
		return c.madeAt
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
