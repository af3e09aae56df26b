package invariant

import (
	"fmt"
	"time"

	"github.com/netsplit/netsplit/orchestrator/invariant/replay"
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
	Growth      []GrowthWindow     `json:"growth,omitempty"`
	Partitions  []replay.Partition `json:"partitions,omitempty"`
	Faults      []FaultSummary     `json:"faults,omitempty"`
	// Machine is how punctual the machine was; nil where that was not measured.
	Machine *replay.Machine `json:"machine,omitempty"`
	// Clocks are the nodes' clocks that are surely wrong.
	Clocks []replay.NodeClock `json:"clocks,omitempty"`
}

// summarizer is a checker that has figures for the summary; it is called after Finish.
type summarizer interface {
	summarize(s *replay.State, into *Summary)
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
	// Adversary is true for a node of which nothing is expected or followed.
	Adversary bool `json:"adversary,omitempty"`
}

// TxSummary counts transactions.
type TxSummary struct {
	Submitted int `json:"submitted"` // accepted by a node
	Refused   int `json:"refused"`   // rejected by a node
	Included  int `json:"included"`  // on the chain that all nodes share
	Late      int `json:"late"`      // of them later than allowed
	Lost      int `json:"lost"`
	Open      int `json:"open"` // too young at the end, or submitted to a node that went down
	// Unpromised are those of Open whose node went down before it must have relayed them, or had not caught up after it was down.
	Unpromised int `json:"unpromised,omitempty"`
}

// PropagationSummary is how blocks spread; see the invariant block_propagation.
type PropagationSummary struct {
	Blocks     int    `json:"blocks"`
	Deliveries uint64 `json:"deliveries"`
	// Delays are differences of recorded times; what a poll shows happened some time before.
	Delays
	// Low and High are the least and the most that each of the delays can have been; nil where every delay is exact.
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

// Exact says which of the figures are arrival times as the nodes reported them themselves: "times" for all, "exact times" for
// those that are no ranges; empty for none, and where nodes are not polled.
func (p *PropagationSummary) Exact() string {
	if !p.Polled || p.Deliveries == 0 {
		return ""
	}
	low, high := p.Ends()
	switch {
	case low == high:
		return "times"
	case low.P50 == high.P50 || low.P95 == high.P95 || low.P99 == high.P99 || low.Max == high.Max:
		return "exact times"
	}
	return ""
}

// figure states the percentiles. Each stands by itself, so that it may be shown on a line of its own.
func (p *PropagationSummary) figure() string {
	if p.Deliveries == 0 {
		return "no deliveries"
	}
	low, high := p.Ends()
	text := fmt.Sprintf("p50 %s, p95 %s, p99 %s",
		trace.FormatRange(low.P50, high.P50), trace.FormatRange(low.P95, high.P95), trace.FormatRange(low.P99, high.P99))
	if exact := p.Exact(); exact != "" {
		text += ", " + exact + " as reported by the nodes"
	}
	return text
}

// FaultSummary is what was planned for a fault and what was measured.
type FaultSummary struct {
	replay.Fault
	// Before, During and After sum up the measurements of its links; nil where there is none.
	Before *LinkSummary `json:"before,omitempty"`
	During *LinkSummary `json:"during,omitempty"`
	After  *LinkSummary `json:"after,omitempty"`
	// Answers are the polls of its nodes; nil for a fault on links.
	Answers *AnswerSummary `json:"answers,omitempty"`
	OK      bool           `json:"ok"` // nothing contradicts that it did what was planned
}

// AnswerSummary counts what the nodes of a fault did around it.
type AnswerSummary struct {
	UpBefore int `json:"up_before"` // nodes that were up when it began
	// PolledDuring is how often one of its nodes was polled while it held, AnsweredDuring how often one answered; likewise
	// for the time after it.
	PolledDuring   int `json:"polled_during"`
	AnsweredDuring int `json:"answered_during"`
	PolledAfter    int `json:"polled_after"`
	AnsweredAfter  int `json:"answered_after"`
}

// LinkSummary sums up measurements of links.
type LinkSummary struct {
	Links    int   `json:"links"`
	CutLinks int   `json:"cut_links"` // of them planned to be cut
	CutSent  int64 `json:"cut_sent"`  // packets sent over these
	Leaked   int64 `json:"leaked"`    // of which arrived
	Sent     int64 `json:"sent"`      // over the other links
	Received int64 `json:"received"`
	// ExpectedJitter is the largest jitter planned for a link, Jitter what the spread of the delays suggests.
	ExpectedJitter time.Duration `json:"expected_jitter,omitempty"`
	Jitter         time.Duration `json:"jitter,omitempty"`
	// ExpectedDelay is the largest delay planned for a link, Delay the median of what delayed links had above the measurement
	// before (in Before itself: the whole delay), Median the median one-way delay of all links that are not cut.
	ExpectedDelay time.Duration `json:"expected_delay"`
	Delay         time.Duration `json:"delay"`
	Median        time.Duration `json:"median"`
}

// summarize makes the summary, but for the figures of the checkers.
func summarize(s *replay.State) Summary {
	x := Summary{Events: s.Events, Duration: s.Horizon(), Blocks: s.Blocks.Len() - 1, Partitions: s.Partitions(), Clocks: s.Clocks.Wrong()}
	if s.Machine.Measured > 0 {
		x.Machine = &s.Machine
	}
	onMain := make(map[replay.BlockIndex]bool)
	if main, _ := s.MainHead(); main != replay.NoBlock {
		x.Head, x.Height = s.Blocks.At(main).Hash, s.Blocks.At(main).Height
		for b := main; b != replay.NoBlock; b = s.Blocks.At(b).Parent {
			onMain[b] = true
		}
	}
	stale := make(map[replay.NodeIndex]int)
	for i := replay.BlockIndex(1); int(i) < s.Blocks.Len(); i++ {
		if !onMain[i] {
			x.Stale++
			stale[s.Blocks.At(i).Maker]++
		}
	}
	for i := range replay.NodeIndex(s.Nodes.Len()) {
		n := s.Nodes.At(i)
		head := s.Blocks.At(n.Head)
		x.Reorgs += n.Reorgs
		x.Nodes = append(x.Nodes, NodeSummary{
			ID: n.ID, Role: n.Role, State: n.State, Made: n.Made, Stale: stale[i], Height: head.Height, Head: head.Hash, Reorgs: n.Reorgs,
			Adversary: n.Adversary,
		})
	}
	return x
}
