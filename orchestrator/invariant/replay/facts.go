package replay

import (
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// Facts are what a chain states of its consensus and its observation, as checkers need it.
type Facts struct {
	trace.Facts
	Power float64 // block-making power of all nodes together
}

func newFacts(run *trace.Run) Facts {
	f := Facts{Facts: run.Chain}
	for _, n := range run.Nodes {
		f.Power += n.Mine
	}
	return f
}

// Polled is true for chains whose nodes are polled: they do not report who made a block, or from whom it came.
func (f *Facts) Polled() bool { return f.Resolution > 0 }

// NeedsQuorum is true for chains on which a quorum of producers must make each block: blocks then come at regular
// intervals, and a component without a quorum makes none.
func (f *Facts) NeedsQuorum() bool { return f.Quorum > 0 }

// InstantFinality is true for chains that never replace a block, whatever happens to the network.
func (f *Facts) InstantFinality() bool { return f.NeedsQuorum() && f.ForkDepth == 0 }

// HasQuorum says whether nodes that hold a share (0..1) of all power can make blocks.
func (f *Facts) HasQuorum(share float64) bool { return share > f.Quorum+1e-9 }

// InFlight is how long after a cut blocks may arrive that were decided before it: what was sent is still read and acted on.
func (f *Facts) InFlight() time.Duration {
	if f.NeedsQuorum() {
		return 2 * time.Second
	}
	return 0
}

// maxWithin bounds Seen.Within so that times can be subtracted without overflow.
const maxWithin = 100 * 365 * 24 * time.Hour

// earliest is the earliest time at which what e reports can have happened: for a polled node any time since the previous
// poll. A negative or missing statement of that time counts as none. n is the node of the event, nil if it has none.
func (f *Facts) earliest(e *trace.Event, n *Node, now time.Duration) time.Duration {
	switch {
	case !f.Measured:
	case e.Kind == trace.KindSeen && e.Seen.Within >= 0:
		return now - min(e.Seen.Within, maxWithin)
	case n != nil && n.reported && n.lastReport == now: // both came from one poll
		return n.reportSince
	}
	return now - f.Resolution
}
