package invariant

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/netsplit/netsplit/orchestrator/invariant/replay"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

var growthDefinition = Definition{
	Name:  "chain_growth",
	Title: "The chain keeps growing wherever there is enough block-making power, at the rate of that power",
	Doc: `Without a quorum (proof of work) block counts are judged in windows of the schedule: the growth of each component's chain
over each time in which the component stayed the same, the blocks of all nodes while some fault held, those of each producer,
those of each producer since it was last started again and of all these together, and the growth of the chain over the whole
schedule. The expected number m of blocks is what the power gives that was up,
connected since its start and at most 3 blocks behind: the share of all power, times the time in block intervals, corrected
for the difficulty of the block that each node builds on where the chain adjusts it (aserti3-2d, with the half-life that the
chain states). With a measured mean delay d from producer to producer, m T / (T + m d) of them add to a component's height
in a time T. Counts are Poisson-distributed: a count must not be below the floor of min_share times the expected number, nor
a producer's above its ceiling, nor the whole growth above that of twice the expected number. Nodes of one component that
lost their planned connections are judged apart until the next change, as peer exchange takes its time. Where nodes do not
report who made a block, producers are not judged. A run of healthy nodes fails with a probability of at most 1e-4: 8 in 10
of it for the floors, one for the ceilings, one for settling, each split evenly. The bound that is printed is the number of blocks
demanded in the window whose count came closest to it.
With a quorum: a component whose share of all power exceeds it must grow at the full rate of one block an interval: at least
min_share of it, times the share of the power that is there, since the turns of absent producers cost time; under proof of
authority producers out of turn take over, so the same holds. At most twice the full rate is allowed. Blocks count from a
grace period after the component changed: 5s and two intervals for one that already had a quorum, recovery for one that has
a quorum again. A component without a quorum must not grow: a block that appears there violates it, except for what was in
flight in the first 2s after the cut; under proof of authority each producer may first sign once more.
The pace of a network that ran before netsplit was attached to it is measured before the schedule: its latest blocks, at most 100
and 10m, by the times that they state. min_share is then 80% by default, and the bounds allow for the uncertainty of the measured
pace: without a quorum by the ratio of two Poisson counts (binomial), at the same rate of false alarms; with one by the
spread of the measured intervals, at 1e-6 for each window, by the delays that faults add to a link (six for a block), and for the turn
of an absent producer of a bft chain 5s and two intervals.
In settling at least one new block must reach the chain of all nodes that are up: old agreement does not count.
UNKNOWN when too few blocks are known and the nodes concerned could not be read, or others may have come, and when settling
was too short to require a block and none came, and when fewer than 10 blocks of an attached network came before the schedule.
VACUOUS without block-making power, or when every window is too short to require a block.`,
	Class: Liveness, Reports: ReportsSome,
	Needs: []Observation{ObserveBlocks},
	Params: []Param{
		{Name: "min_share", Type: TypeShare,
			Doc: "share of the expected blocks that must come; by default 100% where nodes report the blocks that they make, 80% where the pace was measured, else 50%"},
		{Name: "recovery", Type: TypeDuration, Default: "30s",
			Doc: "time until nodes that have a quorum again make blocks, where the chain needs one: TCP back-off and round timeouts"},
	},
	New: func(p Values) Checker {
		return &growth{minShare: p.Share("min_share"), given: p.Has("min_share"), recovery: p.Duration("recovery"), falseAlarm: growthFalseAlarm}
	},
}

const (
	// growthFalseAlarm is the probability with which chain_growth may fail a run of healthy nodes, all its bounds together. With
	// those of the other invariants, 2,000 runs of healthy nodes must have a good chance of passing: see docs/invariants.md.
	growthFalseAlarm = 1e-4
	// minExpected is the number of expected blocks below which a window is not kept: no floor can demand a block of it.
	minExpected = 5
	// maxBehind is how many blocks behind others of its component a node need not make blocks: it syncs first.
	maxBehind = 3
	// pollShare is min_share of chains whose nodes do not report the blocks that they make: forks, busy hosts and a
	// difficulty that rises take some. maxGrowth is how many times the expected blocks may come there.
	pollShare = 0.5
	maxGrowth = 2
	// pacedShare is min_share where the pace of the network itself was measured, which has its forks and its host's load in it.
	pacedShare = 0.8
	// pacedWindows is how many windows of a chain with a measured pace growthFalseAlarm is split over, and delaysPerBlock how many
	// delays of a link a block may take: a proposal, two votes, and what they are answered by.
	pacedWindows   = 100
	delaysPerBlock = 6
)

