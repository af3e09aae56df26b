package invariant

import (
	"fmt"
	"slices"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// Summary holds a run's figures for a report, computed in the same pass as the verdicts.
type Summary struct {
	Events   int           `json:"events"`
	Duration time.Duration `json:"duration"` // run time at which the nodes were last expected to behave
	Blocks   int           `json:"blocks"`   // without genesis
	Height   uint64        `json:"height"`   // of the main chain at the end
	Head     trace.Hash    `json:"head"`
	// Stale is the number of blocks that are not on the main chain.
	Stale  int           `json:"stale"`
	Reorgs int           `json:"reorgs"` // head changes that dropped blocks, all nodes together
	Nodes  []NodeSummary `json:"nodes"`

	Txs         TxSummary          `json:"txs"`
	Propagation PropagationSummary `json:"propagation"`
	Partitions  []Partition        `json:"partitions,omitempty"`
	Faults      []FaultSummary     `json:"faults,omitempty"`
}

// NodeSummary is what one node did.
type NodeSummary struct {
	ID     trace.NodeID `json:"id"`
	Role   string       `json:"role"`
	State  trace.State  `json:"state"` // at the end
	Made   int          `json:"made"`  // blocks
	Stale  int          `json:"stale"` // of them not on the main chain
	Height uint64       `json:"height"`
	Head   trace.Hash   `json:"head"`
	Reorgs int          `json:"reorgs"`
}

// TxSummary counts transactions.
type TxSummary struct {
	Submitted int `json:"submitted"` // accepted by a node
	Refused   int `json:"refused"`
	Included  int `json:"included"` // on the chain that all nodes share
	Late      int `json:"late"`     // of them later than allowed
	Lost      int `json:"lost"`
	Open      int `json:"open"` // too young at the end, or given to a node that went down
}

// PropagationSummary is how blocks spread; see the invariant block_propagation.
type PropagationSummary struct {
	Blocks     int    `json:"blocks"`
	Deliveries uint64 `json:"deliveries"`
	// Delays are differences of the times that were told; where nodes answer to questions, what they tell was so some time
	// before.
	Delays
	// Low and High are the least and the most that each of the delays can have been; nil where every delivery's delay is
	// exactly what was told.
	Low  *Delays `json:"low,omitempty"`
	High *Delays `json:"high,omitempty"`
	// Polled is true where nodes were polled. Delays are then counted from when the first node had the block, since nobody
	// reports who made it; exact figures are those of nodes that reported their blocks at once.
	Polled   bool    `json:"polled"`
	Coverage float64 `json:"coverage"`
}

// Ends are the least and the most that each delay can have been; the delays themselves where all are exact.
func (p *PropagationSummary) Ends() (low, high Delays) {
	if p.Low == nil || p.High == nil {
		return p.Delays, p.Delays
	}
	return *p.Low, *p.High
}

// Exact says which of the figures are as nodes told by themselves: "times" for all, "exact times" for those that are no
// ranges; empty for none, and where nodes are not asked.
func (p *PropagationSummary) Exact() string {
	if !p.Polled || p.Deliveries == 0 {
		return ""
	}
	return exactFigures(p.Ends())
}

// figure states the percentiles. Each stands by itself, so that it may be shown on a line of its own.
func (p *PropagationSummary) figure() string {
	if p.Deliveries == 0 {
		return "no deliveries"
	}
	low, high := p.Ends()
	s := fmt.Sprintf("p50 %s, p95 %s, p99 %s", trace.FormatRange(low.P50, high.P50), trace.FormatRange(low.P95, high.P95), trace.FormatRange(low.P99, high.P99))
	if exact := p.Exact(); exact != "" {
		s += ", " + exact + " as nodes told"
	}
	return s
}

// Partition is a cut that kept nodes apart, and how it ended.
type Partition struct {
	Fault  string          `json:"fault"`
	Active time.Duration   `json:"active"`
	Healed time.Duration   `json:"healed"` // meaningless unless Ended
	Ended  bool            `json:"ended"`
	Sides  []PartitionSide `json:"sides"`
	// Winner is the index in Sides of the one whose chain was kept; -1 when that is not known, or there was nothing to win.
	Winner int `json:"winner"`
	// Idle is true when no side made blocks: none had the quorum that the chain needs, or nobody made any.
	Idle bool `json:"idle,omitempty"`
	// DeepestReorg is the most blocks that a node dropped between the heal and convergence, Reorganised the number of
	// nodes that dropped any.
	DeepestReorg int `json:"deepest_reorg"`
	Reorganised  int `json:"reorganised"`
	// Converged says whether all sides came to share one chain, ConvergedIn how long that took after the heal.
	Converged   bool          `json:"converged"`
	ConvergedIn time.Duration `json:"converged_in"`
}

// PartitionSide is a group of nodes that could reach each other during a cut.
type PartitionSide struct {
	Nodes []trace.NodeID `json:"nodes"`
	// Mined is the number of blocks made between the cut and the heal; where nodes are asked at intervals, of those that came
	// to light on this side first, without what was in flight.
	Mined  int    `json:"mined"`
	Height uint64 `json:"height"` // when the heal began
	// Power is the side's share of all block-making power, and Quorate says whether that is enough to make blocks.
	Power   float64 `json:"power"`
	Quorate bool    `json:"quorate"`
}

// FaultSummary is what was asked of a fault and what was measured.
type FaultSummary struct {
	ID         string        `json:"id"`
	Kind       string        `json:"kind"`
	Text       string        `json:"text"`
	PlannedAt  time.Duration `json:"planned_at"`
	PlannedFor time.Duration `json:"planned_for"`
	Begin      time.Duration `json:"begin"`
	Active     time.Duration `json:"active"`
	Healing    time.Duration `json:"healing"`
	Healed     time.Duration `json:"healed"`
	// Reached is the last phase that the fault reached: times of later phases are zero.
	Reached trace.FaultPhase `json:"reached"`
	// TookActive and TookHealed are how long the engine needed to apply and to remove it.
	TookActive time.Duration `json:"took_active"`
	TookHealed time.Duration `json:"took_healed"`
	Dropped    int64         `json:"dropped"` // packets, -1: not known
	Delayed    int64         `json:"delayed"`
	// Before, During and After sum up the measurements of its links; nil where there is none.
	Before *LinkSummary `json:"before,omitempty"`
	During *LinkSummary `json:"during,omitempty"`
	After  *LinkSummary `json:"after,omitempty"`
	// Nodes are the nodes that it acted on, and Answers what they said; nil for a fault on links.
	Nodes   []trace.NodeID `json:"nodes,omitempty"`
	Answers *AnswerSummary `json:"answers,omitempty"`
	OK      bool           `json:"ok"` // nothing contradicts that it did what was asked
}

// AnswerSummary counts what the nodes of a fault did around it.
type AnswerSummary struct {
	UpBefore int `json:"up_before"` // nodes that were up when it began
	// PolledDuring is how often one of its nodes was asked for its status while it held, AnsweredDuring how often one
	// answered; likewise for the time after it.
	PolledDuring   int `json:"polled_during"`
	AnsweredDuring int `json:"answered_during"`
	PolledAfter    int `json:"polled_after"`
	AnsweredAfter  int `json:"answered_after"`
}

// LinkSummary sums up measurements of links.
type LinkSummary struct {
	Links    int   `json:"links"`
	CutLinks int   `json:"cut_links"` // of them asked to be cut
	CutSent  int64 `json:"cut_sent"`  // packets sent over these
	Leaked   int64 `json:"leaked"`    // of which arrived
	Sent     int64 `json:"sent"`      // over the other links
	Received int64 `json:"received"`
	// ExpectedDelay is the largest delay asked of a link, Delay the median of what delayed links had above the measurement
	// before (in Before itself: the whole delay), Median the median one-way delay of all links that are not cut.
	ExpectedDelay time.Duration `json:"expected_delay"`
	Delay         time.Duration `json:"delay"`
	Median        time.Duration `json:"median"`
}

// summarize makes the summary after all checkers have finished.
func (w *World) summarize(t *inclusion, p *propagation, a *accuracy) Summary {
	s := Summary{Duration: w.horizon(), Blocks: len(w.tree.blocks) - 1}
	for _, n := range w.counts {
		s.Events += n
	}
	main, _ := mainHead(w)
	onMain := make(map[blockID]bool)
	if main != noBlock {
		s.Head, s.Height = w.tree.at(main).hash, w.tree.at(main).height
		for b := main; b != noBlock; b = w.tree.at(b).parent {
			onMain[b] = true
		}
	}
	stale := make(map[nodeID]int)
	for i := 1; i < len(w.tree.blocks); i++ {
		if !onMain[blockID(i)] {
			s.Stale++
			stale[w.tree.blocks[i].maker]++
		}
	}
	for i := range w.nodes {
		n, h := &w.nodes[i], w.tree.at(w.nodes[i].head)
		s.Reorgs += n.reorgs
		s.Nodes = append(s.Nodes, NodeSummary{
			ID: n.id, Role: n.role, State: n.state, Made: n.made, Stale: stale[nodeID(i)], Height: h.height, Head: h.hash,
			Reorgs: n.reorgs,
		})
	}
	s.Txs = TxSummary{
		Submitted: len(t.txs), Refused: t.refused, Included: t.included, Late: t.late, Lost: t.lost,
		Open: t.young + t.exempt,
	}
	s.Propagation = p.summary(w)
	for _, f := range w.faults {
		if f.part != nil && len(f.part.sides) > 1 {
			s.Partitions = append(s.Partitions, w.partitionSummary(f))
		}
		s.Faults = append(s.Faults, a.summary(w, f))
	}
	return s
}

func (w *World) partitionSummary(f *window) Partition {
	p := Partition{Fault: f.id, Active: f.active, Healed: f.healed, Ended: f.over(trace.FaultHealed), Winner: -1}
	for _, side := range f.part.sides {
		x := PartitionSide{Mined: side.mined, Height: side.height, Power: w.share(side.nodes)}
		x.Quorate = w.facts.quorate(x.Power)
		for _, n := range side.nodes {
			x.Nodes = append(x.Nodes, w.nodes[n].id)
		}
		p.Sides = append(p.Sides, x)
	}
	if !p.Ended {
		return p
	}
	p.Idle = !slices.ContainsFunc(p.Sides, func(s PartitionSide) bool { return s.Mined > 0 })
	p.Converged = true
	shared := noBlock
	reorgs := make(map[nodeID]bool)
	for _, j := range w.sep.all() {
		if j.settling || j.cause != f.id || j.outcome == superseded {
			continue
		}
		for n := range j.reorgs {
			reorgs[n] = true
		}
		p.DeepestReorg = max(p.DeepestReorg, j.deepest)
		if j.outcome != converged {
			p.Converged = false
			continue
		}
		p.ConvergedIn = max(p.ConvergedIn, j.ended-j.at)
		shared = j.shared
	}
	p.Reorganised = len(reorgs)
	if shared == noBlock {
		p.Converged = false
		return p
	}
	if p.Idle {
		return p
	}
	least := uint64(0)
	for k, side := range f.part.sides {
		fork := w.tree.fork(side.head, shared)
		if fork == noBlock {
			continue
		}
		lost := w.tree.at(side.head).height - w.tree.at(fork).height
		if p.Winner < 0 || lost < least || lost == least && side.height > p.Sides[p.Winner].Height {
			p.Winner, least = k, lost
		}
	}
	return p
}

func (c *accuracy) summary(w *World, f *window) FaultSummary {
	m := c.of(f.id)
	s := FaultSummary{
		ID: f.id, Kind: f.kind, Text: f.text, PlannedAt: f.asked, PlannedFor: f.askedFor,
		Begin: f.begin, Active: f.active, Healing: f.healing, Healed: f.healed, Reached: f.phase,
		TookActive: f.tookActive, TookHealed: f.tookHealed, Dropped: f.dropped, Delayed: f.delayed,
		Before: m.links[trace.ProbeBefore].summary(), During: m.links[trace.ProbeDuring].summary(),
		After: m.links[trace.ProbeAfter].summary(), OK: !m.failed,
	}
	if len(f.nodes) > 0 {
		answers := AnswerSummary(m.answers)
		s.Answers = &answers
	}
	for _, n := range f.nodes {
		s.Nodes = append(s.Nodes, w.nodes[n].id)
	}
	return s
}

func (f *linkFigures) summary() *LinkSummary {
	if f == nil {
		return nil
	}
	return &LinkSummary{
		Links: f.links, CutLinks: f.cut, CutSent: f.cutSent, Leaked: f.leaked, Sent: f.sent, Received: f.received,
		ExpectedDelay: f.want, Delay: median(slices.Clone(f.extra)), Median: median(slices.Clone(f.medians)),
	}
}
