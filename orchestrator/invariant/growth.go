package invariant

import (
	"fmt"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

var growthDefinition = Definition{
	Name:  "chain_growth",
	Title: "The chain keeps growing wherever there is mining power",
	Doc: `While the schedule runs, the highest chain of every component with mining power must grow. With n blocks expected
from the block interval and the component's share of the mining power, the growth must not be below a floor k for which
P(X < k) < 1e-6, X being Poisson-distributed with mean min_share * n. The same is demanded of the whole schedule, with
the strongest component of each time.
Where a quorum of makers carries the chain on (the chain's facts say so), a component whose share of all power exceeds the
quorum must grow at the full rate of one block an interval: at least min_share of it, times the share of the power that is
there, since the turns of absent makers cost time; under proof of authority makers out of turn take over, so the same holds.
What counts begins a grace after the component changed: 5s and two intervals for one that went on with a quorum, recovery for
one that came by its quorum anew. A component without quorum must not grow: a block that comes to light there, but for what
was in flight in the first 2s after the cut, violates it; under proof of authority each maker may first sign once more.
In settling at least one new block must come onto the chain of all nodes that are
up: old agreement does not count.
VACUOUS without block-making power, or when every period is too short to expect a block with certainty.`,
	Class: Liveness,
	Needs: []Observation{ObserveBlocks},
	Params: []Param{
		{Name: "min_share", Type: TypeShare, Default: "0.5",
			Doc: "share of the expected blocks that must come; forks, busy hosts and rising difficulty take some"},
		{Name: "recovery", Type: TypeDuration, Default: "30s",
			Doc: "time until nodes that have a quorum again make blocks, where the chain needs one: TCP's back-off and round timeouts"},
	},
	New: func(p Values) Checker {
		c := &growth{}
		c.minShare, _ = p.Share("min_share")
		c.recovery, _ = p.Duration("recovery")
		return c
	},
}

type growth struct {
	minShare float64
	recovery time.Duration
	running  bool
	start    time.Duration
	parts    []growingPart
	before   []growingPart // of the period before
	waiting  bool          // some parts are in their grace
	halt     halt

	first, last time.Duration // of the schedule, as observed
	base        uint64        // height at first
	expected    float64       // over the schedule, in the strongest component
	demanded    float64       // of them, where a quorum carries the chain on
	judged      int
	worst       float64 // least share of the expected blocks
	evidence    []Evidence
}

type growingPart struct {
	nodes []nodeID
	share float64
	from  uint64
	// start is when what counts begins; ready is set once from holds the height at that time.
	start time.Duration
	ready bool
}

func (c *growth) Observe(w *World, e *trace.Event) {
	if e.Kind == trace.KindRun {
		c.worst = -1
		w.epochObservers = append(w.epochObservers, c)
		return
	}
	c.halt.observe(w, e)
	if e.Kind == trace.KindPhase && (w.settled || w.frozen) {
		c.endPeriod(w, w.now)
		return
	}
	if !w.sep.started || w.settled || w.frozen || w.facts.power == 0 {
		return
	}
	if !c.running {
		c.startPeriod(w)
	}
	if c.waiting {
		c.endGrace(w)
	}
}

// endGrace notes the heights of components whose grace is over.
func (c *growth) endGrace(w *World) {
	c.waiting = false
	for i := range c.parts {
		p := &c.parts[i]
		switch {
		case p.ready:
		case w.now < p.start:
			c.waiting = true
		default:
			p.ready, p.from = true, p.height(w)
		}
	}
}

// height is that of the component's highest head.
func (p *growingPart) height(w *World) uint64 {
	h := uint64(0)
	for _, n := range p.nodes {
		h = max(h, w.tree.at(w.nodes[n].head).height)
	}
	return h
}

// steadyGrace is how long a component that never lost its quorum may need after it changed: a proposer's turn that was lost.
func steadyGrace(w *World) time.Duration { return 5*time.Second + 2*w.facts.BlockInterval }

// grace is how long a component that has just changed is owed time before it must make blocks.
func (c *growth) grace(w *World, p *growingPart) time.Duration {
	if !w.facts.voted() {
		return 0
	}
	if c.before == nil {
		return steadyGrace(w)
	}
	for i := range c.before {
		if b := &c.before[i]; w.facts.quorate(b.share) && b.contains(p.nodes) {
			return steadyGrace(w)
		}
	}
	return max(c.recovery, steadyGrace(w))
}

func (p *growingPart) contains(nodes []nodeID) bool {
	i := 0
	for _, n := range p.nodes { // both are in order
		if i < len(nodes) && nodes[i] == n {
			i++
		}
	}
	return i == len(nodes)
}

func (c *growth) startPeriod(w *World) {
	c.running, c.start = true, w.sep.since
	c.parts = nil
	index := make(map[int32]int)
	for i := range w.nodes {
		n := &w.nodes[i]
		if n.state != trace.StateUp {
			continue
		}
		k, ok := index[w.sep.labels[i]]
		if !ok {
			k = len(c.parts)
			index[w.sep.labels[i]] = k
			c.parts = append(c.parts, growingPart{})
		}
		p := &c.parts[k]
		p.nodes = append(p.nodes, nodeID(i))
		p.share += n.mine / w.facts.power
		p.from = max(p.from, w.tree.at(n.head).height)
	}
	for i := range c.parts {
		p := &c.parts[i]
		p.start = c.start + c.grace(w, p)
		p.ready = !w.facts.voted()
		c.waiting = c.waiting || !p.ready
	}
	if c.last == 0 {
		c.first = c.start
		for _, p := range c.parts {
			c.base = max(c.base, p.from)
		}
	}
}

// epochEnding implements epochObserver.
func (c *growth) epochEnding(w *World, at time.Duration) { c.endPeriod(w, at) }

func (c *growth) endPeriod(w *World, at time.Duration) {
	if !c.running {
		return
	}
	c.running, c.last = false, at
	for i := range c.parts {
		if p := &c.parts[i]; !p.ready && p.start < at { // nothing happened since its grace ended
			p.ready, p.from = true, p.height(w)
		}
	}
	c.before, c.waiting = c.parts, false
	var most, demanded float64
	for _, p := range c.parts {
		if !p.ready {
			continue
		}
		mean := c.mean(w, p.share, at-p.start)
		most = max(most, mean)
		demanded = max(demanded, c.minShare*p.share*mean)
		c.judge(w, p, at)
	}
	c.expected += most
	c.demanded += demanded
}

// mean is the number of blocks expected of a component in a time. Where a quorum carries the chain on, blocks come at
// intervals, and a part of one at either end is not owed.
func (c *growth) mean(w *World, share float64, d time.Duration) float64 {
	if w.facts.BlockInterval <= 0 {
		return 0
	}
	n := float64(d) / float64(w.facts.BlockInterval)
	switch {
	case !w.facts.voted():
		return share * n
	case w.facts.quorate(share):
		return max(0, n-1)
	}
	return 0
}

// floor is the least number of blocks that is demanded of a component from which mean are expected.
func (c *growth) floor(w *World, share, mean float64) int {
	if w.facts.voted() {
		return int(c.minShare * share * mean)
	}
	return poissonFloor(mean * c.minShare)
}

func (c *growth) judge(w *World, p growingPart, at time.Duration) {
	mean := c.mean(w, p.share, at-p.start)
	floor := c.floor(w, p.share, mean)
	if floor == 0 {
		return
	}
	to := max(p.from, p.height(w))
	c.note(int(to-p.from), mean)
	if int(to-p.from) >= floor {
		return
	}
	e := Evidence{At: at, Windows: w.Windows(c.start), Text: fmt.Sprintf(
		"%s with %.0f%% of the block-making power grew their chain by %s from %s to %s, %.1f were expected, at least %d are demanded",
		Count(len(p.nodes), "node"), 100*p.share, Count(int(to-p.from), "block"), trace.Round(p.start), trace.Round(at), mean, floor)}
	for _, n := range p.nodes[:min(len(p.nodes), MaxEvidence)] {
		e.Nodes = append(e.Nodes, w.nodes[n].id)
	}
	c.evidence = appendEvidence(c.evidence, e)
}

func (c *growth) note(got int, mean float64) {
	c.judged++
	if share := float64(got) / mean; c.worst < 0 || share < c.worst {
		c.worst = share
	}
}

func (c *growth) Finish(w *World) Result {
	c.endPeriod(w, w.horizon())
	c.halt.close(w)
	r := Result{Bound: fmt.Sprintf(">= %.0f%% of expected, less chance", 100*c.minShare), Metrics: map[string]float64{}}
	if len(w.nodes) == 0 || w.facts.power == 0 {
		return r.vacuous("no node makes blocks")
	}
	height := c.base
	for i := range w.nodes {
		height = max(height, w.tree.at(w.nodes[i].top).height)
	}
	floor := poissonFloor(c.expected * c.minShare)
	if w.facts.voted() {
		floor = int(c.demanded)
	}
	if floor > 0 {
		// The height is that of the end: settling can only have added to it.
		c.note(int(height-c.base), c.expected)
		if int(height-c.base) < floor {
			c.evidence = appendEvidence(c.evidence, Evidence{At: c.last, Windows: w.Windows(c.last), Text: fmt.Sprintf(
				"the chain grew by %s from %s on, %.1f were expected by %s, at least %d are demanded",
				Count(int(height-c.base), "block"), trace.Round(c.first), c.expected, trace.Round(c.last), floor)})
		}
	}
	undecided := c.fresh(w)
	r.Evidence = append(c.halt.evidence, c.evidence...)
	r.Evidence = r.Evidence[:min(len(r.Evidence), MaxEvidence)]
	r.Figure = "nothing to judge"
	if c.judged > 0 {
		r.Figure = fmt.Sprintf("worst %.0f%% of expected", 100*c.worst)
		r.Metrics["worst_share"] = c.worst
	}
	if w.facts.voted() {
		r.Metrics["components_without_quorum"] = float64(c.halt.judged)
		r.Metrics["blocks_without_quorum"] = float64(c.halt.broken)
		if c.halt.judged+c.halt.broken > 0 {
			r.Figure += fmt.Sprintf(", %s in %s without quorum", Count(c.halt.broken, "block"), Count(c.halt.judged, "component"))
		}
	}
	r.Metrics["expected_blocks"], r.Metrics["height"] = c.expected, float64(height)
	switch {
	case len(r.Evidence) > 0:
		return r.fail(r.Evidence[0].Text)
	case len(w.tree.blocks) < 2:
		return r.vacuous("no block was made, and the run was too short to demand one")
	case undecided != "":
		return r.unknown(undecided)
	case c.judged+c.halt.judged == 0:
		return r.vacuous("every period was too short to demand a block")
	}
	r.Verdict = Pass
	return r
}

// fresh demands a block of the settling on the chain that the nodes of each component share. It returns why it cannot
// tell, if it cannot.
func (c *growth) fresh(w *World) string {
	if !w.settled {
		return ""
	}
	type part struct {
		shared blockID
		share  float64
		nodes  int
	}
	parts := make(map[int32]*part)
	var order []int32
	for i := range w.nodes {
		n := &w.nodes[i]
		if n.state != trace.StateUp {
			continue
		}
		p := parts[w.sep.labels[i]]
		if p == nil {
			p = &part{shared: n.head}
			parts[w.sep.labels[i]] = p
			order = append(order, w.sep.labels[i])
		}
		if p.shared != noBlock {
			p.shared = w.tree.fork(p.shared, n.head)
		}
		p.share += n.mine / w.facts.power
		p.nodes++
	}
	length := w.horizon() - w.settlingAt
	owed := length
	if w.facts.voted() {
		// The schedule may have ended just after the heal that gave the quorum back.
		owed = w.horizon() - max(w.settlingAt, w.sep.since+c.recovery)
	}
	unlinked := ""
	for _, l := range order {
		p := parts[l]
		if !w.facts.quorate(p.share) {
			continue
		}
		if p.shared == noBlock {
			unlinked = fmt.Sprintf("the chains of %d nodes share no block that is known, so that none can be told to have reached all", p.nodes)
			continue
		}
		if b := w.tree.at(p.shared); b.firstBy != noNode && b.since > w.settlingAt {
			continue
		}
		if c.floor(w, p.share, c.mean(w, p.share, owed)) == 0 {
			return fmt.Sprintf("no new block reached all nodes in settling, and its %s were too short to demand one", trace.Round(length))
		}
		c.evidence = appendEvidence(c.evidence, Evidence{At: w.horizon(), Blocks: []trace.Hash{w.tree.at(p.shared).hash},
			Text: fmt.Sprintf("no new block reached all %d nodes in the %s of settling; they share height %d",
				p.nodes, trace.Round(length), w.tree.at(p.shared).height)})
	}
	return unlinked
}
