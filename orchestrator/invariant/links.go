package invariant

import (
	"fmt"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// finishOpaque judges a chain whose blocks cannot be executed again by what is left: every block on a node's chain must
// stand on one that exists, at the height below.
func (c *validity) finishOpaque(w *World, r Result) Result {
	chained := 0
	for i := 1; i < len(w.tree.blocks); i++ {
		b := &w.tree.blocks[i]
		if b.adopter < 0 {
			continue
		}
		chained++
		if why := w.brokenLink(b); why != "" {
			r.Metrics["broken_links"]++
			r.Evidence = appendEvidence(r.Evidence, Evidence{
				At: b.adopted, Nodes: []trace.NodeID{w.nodes[b.adopter].id}, Blocks: []trace.Hash{b.hash},
				Windows: w.Windows(b.adopted), Text: why,
			})
		}
	}
	if w.tree.malformed != "" {
		r.Evidence = appendEvidence(r.Evidence, Evidence{At: w.tree.malformedAt, Windows: w.Windows(w.tree.malformedAt), Text: w.tree.malformed})
	}
	r.Metrics["blocks"], r.Metrics["executed"] = float64(chained), 0
	r.Figure = fmt.Sprintf("0 of %d blocks executed", chained)
	switch {
	case len(r.Evidence) > 0:
		return r.fail(r.Evidence[0].Text)
	case chained == 0:
		return r.vacuous("no block was made")
	}
	r.Inherent = true
	if !w.facts.asked() {
		return r.unknown(c.problem)
	}
	return r.unknown(cannotExecute)
}

// brokenLink says what is wrong with the parent of a block on a node's chain: nobody has it, although the node told of
// blocks down to its height. While parts of the history are missing that shows nothing.
func (w *World) brokenLink(b *block) string {
	if len(w.gaps) > 0 || w.end == nil || b.parent <= 0 {
		return ""
	}
	p, n := w.tree.at(b.parent), &w.nodes[b.adopter]
	if p.firstBy >= 0 || !n.told || p.height < n.lowest {
		return ""
	}
	return fmt.Sprintf("%s has block %s at height %d, whose parent %s no node ever had at height %d",
		n.id, short(b.hash), b.height, short(p.hash), p.height)
}
