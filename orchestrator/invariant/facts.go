package invariant

import (
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// facts are what the statements of a chain about itself mean for the checkers. No checker knows a chain by its name.
type facts struct {
	trace.Facts
	power float64 // block-making power of all nodes together
}

func newFacts(run *trace.Run) facts {
	f := facts{Facts: run.Chain}
	for _, n := range run.Nodes {
		f.power += n.Mine
	}
	return f
}

// asked is true for chains whose nodes are asked at intervals: they do not tell who made a block, or from whom it came.
func (f *facts) asked() bool { return f.Resolution > 0 }

// voted is true for chains that a quorum of makers must carry on: blocks then come at intervals, not by chance, and a
// component without quorum makes none.
func (f *facts) voted() bool { return f.Quorum > 0 }

// instant is true for chains that never replace a block, whatever happens to the network.
func (f *facts) instant() bool { return f.voted() && f.ForkDepth == 0 }

// quorate says whether nodes that hold a share of all power can make blocks.
func (f *facts) quorate(share float64) bool { return share > f.Quorum+1e-9 }

// flight is how long after a cut what was sent before it may still be read and acted upon.
const flight = 2 * time.Second

// inFlight is how long after a cut blocks may arrive that were decided before it.
func (f *facts) inFlight() time.Duration {
	if f.voted() {
		return flight
	}
	return 0
}

// earliest is when at the earliest that can have happened of which the current event tells: where nodes are asked it may
// have been any time since they were asked before. A negative or missing statement of that time is no knowledge.
func (w *World) earliest(e *trace.Event) time.Duration {
	if !w.facts.Measured {
		return w.now - w.facts.Resolution
	}
	if e.Kind == trace.KindSeen && e.Seen.Within >= 0 {
		return w.now - min(e.Seen.Within, maxWithin)
	}
	if n := w.node; n != noNode && w.nodes[n].heard && w.nodes[n].spoke == w.now {
		return w.nodes[n].since // told of in the same answer
	}
	return w.now - w.facts.Resolution
}

// narrow raises the time at which the node of a seen event can have had the block at the earliest: not before anybody had it,
// and not while the node was down or paused. It may be called when the block is known.
func (w *World) narrow() {
	if !w.facts.Measured {
		return
	}
	b, n := w.tree.at(w.block), &w.nodes[w.node]
	if b.firstBy == noNode {
		return
	}
	since := max(w.since, b.since)
	if n.state == trace.StateUp && b.since >= n.left {
		since = max(since, n.changed) // it came into being while the node was away
	}
	w.since = min(since, w.now)
}

// maxWithin keeps what a trace says within what can be reckoned with; no run is that long.
const maxWithin = 100 * 365 * 24 * time.Hour

// resolution is how well times are known: what 95 % of the arrivals kept to.
func (w *World) resolution() time.Duration {
	if !w.facts.Measured || w.widths.total == 0 {
		return w.facts.Resolution
	}
	return w.widths.quantile(.95)
}

// familyPoA is the family of chains whose makers take turns.
const familyPoA = "poa"

// lastSteps is the number of blocks that a component without quorum may still add after a cut. Where makers take turns
// under proof of authority each may sign once before it must wait for the others; votes give nobody a block.
func (f *facts) lastSteps(makers int) uint64 {
	if f.Family == familyPoA {
		return uint64(makers)
	}
	return 0
}

// share is the part of all power that the nodes hold.
func (w *World) share(nodes []nodeID) float64 {
	if w.facts.power <= 0 {
		return 0
	}
	sum := 0.0
	for _, n := range nodes {
		sum += w.nodes[n].mine
	}
	return sum / w.facts.power
}