// growth judges windows: times in which components stayed the same, and some that are wider.
type growth struct {
	minShare float64
	given    bool
	recovery time.Duration
	// falseAlarm is growthFalseAlarm, and more in a test that measures how often healthy nodes fail.
	falseAlarm float64

	nodes   []growingNode
	first   []replay.BlockIndex // by block: the block of height 1 below it
	period  int                 // Connectivity.Period
	running bool                // a period is being judged, since start
	start   time.Duration
	parts   []growingPart
	before  []growingPart // of the period before
	waiting bool          // some parts are in their grace period
	halt    halt

	windows []judgedWindow
	faults  int          // that hold
	faulty  GrowthWindow // all nodes while some fault held
	all     GrowthWindow // the whole schedule, and the strongest component of each time
	base    uint64       // height at the schedule's start
}

// growingNode is what a node could make. Expected blocks are counted up to since.
type growingNode struct {
	height    uint64
	tip       replay.BlockIndex
	up        bool
	connected bool // since it came up
	since     time.Duration
	part      int     // in growth.parts, -1: none
	rate      float64 // blocks per nanosecond on its tip
	whole     GrowthWindow
	again     GrowthWindow // since its process was last started again
	ended     bool         // its process, which has not been started again
	restarted bool         // again is in use
}

// growingPart is a component in one period.
type growingPart struct {
	nodes  []replay.NodeIndex
	share  float64 // of all power
	top    uint64  // height of the highest head
	from   uint64  // height at start
	start  time.Duration
	ready  bool // start has passed, and from holds the height at that time
	window GrowthWindow
	delays float64 // of blocks made here on their way to others who make blocks, in nanoseconds times shares of the power
}

// judgedWindow is a window with what decides whether missing reports matter to it.
type judgedWindow struct {
	GrowthWindow
	members []replay.NodeIndex
	base    uint64 // height at its beginning
	// possible is what blocks that were found later, and may have come before its end, add to Grown.
	possible int
}

// GrowthWindow is what was expected of some nodes in some time, and what they did.
type GrowthWindow struct {
	// What is component, producer, restarted (producers since they were last started again), faults (all nodes while some
	// fault held) or schedule (all of it).
	What  string         `json:"what"`
	Nodes []trace.NodeID `json:"nodes,omitempty"` // the first few
	Size  int            `json:"size"`            // number of nodes
	Share float64        `json:"share"`           // of all power
	From  time.Duration  `json:"from"`
	To    time.Duration  `json:"to"`
	// Expected is how many blocks they must make on average, Made how many they made; 0 where nodes do not report it. Grown is
	// how many of them, or of others', their highest chain grew by; -1 where that says nothing. Delay is the mean delay from
	// producer to producer.
	Expected float64       `json:"expected"`
	Made     int           `json:"made"`
	Grown    int           `json:"grown"`
	Delay    time.Duration `json:"delay"`
	// AtLeast is how many blocks are required, 0 where the window is too short to require one, AtMost how many are allowed, -1
	// where any number is: of Grown, else of Made.
	AtLeast int `json:"at_least"`
	AtMost  int `json:"at_most"`

	Most float64 `json:"most"` // Expected, with what nodes may make that need not make any
}

// isReporting says whether nodes report the blocks that they make.
func isReporting(s *replay.State) bool { return !s.Facts.Polled() }

func (c *growth) Observe(s *replay.State, e *trace.Event) {
	if e.Kind == trace.KindRun {
		c.begin(s)
		return
	}
	c.halt.observe(s, e)
	c.endChangedPeriod(s)
	if e.Kind == trace.KindPhase && (s.Settling || s.Stopping) {
		c.endPeriod(s, s.Now)
		return
	}
	if !c.running && s.Net.Started() && !s.Settling && !s.Stopping && s.Facts.Power > 0 {
		c.startPeriod(s)
	}
	switch {
	case e.Kind == trace.KindFault:
		c.faultChanged(s, e.Fault.Phase)
	case s.Node == replay.NoNode:
	case e.Kind == trace.KindNode && !s.Stopping:
		c.lifecycle(s, e.Lifecycle.State)
	case e.Kind == trace.KindSeen && s.Block != replay.NoBlock:
		c.seen(s, e.Seen)
	case e.Kind == trace.KindPeer && e.Peer.Up:
		c.connect(s)
	case e.Kind == trace.KindHead && s.Block != replay.NoBlock:
		c.head(s, e.Head)
	}
	if c.running && c.waiting {
		c.endGrace(s)
	}
}

