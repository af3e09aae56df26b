package invariant

import (
	"fmt"
	"slices"
	"time"

	"github.com/netsplit/netsplit/orchestrator/invariant/replay"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

var agreementDefinition = Definition{
	Name:  "agreement",
	Title: "All nodes share one chain, except for its last few blocks",
	Doc: `The common prefix property (Garay, Kiayias, Leonardos): over all pairs of nodes and all times r1 <= r2, the most
blocks that must be dropped from the chain of r1 so that it is a prefix of the chain of r2 is at most depth. A node that
is merely behind agrees. It is judged by every node's reorganisations, and by comparing every node's last chain with the
one that most nodes have at the end.
A dropped block is explained by a partition, and does not count, when it was made while its maker and the maker of a
block that took its place could not reach each other, or had not converged since: because of a cut, because one of them
was down, or before the nodes were connected. Where nodes report the blocks that they make, it is explained by delay as
well: when its maker did not have the block yet that took its place at its height, or the maker of that one did not have
it, and got it within 3s, or within what the delays that faults add then allow: seven of them for each connection on the
planned way between the two makers more, at most 10s in all. So forks that follow from delays as long as the time between
blocks do not count, however deep, but those that follow from blocks that their maker held back do. At the end of the run
nothing is explained between nodes that are up and can reach each other.
Nodes whose chains never shared a block, as far down as they are known, are on separate networks, which violates it.
Where the chain needs a quorum, a partition explains nothing: a group without a quorum cannot make blocks. Where the fork
depth is 0 as well, every block is final: a replaced block, or two blocks at one height on any two nodes, is a violation
whatever the scenario's depth says; and a producer of two blocks at one height is named.
Where nodes report up to which height their chain is final, a final block that is replaced, a final height that decreases,
and two final blocks at one height are violations, whatever the fork depth.
UNKNOWN when a node that was up reported nothing while others did, or reports are missing. VACUOUS with fewer than two nodes or without blocks.`,
	Class: Safety, Always: true,
	Needs: []Observation{ObserveBlocks},
	Params: []Param{
		{Name: "depth", Type: TypeCount, Doc: "most blocks that may be dropped; by default the fork depth that the chain states"},
	},
	New: func(p Values) Checker {
		return &agreement{depth: p.Count("depth"), given: p.Has("depth")}
	},
}

type agreement struct {
	depth int
	given bool

	reorgs   int
	unlinked int  // heads whose chain is not known down to where it could be compared
	deepest  int  // blocks that partitions explain included
	outside  int  // the deepest without them
	delayed  bool // delays explain some blocks too
	arrivals arrivals
	deep     []deepReorg // whose blocks may be on their way still
	where    Evidence
	found    worst
	evidence []Evidence
	failed   bool
	blocks   finalBlocks
	heights  finalHeights
}

func (c *agreement) Observe(s *replay.State, e *trace.Event) {
	if e.Kind == trace.KindRun && (!c.given || s.Facts.InstantFinality()) {
		c.depth = s.Facts.ForkDepth
	}
	if (s.Facts.InstantFinality() || e.Kind == trace.KindFinal) && s.Block != replay.NoBlock && s.Node != replay.NoNode {
		c.blocks.observe(s)
	}
	c.heights.observe(s, e)
	c.arrivals.observe(s, e)
	c.judgeDeep(s, s.Now-maxOnTheWay)
	if s.Reorg.Unlinked {
		c.unlinked++
	}
	if s.Reorg.Depth == 0 {
		return
	}
	c.reorgs++
	if s.Reorg.Depth > c.deepest {
		c.deepest = s.Reorg.Depth
		c.where = c.reorgEvidence(s)
	}
	if s.Reorg.Depth <= c.depth && s.Reorg.Depth <= c.outside {
		return
	}
	dropped := outsidePartitions(s, s.Reorg, s.Block)
	switch depth := len(dropped); {
	case depth > c.depth && !s.Facts.NeedsQuorum() && !s.Facts.Polled():
		c.deep = append(c.deep, deepReorg{at: s.Now, to: s.Block, depth: s.Reorg.Depth, dropped: dropped, evidence: c.reorgEvidence(s)})
	case depth > c.depth:
		c.found.add(float64(depth), func() Evidence { return c.reorgEvidence(s) })
		fallthrough
	default:
		c.outside = max(c.outside, depth)
	}
}

// outsidePartitions are the dropped blocks that no partition explains; to is the end of the chain that replaced them.
func outsidePartitions(s *replay.State, r replay.Reorg, to replay.BlockIndex) (dropped []replay.BlockIndex) {
	left := r.Depth
	for b := r.From; b != r.Fork && b != replay.NoBlock && left > 0; b = s.Blocks.At(b).Parent {
		left--
		if s.Facts.NeedsQuorum() || !explained(s, s.Blocks.At(b), r.Fork, to) {
			dropped = append(dropped, b)
		}
	}
	return dropped
}

// deepReorg is a reorganisation that dropped more blocks outside partitions than are allowed.
type deepReorg struct {
	at       time.Duration
	to       replay.BlockIndex
	depth    int
	dropped  []replay.BlockIndex // outside partitions
	evidence Evidence
}

// judgeDeep leaves out what delays explain of the reorganisations up to a time.
func (c *agreement) judgeDeep(s *replay.State, until time.Duration) {
	for len(c.deep) > 0 && c.deep[0].at <= until {
		r := c.deep[0]
		c.deep = c.deep[1:]
		depth := 0
		for _, b := range r.dropped {
			if c.crossed(s, b, s.Blocks.Ancestor(r.to, s.Blocks.At(b).Height)) {
				c.delayed = true
			} else {
				depth++
			}
		}
		if c.outside = max(c.outside, depth); depth > c.depth {
			c.found.add(float64(r.depth), func() Evidence { return r.evidence })
		}
	}
}

// How long a block may be on its way from the maker of one block to the maker of another to explain that both exist: waySlack, which
// is what a node waits for an answer before it requests the blocks from another peer; and, while faults delay packets, on each
// connection on the way as many messages as it takes to fetch a block whose parent is not known; but no longer than maxOnTheWay. A
// producer that holds its blocks for longer, to publish many at once, explains nothing by that.
const (
	waySlack    = 3 * time.Second
	maxOnTheWay = 10 * time.Second
	// reconnecting is how long after cuts and losses of nodes the ways may be other ones than planned.
	reconnecting = time.Minute
)

// onTheWay is how long a block that was made at a time by one node may be on its way to another, where it arrived at another time.
func onTheWay(s *replay.State, from, to replay.NodeIndex, made, arrived time.Duration) time.Duration {
	delay := s.Faults.SumOfDelays(made, arrived)
	if delay == 0 {
		return waySlack
	}
	hops := max(1, s.Nodes.Honest()-1)
	if !s.Faults.Disconnected(made-reconnecting, arrived) {
		hops = s.Topology.Hops(from, to, s.Nodes)
	}
	return min(maxOnTheWay, waySlack+time.Duration(fetchMessages*hops)*min(delay, maxOnTheWay))
}

// crossed says whether the earlier of two blocks was on its way to the maker of the later one when that was made.
func (c *agreement) crossed(s *replay.State, a, b replay.BlockIndex) bool {
	if a == replay.NoBlock || b == replay.NoBlock {
		return false
	}
	if s.Blocks.At(a).First > s.Blocks.At(b).First {
		a, b = b, a
	}
	early, late := s.Blocks.At(a), s.Blocks.At(b)
	if late.Maker == replay.NoNode {
		return false
	}
	arrived, ok := c.arrivals.at(a, late.Maker)
	return ok && arrived >= late.First && arrived-early.First <= onTheWay(s, early.FirstBy, late.Maker, early.First, arrived)
}

// arrivals are the times at which nodes first had the latest blocks.
type arrivals struct {
	first replay.BlockIndex // that is kept
	times [][]time.Duration // by block and node; negative: it has not come, nil: to none
}

// The times of the latest recentBlocks are kept, of fewer where there are more than maxArrivals, but of fewBlocks at least.
const (
	recentBlocks = 256
	maxArrivals  = 1 << 20
	fewBlocks    = 16
)

func (a *arrivals) observe(s *replay.State, e *trace.Event) {
	if e.Kind != trace.KindSeen || s.Facts.Polled() || s.Block < a.first || s.Node == replay.NoNode {
		return
	}
	for int(s.Block-a.first) >= len(a.times) {
		a.times = append(a.times, nil)
	}
	times := &a.times[s.Block-a.first]
	if *times == nil {
		*times = slices.Repeat([]time.Duration{-1}, s.Nodes.Len())
	}
	if t := &(*times)[s.Node]; *t < 0 {
		*t = max(0, s.Now)
	}
	if surplus := len(a.times) - min(recentBlocks, max(maxArrivals/s.Nodes.Len(), fewBlocks)); surplus > 0 {
		clear(a.times[:surplus])
		a.times, a.first = a.times[surplus:], a.first+replay.BlockIndex(surplus)
	}
}

func (a *arrivals) at(b replay.BlockIndex, n replay.NodeIndex) (time.Duration, bool) {
	if i := int(b - a.first); i < 0 || i >= len(a.times) || a.times[i] == nil || a.times[i][n] < 0 {
		return 0, false
	}
	return a.times[b-a.first][n], true
}

// explained says whether the maker of a dropped block was separated, when it made the block, from the maker of a block
// between fork and to. A separation that began later explains nothing: by then the block had had its time to spread.
func explained(s *replay.State, dropped *replay.Block, fork, to replay.BlockIndex) bool {
	for b := to; b != fork && b != replay.NoBlock; {
		x := s.Blocks.At(b)
		if s.Net.SeparatedIn(dropped.Groups, dropped.FirstBy, x.FirstBy) {
			return true
		}
		b = x.Parent
	}
	return false
}

// reorgEvidence describes the reorganisation of the current event.
func (c *agreement) reorgEvidence(s *replay.State) Evidence {
	e := reorgEvidence(s)
	if s.Reorg.Depth > c.depth {
		e.Text += fmt.Sprintf("; at most %d may be dropped", c.depth)
	}
	return e
}

func reorgEvidence(s *replay.State) Evidence {
	from, to, id := s.Blocks.At(s.Reorg.From), s.Blocks.At(s.Block), s.Nodes.At(s.Node).ID
	e := Evidence{
		At: s.Now, Nodes: []trace.NodeID{id}, Blocks: []trace.Hash{from.Hash, to.Hash}, Windows: s.Faults.Windows(s.Now),
		Text: fmt.Sprintf("%s dropped %s: from %s at height %d to %s at height %d; ",
			id, Count(s.Reorg.Depth, "block"), short(from.Hash), from.Height, short(to.Hash), to.Height),
	}
	if s.Reorg.Fork == replay.NoBlock {
		e.Text += "the chains share no known block"
		return e
	}
	fork := s.Blocks.At(s.Reorg.Fork)
	e.Blocks = append(e.Blocks, fork.Hash)
	e.Text += fmt.Sprintf("the chains fork after %s at height %d", short(fork.Hash), fork.Height)
	return e
}

// short is the prefix of a hash that is shown to people.
func short(h trace.Hash) string {
	if len(h) > 10 {
		return string(h[:10])
	}
	return string(h)
}

func (c *agreement) Finish(s *replay.State) Result {
	r := Result{
		Figure:  "no reorg",
		Bound:   fmt.Sprintf("at most %s outside partitions", Count(c.depth, "block")),
		Metrics: map[string]float64{"reorgs": float64(c.reorgs), "deepest_reorg": float64(c.deepest)},
	}
	if why := tooSmall(s); why != "" {
		return r.vacuous(why)
	}
	c.judgeDeep(s, s.Now)
	unlinked := c.unlinked + c.compareEnds(s)
	c.evidence = append(append(append(c.blocks.evidence(s), c.heights.found...), doubleProductions(s)...), c.found.evidence...)
	c.evidence = c.evidence[:min(len(c.evidence), MaxEvidence)]
	c.failed = len(c.evidence) > 0
	r.Metrics["deepest_reorg_outside_partitions"] = float64(c.outside)
	if s.Facts.NeedsQuorum() {
		r.Bound = fmt.Sprintf("at most %s", Count(c.depth, "block"))
	}
	height, reported := c.heights.shared()
	if s.Facts.InstantFinality() || reported {
		r.Metrics["conflicting_heights"] = float64(len(c.blocks.conflicts))
	}
	if reported {
		r.Metrics["final_height"], r.Metrics["finality_violations"] = float64(height), float64(c.heights.violations)
	}
	r.Evidence = c.evidence
	r.Figure = c.figure(s)
	malformed, _ := s.Blocks.Malformed()
	switch {
	case c.failed:
		return r.fail(c.evidence[0].Text)
	case malformed != "":
		return r.unknown(malformed)
	case unlinked > 0:
		return r.unknown(fmt.Sprintf("%d reported heads stand on blocks that the trace does not have", unlinked))
	}
	if c.deepest > 0 {
		r.Evidence = []Evidence{c.where}
	}
	if reported {
		r.Figure += fmt.Sprintf(", final up to height %d", height)
	}
	r.Verdict = Pass
	return r
}

func (c *agreement) figure(s *replay.State) string {
	deepest := max(c.deepest, c.outside) // outside alone where chains share no block
	text := "deepest reorg " + Count(deepest, "block")
	switch {
	case deepest == 0:
		text = "no reorg"
	case s.Facts.NeedsQuorum():
	case c.delayed:
		text += fmt.Sprintf(", %d outside partitions and delays", c.outside)
	case c.outside == 0:
		text += ", all explained by partitions"
	case c.outside < deepest:
		text += fmt.Sprintf(", %d outside partitions", c.outside)
	default:
		text += ", outside partitions"
	}
	if n := len(c.blocks.conflicts); n > 0 {
		text += fmt.Sprintf(", two final blocks at %s", Count(n, "height"))
	}
	if n := c.heights.violations; n > 0 {
		text += ", " + Count(n, "finality violation")
	}
	return text
}

// compareEnds compares every node's last chain with the main one. It returns how many of them it could not compare.
func (c *agreement) compareEnds(s *replay.State) (unknown int) {
	main, mainNode := s.MainHead()
	if main == replay.NoBlock {
		return 0
	}
	other := s.Nodes.At(mainNode)
	for i, n := range s.Nodes.All() {
		fork := s.Blocks.Fork(n.Top, main)
		if fork == replay.NoBlock {
			switch depth := s.Blocks.Divergent(n.Top, main); {
			case depth > 0 && n.HasHead && other.HasHead:
				c.outside = max(c.outside, depth)
				c.found.add(float64(depth), func() Evidence { return separateNetworks(s, n, other, main) })
			case n.HasHead:
				unknown++
			}
			continue
		}
		if fork == n.Top || fork == main || !s.ReadAtEnd(i) || !s.ReadAtEnd(mainNode) { // one may have left its last known head
			continue
		}
		x, y, z := s.Blocks.At(n.Top), s.Blocks.At(main), s.Blocks.At(fork)
		r := replay.Reorg{From: n.Top, Fork: fork, Depth: int(x.Number() - z.Number())}
		depth := r.Depth
		connected := s.Settled() && s.Nodes.Up(i) && s.Nodes.Up(mainNode) && s.Net.Component(i) == s.Net.Component(mainNode)
		if !connected {
			depth = len(outsidePartitions(s, r, main))
		}
		c.deepest = max(c.deepest, r.Depth)
		c.outside = max(c.outside, depth)
		if depth > c.depth {
			c.found.add(float64(depth), func() Evidence {
				return Evidence{
					At: s.Horizon(), Nodes: []trace.NodeID{n.ID, other.ID},
					Blocks: []trace.Hash{x.Hash, y.Hash, z.Hash}, Windows: s.Faults.Windows(s.Horizon()),
					Text: fmt.Sprintf("at the end %s has %s at height %d and %s has %s at height %d; their chains fork after height %d",
						n.ID, short(x.Hash), x.Height, other.ID, short(y.Hash), y.Height, z.Height),
				}
			})
		}
	}
	return unknown
}

// separateNetworks is the evidence that two nodes ended on chains that never shared a block; main is b's chain.
func separateNetworks(s *replay.State, a, b *replay.Node, main replay.BlockIndex) Evidence {
	low, other := s.Blocks.At(s.Blocks.Lowest(a.Top)), s.Blocks.At(s.Blocks.Lowest(main))
	return Evidence{
		At: s.Horizon(), Nodes: []trace.NodeID{a.ID, b.ID}, Windows: s.Faults.Windows(s.Horizon()),
		Blocks: []trace.Hash{s.Blocks.At(a.Top).Hash, s.Blocks.At(main).Hash, low.Hash, other.Hash},
		Text: fmt.Sprintf("%s and %s are on separate networks: their chains, known down to %s at height %d and %s at height %d, never shared a block",
			a.ID, b.ID, short(low.Hash), low.Height, short(other.Hash), other.Height),
	}
}
