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
the strongest component of each time. In settling at least one new block must come onto the chain of all nodes that are
up: old agreement does not count.
VACUOUS without mining power, or when every period is too short to expect a block with certainty.`,
	Class: Liveness,
	Params: []Param{{Name: "min_share", Type: TypeShare, Default: "0.5",
		Doc: "share of the expected blocks that must come; forks, busy hosts and rising difficulty take some"}},
	New: func(p Values) Checker {
		c := &growth{}
		c.minShare, _ = p.Share("min_share")
		return c
	},
}

type growth struct {
	minShare float64
	power    float64 // of all nodes together
	epoch    int
	running  bool
	start    time.Duration
	parts    []growingPart

	first, last time.Duration // of the schedule, as observed
	base        uint64        // height at first
	expected    float64       // over the schedule, in the strongest component
	judged      int
	worst       float64 // least share of the expected blocks
	evidence    []Evidence
}

type growingPart struct {
	nodes []nodeID
	share float64
	from  uint64
}

func (c *growth) Observe(w *World, e *trace.Event) {
	if e.Kind == trace.KindRun {
		for i := range w.nodes {
			c.power += w.nodes[i].mine
		}
		c.worst = -1
		w.epochObservers = append(w.epochObservers, c)
		return
	}
	if e.Kind == trace.KindPhase && (w.settled || w.frozen) {
		c.endPeriod(w, w.now)
		return
	}
	if !w.sep.started || w.settled || w.frozen || c.power == 0 {
		return
	}
	if !c.running {
		c.startPeriod(w)
	}
}

func (c *growth) startPeriod(w *World) {
	c.running, c.start = true, w.sep.since
	c.parts = c.parts[:0]
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
		p.share += n.mine / c.power
		p.from = max(p.from, w.tree.at(n.head).height)
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
	strongest := 0.0
	for _, p := range c.parts {
		strongest = max(strongest, p.share)
		c.judge(w, p, at)
	}
	c.expected += c.mean(w, strongest, at-c.start)
}

func (c *growth) mean(w *World, share float64, d time.Duration) float64 {
	if w.run.Chain.BlockInterval <= 0 {
		return 0
	}
	return share * float64(d) / float64(w.run.Chain.BlockInterval)
}

func (c *growth) judge(w *World, p growingPart, at time.Duration) {
	mean := c.mean(w, p.share, at-c.start)
	floor := poissonFloor(mean * c.minShare)
	if floor == 0 {
		return
	}
	to := p.from
	for _, n := range p.nodes {
		to = max(to, w.tree.at(w.nodes[n].head).height)
	}
	c.note(int(to-p.from), mean)
	if int(to-p.from) >= floor {
		return
	}
	e := Evidence{At: at, Windows: w.Windows(c.start), Text: fmt.Sprintf(
		"%d nodes with %.0f%% of the mining power grew their chain by %d blocks from %s to %s, %.1f were expected, at least %d are demanded",
		len(p.nodes), 100*p.share, to-p.from, round(c.start), round(at), mean, floor)}
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
	r := Result{Bound: fmt.Sprintf(">= %.0f%% of expected, less chance", 100*c.minShare), Metrics: map[string]float64{}}
	if len(w.nodes) == 0 || c.power == 0 {
		return r.vacuous("no node mines")
	}
	height := c.base
	for i := range w.nodes {
		height = max(height, w.tree.at(w.nodes[i].top).height)
	}
	if floor := poissonFloor(c.expected * c.minShare); floor > 0 {
		// The height is that of the end: settling can only have added to it.
		c.note(int(height-c.base), c.expected)
		if int(height-c.base) < floor {
			c.evidence = appendEvidence(c.evidence, Evidence{At: c.last, Windows: w.Windows(c.last), Text: fmt.Sprintf(
				"the chain grew by %d blocks from %s on, %.1f were expected by %s, at least %d are demanded",
				height-c.base, round(c.first), c.expected, round(c.last), floor)})
		}
	}
	undecided := c.fresh(w)
	r.Evidence = c.evidence
	r.Figure = "nothing to judge"
	if c.judged > 0 {
		r.Figure = fmt.Sprintf("worst %.0f%% of expected", 100*c.worst)
		r.Metrics["worst_share"] = c.worst
	}
	r.Metrics["expected_blocks"], r.Metrics["height"] = c.expected, float64(height)
	switch {
	case len(r.Evidence) > 0:
		return r.fail(r.Evidence[0].Text)
	case len(w.tree.blocks) < 2:
		return r.vacuous("no block was made, and the run was too short to demand one")
	case undecided != "":
		return r.unknown(undecided)
	case c.judged == 0:
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
		p.share += n.mine / c.power
		p.nodes++
	}
	length := w.horizon() - w.settlingAt
	for _, l := range order {
		p := parts[l]
		if p.share == 0 || p.shared == noBlock {
			continue
		}
		if b := w.tree.at(p.shared); b.firstBy != noNode && b.first > w.settlingAt {
			continue
		}
		if poissonFloor(c.mean(w, p.share, length)*c.minShare) == 0 {
			return fmt.Sprintf("no new block reached all nodes in settling, and its %s were too short to demand one", round(length))
		}
		c.evidence = appendEvidence(c.evidence, Evidence{At: w.horizon(), Blocks: []trace.Hash{w.tree.at(p.shared).hash},
			Text: fmt.Sprintf("no new block reached all %d nodes in the %s of settling; they share height %d",
				p.nodes, round(length), w.tree.at(p.shared).height)})
	}
	return ""
}