// lifecycle follows whether the node of the event can make blocks. At run time 0 all nodes are connected. One that is started
// again later has no peers at first; one that was paused knows those that it had.
func (c *growth) lifecycle(s *replay.State, state trace.State) {
	c.advanceTo(s, s.Node, s.Now)
	n := &c.nodes[s.Node]
	switch {
	case state == trace.StateDown || state == trace.StateDied:
		n.ended, n.restarted = true, false
	case state == trace.StateUp && n.ended:
		n.ended, n.restarted = false, true
		n.again = GrowthWindow{What: restartWindow, Nodes: n.whole.Nodes, Size: 1, Grown: -1, From: s.Now}
	}
	if n.up = state == trace.StateUp; n.up && n.part < 0 && c.running {
		c.endPeriod(s, s.Now) // a node that is the only one changes no component when it comes up
	}
	n.connected = (n.connected || s.Now <= 0) && (n.up || state == trace.StatePaused)
}

func (c *growth) begin(s *replay.State) {
	c.nodes = make([]growingNode, s.Nodes.Len())
	for i, n := range s.Nodes.All() {
		x := &c.nodes[i]
		x.part, x.tip = -1, 0
		x.whole = GrowthWindow{What: producerWindow, Nodes: []trace.NodeID{n.ID}, Size: 1, Grown: -1}
		c.retarget(s, i)
	}
	if !c.given {
		c.minShare = pollShare
		if isReporting(s) && !s.Facts.NeedsQuorum() {
			c.minShare = 1
		}
		if s.Facts.Pace != nil {
			c.minShare = pacedShare
		}
	}
}

// retarget sets the rate at which the node makes blocks on its tip.
func (c *growth) retarget(s *replay.State, i replay.NodeIndex) {
	n := &c.nodes[i]
	if s.Facts.BlockInterval <= 0 || s.Facts.Power <= 0 {
		return
	}
	interval := float64(s.Facts.BlockInterval)
	n.rate = s.Nodes.At(i).Power / s.Facts.Power / interval
	if s.Facts.HalfLife <= 0 {
		return
	}
	first := c.firstBelow(s, n.tip)
	if first == replay.NoBlock {
		return
	}
	// aserti3-2d: the target doubles for each half-life that the tip is late.
	tip, one := s.Blocks.At(n.tip), s.Blocks.At(first)
	late := float64(tip.First-one.First) + interval - interval*float64(tip.Height)
	n.rate *= math.Exp2(min(late/float64(s.Facts.HalfLife), maxEasing))
}

// maxEasing bounds how often the difficulty may halve: a target is a number of 256 bits.
const maxEasing = 64

// firstBelow is the block of height 1 below b, NoBlock for genesis and where it is not known.
func (c *growth) firstBelow(s *replay.State, b replay.BlockIndex) replay.BlockIndex {
	for len(c.first) < s.Blocks.Len() {
		c.first = append(c.first, replay.NoBlock)
	}
	low := b
	for low > 0 && c.first[low] == replay.NoBlock && s.Blocks.At(low).Height > 1 {
		if low = s.Blocks.At(low).Parent; low == replay.NoBlock {
			return replay.NoBlock
		}
	}
	if low <= 0 {
		return replay.NoBlock
	}
	first := c.first[low]
	if first == replay.NoBlock {
		first = low
	}
	for x := b; x != low; x = s.Blocks.At(x).Parent {
		c.first[x] = first
	}
	c.first[low] = first
	return first
}

// advanceTo counts the blocks that the node could have made in the schedule until a time.
func (c *growth) advanceTo(s *replay.State, i replay.NodeIndex, at time.Duration) {
	n := &c.nodes[i]
	from := max(n.since, 0)
	n.since = max(n.since, at)
	if !c.running || !n.up || at <= from || n.part < 0 {
		return
	}
	p := &c.parts[n.part]
	could := n.rate * float64(at-from)
	must := could
	if !n.connected || n.height+maxBehind < p.top {
		must = 0
	}
	add := func(w *GrowthWindow) { w.Expected += must; w.Most += could }
	add(&n.whole)
	if n.restarted {
		add(&n.again)
	}
	add(&p.window)
	if c.faults > 0 {
		add(&c.faulty)
	}
}

// advanceAll counts the blocks that all nodes could have made until a time.
func (c *growth) advanceAll(s *replay.State, at time.Duration) {
	for i := range s.Nodes.All() {
		c.advanceTo(s, i, at)
	}
}

