package invariant

import (
	"fmt"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// lastBreath is how long before its node went down a transaction must have been submitted to be expected to outlive it.
const lastBreath = 10 * time.Second

var inclusionDefinition = Definition{
	Name:  "inclusion",
	Title: "Submitted transactions come onto the final chain in time",
	Doc: `Judged for every transaction that a node accepted. It is included when a block of the chain that all nodes share at
the end holds it; the time is from its submission to the first time that a node had such a block. While some nodes are
separated, the time runs from the moment when all nodes that are up have converged. A transaction that is on the chain
nowhere after the time allowed is lost. Those submitted to a node less than 10s before it went down, and those too young
at the end, are not judged unless they were included.
VACUOUS without transactions; UNKNOWN when all were refused, or when the nodes were asked and showed no transaction in any
block.`,
	Class: Liveness,
	Needs: []Observation{ObserveBlocks, ObserveSubmit, ObserveTxs},
	Params: []Param{
		{Name: "within", Type: TypeDuration, Doc: "longest time to inclusion; by default 10 block intervals"},
		{Name: "min_share", Type: TypeShare, Default: "0.95", Doc: "least share of transactions included in time"},
	},
	New: func(p Values) Checker {
		c := &inclusion{byTx: make(map[trace.Hash]int), in: make(map[trace.Hash][]blockID)}
		c.within, c.given = p.Duration("within")
		c.minShare, _ = p.Share("min_share")
		return c
	},
}

type inclusion struct {
	within   time.Duration
	given    bool
	minShare float64

	txs     []submitted
	byTx    map[trace.Hash]int
	in      map[trace.Hash][]blockID // blocks that hold a transaction
	refused int
	why     string // of the first refusal
	bodies  bool   // some block is recorded with transactions
	waiting []int  // submitted during a separation that lasts
	calmNo  int32

	included, late, lost, young, exempt int
}

type submitted struct {
	tx     trace.Hash
	node   nodeID
	at     time.Duration
	clock  time.Duration // from when its time runs
	apart  bool          // it was submitted during a separation
	exempt bool
}

func (c *inclusion) Observe(w *World, e *trace.Event) {
	if c.calmNo != w.sep.calmNo {
		c.calmNo = w.sep.calmNo
		c.wake(w)
	}
	switch e.Kind {
	case trace.KindRun:
		if !c.given {
			c.within = 10 * w.run.Chain.BlockInterval
		}
	case trace.KindBlock:
		if w.block == noBlock {
			return
		}
		for _, tx := range e.Block.Txs {
			c.bodies = true
			c.in[tx] = append(c.in[tx], w.block)
		}
	case trace.KindSubmit:
		c.submit(w, e.Submit)
	case trace.KindNode:
		if w.node != noNode && e.Lifecycle.State != trace.StateUp && !w.frozen {
			c.wentDown(w)
		}
	}
}

func (c *inclusion) submit(w *World, s *trace.Submit) {
	if s.Error != "" {
		if c.refused++; c.why == "" {
			c.why = s.Error
		}
		return
	}
	if _, twice := c.byTx[s.Tx]; twice || w.node == noNode {
		return
	}
	t := submitted{tx: s.Tx, node: w.node, at: w.now, clock: w.now, apart: !calmEverywhere(w)}
	if t.apart {
		c.waiting = append(c.waiting, len(c.txs))
	}
	c.byTx[s.Tx] = len(c.txs)
	c.txs = append(c.txs, t)
}

// wake starts the time of transactions that waited for the end of a separation.
func (c *inclusion) wake(w *World) {
	if len(c.waiting) == 0 || !calmEverywhere(w) {
		return
	}
	for _, i := range c.waiting {
		c.txs[i].clock = w.now
	}
	c.waiting = nil
}

// wentDown exempts what the node was given last: it may not have passed it on.
func (c *inclusion) wentDown(w *World) {
	for i := len(c.txs) - 1; i >= 0 && w.now-c.txs[i].at < lastBreath; i-- {
		if c.txs[i].node == w.node {
			c.txs[i].exempt = true
		}
	}
}

// calmEverywhere says whether all nodes that are up have converged since they were last separated, and together have the
// quorum that the chain needs.
func calmEverywhere(w *World) bool {
	label := int32(-1)
	share := 0.0
	for i := range w.nodes {
		if w.nodes[i].state != trace.StateUp {
			continue
		}
		share += w.nodes[i].mine
		if l := w.sep.calm[i]; label == -1 {
			label = l
		} else if l != label {
			return false
		}
	}
	return !w.facts.voted() || w.facts.power == 0 || w.facts.quorate(share/w.facts.power)
}

// onFinal marks the blocks of the chain that all nodes which are up and reach the main one share.
func onFinal(w *World) map[blockID]bool {
	shared, who := mainHead(w)
	if shared == noBlock {
		return nil
	}
	for i := range w.nodes {
		if w.up(nodeID(i)) && w.sep.labels[i] == w.sep.labels[who] {
			if shared = w.tree.fork(shared, w.nodes[i].head); shared == noBlock {
				return nil
			}
		}
	}
	final := make(map[blockID]bool)
	for ; shared != noBlock; shared = w.tree.at(shared).parent {
		final[shared] = true
	}
	return final
}

func (c *inclusion) Finish(w *World) Result {
	r := Result{Bound: fmt.Sprintf(">= %.4g%% within %s", 100*c.minShare, c.within), Metrics: map[string]float64{}}
	final := onFinal(w)
	pending := make(map[int]bool, len(c.waiting))
	for _, i := range c.waiting {
		pending[i] = true
	}
	var good, judged, split, splitGood int
	var delays histogram
	for i, t := range c.txs {
		at, found := c.placed(w, final, t.tx)
		took := max(0, at-t.clock)
		if !found {
			took = w.horizon() - t.clock
		}
		switch {
		case found && (took <= c.within || pending[i]):
			good++
			c.included++
			delays.add(took)
		case found:
			c.included++
			c.late++
			delays.add(took)
			r.Evidence = appendEvidence(r.Evidence, txEvidence(w, t, fmt.Sprintf("came onto the chain %s after it could", trace.Round(took))))
		case t.exempt:
			c.exempt++
			continue
		case took < c.within || pending[i]:
			c.young++
			continue
		default:
			c.lost++
			r.Evidence = appendEvidence(r.Evidence, txEvidence(w, t, fmt.Sprintf("is on no chain %s after it could be", trace.Round(took))))
		}
		judged++
		if t.apart {
			split++
			if found {
				splitGood++
			}
		}
	}
	r.Metrics["submitted"], r.Metrics["refused"] = float64(len(c.txs)), float64(c.refused)
	r.Metrics["included"], r.Metrics["late"], r.Metrics["lost"] = float64(c.included), float64(c.late), float64(c.lost)
	r.Metrics["p50_seconds"], r.Metrics["p95_seconds"] = delays.quantile(.5).Seconds(), delays.quantile(.95).Seconds()
	r.Metrics["submitted_while_separated"], r.Metrics["of_them_included"] = float64(split), float64(splitGood)
	if c.blind(w, &r) {
		return r
	}
	if judged == 0 {
		r.Figure = "none judged"
		return r.unknown("all transactions were too young at the end of the run, or their nodes went down")
	}
	share := float64(good) / float64(judged)
	r.Metrics["share"] = share
	r.Figure = fmt.Sprintf("%.2f%% of %d in time, p95 %s", 100*share, judged, trace.Round(delays.quantile(.95)))
	if share < c.minShare {
		return r.fail(fmt.Sprintf("%d of %d transactions were lost, %d were late", c.lost, judged, c.late))
	}
	r.Verdict = Pass
	return r
}

// blind fills in the result when nothing can be told of any transaction, and reports whether that is so.
func (c *inclusion) blind(w *World, r *Result) bool {
	switch {
	case len(c.txs) == 0 && c.refused > 0:
		r.Figure = fmt.Sprintf("%d refused", c.refused)
		*r = r.unknown(fmt.Sprintf("all %d transactions were refused: %s", c.refused, c.why))
	case len(c.txs) == 0:
		r.Figure = "no transactions"
		*r = r.vacuous("no transaction was submitted: there was no load, or the chain gives no way to submit one")
	case !c.bodies && len(w.facts.Genesis) == 0 && len(w.tree.blocks) > 1 && w.facts.asked():
		r.Figure = fmt.Sprintf("%d submitted", len(c.txs))
		*r = r.unknown("no block is recorded with transactions: the chain does not show them, or none took any in")
	default:
		return false
	}
	return true
}

// placed is when the final chain first had the transaction.
func (c *inclusion) placed(w *World, final map[blockID]bool, tx trace.Hash) (at time.Duration, found bool) {
	for _, id := range c.in[tx] {
		b := w.tree.at(id)
		if b.past() { // it holds the like of an earlier run on these nodes
			continue
		}
		if final[id] && b.firstBy != noNode && (!found || b.first < at) {
			at, found = b.first, true
		}
	}
	return at, found
}

func txEvidence(w *World, t submitted, what string) Evidence {
	return Evidence{
		At: t.at, Nodes: []trace.NodeID{w.nodes[t.node].id}, Windows: w.Windows(t.at),
		Text: fmt.Sprintf("transaction %s, given to %s at %s, %s", short(t.tx), w.nodes[t.node].id, trace.Round(t.at), what),
	}
}
