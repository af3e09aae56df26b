package invariant

import (
	"fmt"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

var propagationDefinition = Definition{
	Name:  "block_propagation",
	Title: "Blocks reach all nodes quickly",
	Doc: `Judged for pairs of a block and a node that was up, and could reach the block's maker, from when the block was made
until it arrived (or for the whole window); nodes that were separated and have not converged since do not count. The
delay is from the block's making to its first acceptance. Percentiles are over deliveries by relay; coverage is the share
of pairs in which the block arrived within the window in any way, answers to requests for history included. A bound of
0s is not judged. Where nodes are asked at intervals, nobody tells who made a block: its start is when the node had it
that told of it first. Blocks do not count there that say themselves that they were made before the run; and as nodes show
their own chain alone, pairs do not count in which the node's has another block at that height, until the window is over or
until it gives that one up for this one, which it may have had all the while. What is told by an answer
was so at some time since the answer before, so that such a delay lies between two ends: each percentile is stated from
that of all lower ends to that of all upper ends, and the true one is in between. It breaks a bound when its lower end is
above it, and keeps it when its upper end is not. Percentiles are to 0.1 %.
UNKNOWN when a bound lies between the ends of what it bounds. VACUOUS with fewer than two nodes, without blocks, or when no
pair counted.`,
	Class: Liveness,
	Needs: []Observation{ObserveBlocks},
	Params: []Param{
		{Name: "p50", Type: TypeDuration, Default: "0s", Doc: "most that half of the deliveries take"},
		{Name: "p95", Type: TypeDuration, Default: "2s", Doc: "most that 95 % of the deliveries take"},
		{Name: "p99", Type: TypeDuration, Default: "0s", Doc: "most that 99 % of the deliveries take"},
		{Name: "coverage", Type: TypeShare, Default: "0.99", Doc: "least share of pairs in which the block arrived"},
		{Name: "window", Type: TypeDuration, Default: "10s", Doc: "how long a block may take to count as arrived"},
	},
	New: func(p Values) Checker {
		c := &propagation{open: make(map[blockID]*spreading)}
		c.p50, _ = p.Duration("p50")
		c.p95, _ = p.Duration("p95")
		c.p99, _ = p.Duration("p99")
		c.coverage, _ = p.Share("coverage")
		c.window, _ = p.Duration("window")
		return c
	},
}

type propagation struct {
	p50, p95, p99 time.Duration
	window        time.Duration
	coverage      float64

	epoch  int
	open   map[blockID]*spreading
	queue  []*spreading // by time made
	spans  spans
	slow   slowest
	pairs  int
	seen   int
	hidden int // pairs in which the node's own chain hides whether it had the block
	blocks int
	missed []Evidence // blocks that did not arrive everywhere
}

// spreading is a block on its way: nodes that still count and have not seen it.
type spreading struct {
	id     blockID
	made   time.Duration // as told
	since  time.Duration // when at the earliest it can have been made
	maker  nodeID
	waits  bitset
	left   int // in waits
	seen   int
	closed bool
}

// slowest is the delivery that was surely the slowest.
type slowest struct {
	delay span
	at    time.Duration
	block blockID
	node  nodeID
}

func (c *propagation) Observe(w *World, e *trace.Event) {
	if c.epoch != w.sep.epoch {
		c.epoch = w.sep.epoch
		for _, s := range c.queue {
			c.restrict(w, s)
		}
	}
	c.expire(w)
	if e.Kind != trace.KindSeen || w.node == noNode || !w.sep.started {
		return
	}
	// Where nodes are asked, the first to have a block stands for its maker, which may be asked later.
	first := e.Seen.Made
	if w.facts.asked() {
		first = w.fresh
	}
	if first {
		c.start(w)
		return
	}
	s := c.open[w.block]
	if s == nil || !s.waits.has(w.node) {
		return
	}
	s.waits.remove(w.node)
	s.left--
	if shadowed(w, w.node, s.id) {
		c.hidden++ // it comes to light with the rest of its chain, whenever it came
	} else {
		s.seen++
		if !e.Seen.Sync {
			c.deliver(w, s)
		}
	}
	if s.left == 0 {
		c.close(s)
	}
}

// deliver counts the delay of a delivery: the block was made between s.since and s.made, and came between w.since and now.
func (c *propagation) deliver(w *World, s *spreading) {
	d := span{told: w.now - s.made, low: max(0, w.since-s.made), high: w.now - s.since}
	c.spans.add(d)
	if slow := c.slow.delay; d.low > slow.low || d.low == slow.low && d.told > slow.told {
		c.slow = slowest{d, w.now, w.block, w.node}
	}
}

func (c *propagation) start(w *World) {
	b := w.tree.at(w.block)
	if w.frozen || c.open[w.block] != nil || b.past() || !w.up(w.node) || !w.facts.asked() && b.maker != w.node {
		return
	}
	s := &spreading{id: w.block, made: w.now, since: w.since, maker: w.node, waits: newBitset(len(w.nodes))}
	for i := range w.nodes {
		n := nodeID(i)
		if n != w.node && w.up(n) && !w.nodesApart(n, w.node) {
			s.waits.add(n)
			s.left++
		}
	}
	if s.left == 0 {
		return
	}
	c.open[w.block] = s
	c.queue = append(c.queue, s)
}

// restrict takes out the nodes that can no longer be reached; what has arrived still counts.
func (c *propagation) restrict(w *World, s *spreading) {
	if s.closed {
		return
	}
	for i := range w.nodes {
		n := nodeID(i)
		if s.waits.has(n) && (!w.up(n) || w.sep.labels[n] != w.sep.labels[s.maker]) {
			s.waits.remove(n)
			s.left--
		}
	}
	if s.left == 0 {
		c.close(s)
	}
}

func (c *propagation) close(s *spreading) {
	s.closed = true
	delete(c.open, s.id)
	if s.seen+s.left > 0 {
		c.blocks++
	}
	c.pairs += s.seen + s.left
	c.seen += s.seen
}

// expire closes the blocks whose window is over.
func (c *propagation) expire(w *World) {
	for len(c.queue) > 0 && (c.queue[0].closed || w.now-c.queue[0].made > c.window) {
		s := c.queue[0]
		c.queue[0] = nil
		c.queue = c.queue[1:]
		if s.closed {
			continue
		}
		c.hide(w, s)
		if s.closed {
			continue
		}
		c.close(s)
		if len(c.missed) < MaxEvidence {
			c.missed = append(c.missed, missedEvidence(w, s))
		}
	}
}

// shadowed says whether a node that is asked would not show a block if it had it, because its own chain has another one at
// the block's height.
func shadowed(w *World, n nodeID, id blockID) bool {
	if !w.facts.asked() {
		return false
	}
	other := w.tree.ancestor(w.nodes[n].head, w.tree.at(id).height)
	return other != noBlock && other != id
}

// hide takes out the nodes that would not show the block if they had it.
func (c *propagation) hide(w *World, s *spreading) {
	for i := range w.nodes {
		if n := nodeID(i); s.waits.has(n) && shadowed(w, n, s.id) {
			s.waits.remove(n)
			s.left--
			c.hidden++
		}
	}
	if s.left == 0 {
		c.close(s)
	}
}

// summary is for the report.
func (c *propagation) summary(w *World) PropagationSummary {
	s := PropagationSummary{
		Blocks: c.blocks, Deliveries: c.spans.told.total, Delays: c.spans.told.delays(), Polled: w.facts.asked(), Coverage: c.covered(),
	}
	if c.spans.loose {
		low, high := c.spans.low.delays(), c.spans.high.delays()
		s.Low, s.High = &low, &high
	}
	return s
}

func missedEvidence(w *World, s *spreading) Evidence {
	b := w.tree.at(s.id)
	e := Evidence{
		At: s.made, Blocks: []trace.Hash{b.hash}, Windows: w.Windows(s.made),
		Text: fmt.Sprintf("block %s of %s at height %d did not reach %d of %d nodes", short(b.hash), w.nodes[s.maker].id,
			b.height, s.left, s.left+s.seen),
	}
	for i := range w.nodes {
		if s.waits.has(nodeID(i)) && len(e.Nodes) < MaxEvidence {
			e.Nodes = append(e.Nodes, w.nodes[i].id)
		}
	}
	return e
}

func (c *propagation) Finish(w *World) Result {
	c.expire(w)
	r := Result{Metrics: map[string]float64{}}
	sum := c.summary(w)
	low, high := sum.Ends()
	r.Figure = fmt.Sprintf("%s, coverage %.2f%%", sum.figure(), 100*sum.Coverage)
	r.Bound = fmt.Sprintf("coverage >= %.4g%%", 100*c.coverage)
	bad, unsure := c.judge(&r, low, high)
	c.spans.metrics(r.Metrics)
	r.Metrics["coverage"], r.Metrics["deliveries"] = sum.Coverage, float64(sum.Deliveries)
	if c.hidden > 0 {
		r.Metrics["pairs_hidden"] = float64(c.hidden)
	}
	r.Metrics["blocks"], r.Metrics["pairs"] = float64(c.blocks), float64(c.pairs)
	switch {
	case len(w.nodes) < 2:
		return r.vacuous("there is no second node")
	case len(w.tree.blocks) < 2:
		return r.vacuous("no block was made")
	case c.pairs == 0 && c.spans.told.total == 0:
		return r.vacuous("no block was made long enough before the end, by a node that others could reach")
	}
	if bad != "" {
		r.Evidence = append(r.Evidence, c.slowEvidence(w))
		return r.fail(bad)
	}
	if sum.Coverage < c.coverage {
		r.Evidence = c.missed
		return r.fail(fmt.Sprintf("blocks reached %.2f%% of the nodes that could be reached", 100*sum.Coverage))
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

// covered is the share of pairs in which the block arrived, of all closed blocks.
func (c *propagation) covered() float64 {
	if c.pairs == 0 {
		return 1
	}
	return float64(c.seen) / float64(c.pairs)
}

// judge fills in the bounds of the percentiles and returns the first that is broken, and the first of which that cannot be
// told.
func (c *propagation) judge(r *Result, low, high Delays) (bad, unsure string) {
	for _, q := range []struct {
		name             string
		low, high, bound time.Duration
	}{{"p50", low.P50, high.P50, c.p50}, {"p95", low.P95, high.P95, c.p95}, {"p99", low.P99, high.P99, c.p99}} {
		if q.bound == 0 {
			continue
		}
		r.Bound = fmt.Sprintf("%s <= %s, %s", q.name, q.bound, r.Bound)
		text := fmt.Sprintf("%s of the delivery delay is %s", q.name, trace.FormatRange(q.low, q.high))
		switch {
		case c.spans.told.total == 0:
		case q.low > q.bound && bad == "":
			bad = text
		case q.low <= q.bound && q.high > q.bound && unsure == "":
			unsure = fmt.Sprintf("%s: whether that is above the bound of %s cannot be told", text, q.bound)
		}
	}
	return bad, unsure
}

func (c *propagation) slowEvidence(w *World) Evidence {
	b := w.tree.at(c.slow.block)
	return Evidence{
		At: c.slow.at, Nodes: []trace.NodeID{w.nodes[c.slow.node].id}, Blocks: []trace.Hash{b.hash},
		Windows: w.Windows(c.slow.at),
		Text: fmt.Sprintf("the slowest: block %s at height %d took %s to reach %s", short(b.hash), b.height,
			trace.FormatRange(c.slow.delay.low, c.slow.delay.high), w.nodes[c.slow.node].id),
	}
}