// faultChanged counts the faults that hold.
func (c *growth) faultChanged(s *replay.State, p trace.FaultPhase) {
	switch p {
	case trace.FaultBegin:
		c.advanceAll(s, s.Now)
		if c.faulty.Size == 0 {
			c.faulty.From = s.Now
		}
		c.faulty.Size++
		c.faults++
	case trace.FaultHealed:
		c.advanceAll(s, s.Now)
		c.faults = max(0, c.faults-1)
		c.faulty.To = s.Now
	}
}

// connect records that the node of the event has a peer.
func (c *growth) connect(s *replay.State) {
	if n := &c.nodes[s.Node]; !n.connected {
		c.advanceTo(s, s.Node, s.Now)
		n.connected = true
	}
}

func (c *growth) seen(s *replay.State, e *trace.Seen) {
	c.foundLater(s)
	n, b := &c.nodes[s.Node], s.Blocks.At(s.Block)
	if e.Made {
		if !s.Made || !c.running || n.part < 0 {
			return
		}
		n.whole.Made++
		if n.restarted {
			n.again.Made++
		}
		c.parts[n.part].window.Made++
		if c.faults > 0 {
			c.faulty.Made++
		}
		return
	}
	if e.From != "" {
		c.connect(s)
	}
	if !c.running || n.part < 0 || n.rate == 0 || b.FirstBy == replay.NoNode || b.FirstBy == s.Node {
		return
	}
	p := &c.parts[n.part]
	if c.nodes[b.FirstBy].part == n.part && b.First >= p.start {
		p.delays += float64(s.Now-b.First) * s.Nodes.At(s.Node).Power
	}
}

// foundLater takes in a block that a polled node may have had before the end of a window that is over.
func (c *growth) foundLater(s *replay.State) {
	height := s.Blocks.At(s.Block).Number()
	for i := len(c.windows) - 1; i >= 0 && c.windows[i].To > s.Since; i-- {
		if w := &c.windows[i]; height > w.base && slices.Contains(w.members, s.Node) {
			w.possible = max(w.possible, int(min(height-w.base, math.MaxInt/2)))
		}
	}
}

func (c *growth) head(s *replay.State, e *trace.Head) {
	c.advanceTo(s, s.Node, s.Now)
	n := &c.nodes[s.Node]
	// A polled node that is observed from some height on had the blocks below before.
	known := n.tip != 0 || s.Blocks.At(s.Blocks.Lowest(s.Block)).Height == 0
	n.tip, n.height = s.Block, s.Blocks.At(s.Block).Number()
	if n.part >= 0 {
		p := &c.parts[n.part]
		if p.top = max(p.top, n.height); !known {
			p.from, c.base = max(p.from, n.height), max(c.base, n.height)
		}
	}
	c.retarget(s, s.Node)
	if !e.Restored && !isReporting(s) {
		n.connected = true
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
			p.ready, p.from = true, p.top
		}
	}
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
	c.running, c.start = true, max(s.Net.Since(), c.all.To)
	c.parts = nil
	index := make(map[int32]int)
	for i, n := range s.Nodes.All() {
		x := &c.nodes[i]
		x.part = -1
		if n.State != trace.StateUp {
			continue
		}
		together := s.Net.Linked(i)
		if s.Facts.NeedsQuorum() {
			together = s.Net.Component(i)
		}
		k, ok := index[together]
		if !ok {
			k = len(c.parts)
			index[together] = k
			c.parts = append(c.parts, growingPart{})
		}
		x.part = k
		p := &c.parts[k]
		p.nodes = append(p.nodes, i)
		p.share += n.Power / s.Facts.Power
		p.top = max(p.top, x.height)
	}
	for i := range c.parts {
		p := &c.parts[i]
		p.from = p.top
		p.start = c.start + c.grace(s, p)
		p.ready = !s.Facts.NeedsQuorum()
		c.waiting = c.waiting || !p.ready
	}
	if c.all.To == 0 {
		c.all.From = c.start
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
	c.advanceAll(s, at)
	c.running, c.all.To = false, at
	for i := range c.parts {
		if p := &c.parts[i]; !p.ready && p.start < at { // nothing happened since its grace period ended
			p.ready, p.from = true, p.top
		}
	}
	c.before, c.waiting = c.parts, false
	var most GrowthWindow // of the strongest component
	for i := range c.parts {
		p := &c.parts[i]
		if !p.ready {
			continue
		}
		w := c.window(s, p, at)
		if w.Expected >= minExpected || s.Facts.NeedsQuorum() && w.AtLeast > 0 {
			c.windows = append(c.windows, judgedWindow{GrowthWindow: w, members: p.nodes, base: p.from, possible: w.Grown})
		}
		if growing(&w) > growing(&most) {
			most = w
		}
		c.all.Most += w.Most
	}
	c.all.Expected += growing(&most)
	c.all.AtLeast += most.AtLeast
	for i := range c.nodes {
		c.nodes[i].part = -1
	}
}

