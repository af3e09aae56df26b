package invariant

import (
	"fmt"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

var convergenceDefinition = Definition{
	Name:  "convergence",
	Title: "After a heal, all nodes soon share one chain",
	Doc: `Judged from each heal of a cut, from each return of a node, and from the start of the settling, for the nodes that
are up and can reach each other from then on. They have converged as soon as the chain that all of them share is not a
mere beginning of a chain that one of them had at the start: every head of that time is then either on the shared chain
or given up. Where a quorum carries the chain on (the chain's facts say so), cut groups keep one chain without hearing of each
other, so that old agreement is no evidence: all nodes must share a block that was first seen after the start. Nodes that
together have no quorum are not judged. Blocks on their way to some nodes do not count against it. A period that another fault interrupts within
the bound is not judged, nor one at whose start all nodes had one head and that brought them no new block in common: a chain
that stands still agrees with itself.
VACUOUS with fewer than two nodes, without blocks, or when the run had neither a heal nor a settling, or never a quorum
or a new block after one; UNKNOWN when the
run ended before the bound.`,
	Class:  Liveness,
	Needs:  []Observation{ObserveBlocks},
	Params: []Param{{Name: "within", Type: TypeDuration, Default: "20s", Doc: "longest time to one chain"}},
	New: func(p Values) Checker {
		c := &convergence{}
		c.within, _ = p.Duration("within")
		return c
	},
}

type convergence struct{ within time.Duration }

// Observe does nothing: the World follows the joins of components.
func (c *convergence) Observe(*World, *trace.Event) {}

func (c *convergence) Finish(w *World) Result {
	r := Result{Bound: fmt.Sprintf("<= %s", c.within), Metrics: map[string]float64{}}
	switch {
	case len(w.nodes) < 2:
		return r.vacuous("there is no second node")
	case len(w.tree.blocks) < 2:
		return r.vacuous("no block was made")
	}
	n := c.count(w, &r)
	r.Figure = fmt.Sprintf("worst %s of %d", trace.FormatUncertain(n.worst, w.resolution()), n.judged)
	if w.facts.voted() {
		r.Metrics["without_quorum"] = float64(n.short)
	}
	r.Metrics["worst_seconds"] = n.worst.Seconds()
	r.Metrics["judged"], r.Metrics["interrupted"] = float64(n.judged), float64(n.skipped)
	r.Metrics["without_new_block"] = float64(n.still)
	r.Metrics["deepest_reorg"], r.Metrics["reorganised_nodes"] = float64(n.deepest), float64(n.reorgs)
	switch {
	case len(r.Evidence) > 0:
		return r.fail(r.Evidence[0].Text)
	case n.open > 0:
		return r.unknown("the run ended before the bound, and some nodes had not converged")
	case n.judged == 0 && n.short > 0:
		return r.vacuous("the nodes never had a quorum after a heal")
	case n.judged == 0 && n.still > 0:
		return r.vacuous("no new block reached all nodes after a heal or in settling: that they have the head they had shows nothing")
	case n.judged == 0:
		return r.vacuous("there was neither a heal nor a settling to judge")
	}
	r.Verdict = Pass
	return r
}

// joinCount is what became of the periods in which nodes were to come to one chain.
type joinCount struct {
	worst   time.Duration
	judged  int
	open    int // when the run ended
	skipped int // interrupted by another fault
	short   int // without a quorum
	still   int // without a new block
	reorgs  int // nodes that reorganised
	deepest int
}

// count goes through all joins; those that took too long become evidence.
func (c *convergence) count(w *World, r *Result) (n joinCount) {
	for _, j := range w.sep.all() {
		took := j.ended - j.at
		if j.outcome == pending {
			took = w.horizon() - j.at
		}
		switch {
		case j.halted:
			n.short++
		case took > c.within:
			n.judged++
			n.worst = max(n.worst, took)
			r.Evidence = appendEvidence(r.Evidence, lateEvidence(w, j, took))
		case j.outcome == converged && j.cause == causeStart: // nothing had kept these nodes apart
		case j.outcome == superseded:
			n.skipped++
		case j.outcome == pending:
			n.open++
		case !w.proven(j):
			n.still++
		default:
			n.judged++
			n.worst = max(n.worst, took)
			n.reorgs += len(j.reorgs)
			n.deepest = max(n.deepest, j.deepest)
		}
	}
	return n
}

func (s *separation) all() []*join { return append(append([]*join(nil), s.closed...), s.open...) }

func lateEvidence(w *World, j *join, took time.Duration) Evidence {
	e := Evidence{At: j.at + took, Windows: w.Windows(j.at)}
	var size int
	for i := range w.nodes {
		if !j.member.has(nodeID(i)) {
			continue
		}
		size++
		if len(e.Nodes) < MaxEvidence {
			e.Nodes = append(e.Nodes, w.nodes[i].id)
		}
	}
	for _, b := range j.before {
		if len(e.Blocks) < MaxEvidence {
			e.Blocks = append(e.Blocks, w.tree.at(b).hash)
		}
	}
	state := "had converged"
	if j.outcome != converged {
		state = "had not converged"
	}
	if j.fresh && j.outcome != converged {
		state = "had not converged on a new block"
	}
	e.Text = fmt.Sprintf("%s after %s at %s, %d nodes %s", trace.Round(took), j.cause, trace.Round(j.at), size, state)
	return e
}

func appendEvidence(list []Evidence, e Evidence) []Evidence {
	if len(list) < MaxEvidence {
		list = append(list, e)
	}
	return list
}
