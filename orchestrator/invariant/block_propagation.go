package invariant

import (
	"fmt"
	"time"

	"github.com/netsplit/netsplit/orchestrator/invariant/replay"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

var propagationDefinition = Definition{
	Name:  "block_propagation",
	Title: "Blocks reach all nodes quickly",
	Doc: `Judged for pairs of a block and a node that was up, and could reach the block's maker, from when the block was made until
it arrived (or for the whole window); nodes that were separated and have not converged since do not count, nor do those
that only adversaries or nodes beyond a cut are known to connect. The delay is from the block's making to its first
acceptance. Percentiles are over all deliveries, whether a block was relayed or came as history (which counts for
coverage alone where nodes are polled); coverage is the share of pairs in which the block arrived within the window. A
single producer or receiver violates coverage too when two or more of its blocks were missed and its own share is too
low, and the bound of p95 when five or more of its deliveries, and more than half, take longer. A node that reports more
than once that it accepted a block, without having been down in between, violates the protocol. A bound of 0s is not
judged. Polled nodes do not report who made a block: its start is when the first node had it. Blocks that state a time
before the run do not count; and as nodes show their own chain alone, pairs do not count in which the node's chain has
another block at that height, until the window is over or until a reorganisation brings this one, which the node may have
had all the while. They count as missed where the chains of the two nodes share no block, or fork deeper than the chain's
fork depth. Where nodes report who made a block, pairs do not count in which the block reached some node and all left it
again, for another branch, before any that was connected to the receiver had had it for as long as fetching it may take:
0.5s, and seven times the delay that faults add to the receiver's links. What a poll shows happened at some time since
the previous poll, so that such a delay lies between two ends. Each percentile is stated as the range from that of all
lower ends to that of all upper ends. It breaks a bound when its lower end is above it, and keeps it when its upper end
is not. Percentiles are rounded by at most 0.1 %. Coverage is a range too where reports are missing in which the block
may have come.
UNKNOWN when a bound lies within its range. VACUOUS with fewer than two nodes, without blocks, or when no pair counted.`,
	Class: Liveness, Reports: ReportsSome,
	Needs: []Observation{ObserveBlocks},
	Params: []Param{
		{Name: "p50", Type: TypeDuration, Default: "0s", Doc: "most that half of the deliveries take"},
		{Name: "p95", Type: TypeDuration, Default: "2s", Doc: "most that 95 % of the deliveries take"},
		{Name: "p99", Type: TypeDuration, Default: "0s", Doc: "most that 99 % of the deliveries take"},
		{Name: "coverage", Type: TypeShare, Default: "0.99", Doc: "least share of pairs in which the block arrived"},
		{Name: "window", Type: TypeDuration, Default: "10s", Doc: "how long a block may take to count as arrived"},
	},
	New: func(p Values) Checker {
		return &propagation{
			p50: p.Duration("p50"), p95: p.Duration("p95"), p99: p.Duration("p99"), coverage: p.Share("coverage"),
			window: p.Duration("window"), open: make(map[replay.BlockIndex]*spreading), absent: make(map[pair]interval),
			early: make(map[replay.BlockIndex][]earlyArrival),
		}
	},
}

type propagation struct {
	p50, p95, p99 time.Duration
	window        time.Duration
	coverage      float64

	period  int // Connectivity.Period
	open    map[replay.BlockIndex]*spreading
	queue   []*spreading // in the order in which they were made
	spans   spans
	slowest delivery // the one that surely took longest
	pairs   int
	arrived int
	hidden  int // pairs in which the node's own chain hides whether it had the block
	stale   int // pairs in which all nodes left the block again before it could arrive
	blocks  int
	missed  worst // blocks that did not arrive everywhere
	early   map[replay.BlockIndex][]earlyArrival
	absent  map[pair]interval // the pairs in which the block did not arrive, and the time that it had
	late    int               // of which the block may have come in time, as was seen later

	connections connections

	history int         // deliveries of blocks that came as history
	ends    [2][]ending // by node: of the blocks that it made, and that it was to get
	had     []replay.NodeSet
	twice   worst // blocks that a node accepted more than once
}

// ending counts the pairs at one end of which a node was.
type ending struct {
	pairs, missed    int
	blocks           int // of which some pair was missed
	deliveries, slow int // slow: longer than the bound of p95
}

// The two ends of a pair.
const (
	maker    = 0
	receiver = 1
)

// maxHad is the number of latest blocks of which it is known which node accepted them.
const maxHad = 4096

// pair is a block and a node.
type pair struct {
	block replay.BlockIndex
	node  replay.NodeIndex
}

type interval struct{ from, to time.Duration }

// maxAbsent bounds the pairs that are kept: of more, missing reports explain none.
const maxAbsent = 1 << 18

// earlyArrival is the report of a block by a node whose clock is behind that of the maker: the maker's report comes after it.
type earlyArrival struct {
	node replay.NodeIndex
	at   time.Duration
	sync bool
}

// maxEarly bounds the blocks with early arrivals that are kept.
const maxEarly = 1024

// arriveEarly keeps the arrival of a block whose making is not reported yet.
func (c *propagation) arriveEarly(s *replay.State, sync bool) {
	if s.Facts.Polled() || s.Blocks.At(s.Block).Maker != replay.NoNode {
		return
	}
	if len(c.early) >= maxEarly {
		for b, list := range c.early {
			if s.Now-list[0].at > c.window {
				delete(c.early, b)
			}
		}
	}
	if len(c.early) < maxEarly {
		c.early[s.Block] = append(c.early[s.Block], earlyArrival{s.Node, s.Now, sync})
	}
}

// spreading is a block that has not reached all nodes yet.
type spreading struct {
	id      replay.BlockIndex
	made    time.Duration // as recorded
	since   time.Duration // the earliest time at which it can have been made
	maker   replay.NodeIndex
	waiting replay.NodeSet // nodes that count and have not got it
	left    int            // in waiting
	arrived int
	closed  bool
	holders []holding      // in the order in which they began
	on      replay.NodeSet // nodes whose last holding has not ended
}

// delivery is the arrival of a block at a node.
type delivery struct {
	delay span
	at    time.Duration
	block replay.BlockIndex
	node  replay.NodeIndex
}

func (c *propagation) Observe(s *replay.State, e *trace.Event) {
	if c.period != s.Net.Period() {
		c.period = s.Net.Period()
		for _, x := range c.queue {
			c.restrict(s, x)
		}
	}
	c.expire(s)
	c.connections.observe(s, e)
	switch {
	case e.Kind == trace.KindHead && s.Node != replay.NoNode && !s.Facts.Polled():
		c.hold(s)
	case e.Kind == trace.KindNode && s.Node != replay.NoNode && e.Lifecycle.State == trace.StatePaused:
		c.interrupt(s)
	case e.Kind == trace.KindRun:
		for i := range c.ends {
			c.ends[i] = make([]ending, s.Nodes.Len())
		}
	case e.Kind == trace.KindNode && s.Node != replay.NoNode && e.Lifecycle.State != trace.StateUp:
		c.interrupt(s)
		for _, set := range c.had { // what a node lost it may accept again
			if set != nil {
				set.Remove(s.Node)
			}
		}
	}
	if e.Kind != trace.KindSeen || s.Node == replay.NoNode || s.Block == replay.NoBlock {
		return
	}
	c.accepted(s)
	if !s.Net.Started() {
		return
	}
	// Of polled nodes, the first to have a block stands for its maker, which may be polled later.
	first := e.Seen.Made
	if s.Facts.Polled() {
		first = s.First
	}
	if first {
		c.start(s)
		return
	}
	if x, ok := c.absent[pair{s.Block, s.Node}]; ok && s.Since <= x.to {
		delete(c.absent, pair{s.Block, s.Node})
		c.late++
	}
	x := c.open[s.Block]
	if x == nil {
		c.arriveEarly(s, e.Seen.Sync)
	}
	if x == nil || !x.waiting.Has(s.Node) {
		return
	}
	x.remove(s.Node)
	if hides(s, s.Node, x.id) {
		c.hidden++ // a reorganisation shows it now, whenever it came
	} else {
		c.deliver(s, x, s.Node, e.Seen.Sync)
	}
	if x.left == 0 {
		c.close(x)
	}
}

func (x *spreading) remove(n replay.NodeIndex) {
	x.waiting.Remove(n)
	x.left--
}

// deliver counts a delivery: the block was made between x.since and x.made, and arrived between s.Since and now.
func (c *propagation) deliver(s *replay.State, x *spreading, to replay.NodeIndex, sync bool) {
	x.arrived++
	if sync {
		c.history++
		if s.Facts.Polled() || !s.Read(to, x.made, s.Now) {
			return // when it came first is not known
		}
	}
	d := span{recorded: s.Now - x.made, low: max(0, s.Since-x.made), high: s.Now - x.since}
	c.spans.add(d)
	for end, n := range [2]replay.NodeIndex{x.maker, to} {
		n := &c.ends[end][n]
		n.pairs++
		if n.deliveries++; c.p95 > 0 && d.low > c.p95 {
			n.slow++
		}
	}
	if slow := c.slowest.delay; d.low > slow.low || d.low == slow.low && d.recorded > slow.recorded {
		c.slowest = delivery{d, s.Now, s.Block, to}
	}
}

// accepted finds blocks that a node says more than once that it accepted. What polled nodes show is no such statement.
func (c *propagation) accepted(s *replay.State) {
	if s.Facts.Polled() {
		return
	}
	for len(c.had) < s.Blocks.Len() {
		if c.had = append(c.had, nil); len(c.had) > maxHad {
			c.had[len(c.had)-1-maxHad] = nil
		}
	}
	if int(s.Block) < len(c.had)-maxHad {
		return
	}
	if c.had[s.Block] == nil {
		c.had[s.Block] = replay.NewNodeSet(s.Nodes.Len())
	}
	if set := c.had[s.Block]; !set.Has(s.Node) {
		set.Add(s.Node)
		return
	}
	b, id := s.Blocks.At(s.Block), s.Nodes.At(s.Node).ID
	c.twice.add(0, func() Evidence {
		return Evidence{At: s.Now, Nodes: []trace.NodeID{id}, Blocks: []trace.Hash{b.Hash}, Windows: s.Faults.Windows(s.Now),
			Text: fmt.Sprintf("%s accepted block %s at height %d more than once", id, short(b.Hash), b.Height)}
	})
}

func (c *propagation) start(s *replay.State) {
	b := s.Blocks.At(s.Block)
	if s.Stopping || c.open[s.Block] != nil || b.Preexisting() || !s.Nodes.Up(s.Node) || !s.Facts.Polled() && b.Maker != s.Node {
		return
	}
	x := &spreading{id: s.Block, made: s.Now, since: s.Since, maker: s.Node, waiting: replay.NewNodeSet(s.Nodes.Len()), on: replay.NewNodeSet(s.Nodes.Len())}
	group := s.Net.Group(s.Node)
	for i, n := range s.Nodes.All() {
		if i != s.Node && n.State == trace.StateUp && s.Net.Group(i) == group {
			x.waiting.Add(i)
			x.left++
		}
	}
	if x.left == 0 {
		return
	}
	c.open[s.Block] = x
	c.queue = append(c.queue, x)
	for _, a := range c.early[s.Block] {
		if !x.waiting.Has(a.node) || s.Now-a.at > c.window {
			continue
		}
		x.remove(a.node)
		c.deliver(s, x, a.node, a.sync)
	}
	delete(c.early, s.Block)
	if x.left == 0 {
		c.close(x)
	}
}

// restrict takes out the nodes that can no longer be reached; what has arrived still counts.
func (c *propagation) restrict(s *replay.State, x *spreading) {
	if x.closed {
		return
	}
	for i, n := range s.Nodes.All() {
		if x.waiting.Has(i) && (n.State != trace.StateUp || s.Net.Group(i) != s.Net.Group(x.maker)) {
			x.remove(i)
		}
	}
	if x.left == 0 {
		c.close(x)
	}
}

func (c *propagation) close(x *spreading) {
	x.closed = true
	delete(c.open, x.id)
	if x.arrived+x.left > 0 {
		c.blocks++
	}
	c.pairs += x.arrived + x.left
	c.arrived += x.arrived
}

// expire closes the blocks whose window is over.
func (c *propagation) expire(s *replay.State) {
	for len(c.queue) > 0 && (c.queue[0].closed || s.Now-c.queue[0].made > c.window) {
		x := c.queue[0]
		c.queue[0] = nil
		c.queue = c.queue[1:]
		if x.closed {
			continue
		}
		for i := range s.Nodes.All() {
			if x.waiting.Has(i) && hides(s, i, x.id) && !apart(s, i, x.maker) {
				x.remove(i)
				c.hidden++
			}
		}
		for i := range s.Nodes.All() {
			if x.waiting.Has(i) && c.lost(s, x, i) {
				x.remove(i)
				c.stale++
			}
		}
		c.close(x)
		if x.left == 0 {
			continue
		}
		c.ends[maker][x.maker].blocks++
		for i := range s.Nodes.All() {
			if !x.waiting.Has(i) {
				continue
			}
			if len(c.absent) < maxAbsent {
				c.absent[pair{x.id, i}] = interval{x.made, x.made + c.window}
			}
			c.ends[receiver][i].blocks++
			for end, n := range [2]replay.NodeIndex{x.maker, i} {
				c.ends[end][n].pairs++
				c.ends[end][n].missed++
			}
		}
		c.missed.add(float64(x.left), func() Evidence { return missedEvidence(s, x) })
	}
}

// apart says whether the chains of two nodes differ by more than a chain's own forks: they share no block, or both go on for more
// than the fork depth after the last one that they share.
func apart(s *replay.State, a, b replay.NodeIndex) bool {
	x, y := s.Nodes.At(a), s.Nodes.At(b)
	fork := s.Blocks.Fork(x.Head, y.Head)
	if fork == replay.NoBlock {
		return s.Blocks.Divergent(x.Head, y.Head) > 0
	}
	depth := min(s.Blocks.At(x.Head).Height, s.Blocks.At(y.Head).Height) - s.Blocks.At(fork).Height
	return depth > uint64(max(0, s.Facts.ForkDepth))
}

// hides says whether a polled node would not show a block if it had it, because its own chain has another one at the
// block's height, or none.
func hides(s *replay.State, n replay.NodeIndex, id replay.BlockIndex) bool {
	if !s.Facts.Polled() {
		return false
	}
	height, head := s.Blocks.At(id).Height, s.Nodes.At(n).Head
	if s.Blocks.At(head).Height < height {
		return false
	}
	for head != replay.NoBlock && s.Blocks.At(head).Height > height { // a chain may skip the height
		head = s.Blocks.At(head).Parent
	}
	return head != replay.NoBlock && head != id
}

// culprit names the node, if there is one, that most pairs have in common in which a block did not arrive: because blocks do not
// reach it, or its own do not reach others.
func (c *propagation) culprit(s *replay.State) []Evidence {
	got, made := make(map[replay.NodeIndex]int), make(map[replay.NodeIndex]int)
	first := make(map[replay.NodeIndex]time.Duration)
	for p, t := range c.absent {
		maker := s.Blocks.At(p.block).FirstBy
		got[p.node]++
		made[maker]++
		for _, n := range []replay.NodeIndex{p.node, maker} {
			if at, ok := first[n]; !ok || t.from < at {
				first[n] = t.from
			}
		}
	}
	const most = .8
	var common []replay.NodeIndex
	for i := range s.Nodes.All() {
		if float64(got[i]+made[i]) >= most*float64(len(c.absent)) {
			common = append(common, i)
		}
	}
	if len(common) == 1 { // else it is between two nodes, or all
		i, n := common[0], s.Nodes.At(common[0])
		e := Evidence{At: first[i], Nodes: []trace.NodeID{n.ID}, Windows: s.Faults.Windows(first[i]), Text: fmt.Sprintf(
			"%s is one of the two nodes in %d of the %d cases: %d blocks did not reach it, and blocks of its own did not reach others %d times",
			n.ID, got[i]+made[i], len(c.absent), got[i], made[i])}
		if n.Peers == 0 {
			e.Text += "; it has no peers"
		}
		return []Evidence{e}
	}
	return nil
}

func missedEvidence(s *replay.State, x *spreading) Evidence {
	b := s.Blocks.At(x.id)
	e := Evidence{
		At: x.made, Blocks: []trace.Hash{b.Hash}, Windows: s.Faults.Windows(x.made),
		Text: fmt.Sprintf("block %s of %s at height %d did not reach %d of %d nodes", short(b.Hash), s.Nodes.At(x.maker).ID,
			b.Height, x.left, x.left+x.arrived),
	}
	for i, n := range s.Nodes.All() {
		if x.waiting.Has(i) && len(e.Nodes) < MaxEvidence {
			e.Nodes = append(e.Nodes, n.ID)
		}
	}
	return e
}

// figures are the percentiles and the coverage of all closed blocks.
func (c *propagation) figures(s *replay.State) PropagationSummary {
	x := PropagationSummary{
		Blocks: c.blocks, Deliveries: c.spans.recorded.total, Delays: c.spans.recorded.delays(), Polled: s.Facts.Polled(), Coverage: 1,
	}
	if c.pairs > 0 {
		x.Coverage = float64(c.arrived) / float64(c.pairs)
	}
	if c.spans.uncertain {
		low, high := c.spans.low.delays(), c.spans.high.delays()
		x.Low, x.High = &low, &high
	}
	return x
}

func (c *propagation) summarize(s *replay.State, into *Summary) { into.Propagation = c.figures(s) }

func (c *propagation) Finish(s *replay.State) Result {
	c.expire(s)
	r := Result{Metrics: map[string]float64{}}
	sum := c.figures(s)
	low, high := sum.Ends()
	unread := c.late
	for p, t := range c.absent {
		if !s.Read(p.node, t.from, t.to) {
			unread++
		}
	}
	best := sum.Coverage // if all came of which that is not known
	if c.pairs > 0 {
		best = float64(c.arrived+unread) / float64(c.pairs)
	}
	coverage := fmt.Sprintf("%.2f%%", 100*sum.Coverage)
	if unread > 0 {
		coverage = fmt.Sprintf("%.2f..%.2f%%", 100*sum.Coverage, 100*best)
		r.Metrics["coverage_high"] = best
	}
	r.Figure = fmt.Sprintf("%s, coverage %s", sum.figure(), coverage)
	r.Bound = fmt.Sprintf("coverage at least %.4g%%", 100*c.coverage)
	if !s.Facts.Polled() {
		r.Bound += ", each block accepted once"
	}
	bad, unsure := c.judge(&r, low, high)
	c.spans.metrics(r.Metrics)
	r.Metrics["coverage"], r.Metrics["deliveries"] = sum.Coverage, float64(sum.Deliveries)
	if c.hidden > 0 {
		r.Metrics["pairs_hidden"] = float64(c.hidden)
	}
	if c.stale > 0 {
		r.Metrics["pairs_stale"] = float64(c.stale)
	}
	r.Metrics["blocks"], r.Metrics["pairs"] = float64(c.blocks), float64(c.pairs)
	r.Metrics["history"], r.Metrics["accepted_twice"] = float64(c.history), float64(c.twice.count)
	if c.twice.count > 0 {
		r.Figure += fmt.Sprintf(", %s accepted again", Count(c.twice.count, "block"))
		r.Evidence = c.twice.evidence
		return r.fail(fmt.Sprintf("nodes accepted %s more than once", Count(c.twice.count, "block")))
	}
	switch {
	case tooSmall(s) != "":
		return r.vacuous(tooSmall(s))
	case c.pairs == 0 && sum.Deliveries == 0:
		return r.vacuous("no block was made long enough before the end, by a node that others could reach")
	}
	if bad != "" {
		r.Evidence = append(r.Evidence, c.slowEvidence(s))
		return r.fail(bad)
	}
	if best < c.coverage {
		r.Evidence = append(c.culprit(s), c.missed.evidence...)
		r.Evidence = r.Evidence[:min(len(r.Evidence), MaxEvidence)]
		return r.fail(fmt.Sprintf("blocks reached %s of the nodes that could be reached within %s, at least %.4g%% are required",
			coverage, c.window, 100*c.coverage))
	}
	if text, node := c.worstEnd(s); text != "" {
		if unread == 0 {
			r.Evidence = append([]Evidence{{At: s.Horizon(), Nodes: []trace.NodeID{node}, Text: text}}, c.missed.evidence...)
			r.Evidence = r.Evidence[:min(len(r.Evidence), MaxEvidence)]
			return r.fail(text)
		}
		unsure = "reports are missing: as far as is known, " + text
	}
	if unsure == "" && sum.Coverage < c.coverage {
		unsure = fmt.Sprintf("reports are missing, so that coverage is %s, and at least %.4g%% is required", coverage, 100*c.coverage)
	}
	if unsure != "" {
		return r.unknown(unsure)
	}
	if c.hidden > c.pairs {
		return r.unknown("most nodes were on other branches, where they do not show whether a block reached them")
	}
	r.Verdict = Pass
	return r
}

// judge fills in the bounds of the percentiles. It returns what is wrong with the first that is broken, and the first of
// which that is not known.
func (c *propagation) judge(r *Result, low, high Delays) (bad, unsure string) {
	for _, q := range []struct {
		name             string
		low, high, bound time.Duration
	}{{"p50", low.P50, high.P50, c.p50}, {"p95", low.P95, high.P95, c.p95}, {"p99", low.P99, high.P99, c.p99}} {
		if q.bound == 0 {
			continue
		}
		r.Bound = fmt.Sprintf("%s at most %s, %s", q.name, q.bound, r.Bound)
		text := fmt.Sprintf("%s of the delivery delay is %s", q.name, trace.FormatRange(q.low, q.high))
		switch {
		case c.spans.recorded.total == 0:
		case q.low > q.bound && bad == "":
			bad = fmt.Sprintf("%s, at most %s is allowed", text, q.bound)
		case q.low <= q.bound && q.high > q.bound && unsure == "":
			unsure = fmt.Sprintf("%s, so it is not known whether it is above the bound of %s", text, q.bound)
		}
	}
	return bad, unsure
}

func (c *propagation) slowEvidence(s *replay.State) Evidence {
	b, id := s.Blocks.At(c.slowest.block), s.Nodes.At(c.slowest.node).ID
	return Evidence{
		At: c.slowest.at, Nodes: []trace.NodeID{id}, Blocks: []trace.Hash{b.Hash}, Windows: s.Faults.Windows(c.slowest.at),
		Text: fmt.Sprintf("slowest delivery: block %s at height %d took %s to reach %s", short(b.Hash), b.Height,
			trace.FormatRange(c.slowest.delay.low, c.slowest.delay.high), id),
	}
}

// worstEnd finds the node whose own blocks, or the blocks for which, break a bound most; empty where none does.
func (c *propagation) worstEnd(s *replay.State) (text string, node trace.NodeID) {
	most := 0.0
	for end, list := range c.ends {
		for i, n := range list {
			id := s.Nodes.At(replay.NodeIndex(i)).ID
			whose := [2]string{"blocks of %s reached other nodes", "blocks of others reached %s"}[end]
			missed := float64(n.missed) / float64(max(1, n.pairs))
			if n.blocks >= 2 && 1-missed < c.coverage && missed > most {
				most, node = missed, id
				text = fmt.Sprintf(whose+" in time in %d of %d cases, at least %.4g%% are required", id, n.pairs-n.missed, n.pairs, 100*c.coverage)
			}
			if slow := float64(n.slow) / float64(max(1, n.deliveries)); n.slow >= 5 && slow > .5 && slow > most {
				most, node = slow, id
				text = fmt.Sprintf(whose+" later than %s in %d of %d cases", id, c.p95, n.slow, n.deliveries)
			}
		}
	}
	return text, node
}