// window sums up a component at the end of a period. With a quorum, AtLeast is what is required of its height; else
// that follows at the end, from the number of windows.
func (c *growth) window(s *replay.State, p *growingPart, at time.Duration) GrowthWindow {
	w := p.window
	w.What, w.Size, w.Share, w.From, w.To = componentWindow, len(p.nodes), p.share, p.start, at
	w.Nodes = s.Nodes.Names(p.nodes[:min(len(p.nodes), MaxEvidence)])
	w.Grown = int(max(p.from, p.top) - p.from)
	if s.Facts.NeedsQuorum() {
		// Blocks come at regular intervals, and a part of one at either end is not expected.
		w.Expected, w.Most = c.regular(s, p.share, at-p.start), float64(at-p.start)/float64(max(1, s.Facts.BlockInterval))
		w.AtLeast = int(c.minShare * p.share * w.Expected)
		if s.Facts.Pace != nil {
			var surely float64
			w.Expected, surely = c.paced(s, p.share, p.start, at)
			w.AtLeast = int(c.minShare * surely)
		}
		return w
	}
	if w.Made > 0 && p.share > 0 {
		w.Delay = time.Duration(p.delays / s.Facts.Power / p.share / float64(w.Made))
	}
	return w
}

// regular is the number of blocks expected of a component in a time, where the chain needs a quorum.
func (c *growth) regular(s *replay.State, share float64, d time.Duration) float64 {
	if s.Facts.BlockInterval <= 0 || !s.Facts.HasQuorum(share) {
		return 0
	}
	return max(0, float64(d)/float64(s.Facts.BlockInterval)-1)
}

// paced is the number of blocks expected of a component in a time, where the chain needs a quorum and its pace was measured, and
// how many of them surely come if the pace stays the same.
func (c *growth) paced(s *replay.State, share float64, from, to time.Duration) (expected, surely float64) {
	if !s.Facts.HasQuorum(share) || to <= from {
		return 0, 0
	}
	interval := float64(s.Facts.BlockInterval)
	if s.Facts.Family == "bft" { // the turn of an absent producer ends by a time-out
		interval += (1 - share) / share * float64(steadyGrace(s))
	} else {
		interval /= share
	}
	ends := []time.Duration{from, to}
	for _, f := range s.Faults.All() {
		for _, t := range []time.Duration{f.Begin, f.Healed} {
			if t > from && t < to {
				ends = append(ends, t)
			}
		}
	}
	slices.Sort(ends)
	for i := range len(ends) - 1 {
		var delay time.Duration
		for _, f := range s.Faults.All() {
			if f.Begin <= ends[i] && (!f.Has(trace.FaultHealed) || f.Healed > ends[i]) {
				delay += slowest(f.Rules)
			}
		}
		expected += float64(ends[i+1]-ends[i]) / (interval + delaysPerBlock*float64(delay))
	}
	n, spread := float64(max(1, s.Facts.Pace.Blocks)), float64(s.Facts.Pace.Spread)/float64(s.Facts.BlockInterval)
	uncertain := sigmas(c.falseAlarm/pacedWindows) * spread * math.Sqrt(expected+expected*expected/n)
	return expected, max(0, expected-uncertain-1)
}

// slowest is the longest delay of some rules.
func slowest(rules []trace.Rule) (d time.Duration) {
	for i := range rules {
		d = max(d, rules[i].Delay+rules[i].Jitter)
	}
	return d
}

// unpaced says why the pace that is expected is not known; empty where it is.
func unpaced(s *replay.State) string {
	p := s.Facts.Pace
	if p == nil || p.Known() {
		return ""
	}
	return fmt.Sprintf("the network's own pace is not known: %s came in %s before the schedule, too few", Count(p.Blocks, "block"), trace.Round(p.Over))
}

// growing is how many blocks a window's expected blocks add to the height: those that are made before the last one has
// arrived do not.
func growing(w *GrowthWindow) float64 {
	t := float64(w.To - w.From)
	if t <= 0 {
		return 0
	}
	return w.Expected * t / (t + w.Expected*float64(w.Delay))
}

