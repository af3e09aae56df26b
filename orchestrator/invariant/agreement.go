package invariant

import (
	"fmt"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

var agreementDefinition = Definition{
	Name:  "agreement",
	Title: "All nodes share one chain, but for its last few blocks",
	Doc: `The common prefix property (Garay, Kiayias, Leonardos): over all pairs of nodes and all times r1 <= r2, the most
blocks that must be dropped from the chain of r1 so that it is a prefix of the chain of r2 is at most depth. A node that
is merely behind agrees. It is judged by every node's reorganisations, and by comparing every node's last chain with the
one that most nodes have at the end.
A dropped block is excused when it was made while its maker and the maker of a block that took its place could not reach
each other, or had not converged since: because of a cut, because one of them was down, or before the nodes were
connected. At the end of the run nodes that are up and can reach each other are excused nothing.
VACUOUS with fewer than two nodes or without blocks.`,
	Class: Safety, Always: true,
	Params: []Param{
		{Name: "depth", Type: TypeCount, Doc: "most blocks that may be dropped; by default what the chain states as its fork depth"},
	},
	New: func(p Values) Checker {
		c := &agreement{}
		c.depth, c.given = p.Count("depth")
		return c
	},
}

type agreement struct {
	depth int
	given bool

	reorgs   int
	deepest  int // excused blocks included
	worst    int // excused blocks left out
	where    Evidence
	evidence []Evidence
	failed   bool
}

func (c *agreement) Observe(w *World, e *trace.Event) {
	if e.Kind == trace.KindRun && !c.given {
		c.depth = w.run.Chain.ForkDepth
	}
	if w.reorg.depth == 0 {
		return
	}
	c.reorgs++
	n := w.node
	if w.reorg.depth > c.deepest {
		c.deepest = w.reorg.depth
		c.where = reorgEvidence(w, n, w.now, w.reorg, w.block)
	}
	if w.reorg.depth <= c.worst {
		return
	}
	if lost := unexcused(w, w.reorg, w.block); lost > c.worst {
		c.worst = lost
	} else if lost <= c.depth {
		return
	}
	if c.worst > c.depth {
		c.fail(reorgEvidence(w, n, w.now, w.reorg, w.block))
	}
}

func (c *agreement) fail(e Evidence) {
	c.failed = true
	if len(c.evidence) < MaxEvidence {
		c.evidence = append(c.evidence, e)
	}
}

// unexcused counts the dropped blocks that no separation excuses.
func unexcused(w *World, r reorg, winner blockID) int {
	count := 0
	for b := r.from; b != r.fork && b != noBlock; b = w.tree.at(b).parent {
		if !excused(w, b, r.fork, winner) {
			count++
		}
	}
	return count
}

// excused says whether the maker of a lost block, when he made it, was apart from the maker of a block between fork and
// winner. A separation that came later is no excuse: by then the block had had its time to spread.
func excused(w *World, lost, fork, winner blockID) bool {
	b := w.tree.at(lost)
	for id := winner; id != fork && id != noBlock; {
		x := w.tree.at(id)
		if w.sep.apart(b.calm, b.firstBy, x.firstBy) {
			return true
		}
		id = x.parent
	}
	return false
}

func reorgEvidence(w *World, n nodeID, at time.Duration, r reorg, to blockID) Evidence {
	from, fork := w.tree.at(r.from), w.tree.at(r.fork)
	return Evidence{
		At: at, Nodes: []trace.NodeID{w.nodes[n].id},
		Blocks:  []trace.Hash{from.hash, w.tree.at(to).hash, fork.hash},
		Windows: w.Windows(at),
		Text: fmt.Sprintf("%s dropped %d blocks: from %s at height %d to %s at height %d; the chains part above %s at height %d",
			w.nodes[n].id, r.depth, short(from.hash), from.height, short(w.tree.at(to).hash), w.tree.at(to).height,
			short(fork.hash), fork.height),
	}
}

// short is the part of a hash by which people tell blocks apart.
func short(h trace.Hash) string {
	if len(h) > 10 {
		return string(h[:10])
	}
	return string(h)
}

func (c *agreement) Finish(w *World) Result {
	r := Result{
		Figure:  fmt.Sprintf("deepest reorg %d", c.deepest),
		Bound:   fmt.Sprintf("<= %d outside separations", c.depth),
		Metrics: map[string]float64{"reorgs": float64(c.reorgs), "deepest_reorg": float64(c.deepest)},
	}
	if len(w.nodes) < 2 {
		return r.vacuous("there is no second node")
	}
	if len(w.tree.blocks) < 2 {
		return r.vacuous("no block was made")
	}
	c.compareEnds(w)
	r.Metrics["deepest_unexcused_reorg"] = float64(c.worst)
	r.Evidence = c.evidence
	switch {
	case c.failed:
		r.Figure = fmt.Sprintf("deepest unexcused reorg %d", c.worst)
		return r.fail(c.evidence[0].Text)
	case w.tree.malformed != "":
		return r.unknown(w.tree.malformed)
	case w.unlinked > 0:
		return r.unknown(fmt.Sprintf("%d heads stand on blocks that the trace does not have", w.unlinked))
	}
	if c.deepest > 0 {
		r.Figure = fmt.Sprintf("deepest reorg %d, %d unexcused", c.deepest, c.worst)
		r.Evidence = []Evidence{c.where}
	}
	r.Verdict = Pass
	return r
}

// compareEnds compares every node's last chain with the main one.
func (c *agreement) compareEnds(w *World) {
	main, mainNode := mainHead(w)
	if main == noBlock {
		return
	}
	for i := range w.nodes {
		n := nodeID(i)
		top := w.nodes[i].top
		fork := w.tree.fork(top, main)
		if fork == noBlock || fork == top || fork == main {
			continue
		}
		r := reorg{from: top, fork: fork, depth: int(w.tree.at(top).height - w.tree.at(fork).height)}
		lost := r.depth
		connected := w.settledFully() && w.up(n) && w.up(mainNode) && w.sep.labels[n] == w.sep.labels[mainNode]
		if !connected {
			lost = unexcused(w, r, main)
		}
		c.deepest = max(c.deepest, r.depth)
		c.worst = max(c.worst, lost)
		if lost > c.depth {
			x, y := w.tree.at(top), w.tree.at(main)
			c.fail(Evidence{
				At: w.horizon(), Nodes: []trace.NodeID{w.nodes[i].id, w.nodes[mainNode].id},
				Blocks: []trace.Hash{x.hash, y.hash, w.tree.at(fork).hash}, Windows: w.Windows(w.horizon()),
				Text: fmt.Sprintf("at the end %s has %s at height %d and %s has %s at height %d; their chains part above height %d",
					w.nodes[i].id, short(x.hash), x.height, w.nodes[mainNode].id, short(y.hash), y.height, w.tree.at(fork).height),
			})
		}
	}
}

// settledFully says whether the settling ran its course.
func (w *World) settledFully() bool {
	return w.settled && w.frozen && (w.end == nil || !w.end.Interrupted && w.end.Error == "")
}

// mainHead is the head that most nodes have at the end, the highest among equals, and a node that has it. Nodes that
// are up count before those that are not.
func mainHead(w *World) (blockID, nodeID) {
	count := make(map[blockID]int)
	for i := range w.nodes {
		if w.up(nodeID(i)) {
			count[w.nodes[i].head] += len(w.nodes) + 1
		} else {
			count[w.nodes[i].head]++
		}
	}
	best, who := noBlock, noNode
	for i := range w.nodes {
		h := w.nodes[i].head
		if best == noBlock || count[h] > count[best] || count[h] == count[best] && w.tree.at(h).height > w.tree.at(best).height {
			best, who = h, nodeID(i)
		}
	}
	// The node named must be one that is up, if any with that head is.
	for i := range w.nodes {
		if w.nodes[i].head == best && w.up(nodeID(i)) {
			return best, nodeID(i)
		}
	}
	return best, who
}
