package invariant

import (
	"fmt"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

var isolationDefinition = Definition{
	Name:  "isolation",
	Title: "Nothing crosses a cut",
	Doc: `While cuts hold everywhere (from the time a fault is active until it begins to heal) and keep groups of nodes apart,
no node may receive a block from a peer in another group (after a grace, for what had arrived but was not read yet), have
a block that was made in another group since, or be reached by a probe over a cut link. Whether nodes are up plays no part.
Where nodes are asked at intervals, a block counts as made in the group that first told of it, if that was later than the
grace and the resolution after the cut. Where no block is made under a cut, the probes alone decide.
VACUOUS when no cut kept any nodes apart, when nothing was sent meanwhile, or when no cut touched a packet of the testnet's
own traffic: then no live connection ran across it.`,
	Class: Infrastructure, Always: true,
	Params: []Param{{Name: "grace", Type: TypeDuration, Default: "2s", Doc: "time for what arrived before the cut"}},
	New: func(p Values) Checker {
		c := &isolation{}
		c.grace, _ = p.Duration("grace")
		return c
	},
}

type isolation struct {
	grace    time.Duration
	no       int
	made     map[blockID]nodeID // blocks made since the groups last changed
	blocks   int                // first acceptances and blocks made under a cut
	probes   int                // packets sent over cut links
	evidence []Evidence
	crossed  int
}

func (c *isolation) Observe(w *World, e *trace.Event) {
	if c.no != w.hard.no {
		c.no = w.hard.no
		c.made = make(map[blockID]nodeID)
	}
	switch {
	case e.Kind == trace.KindProbe && e.Probe.Phase == trace.ProbeDuring:
		c.probe(w, e.Probe)
	case e.Kind == trace.KindSeen && !w.hard.whole && w.node != noNode && w.block != noBlock:
		c.seen(w, e.Seen)
	}
}

func (c *isolation) seen(w *World, s *trace.Seen) {
	c.blocks++
	if s.Made || w.facts.asked() && w.fresh && w.since > w.hard.since+c.grace {
		c.made[w.block] = w.node
		return
	}
	group := w.hard.labels[w.node]
	if maker, ok := c.made[w.block]; ok && w.hard.labels[maker] != group {
		c.cross(w, s.Hash, maker, c.madeText(w))
		return
	}
	from, ok := w.byID[s.From]
	settled := max(w.hard.since, w.nodes[w.node].changed) + c.grace
	if ok && w.hard.labels[from] != group && w.now > settled {
		c.cross(w, s.Hash, from, "got block %s from %s on the other side of the cut")
	}
}

func (c *isolation) madeText(w *World) string {
	if w.facts.asked() {
		return "has block %s, which came to light under the cut on %s, on the other side"
	}
	return "has block %s, which %s made on the other side of the cut"
}

func (c *isolation) cross(w *World, block trace.Hash, other nodeID, text string) {
	c.crossed++
	n := w.nodes[w.node].id
	c.evidence = appendEvidence(c.evidence, Evidence{
		At: w.now, Nodes: []trace.NodeID{n, w.nodes[other].id}, Blocks: []trace.Hash{block}, Windows: w.Windows(w.now),
		Text: string(n) + " " + fmt.Sprintf(text, short(block), w.nodes[other].id),
	})
}

func (c *isolation) probe(w *World, p *trace.Probe) {
	for _, l := range p.Links {
		if !l.ExpectedCut {
			continue
		}
		c.probes += l.Sent
		if l.Received == 0 {
			continue
		}
		c.crossed++
		c.evidence = appendEvidence(c.evidence, Evidence{
			At: w.now, Nodes: []trace.NodeID{l.From, l.To}, Windows: w.Windows(w.now),
			Text: fmt.Sprintf("%d of %d probe packets from %s reached %s over a cut link", l.Received, l.Sent, l.From, l.To),
		})
	}
}

// idleCuts says that no cut touched any traffic, if that is known of all that became active.
func (w *World) idleCuts() string {
	why := ""
	for _, f := range w.faults {
		if len(f.cuts) == 0 || !f.over(trace.FaultActive) {
			continue
		}
		if !f.idleCut() {
			return ""
		}
		why = f.id + ": the cut dropped no packet of the testnet's own traffic, so no live connection ran across it"
	}
	return why
}

func (c *isolation) Finish(w *World) Result {
	r := Result{
		Figure: Count(c.crossed, "crossing"), Bound: "0 crossings", Evidence: c.evidence,
		Metrics: map[string]float64{
			"crossings": float64(c.crossed), "blocks_under_cut": float64(c.blocks), "probe_packets": float64(c.probes),
		},
	}
	switch {
	case c.crossed > 0:
		return r.fail(c.evidence[0].Text)
	case !w.hard.any:
		return r.vacuous("no cut kept any nodes apart")
	case c.blocks == 0 && c.probes == 0:
		return r.vacuous("nothing was sent while a cut held")
	case w.idleCuts() != "":
		return r.vacuous(w.idleCuts())
	}
	r.Verdict = Pass
	return r
}
