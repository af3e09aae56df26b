package invariant

import (
	"fmt"
	"time"

	"github.com/netsplit/netsplit/orchestrator/invariant/replay"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

var convergenceDefinition = Definition{
	Name:  "convergence",
	Title: "After a heal, all nodes share one chain in time",
	Doc: `Judged from each heal of a cut, each return of a node, and the start of settling, for the nodes that are up and can
reach each other from then on (a recovery). They have converged as soon as the chain that all of them share is not a mere
beginning of a chain that one of them had at the start: every head of that time is then either on the shared chain or
dropped. Blocks on their way to some nodes do not count against it.
Where the chain needs a quorum, separated groups keep one chain without any communication, so that old agreement is no
evidence: all nodes must share a block that was first seen after the start. Nodes that together have no quorum are not judged.
Where nodes are polled, the time at which they converged lies between two ends: it breaks the bound when its lower end is above
it, and keeps it when its upper end is not.
A recovery that another fault interrupts within the bound is not judged, nor one at whose start all nodes had one head and
that brought them no new block in common: a chain that makes no progress agrees with itself.
VACUOUS with fewer than two nodes, without blocks, or when there was no recovery to judge: neither a heal nor settling, never
a quorum, or never a new block. UNKNOWN when the run ended before the bound, when the bound lies between the ends of a recovery,
or when only nodes of which reports are missing had not converged.`,
	Class:  Liveness,
	Needs:  []Observation{ObserveBlocks},
	Params: []Param{{Name: "within", Type: TypeDuration, Default: "20s", Doc: "longest time to one chain"}},
	New:    func(p Values) Checker { return &convergence{within: p.Duration("within")} },
}

// convergence judges the recoveries at the end of the run; replay follows them.
type convergence struct {
	within time.Duration
	widths histogram // how uncertain arrival times are, where every seen event says so
}

func (c *convergence) Observe(s *replay.State, e *trace.Event) {
	if e.Kind == trace.KindSeen && s.Node != replay.NoNode && s.Facts.Measured && !e.Seen.Sync && s.Net.Started() {
		c.widths.add(s.Now - s.Since)
	}
}

func (c *convergence) Finish(s *replay.State) Result {
	r := Result{Bound: fmt.Sprintf("at most %s", c.within), Metrics: map[string]float64{}}
	if why := tooSmall(s); why != "" {
		return r.vacuous(why)
	}
	n := c.count(s, &r)
	resolution := s.Facts.Resolution
	if s.Facts.Measured && c.widths.total > 0 {
		resolution = c.widths.quantile(.95)
	}
	r.Figure = "no recovery judged"
	if n.judged > 0 {
		r.Figure = slowestOf(n.judged, "recovery", "recoveries", trace.FormatUncertain(n.slowest, resolution))
	}
	if s.Facts.NeedsQuorum() {
		r.Metrics["without_quorum"] = float64(n.noQuorum)
	}
	r.Metrics["resolution_seconds"] = resolution.Seconds()
	r.Metrics["worst_seconds"] = n.slowest.Seconds()
	r.Metrics["judged"], r.Metrics["interrupted"] = float64(n.judged), float64(n.interrupted)
	r.Metrics["without_new_block"] = float64(n.noBlock)
	r.Metrics["deepest_reorg"], r.Metrics["reorganised_nodes"] = float64(n.deepest), float64(n.reorgs)
	switch {
	case len(r.Evidence) > 0:
		return r.fail(r.Evidence[0].Text)
	case n.unsure != "":
		return r.unknown(n.unsure)
	case n.open > 0:
		return r.unknown("the run ended before the bound, and some nodes had not converged")
	case n.judged == 0 && n.noQuorum > 0:
		return r.vacuous("the nodes never had a quorum after a heal")
	case n.judged == 0 && n.noBlock > 0:
		return r.vacuous("no new block reached all nodes after a heal or in settling, so their equal heads show nothing")
	case n.judged == 0:
		return r.vacuous("there was neither a heal nor settling to judge")
	}
	r.Verdict = Pass
	return r
}

// recoveryCount is how the recoveries ended.
type recoveryCount struct {
	slowest     time.Duration
	judged      int
	open        int    // when the run ended
	unsure      string // why it is not known whether one of them took too long; empty where it is
	interrupted int    // by another fault
	noQuorum    int
	noBlock     int // no new block
	reorgs      int // nodes that reorganised
	deepest     int
}

// count goes through all recoveries; those that took too long become evidence.
func (c *convergence) count(s *replay.State, r *Result) (n recoveryCount) {
	var late worst
	defer func() { r.Evidence = late.evidence }()
	for _, x := range s.Recoveries.All() {
		took, low := x.Ended-x.At, x.Ended-x.At
		switch x.Outcome {
		case replay.Pending:
			took = s.Horizon() - x.At
			low = took
		case replay.Converged:
			low = x.EndedSince - x.At
		}
		switch {
		case x.Reconnecting: // nothing healed
		case x.NoQuorum:
			n.noQuorum++
		case took > c.within && low <= c.within:
			n.judged++
			n.slowest = max(n.slowest, took)
			n.unsure = fmt.Sprintf("the recovery after %s at %s took %s, so it is not known whether that is more than %s",
				x.Cause, trace.Round(x.At), trace.FormatRange(low, took), c.within)
		case took > c.within && c.unread(s, x) != "":
			n.unsure = c.unread(s, x)
		case took > c.within:
			n.judged++
			n.slowest = max(n.slowest, took)
			late.add(float64(took), func() Evidence { return c.lateEvidence(s, x, took) })
		case x.Outcome == replay.Converged && x.Cause == replay.CauseStart: // nothing had separated these nodes
		case x.Outcome == replay.Superseded:
			n.interrupted++
		case x.Outcome == replay.Pending:
			n.open++
		case !hadToConverge(s, x):
			n.noBlock++
		default:
			n.judged++
			n.slowest = max(n.slowest, took)
			n.reorgs += len(x.Reorgs)
			n.deepest = max(n.deepest, x.Deepest)
		}
	}
	return n
}

// hadToConverge says, at the end of the run, whether there was anything to converge on: the members had different heads at
// the start, or share a block that is new since. Those that are not up any more count for neither.
func hadToConverge(s *replay.State, x *replay.Recovery) bool {
	if len(x.Before) > 1 {
		return true
	}
	shared := replay.NoBlock
	for i, n := range s.Nodes.All() {
		if !x.Members.Has(i) || n.State != trace.StateUp {
			continue
		}
		if shared == replay.NoBlock {
			shared = n.Head
		} else if shared = s.Blocks.Fork(shared, n.Head); shared == replay.NoBlock {
			return false
		}
	}
	return shared != replay.NoBlock && s.Blocks.At(shared).FirstBy != replay.NoNode && s.Blocks.At(shared).Since > x.At
}

// unread says that a recovery may have taken too long only because some reports are missing; empty where it did.
func (c *convergence) unread(s *replay.State, x *replay.Recovery) string {
	end := x.Ended
	if x.Outcome == replay.Pending {
		end = s.Horizon()
	}
	lacks := func(n replay.NodeIndex) bool { return !s.Read(n, x.At, end) }
	var missing []replay.NodeIndex
	for i := range s.Nodes.All() {
		if x.Members.Has(i) && lacks(i) {
			missing = append(missing, i)
		}
	}
	switch {
	case len(missing) == 0:
		return ""
	case x.Outcome == replay.Converged && x.LastBy != replay.NoNode && !lacks(x.LastBy):
		return "" // a node of which everything is known was the last
	case x.Outcome == replay.Pending && x.Size-len(missing) >= 2 && !s.Recoveries.ConvergedWithout(x, lacks):
		return "" // the others have not converged either
	}
	return fmt.Sprintf("reports of %s are missing, so it is not known when the nodes converged after %s at %s",
		list(s, missing), x.Cause, trace.Round(x.At))
}

// lateEvidence is about a recovery that took too long. It names the nodes that the others waited for, where that is known.
func (c *convergence) lateEvidence(s *replay.State, x *replay.Recovery, took time.Duration) Evidence {
	e := Evidence{At: x.At + c.within, Windows: s.Faults.Windows(x.At)}
	if x.Outcome == replay.Converged {
		e.At = x.Ended
	}
	state := "converged on one chain only"
	switch {
	case x.Outcome != replay.Converged && x.NeedsNewBlock:
		state = "had not converged on a new block"
	case x.Outcome != replay.Converged:
		state = "had not converged on one chain"
	}
	e.Text = fmt.Sprintf("%d nodes %s %s after %s at %s; at most %s is allowed",
		x.Size, state, trace.Round(took), x.Cause, trace.Round(x.At), c.within)
	switch {
	case x.Outcome == replay.Converged && x.LastBy != replay.NoNode:
		e.Nodes, e.Blocks = s.Nodes.Names([]replay.NodeIndex{x.LastBy}), []trace.Hash{s.Blocks.At(x.Shared).Hash}
		e.Text += fmt.Sprintf("; %s was the last", s.Nodes.At(x.LastBy).ID)
		return e
	case x.Outcome == replay.Pending:
		if behind, main := s.Recoveries.Behind(x); len(behind) > 0 {
			e.Nodes = s.Nodes.Names(behind[:min(len(behind), MaxEvidence)])
			e.Blocks = []trace.Hash{s.Blocks.At(main).Hash, s.Blocks.At(s.Nodes.At(behind[0]).Head).Hash}
			e.Text += "; " + standing(s, behind, main)
			return e
		}
	}
	for i, n := range s.Nodes.All() {
		if x.Members.Has(i) && len(e.Nodes) < MaxEvidence {
			e.Nodes = append(e.Nodes, n.ID)
		}
	}
	for _, b := range x.Before[:min(len(x.Before), MaxEvidence)] {
		e.Blocks = append(e.Blocks, s.Blocks.At(b).Hash)
	}
	return e
}

// standing says in words how the nodes that keep others from converging stand to the chain of most.
func standing(s *replay.State, nodes []replay.NodeIndex, main replay.BlockIndex) string {
	n := s.Nodes.At(nodes[0])
	head, fork := s.Blocks.At(n.Head), s.Blocks.Fork(n.Head, main)
	text := list(s, nodes)
	if len(nodes) == 1 && n.Answered {
		text += " answered, but"
	}
	switch {
	case fork == n.Head:
		text += fmt.Sprintf(" stayed at height %d, the others are at %d", head.Height, s.Blocks.At(main).Height)
	case fork == replay.NoBlock:
		text += fmt.Sprintf(" had another chain, at height %d", head.Height)
	default:
		text += fmt.Sprintf(" had another chain above height %d, at height %d", s.Blocks.At(fork).Height, head.Height)
	}
	if len(nodes) == 1 && n.Peers == 0 {
		text += ", with no peers"
	}
	return text
}
