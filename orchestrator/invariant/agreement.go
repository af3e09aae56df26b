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
Where a quorum carries the chain on (the chain's facts say so), a cut is no excuse: a group without quorum cannot go on. Where
the fork depth is 0 as well, every block is final: a replaced block, or two blocks at one height on any two nodes, is a
violation whatever the scenario's depth says; and two blocks of one maker at one height are named with him.
Where nodes tell up to which height their chain is final, that is judged whatever the fork depth: a final block that is
replaced, a final height that goes back, and two final blocks at one height are violations.
Elsewhere a dropped block is excused when it was made while its maker and the maker of a block that took its place could not reach
each other, or had not converged since: because of a cut, because one of them was down, or before the nodes were
connected. At the end of the run nodes that are up and can reach each other are excused nothing. Nodes whose chains never
shared a block, as far down as they are known, are on separate networks, which violates it.
UNKNOWN when a node that was up told nothing while others went on. VACUOUS with fewer than two nodes or without blocks.`,
	Class: Safety, Always: true,
	Needs: []Observation{ObserveBlocks},
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
	final    finality
	promised promises
}

func (c *agreement) Observe(w *World, e *trace.Event) {
	if e.Kind == trace.KindRun && (!c.given || w.facts.instant()) {
		c.depth = w.facts.ForkDepth
	}
	if (w.facts.instant() || e.Kind == trace.KindFinal) && w.block != noBlock && w.node != noNode {
		c.final.observe(w)
	}
	c.promised.observe(w, e)
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
	if w.facts.voted() {
		return r.depth
	}
	count, left := 0, r.depth
	for b := r.from; b != r.fork && b != noBlock && left > 0; b = w.tree.at(b).parent {
		left--
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
	from, x := w.tree.at(r.from), w.tree.at(to)
	e := Evidence{
		At: at, Nodes: []trace.NodeID{w.nodes[n].id}, Blocks: []trace.Hash{from.hash, x.hash}, Windows: w.Windows(at),
		Text: fmt.Sprintf("%s dropped %s: from %s at height %d to %s at height %d; ",
			w.nodes[n].id, Count(r.depth, "block"), short(from.hash), from.height, short(x.hash), x.height),
	}
	if r.fork == noBlock {
		e.Text += "the chains share no known block"
		return e
	}
	fork := w.tree.at(r.fork)
	e.Blocks = append(e.Blocks, fork.hash)
	e.Text += fmt.Sprintf("the chains part above %s at height %d", short(fork.hash), fork.height)
	return e
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
	unlinked := w.unlinked + c.compareEnds(w)
	if worse := append(append(c.final.evidence(w), c.promised.found...), equivocations(w)...); len(worse) > 0 {
		c.failed = true
		c.evidence = append(worse, c.evidence...)
		c.evidence = c.evidence[:min(len(c.evidence), MaxEvidence)]
	}
	r.Metrics["deepest_unexcused_reorg"] = float64(c.worst)
	if w.facts.voted() {
		r.Bound = fmt.Sprintf("<= %d always", c.depth)
	}
	height, told := c.promised.shared()
	if w.facts.instant() || told {
		r.Metrics["conflicting_heights"] = float64(len(c.final.conflicts))
	}
	if told {
		r.Metrics["final_height"], r.Metrics["broken_promises"] = float64(height), float64(c.promised.broken)
	}
	r.Evidence = c.evidence
	switch {
	case c.failed:
		r.Figure = fmt.Sprintf("deepest unexcused reorg %d", c.worst)
		if n := len(c.final.conflicts); n > 0 {
			r.Figure += fmt.Sprintf(", %d heights with two final blocks", n)
		}
		if n := c.promised.broken; n > 0 {
			r.Figure += fmt.Sprintf(", finality broken %d times", n)
		}
		return r.fail(c.evidence[0].Text)
	case w.tree.malformed != "":
		return r.unknown(w.tree.malformed)
	case unlinked > 0:
		return r.unknown(fmt.Sprintf("%d heads stand on blocks that the trace does not have", unlinked))
	}
	if c.deepest > 0 {
		r.Figure = fmt.Sprintf("deepest reorg %d, %d unexcused", c.deepest, c.worst)
		r.Evidence = []Evidence{c.where}
	}
	if told {
		r.Figure += fmt.Sprintf(", final up to height %d", height)
	}
	r.Verdict = Pass
	return r
}

// compareEnds compares every node's last chain with the main one. It returns how many of them it could not compare.
func (c *agreement) compareEnds(w *World) (unknown int) {
	main, mainNode := mainHead(w)
	if main == noBlock {
		return 0
	}
	for i := range w.nodes {
		n := nodeID(i)
		top := w.nodes[i].top
		fork := w.tree.fork(top, main)
		if fork == noBlock {
			switch depth := w.tree.parting(top, main); {
			case depth > 0 && w.nodes[i].headed && w.nodes[mainNode].headed:
				c.worst = max(c.worst, depth)
				c.fail(strangers(w, n, mainNode, top, main))
			case w.nodes[i].headed:
				unknown++
			}
			continue
		}
		if fork == top || fork == main {
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
	return unknown
}

// strangers is the evidence that two nodes ended on chains that never shared a block.
func strangers(w *World, a, b nodeID, x, y blockID) Evidence {
	low, other := w.tree.at(w.tree.bottom(x)), w.tree.at(w.tree.bottom(y))
	return Evidence{
		At: w.horizon(), Nodes: []trace.NodeID{w.nodes[a].id, w.nodes[b].id},
		Blocks: []trace.Hash{w.tree.at(x).hash, w.tree.at(y).hash, low.hash, other.hash}, Windows: w.Windows(w.horizon()),
		Text: fmt.Sprintf("%s and %s are on separate networks: their chains, known down to %s at height %d and %s at height %d, never shared a block",
			w.nodes[a].id, w.nodes[b].id, short(low.hash), low.height, short(other.hash), other.height),
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
