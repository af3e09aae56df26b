package invariant

import (
	"fmt"
	"slices"
	"time"

	"github.com/netsplit/netsplit/orchestrator/invariant/replay"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

var growthDefinition = Definition{
	Name:  "chain_growth",
	Title: "The chain keeps growing wherever there is enough block-making power",
	Doc: `While the schedule runs, the highest chain of every component with block-making power must grow. With n blocks expected
from the block interval and the component's share of the power, the growth must not be below a floor k for which
P(X < k) < 1e-6, X being Poisson-distributed with mean min_share * n. The same is required of the whole schedule, with
the strongest component of each time.
Where the chain needs a quorum, a component whose share of all power exceeds it must grow at the full rate of one block an
interval: at least min_share of it, times the share of the power that is there, since the turns of absent producers cost
time; under proof of authority producers out of turn take over, so the same holds. Blocks count from a grace period after
the component changed: 5s and two intervals for one that already had a quorum, recovery for one that has a quorum again. A
component without a quorum must not grow: a block that appears there violates it, except for what was in flight in the
first 2s after the cut; under proof of authority each producer may first sign once more.
In settling at least one new block must reach the chain of all nodes that are up: old agreement does not count.
UNKNOWN when too few blocks are known and no node of the component could be read, or others may have come.
VACUOUS without block-making power, or when every period is too short to require a block.`,
	Class: Liveness, Reports: ReportsSome,
	Needs: []Observation{ObserveBlocks},
	Params: []Param{
		{Name: "min_share", Type: TypeShare, Default: "0.5",
			Doc: "share of the expected blocks that must come; forks, busy hosts and rising difficulty take some"},
		{Name: "recovery", Type: TypeDuration, Default: "30s",
			Doc: "time until nodes that have a quorum again make blocks, where the chain needs one: TCP back-off and round timeouts"},
	},
	New: func(p Values) Checker {
		return &growth{minShare: p.Share("min_share"), recovery: p.Duration("recovery"), worst: -1}
	},
}

// growth judges periods: times in which components stayed the same.
type growth struct {
	minShare float64
	recovery time.Duration

	heights []uint64 // of every node's head, before the current event
	period  int      // Connectivity.Period
	running bool     // a period is being judged, since start
	start   time.Duration
	parts   []growingPart
	before  []growingPart // of the period before
	waiting bool          // some parts are in their grace period
	halt    halt

	first, last time.Duration // of the schedule, as observed
	base        uint64        // height at first
	expected    float64       // blocks over the schedule, in the strongest component
	required    float64       // of them, where the chain needs a quorum
	judged      int
	worst       float64 // least share of the expected blocks; negative while nothing was judged
	short       []*shortPart
	evidence    worst
}

// shortPart is a component that is known to have made too few blocks in a period. Whether it made others that nobody reported is
// known at the end.
type shortPart struct {
	growingPart
	at       time.Duration // when the period ended
	mean     float64
	floor    int
	grown    int
	possible int // what blocks that were found later, and may have come before, add to grown
	evidence Evidence
}

// growingPart is a component in one period.
type growingPart struct {
	nodes []replay.NodeIndex
	share float64 // of all power
	from  uint64  // height at start
	start time.Duration
	ready bool // start has passed, and from holds the height at that time
}

func (c *growth) Observe(s *replay.State, e *trace.Event) {
	if e.Kind == trace.KindRun {
		c.heights = make([]uint64, s.Nodes.Len())
		return
	}
	c.halt.observe(s, e)
	c.endChangedPeriod(s)
	if e.Kind == trace.KindHead && s.Node != replay.NoNode && s.Block != replay.NoBlock {
		c.heights[s.Node] = s.Blocks.At(s.Block).Height
	}
	if e.Kind == trace.KindSeen && s.Node != replay.NoNode {
		c.foundLater(s)
	}
	if e.Kind == trace.KindPhase && (s.Settling || s.Stopping) {
		c.endPeriod(s, s.Now)
		return
	}
	if !s.Net.Started() || s.Settling || s.Stopping || s.Facts.Power == 0 {
		return
	}
	if !c.running {
		c.startPeriod(s)
	}
	if c.waiting {
		c.endGrace(s)
	}
}

// endGrace records the heights of components whose grace period is over.
func (c *growth) endGrace(s *replay.State) {
	c.waiting = false
	for i := range c.parts {
		p := &c.parts[i]
		switch {
		case p.ready:
		case s.Now < p.start:
			c.waiting = true
		default:
			p.ready, p.from = true, c.height(p)
		}
	}
}

// height is the height of the component's highest head.
func (c *growth) height(p *growingPart) uint64 {
	h := uint64(0)
	for _, n := range p.nodes {
		h = max(h, c.heights[n])
	}
	return h
}

// steadyGrace is the grace period of a component that had a quorum before it changed: a lost proposer's turn.
func steadyGrace(s *replay.State) time.Duration { return 5*time.Second + 2*s.Facts.BlockInterval }

// grace is how long after its change a component need not make blocks.
func (c *growth) grace(s *replay.State, p *growingPart) time.Duration {
	if !s.Facts.NeedsQuorum() {
		return 0
	}
	if c.before == nil {
		return steadyGrace(s)
	}
	for i := range c.before {
		if b := &c.before[i]; s.Facts.HasQuorum(b.share) && b.contains(p.nodes) {
			return steadyGrace(s)
		}
	}
	return max(c.recovery, steadyGrace(s))
}

func (p *growingPart) contains(nodes []replay.NodeIndex) bool {
	i := 0
	for _, n := range p.nodes { // both are in order
		if i < len(nodes) && nodes[i] == n {
			i++
		}
	}
	return i == len(nodes)
}

func (c *growth) startPeriod(s *replay.State) {
	c.running, c.start = true, s.Net.Since()
	c.parts = nil
	index := make(map[int32]int)
	for i, n := range s.Nodes.All() {
		if n.State != trace.StateUp {
			continue
		}
		k, ok := index[s.Net.Component(i)]
		if !ok {
			k = len(c.parts)
			index[s.Net.Component(i)] = k
			c.parts = append(c.parts, growingPart{})
		}
		p := &c.parts[k]
		p.nodes = append(p.nodes, i)
		p.share += n.Power / s.Facts.Power
		p.from = max(p.from, c.heights[i])
	}
	for i := range c.parts {
		p := &c.parts[i]
		p.start = c.start + c.grace(s, p)
		p.ready = !s.Facts.NeedsQuorum()
		c.waiting = c.waiting || !p.ready
	}
	if c.last == 0 {
		c.first = c.start
		for _, p := range c.parts {
			c.base = max(c.base, p.from)
		}
	}
}

// endChangedPeriod ends the period when components changed at the current event or just before it.
func (c *growth) endChangedPeriod(s *replay.State) {
	if c.period != s.Net.Period() {
		c.period++
		c.endPeriod(s, s.Net.PeriodStart(c.period))
		c.period = s.Net.Period()
	}
}

func (c *growth) endPeriod(s *replay.State, at time.Duration) {
	if !c.running {
		return
	}
	c.running, c.last = false, at
	for i := range c.parts {
		if p := &c.parts[i]; !p.ready && p.start < at { // nothing happened since its grace period ended
			p.ready, p.from = true, c.height(p)
		}
	}
	c.before, c.waiting = c.parts, false
	var most, required float64
	for i := range c.parts {
		p := &c.parts[i]
		if !p.ready {
			continue
		}
		mean := c.mean(s, p.share, at-p.start)
		most = max(most, mean)
		required = max(required, c.minShare*p.share*mean)
		c.judge(s, p, at)
	}
	c.expected += most
	c.required += required
}

// mean is the number of blocks expected of a component with a share of the power in a time. Where the chain needs a quorum,
// blocks come at regular intervals, and a part of one at either end is not expected.
func (c *growth) mean(s *replay.State, share float64, d time.Duration) float64 {
	if s.Facts.BlockInterval <= 0 {
		return 0
	}
	n := float64(d) / float64(s.Facts.BlockInterval)
	switch {
	case !s.Facts.NeedsQuorum():
		return share * n
	case s.Facts.HasQuorum(share):
		return max(0, n-1)
	}
	return 0
}

// floor is the least number of blocks that is required of a component from which mean are expected.
func (c *growth) floor(s *replay.State, share, mean float64) int {
	if s.Facts.NeedsQuorum() {
		return int(c.minShare * share * mean)
	}
	return poissonFloor(mean * c.minShare)
}

func (c *growth) judge(s *replay.State, p *growingPart, at time.Duration) {
	mean := c.mean(s, p.share, at-p.start)
	floor := c.floor(s, p.share, mean)
	if floor == 0 {
		return
	}
	grown := int(max(p.from, c.height(p)) - p.from)
	if grown >= floor {
		c.count(grown, mean)
		return
	}
	c.short = append(c.short, &shortPart{growingPart: *p, at: at, mean: mean, floor: floor, grown: grown, possible: grown, evidence: Evidence{
		At: at, Windows: s.Faults.Windows(c.start), Nodes: s.Nodes.Names(p.nodes[:min(len(p.nodes), MaxEvidence)]),
		Text: fmt.Sprintf("%s with %.0f%% of the block-making power made %s from %s to %s: %.1f were expected, at least %d are required",
			Count(len(p.nodes), "node"), 100*p.share, Count(grown, "block"), trace.Round(p.start), trace.Round(at), mean, floor),
	}})
}

// foundLater takes in a block that a polled node may have had before the end of a period that is over.
func (c *growth) foundLater(s *replay.State) {
	height := s.Blocks.At(s.Block).Height
	for i := len(c.short) - 1; i >= 0 && c.short[i].at > s.Since; i-- {
		if p := c.short[i]; height > p.from && slices.Contains(p.nodes, s.Node) {
			p.possible = max(p.possible, int(height-p.from))
		}
	}
}

// judgeShort judges the components that are known to have made too few blocks. It returns why it cannot judge one of them, if
// there is one.
func (c *growth) judgeShort(s *replay.State) (undecided string) {
	for _, p := range c.short {
		span := fmt.Sprintf("from %s to %s", trace.Round(p.start), trace.Round(p.at))
		switch {
		case !s.AnyRead(p.nodes, p.start, p.at):
			undecided = fmt.Sprintf("none of %s could be read all the time %s, so it is not known how many blocks they made", list(s, p.nodes), span)
		case p.possible >= p.floor:
			undecided = fmt.Sprintf("%s made %d to %d blocks %s, and at least %d are required: some were found only later",
				list(s, p.nodes), p.grown, p.possible, span, p.floor)
		default:
			c.count(p.grown, p.mean)
			c.evidence.add(1-float64(p.grown)/p.mean, func() Evidence { return p.evidence })
		}
	}
	return undecided
}

func (c *growth) count(got int, mean float64) {
	c.judged++
	if share := float64(got) / mean; c.worst < 0 || share < c.worst {
		c.worst = share
	}
}

func (c *growth) Finish(s *replay.State) Result {
	c.endChangedPeriod(s)
	c.endPeriod(s, s.Horizon())
	c.halt.close(s)
	r := Result{
		Bound:   fmt.Sprintf("at least %.0f%% of the expected blocks (minus random variation)", 100*c.minShare),
		Metrics: map[string]float64{},
	}
	if s.Facts.NeedsQuorum() { // no random variation
		r.Bound = fmt.Sprintf("at least %.0f%% of the expected blocks, 0 without a quorum", 100*c.minShare)
	}
	if s.Nodes.Len() == 0 || s.Facts.Power == 0 {
		return r.vacuous("no node makes blocks")
	}
	height := c.base
	for _, n := range s.Nodes.All() {
		height = max(height, s.Blocks.At(n.Top).Height)
	}
	undecided := c.judgeShort(s)
	floor := poissonFloor(c.expected * c.minShare)
	if s.Facts.NeedsQuorum() {
		floor = int(c.required)
	}
	var all []replay.NodeIndex
	for i := range s.Nodes.All() {
		all = append(all, i)
	}
	if floor > 0 && int(height-c.base) < floor && !s.AnyRead(all, c.first, c.last) {
		undecided = "no node could be read all the time, so it is not known how many blocks were made"
	} else if floor > 0 {
		// The height is that of the end: settling can only have added to it.
		grown := int(height - c.base)
		c.count(grown, c.expected)
		if grown < floor {
			c.evidence.add(1-float64(grown)/c.expected, func() Evidence {
				return Evidence{At: c.last, Windows: s.Faults.Windows(c.last), Text: fmt.Sprintf(
					"the chain grew by %s from %s to %s: %.1f were expected, at least %d are required",
					Count(grown, "block"), trace.Round(c.first), trace.Round(c.last), c.expected, floor)}
			})
		}
	}
	if why := c.settled(s); why != "" {
		undecided = why
	}
	r.Evidence = append(c.halt.evidence, c.evidence.evidence...)
	r.Evidence = r.Evidence[:min(len(r.Evidence), MaxEvidence)]
	r.Figure = "no period long enough"
	if c.judged > 0 {
		r.Figure = slowestOf(c.judged, "period", "periods", fmt.Sprintf("%.0f%% of the expected blocks", 100*c.worst))
		r.Metrics["worst_share"] = c.worst
	}
	if s.Facts.NeedsQuorum() {
		r.Metrics["components_without_quorum"] = float64(c.halt.judged)
		r.Metrics["blocks_without_quorum"] = float64(c.halt.broken)
		if c.halt.judged+c.halt.broken > 0 {
			r.Figure += fmt.Sprintf(", %s without a quorum", Count(c.halt.broken, "block"))
		}
	}
	r.Metrics["expected_blocks"], r.Metrics["height"] = c.expected, float64(height)
	switch {
	case len(r.Evidence) > 0:
		return r.fail(r.Evidence[0].Text)
	case s.Blocks.Len() < 2:
		return r.vacuous("no block was made, and the run was too short to require one")
	case undecided != "":
		return r.unknown(undecided)
	case c.judged+c.halt.judged == 0:
		return r.vacuous("every period was too short to require a block")
	}
	r.Verdict = Pass
	return r
}

// settled requires a block of the settling on the chain that the nodes of each component share. It returns why it cannot
// judge that, if it cannot.
func (c *growth) settled(s *replay.State) (undecided string) {
	if !s.Settling {
		return ""
	}
	type part struct {
		shared replay.BlockIndex
		share  float64
		nodes  []replay.NodeIndex
	}
	parts := make(map[int32]*part)
	var order []*part
	for i, n := range s.Nodes.All() {
		if n.State != trace.StateUp {
			continue
		}
		if !s.ReadAtEnd(i) {
			undecided = fmt.Sprintf("%s could not be read at the end, so it is not known whether a new block reached it", n.ID)
			continue
		}
		p := parts[s.Net.Component(i)]
		if p == nil {
			p = &part{shared: n.Head}
			parts[s.Net.Component(i)] = p
			order = append(order, p)
		}
		if p.shared != replay.NoBlock {
			p.shared = s.Blocks.Fork(p.shared, n.Head)
		}
		p.share += n.Power / s.Facts.Power
		p.nodes = append(p.nodes, i)
	}
	length := s.Horizon() - s.SettlingAt
	counted := length
	if s.Facts.NeedsQuorum() {
		// The schedule may have ended just after the heal that gave the quorum back.
		counted = s.Horizon() - max(s.SettlingAt, s.Net.Since()+c.recovery)
	}
	for _, p := range order {
		if !s.Facts.HasQuorum(p.share) {
			continue
		}
		if p.shared == replay.NoBlock {
			undecided = fmt.Sprintf("the chains of %d nodes share no known block, so it is not known whether a new one reached all", len(p.nodes))
			continue
		}
		b := s.Blocks.At(p.shared)
		if b.FirstBy != replay.NoNode && b.Since > s.SettlingAt {
			continue
		}
		if c.floor(s, p.share, c.mean(s, p.share, counted)) == 0 {
			return fmt.Sprintf("no new block reached all nodes in settling, which was too short (%s) to require one", trace.Round(length))
		}
		c.evidence.add(1, func() Evidence {
			e := Evidence{At: s.Horizon(), Blocks: []trace.Hash{b.Hash}, Text: fmt.Sprintf(
				"no new block reached all %d nodes in %s of settling; they share height %d", len(p.nodes), trace.Round(length), b.Height)}
			stuck := slices.DeleteFunc(slices.Clone(p.nodes), func(n replay.NodeIndex) bool { return s.Nodes.At(n).Head != p.shared })
			if len(stuck) < len(p.nodes) { // others went on
				e.Nodes = s.Nodes.Names(stuck[:min(len(stuck), MaxEvidence)])
			}
			return e
		})
	}
	return undecided
}

// halt follows the components that have no quorum, where the chain needs one, and finds blocks that appeared in them. It
// takes nodes to be connected whenever they might be: while a cut is being made or healed, and while a node is being
// brought back. So no block of a component with a quorum is held against another.
type halt struct {
	labels []int32 // -1: the node is surely not running
	since  time.Duration
	parts  map[int32]*haltedPart

	judged   int // components that were without a quorum for longer than what was in flight
	broken   int // blocks made in them
	evidence []Evidence
}

type haltedPart struct {
	nodes  []replay.NodeIndex
	share  float64
	makers int
	base   uint64 // the highest block that was in flight or before
}

func (h *halt) observe(s *replay.State, e *trace.Event) {
	if !s.Facts.NeedsQuorum() || s.Facts.Power == 0 || !s.Net.Started() || s.Stopping {
		return
	}
	if h.labels == nil || e.Kind == trace.KindNode || e.Kind == trace.KindFault {
		h.update(s)
	}
	if !s.First || s.Node == replay.NoNode || h.labels[s.Node] < 0 {
		return
	}
	p := h.parts[h.labels[s.Node]]
	if p == nil {
		return
	}
	b := s.Blocks.At(s.Block)
	if s.Since <= h.since+s.Facts.InFlight() {
		p.base = max(p.base, b.Height)
		return
	}
	if steps := lastSteps(s, p.makers); steps > 0 && b.Height <= p.base+steps {
		return
	}
	h.broken++
	h.evidence = appendEvidence(h.evidence, Evidence{
		At: s.Now, Nodes: []trace.NodeID{s.Nodes.At(s.Node).ID}, Blocks: []trace.Hash{b.Hash}, Windows: s.Faults.Windows(s.Now),
		Text: fmt.Sprintf("%s accepted block %s at height %d without a quorum: its component, separated since %s, has %.0f%% of the power, and more than %.0f%% is needed",
			s.Nodes.At(s.Node).ID, short(b.Hash), b.Height, trace.Round(h.since), 100*p.share, 100*s.Facts.Quorum),
	})
}

// lastSteps is the number of blocks that a component without a quorum may still add after a cut. Under proof of authority each
// producer may sign once before it must wait for the others; a vote gives nobody a block.
func lastSteps(s *replay.State, makers int) uint64 {
	if s.Facts.Family == "poa" {
		return uint64(makers)
	}
	return 0
}

// update finds the components anew, if they changed.
func (h *halt) update(s *replay.State) {
	returning := make(map[replay.NodeIndex]bool)
	for _, f := range s.Faults.All() {
		if f.Has(trace.FaultHealing) && !f.Has(trace.FaultHealed) {
			for _, n := range f.Targets {
				returning[n] = true
			}
		}
	}
	alive := func(n replay.NodeIndex) bool { return s.Nodes.Up(n) || returning[n] }
	labels := s.Topology.Components(alive, s.Faults.ActiveCuts())
	for i := range labels {
		if !alive(replay.NodeIndex(i)) {
			labels[i] = -1
		}
	}
	if h.labels != nil && slices.Equal(labels, h.labels) {
		return
	}
	h.close(s)
	h.labels, h.since = labels, s.Now
	h.parts = make(map[int32]*haltedPart)
	for i, n := range s.Nodes.All() {
		l := labels[i]
		if l < 0 {
			continue
		}
		p := h.parts[l]
		if p == nil {
			p = &haltedPart{}
			h.parts[l] = p
		}
		p.nodes = append(p.nodes, i)
		p.base = max(p.base, s.Blocks.At(n.Head).Height)
		if n.Power > 0 {
			p.makers++
		}
	}
	for l, p := range h.parts {
		if p.share = s.Nodes.Share(p.nodes); s.Facts.HasQuorum(p.share) {
			delete(h.parts, l)
		}
	}
}

// close counts the components that were followed until now.
func (h *halt) close(s *replay.State) {
	if h.labels != nil && s.Horizon() > h.since+s.Facts.InFlight()+s.Facts.Resolution {
		h.judged += len(h.parts)
	}
}
