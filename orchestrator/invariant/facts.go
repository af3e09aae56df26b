package invariant

import (
	"fmt"
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

// inFlight is how long after a cut blocks may come to light that were decided before it.
func (f *facts) inFlight() time.Duration {
	if f.voted() {
		return flight + f.Resolution
	}
	return f.Resolution
}

// lastSteps is the number of blocks that a component without quorum may still add after a cut. Where makers take turns
// under proof of authority each may sign once before it must wait for the others; votes give nobody a block.
func (f *facts) lastSteps(makers int) uint64 {
	if f.Family == "poa" {
		return uint64(makers)
	}
	return 0
}

// within states how well a time is known.
func (f *facts) within(d time.Duration) string {
	if !f.asked() {
		return round(d).String()
	}
	if d < f.Resolution {
		return fmt.Sprintf("< %s", f.Resolution)
	}
	return fmt.Sprintf("%s ± %s", round(d), f.Resolution)
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