// judge sets the bounds of all windows, and finds what violates them. It returns why it cannot judge one of them, if there is
// one.
func (c *growth) judge(s *replay.State, found *worst) (undecided string) {
	floors, ceilings := 0, 0
	for i := range c.windows {
		floors++
		if c.windows[i].What == producerWindow || c.windows[i].What == wholeSchedule {
			ceilings++
		}
	}
	floor, ceiling := .8*c.falseAlarm/float64(max(1, floors)), .1*c.falseAlarm/float64(max(1, ceilings))
	for i := range c.windows {
		w := &c.windows[i]
		c.bound(s, &w.GrowthWindow, floor, ceiling)
		got, expected := w.Count()
		add := func(weight float64, bound string) {
			found.add(weight, func() Evidence {
				return Evidence{At: w.To, Nodes: w.Nodes, Windows: s.Faults.Windows(w.From), Text: fmt.Sprintf(
					"%s made %s from %s to %s: %.1f were expected%s, %s",
					w.subject(), Count(got, "block"), trace.Round(w.From), trace.Round(w.To), expected, w.delayed(), bound)}
			})
		}
		if got < w.AtLeast {
			if why := w.unread(s); why != "" {
				undecided = why
			} else {
				add(float64(w.AtLeast-got)/float64(w.AtLeast), fmt.Sprintf("at least %d are required", w.AtLeast))
			}
		}
		if w.AtMost >= 0 && got > w.AtMost {
			add(1-float64(w.AtMost)/float64(got), fmt.Sprintf("at most %d are allowed", w.AtMost))
		}
	}
	return undecided
}

// unread says why it is not known whether the window's blocks are too few: reports are missing, or were late; empty where it is.
func (w *judgedWindow) unread(s *replay.State) string {
	span := fmt.Sprintf("from %s to %s", trace.Round(w.From), trace.Round(w.To))
	read := s.AnyRead(w.members, w.From, w.To) // each of them reports the height
	if w.Grown < 0 {                           // each reports its own blocks
		read = !slices.ContainsFunc(w.members, func(n replay.NodeIndex) bool { return !s.Read(n, w.From, w.To) })
	}
	switch {
	case !read && len(w.members) == s.Nodes.Len():
		return fmt.Sprintf("not all nodes could be read all the time %s, so it is not known how many blocks were made", span)
	case !read:
		return fmt.Sprintf("%s could not be read all the time %s, so it is not known how many blocks were made there", list(s, w.members), span)
	case w.possible >= w.AtLeast:
		return fmt.Sprintf("%s made %d to %d blocks %s, and at least %d are required: some were found only later",
			list(s, w.members), w.Grown, w.possible, span, w.AtLeast)
	}
	return ""
}

// bound sets what a window requires and allows. Of blocks that come at random, a healthy node's are fewer with probability
// floor, and more with probability ceiling.
func (c *growth) bound(s *replay.State, w *GrowthWindow, floor, ceiling float64) {
	if w.AtMost = -1; s.Facts.NeedsQuorum() {
		if w.Size == s.Nodes.Len() {
			w.AtMost = int(min(maxGrowth*(w.Most+1)+1, math.MaxInt/2))
		}
		return // at least: see window
	}
	_, expected := w.Count()
	w.AtLeast = poissonFloor(c.minShare*expected, floor)
	if p := s.Facts.Pace; p != nil {
		w.AtLeast = ratioFloor(c.minShare*expected, p.Blocks, floor)
	}
	switch {
	case w.What == wholeSchedule && s.Facts.Pace != nil:
		w.AtMost = ratioCeiling(maxGrowth*w.Most, s.Facts.Pace.Blocks, ceiling)
	case w.What == producerWindow:
		w.AtMost = poissonCeiling(w.Most, ceiling)
	case w.What == wholeSchedule:
		w.AtMost = poissonCeiling(maxGrowth*w.Most, ceiling)
	}
}

// Count is the number of blocks that is judged, and how many of them are expected: what the height grew by, else what was made.
func (w *GrowthWindow) Count() (got int, expected float64) {
	if w.Grown >= 0 {
		return w.Grown, growing(w)
	}
	return w.Made, w.Expected
}

