package invariant

import (
	"fmt"
	"time"

	"github.com/netsplit/netsplit/orchestrator/invariant/replay"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// relayTime is how long before its node went down a transaction must have been submitted to be expected to reach others.
const relayTime = 10 * time.Second

var inclusionDefinition = Definition{
	Name:  "inclusion",
	Title: "Submitted transactions come onto the final chain in time",
	Doc: `Judged for every transaction that a node accepted. It is included when a block of the chain that all nodes share at
the end holds it; the time is from its submission to the first time that a node had such a block. While some nodes are
separated, the time runs from the moment when all nodes that are up have converged. A transaction that is on the chain
nowhere after the time allowed is lost. Those submitted to a node less than 10s before it went down, and those too young
at the end, are not judged unless they were included.
VACUOUS without transactions. NOT APPLICABLE where the chain file does not say how to submit them or what blocks hold. UNKNOWN when all were rejected, or when polled nodes showed no transaction in any block.`,
	Class: Liveness,
	Needs: []Observation{ObserveBlocks, ObserveSubmit, ObserveTxs},
	Params: []Param{
		{Name: "within", Type: TypeDuration, Doc: "longest time to inclusion; by default 10 block intervals"},
		{Name: "min_share", Type: TypeShare, Default: "0.95", Doc: "least share of transactions included in time"},
	},
	New: func(p Values) Checker {
		return &inclusion{
			within: p.Duration("within"), given: p.Has("within"), minShare: p.Share("min_share"),
			byTx: make(map[trace.Hash]int), in: make(map[trace.Hash][]replay.BlockIndex),
		}
	},
}

type inclusion struct {
	within   time.Duration
	given    bool
	minShare float64

	txs     []submitted
	byTx    map[trace.Hash]int
	in      map[trace.Hash][]replay.BlockIndex // blocks that hold a transaction
	why     string                             // of the first rejection
	bodies  bool                               // some block is recorded with transactions
	waiting []int                              // submitted during a separation that still lasts
	version int32                              // of the reconciled groups
	counts  TxSummary
}

type submitted struct {
	tx        trace.Hash
	node      replay.NodeIndex
	at        time.Duration
	clock     time.Duration // from when its time runs
	separated bool          // it was submitted during a separation
	exempt    bool          // its node went down soon after
}

func (c *inclusion) Observe(s *replay.State, e *trace.Event) {
	if c.version != s.Net.Version() {
		c.version = s.Net.Version()
		c.startClocks(s)
	}
	switch e.Kind {
	case trace.KindRun:
		if !c.given {
			c.within = 10 * s.Facts.BlockInterval
		}
	case trace.KindBlock:
		if s.Block == replay.NoBlock {
			return
		}
		for _, tx := range e.Block.Txs {
			c.bodies = true
			c.in[tx] = append(c.in[tx], s.Block)
		}
	case trace.KindSubmit:
		c.submit(s, e.Submit)
	case trace.KindNode:
		if s.Node != replay.NoNode && e.Lifecycle.State != trace.StateUp && !s.Stopping {
			c.wentDown(s)
		}
	}
}

func (c *inclusion) submit(s *replay.State, x *trace.Submit) {
	if x.Error != "" {
		if c.counts.Refused++; c.why == "" {
			c.why = x.Error
		}
		return
	}
	if _, twice := c.byTx[x.Tx]; twice || s.Node == replay.NoNode {
		return
	}
	t := submitted{tx: x.Tx, node: s.Node, at: s.Now, clock: s.Now, separated: !reconciledWithQuorum(s)}
	if t.separated {
		c.waiting = append(c.waiting, len(c.txs))
	}
	c.byTx[x.Tx] = len(c.txs)
	c.txs = append(c.txs, t)
}

// startClocks starts the time of transactions that waited for the end of a separation.
func (c *inclusion) startClocks(s *replay.State) {
	if len(c.waiting) == 0 || !reconciledWithQuorum(s) {
		return
	}
	for _, i := range c.waiting {
		c.txs[i].clock = s.Now
	}
	c.waiting = nil
}

// wentDown exempts the transactions that the node got last: it may not have relayed them.
func (c *inclusion) wentDown(s *replay.State) {
	for i := len(c.txs) - 1; i >= 0 && s.Now-c.txs[i].at < relayTime; i-- {
		if c.txs[i].node == s.Node {
			c.txs[i].exempt = true
		}
	}
}

// reconciledWithQuorum says whether all nodes that are up have converged since they were last separated, and together have
// the quorum that the chain needs.
func reconciledWithQuorum(s *replay.State) bool {
	group := int32(-1)
	power := 0.0
	for i, n := range s.Nodes.All() {
		if n.State != trace.StateUp {
			continue
		}
		power += n.Power
		if g := s.Net.Group(i); group == -1 {
			group = g
		} else if g != group {
			return false
		}
	}
	return !s.Facts.NeedsQuorum() || s.Facts.Power == 0 || s.Facts.HasQuorum(power/s.Facts.Power)
}

// finalChain holds the blocks of the chain that all nodes which are up and can reach the main one share. Nodes whose last reports
// are missing are left out.
func finalChain(s *replay.State) map[replay.BlockIndex]bool {
	shared, who := s.MainHead()
	if shared == replay.NoBlock {
		return nil
	}
	for i, n := range s.Nodes.All() {
		if n.State == trace.StateUp && s.Net.Component(i) == s.Net.Component(who) && s.ReadAtEnd(i) {
			if shared = s.Blocks.Fork(shared, n.Head); shared == replay.NoBlock {
				return nil
			}
		}
	}
	final := make(map[replay.BlockIndex]bool)
	for ; shared != replay.NoBlock; shared = s.Blocks.At(shared).Parent {
		final[shared] = true
	}
	return final
}

func (c *inclusion) Finish(s *replay.State) Result {
	r := Result{Bound: fmt.Sprintf("at least %.4g%% within %s", 100*c.minShare, c.within), Metrics: map[string]float64{}}
	final := finalChain(s)
	pending := make(map[int]bool, len(c.waiting))
	for _, i := range c.waiting {
		pending[i] = true
	}
	c.counts.Submitted = len(c.txs)
	var inTime, judged, separated, separatedIncluded int
	var delays histogram
	for i, t := range c.txs {
		at, found := c.included(s, final, t.tx)
		took := max(0, at-t.clock)
		if !found {
			took = s.Horizon() - t.clock
		}
		switch {
		case found:
			c.counts.Included++
			delays.add(took)
			if took <= c.within || pending[i] {
				inTime++
				break
			}
			c.counts.Late++
			r.Evidence = appendEvidence(r.Evidence, c.evidence(s, t, "was included only %s after it could be", took))
		case t.exempt, took < c.within, pending[i]:
			c.counts.Open++
			continue
		default:
			c.counts.Lost++
			r.Evidence = appendEvidence(r.Evidence, c.evidence(s, t, "was not included within %s after it could be", took))
		}
		judged++
		if t.separated {
			separated++
			if found {
				separatedIncluded++
			}
		}
	}
	n := &c.counts
	r.Metrics["submitted"], r.Metrics["refused"] = float64(n.Submitted), float64(n.Refused)
	r.Metrics["included"], r.Metrics["late"], r.Metrics["lost"] = float64(n.Included), float64(n.Late), float64(n.Lost)
	r.Metrics["p50_seconds"], r.Metrics["p95_seconds"] = delays.quantile(.5).Seconds(), delays.quantile(.95).Seconds()
	r.Metrics["submitted_while_separated"], r.Metrics["of_them_included"] = float64(separated), float64(separatedIncluded)
	switch {
	case n.Submitted == 0 && n.Refused > 0:
		r.Figure = fmt.Sprintf("%s rejected", Count(n.Refused, "transaction"))
		return r.unknown(fmt.Sprintf("all %d transactions were rejected: %s", n.Refused, c.why))
	case n.Submitted == 0:
		r.Figure = "no transactions"
		return r.vacuous("no transaction was submitted: there was no load, or the chain has no way to submit one")
	case !c.bodies && len(s.Facts.Genesis) == 0 && s.Blocks.Len() > 1 && s.Facts.Polled():
		r.Figure = fmt.Sprintf("%s submitted", Count(n.Submitted, "transaction"))
		return r.unknown("no block is recorded with transactions: the chain does not show them, or none took any in")
	case judged == 0:
		r.Figure = "no transaction judged"
		return r.unknown("all transactions were too young at the end of the run, or their nodes went down")
	}
	share := float64(inTime) / float64(judged)
	r.Metrics["share"] = share
	r.Figure = fmt.Sprintf("%.2f%% of %s in time, p95 %s", 100*share, Count(judged, "transaction"), trace.Round(delays.quantile(.95)))
	if share < c.minShare {
		return r.fail(fmt.Sprintf("%d of %d transactions were lost, %d were late", n.Lost, judged, n.Late))
	}
	r.Verdict = Pass
	return r
}

// included is when a node first had a block of the final chain with the transaction.
func (c *inclusion) included(s *replay.State, final map[replay.BlockIndex]bool, tx trace.Hash) (at time.Duration, found bool) {
	for _, id := range c.in[tx] {
		b := s.Blocks.At(id)
		if b.Preexisting() { // an earlier run on these nodes submitted the same
			continue
		}
		if final[id] && b.FirstBy != replay.NoNode && (!found || b.First < at) {
			at, found = b.First, true
		}
	}
	return at, found
}

func (c *inclusion) evidence(s *replay.State, t submitted, what string, took time.Duration) Evidence {
	id := s.Nodes.At(t.node).ID
	return Evidence{
		At: t.at, Nodes: []trace.NodeID{id}, Windows: s.Faults.Windows(t.at),
		Text: fmt.Sprintf("transaction %s, submitted to %s at %s, "+what, short(t.tx), id, trace.Round(t.at), trace.Round(took)),
	}
}

func (c *inclusion) summarize(_ *replay.State, into *Summary) { into.Txs = c.counts }
