package replay

import (
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// unobserved finds nodes that reported nothing while others did that planned connections join to them: what they had is not
// known, so nothing about them may pass. Times in which the others reported nothing either, in a component without a quorum
// say, do not count; components may change meanwhile. A node that answers that it still has the head that it reported has nothing
// to report.
type unobserved struct {
	nodes  *Nodes
	blocks *BlockTree
	facts  *Facts
	net    *Connectivity

	checked time.Duration   // until when the components have been examined
	missing []time.Duration // by node: how long it has reported nothing while others did, since its last report or change of state
	found   notes
}

// A node may report nothing for unobservedIntervals block intervals while the others linked to it do, at least for
// minUnobserved. At the end of the run, when nothing more can be observed, less is allowed to a polled node whose chain is
// lastLag blocks behind: it may reply with what it knew long ago. Nodes that report by themselves have nothing to report then.
const (
	unobservedIntervals     = 20
	minUnobserved           = 20 * time.Second
	lastUnobservedIntervals = 10
	minLastUnobserved       = 10 * time.Second
	lastLag                 = 10
)

// check examines the components as they have been since the last check, until at. It must be called before they or the
// states of nodes change.
func (u *unobserved) check(at time.Duration) {
	latest := make(map[int32]time.Duration)
	for i, n := range u.nodes.All() {
		if n.reported && n.State == trace.StateUp {
			c := u.net.Linked(i)
			latest[c] = max(latest[c], n.lastReport)
		}
	}
	for i, n := range u.nodes.All() {
		if n.State != trace.StateUp {
			continue
		}
		before := u.missing[i]
		u.missing[i] += max(0, min(at, latest[u.net.Linked(i)])-u.since(n))
		if before <= u.allowed() && u.missing[i] > u.allowed() {
			u.add(i)
		}
	}
	u.checked = max(u.checked, at)
}

func (u *unobserved) allowed() time.Duration {
	return max(minUnobserved, unobservedIntervals*u.facts.BlockInterval)
}

// since is from when on the time without a report of a node still counts.
func (u *unobserved) since(n *Node) time.Duration {
	since := max(u.checked, n.StateSince, n.confirmed)
	if n.reported {
		since = max(since, n.lastReport)
	}
	return since
}

// reset starts the node's time anew: it reported something, or its state changed.
func (u *unobserved) reset(n NodeIndex) { u.missing[n] = 0 }

// checkEnd examines polled nodes at the end of the run, after check.
func (u *unobserved) checkEnd() {
	if !u.facts.Polled() {
		return
	}
	highest := make(map[int32]uint64)
	for i, n := range u.nodes.All() {
		if n.State == trace.StateUp {
			c := u.net.Linked(i)
			highest[c] = max(highest[c], u.blocks.At(n.Head).Height)
		}
	}
	allowed := max(minLastUnobserved, lastUnobservedIntervals*u.facts.BlockInterval)
	for i, n := range u.nodes.All() {
		lags := u.blocks.At(n.Head).Height+lastLag <= highest[u.net.Linked(i)]
		if n.State == trace.StateUp && u.missing[i] > allowed && u.missing[i] <= u.allowed() && lags {
			u.add(i)
		}
	}
}

func (u *unobserved) add(n NodeIndex) {
	x := u.nodes.At(n)
	if x.Answered {
		u.found.add("node %s answered, but reported nothing for %s and stayed at height %d, while others went on",
			x.ID, trace.Round(u.missing[n]), u.blocks.At(x.Head).Height)
		return
	}
	u.found.add("node %s reported nothing for %s, although it was up and others did", x.ID, trace.Round(u.missing[n]))
}