// subject says whose blocks the window counts.
func (w *GrowthWindow) subject() string {
	switch {
	case w.What == wholeSchedule:
		return "the chain of all nodes"
	case w.What == faultWindow:
		return "all nodes, while some fault held,"
	case w.What == restartWindow && w.Size == 1:
		return fmt.Sprintf("%s with %.0f%% of the block-making power, started again at %s,", w.Nodes[0], 100*w.Share, trace.Round(w.From))
	case w.What == restartWindow:
		return fmt.Sprintf("%s that were started again, since then,", Count(w.Size, "node"))
	case w.Size == 1:
		return fmt.Sprintf("%s with %.0f%% of the block-making power", w.Nodes[0], 100*w.Share)
	}
	return fmt.Sprintf("%s with %.0f%% of the block-making power", Count(w.Size, "node"), 100*w.Share)
}

func (w *GrowthWindow) delayed() string {
	if w.Delay <= 0 || w.Grown < 0 {
		return ""
	}
	return fmt.Sprintf(" on one chain, at a mean delay of %s", trace.Round(w.Delay))
}

// The kinds of windows.
const (
	componentWindow = "component"
	producerWindow  = "producer"
	restartWindow   = "restarted"
	faultWindow     = "faults"
	wholeSchedule   = "schedule"
)

// wider are the windows beside the components: producers, the time under faults, and the whole schedule.
func (c *growth) wider(s *replay.State) (out []judgedWindow) {
	var all []replay.NodeIndex
	for i := range s.Nodes.All() {
		all = append(all, i)
	}
	if !s.Facts.NeedsQuorum() && isReporting(s) {
		for i, n := range s.Nodes.All() {
			if w := c.nodes[i].whole; w.Most >= minExpected || w.Made > 0 {
				w.To, w.Share = c.all.To, n.Power/s.Facts.Power
				out = append(out, judgedWindow{GrowthWindow: w, members: []replay.NodeIndex{i}})
			}
		}
		out = append(out, c.restarts(s)...)
		if w := c.faulty; w.Expected >= minExpected {
			if c.faults > 0 {
				w.To = c.all.To
			}
			w.What, w.Size, w.Share, w.Grown = faultWindow, s.Nodes.Len(), 1, -1
			out = append(out, judgedWindow{GrowthWindow: w, members: all})
		}
	}
	if w := c.all; w.To > w.From {
		height := c.base
		for _, n := range s.Nodes.All() {
			height = max(height, s.Blocks.At(n.Top).Number())
		}
		w.What, w.Size, w.Share, w.Grown = wholeSchedule, s.Nodes.Len(), 1, int(height-c.base)
		// The height is that of the end: settling can only have added to it.
		w.Most += float64(s.Horizon()-w.To) / float64(max(1, s.Facts.BlockInterval))
		out = append(out, judgedWindow{GrowthWindow: w, members: all, base: c.base})
	}
	return out
}

// restarts are the windows of the producers that were started again, and that of all of them where there are several: what one
// made since may be too little to judge.
func (c *growth) restarts(s *replay.State) (out []judgedWindow) {
	sum := judgedWindow{GrowthWindow: GrowthWindow{What: restartWindow, Grown: -1, From: c.all.To, To: c.all.To}}
	for i, n := range s.Nodes.All() {
		w := c.nodes[i].again
		if !c.nodes[i].restarted || w.Expected <= 0 {
			continue
		}
		w.To, w.Share = c.all.To, n.Power/s.Facts.Power
		if w.Expected >= minExpected {
			out = append(out, judgedWindow{GrowthWindow: w, members: []replay.NodeIndex{i}})
		}
		sum.Size, sum.Share, sum.From = sum.Size+1, sum.Share+w.Share, min(sum.From, w.From)
		sum.Expected, sum.Most, sum.Made = sum.Expected+w.Expected, sum.Most+w.Most, sum.Made+w.Made
		sum.Nodes, sum.members = appendName(sum.Nodes, n.ID), append(sum.members, i)
	}
	if sum.Size > 1 && sum.Expected >= minExpected {
		out = append(out, sum)
	}
	return out
}

// appendName appends a node to the first few of a window.
func appendName(names []trace.NodeID, id trace.NodeID) []trace.NodeID {
	if len(names) < MaxEvidence {
		names = append(names, id)
	}
	return names
}

func (c *growth) Finish(s *replay.State) Result {
	c.endChangedPeriod(s)
	c.endPeriod(s, s.Horizon())
	c.halt.close(s)
	r := Result{Metrics: map[string]float64{}}
	if s.Nodes.Len() == 0 || s.Facts.Power == 0 {
		return r.vacuous("no node makes blocks")
	}
	c.windows = append(c.windows, c.wider(s)...)
	var found worst
	undecided := unpaced(s)
	if undecided != "" {
		c.windows = nil
	} else {
		undecided = c.judge(s, &found)
		if why := c.settled(s, &found); why != "" {
			undecided = why
		}
	}
	r.Evidence = append(c.halt.evidence, found.evidence...)
	r.Evidence = r.Evidence[:min(len(r.Evidence), MaxEvidence)]
	judged := c.describe(s, &r)
	if s.Facts.NeedsQuorum() {
		r.Metrics["components_without_quorum"] = float64(c.halt.judged)
		r.Metrics["blocks_without_quorum"] = float64(c.halt.broken)
		r.Bound += ", none without a quorum"
		if c.halt.judged+c.halt.broken > 0 {
			r.Figure += fmt.Sprintf(", %s without a quorum", Count(c.halt.broken, "block"))
		}
	}
	switch {
	case len(r.Evidence) > 0:
		return r.fail(r.Evidence[0].Text)
	case s.Blocks.Len() < 2:
		return r.vacuous("no block was made, and the run was too short to require one")
	case undecided != "":
		return r.unknown(undecided)
	case judged+c.halt.judged == 0:
		return r.vacuous("every window was too short to require a block")
	}
	r.Verdict = Pass
	return r
}

// describe states the window whose count came closest to what it requires, and returns how many require a block.
func (c *growth) describe(s *replay.State, r *Result) (judged int) {
	var closest *GrowthWindow
	least, short := math.Inf(1), 0
	for i := range c.windows {
		w := &c.windows[i]
		switch {
		case w.AtLeast > 0:
			judged++
			got, _ := w.Count()
			if margin := float64(got-w.AtLeast) / float64(w.AtLeast); margin < least {
				closest, least = &w.GrowthWindow, margin
			}
		case w.What == componentWindow && w.Share > 0:
			short++
		}
	}
	r.Metrics["windows"], r.Metrics["windows_too_short"] = float64(judged), float64(short)
	r.Metrics["expected_blocks"] = c.all.Expected
	height := uint64(0)
	for _, n := range s.Nodes.All() {
		height = max(height, s.Blocks.At(n.Top).Height)
	}
	r.Metrics["height"] = float64(height)
	r.Figure, r.Bound = "no window long enough", "a window long enough to require a block"
	if closest == nil {
		return 0
	}
	got, expected := closest.Count()
	r.Metrics["worst_share"] = float64(got) / max(expected, 1e-9)
	r.Metrics["worst_at_least"] = float64(closest.AtLeast)
	about := Count(closest.Size, "node")
	if len(closest.Nodes) == 1 {
		about = string(closest.Nodes[0])
	}
	r.Figure = fmt.Sprintf("%d of %.1f expected by %s, %s..%s", got, expected, about, trace.Round(closest.From), trace.Round(closest.To))
	if judged > 1 {
		r.Figure = fmt.Sprintf("least of %d windows: %s", judged, r.Figure)
	}
	r.Bound = fmt.Sprintf("at least %s there", Count(closest.AtLeast, "block"))
	if p := s.Facts.Pace; p != nil {
		r.Figure += fmt.Sprintf("; pace %s measured before the schedule", trace.Round(p.Interval()))
	}
	return judged
}

func (c *growth) summarize(_ *replay.State, into *Summary) {
	for i := range c.windows {
		into.Growth = append(into.Growth, c.windows[i].GrowthWindow)
	}
}

// settled requires a block of the settling on the chain that the nodes of each component share. It returns why it cannot
// judge that, if it cannot.
func (c *growth) settled(s *replay.State, found *worst) (undecided string) {
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
		if !c.requiresBlock(s, p.share, length, .1*c.falseAlarm/float64(len(order))) {
			return fmt.Sprintf("no new block reached all nodes in settling, which was too short (%s) to require one", trace.Round(length))
		}
		found.add(1, func() Evidence {
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

// requiresBlock says whether a component with a share of the power must add a block to its chain in a time of settling. Where
// blocks come at random, it adds none with a probability below alarm.
func (c *growth) requiresBlock(s *replay.State, share float64, length time.Duration, alarm float64) bool {
	if s.Facts.NeedsQuorum() {
		// The schedule may have ended just after the heal that gave the quorum back.
		counted := s.Horizon() - max(s.SettlingAt, s.Net.Since()+c.recovery)
		return int(c.minShare*share*c.regular(s, share, counted)) > 0
	}
	if s.Facts.BlockInterval <= 0 {
		return false
	}
	return poissonFloor(c.minShare*share*float64(length)/float64(s.Facts.BlockInterval), alarm) > 0
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
