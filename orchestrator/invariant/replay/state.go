package replay

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// State is what the trace says at the event that was applied last. Its memory is bounded by the nodes and the faults, but
// for some 150 bytes a block.
type State struct {
	Run   *trace.Run
	Facts Facts
	Now   time.Duration // the latest time of an event so far
	// Settling is true from SettlingAt on, when all faults have healed; Stopping from StoppingAt on, when the run takes its
	// nodes down: from then on their states are not followed.
	Settling   bool
	SettlingAt time.Duration
	Stopping   bool
	StoppingAt time.Duration
	Events     int        // that were applied
	End        *trace.End // nil before the end event

	Nodes      *Nodes
	Blocks     BlockTree
	Topology   Topology
	Faults     Faults
	Net        *Connectivity
	Recoveries Recoveries
	Machine    Machine
	Clocks     Clocks

	// Current is what the event that was applied last is about.
	Current

	unobserved unobserved
	wentDown   bool // since the components were last computed
	integrity  *integrity
	gaps       gaps
	problems   notes // statements of the trace that cannot be true
}

// Current is what one event is about and did.
type Current struct {
	Node  NodeIndex
	Block BlockIndex // of a block, seen, head or final event
	// First is true when no node was known to have the block before.
	First bool
	// Made is true when a node reports, for the first time, that it made the block. Others may have it already, by their clocks.
	Made bool
	// Since is the earliest time at which what the event reports can have happened; State.Now is the latest.
	Since time.Duration
	Reorg Reorg // of a head event
}

var noEvent = Current{Node: NoNode, Block: NoBlock, Reorg: Reorg{From: NoBlock, Fork: NoBlock}}

// Play applies the events of a trace in order, which must be that of time, and calls observe after each. events calls its
// argument for each event and stops at its first error. Play returns what events returned, and the State at the end: nil
// when there was no usable run event, else valid even with an error.
func Play(events func(func(*trace.Event) error) error, observe func(*State, *trace.Event) error) (*State, error) {
	var s *State
	err := events(func(e *trace.Event) (err error) {
		switch {
		case s != nil && e.Kind == trace.KindRun:
			return errors.New("the trace has a second run event")
		case s == nil && e.Kind != trace.KindRun:
			return fmt.Errorf("the trace begins with a %s event, not with the run", e.Kind)
		case s == nil:
			if s, err = newState(e.Run, e.At); err != nil {
				return err
			}
		}
		s.apply(e)
		s.integrity.observe(s, e)
		return observe(s, e)
	})
	if s == nil && err == nil {
		err = errors.New("the trace has no run event")
	}
	if s != nil {
		s.Current = noEvent
		s.refresh()
		s.integrity.finish(s)
	}
	return s, err
}

func newState(run *trace.Run, at time.Duration) (*State, error) {
	if err := run.CheckFormat(); err != nil {
		return nil, err
	}
	nodes, err := newNodes(run)
	if err != nil {
		return nil, err
	}
	topology, err := newTopology(run, nodes)
	if err != nil {
		return nil, err
	}
	s := &State{
		Run: run, Facts: newFacts(run), Now: at, Nodes: nodes, Blocks: newBlockTree(run.Chain.GenesisHash),
		Topology: topology, Net: newConnectivity(nodes.Len()), Current: noEvent,
	}
	s.Clocks = newClocks(nodes)
	s.Blocks.skips = s.Facts.Polled()
	s.Faults = Faults{nodes: nodes, blocks: &s.Blocks, topology: &s.Topology, byID: make(map[string]*FaultWindow)}
	s.Faults.Enforced.sides = topology.Components(nil, nil)
	s.Recoveries = Recoveries{nodes: nodes, blocks: &s.Blocks, facts: &s.Facts, net: s.Net}
	s.integrity = newIntegrity(run, nodes, &s.Blocks, &s.Facts)
	s.unobserved = unobserved{
		nodes: nodes, blocks: &s.Blocks, facts: &s.Facts, net: s.Net, missing: make([]time.Duration, nodes.Len()),
	}
	return s, nil
}

// Horizon is the time up to which nodes were expected to behave.
func (s *State) Horizon() time.Duration {
	if s.Stopping {
		return s.StoppingAt
	}
	return s.Now
}

// LogTime is the run time that an event of a node has whose own clock showed t.
func (s *State) LogTime(n NodeIndex, t time.Time) time.Duration {
	return t.Sub(s.Run.Started) - s.Nodes.At(n).ClockOffset
}

// OwnTime is what the clock of a node showed at the run time of one of its events.
func (s *State) OwnTime(n NodeIndex, at time.Duration) time.Time {
	return s.Run.Started.Add(at + s.Nodes.At(n).ClockOffset)
}

// CutsPossible says whether some cut holds, or is being made or healed.
func (s *State) CutsPossible() bool { return len(s.Faults.possibleCuts()) > 0 }

// CutsPossibleAt says whether a cut may hold on a link of one of the nodes that of selects.
func (s *State) CutsPossibleAt(of func(NodeIndex) bool) bool {
	return slices.ContainsFunc(s.Faults.possibleCuts(), func(c Cut) bool { return slices.ContainsFunc(c.from, of) || slices.ContainsFunc(c.to, of) })
}

// Settled says whether settling ran to its end.
func (s *State) Settled() bool { return s.Settling && s.Stopping && (s.End == nil || !s.CutShort()) }

// CutShort says whether the trace has no end event, or one that says that the run ended early.
func (s *State) CutShort() bool { return s.End == nil || s.End.Interrupted || s.End.Error != "" }

// Incomplete says why the history as a whole cannot be relied on: it was cut short, has a gap of all nodes, a statement that
// cannot be true, or lacks what the plan calls for; empty when it can.
func (s *State) Incomplete() string {
	switch {
	case s.End == nil:
		return "the trace has no end event: the run was cut short"
	case len(s.gaps.whole) > 0:
		return s.gaps.whole[0]
	case len(s.problems) > 0:
		return s.problems[0]
	case s.Missing() != "":
		return "the trace lacks part of the run: " + s.Missing()
	}
	return ""
}

// TimesUncertain says why times and delays say nothing of the nodes: the machine was late, or reports contradict each other.
// It is empty when they do.
func (s *State) TimesUncertain() string {
	if why := s.Machine.Problem(); why != "" {
		return why
	}
	return s.Clocks.Problem(&s.Blocks)
}

// Missing is the first thing that the plan calls for and the trace does not have; empty when it has all.
func (s *State) Missing() string { return s.integrity.missing.first() }

// Contradiction is the first thing that the trace says of a node without gaps and that cannot be true, so that events are
// missing or were changed, or the node reported what was not so; empty when there is none.
func (s *State) Contradiction() string { return s.integrity.contradiction() }

// Unmeasured says which planned measurement of a fault is missing, Unsubmitted which planned transactions; empty when none is.
func (s *State) Unmeasured() string { return s.integrity.unmeasured.first() }

// Unsubmitted is described at Unmeasured.
func (s *State) Unsubmitted() string { return s.integrity.unsubmitted.first() }

// Unobserved says which node could not be observed although it was up; empty when all could.
func (s *State) Unobserved() string {
	return s.unobserved.found.first()
}

// MainHead is the head that most nodes have at the end, the highest among equals, and a node that has it. Nodes that are up count
// before those that are not, and of these nodes that could be read to the end before others. Without nodes it is NoBlock.
func (s *State) MainHead() (BlockIndex, NodeIndex) {
	count := make(map[BlockIndex]int)
	more := s.Nodes.Len() + 1
	for i, n := range s.Nodes.All() {
		switch {
		case n.State != trace.StateUp:
			count[n.Head]++
		case s.ReadAtEnd(i):
			count[n.Head] += more * more
		default:
			count[n.Head] += more
		}
	}
	best, who := NoBlock, NoNode
	for i, n := range s.Nodes.All() {
		h := n.Head
		if best == NoBlock || count[h] > count[best] || count[h] == count[best] && s.Blocks.At(h).Height > s.Blocks.At(best).Height {
			best, who = h, i
		}
	}
	// The node named must be one that is up, if any with that head is.
	for i, n := range s.Nodes.All() {
		if n.Head == best && n.State == trace.StateUp {
			return best, i
		}
	}
	return best, who
}

// Partitions are the cuts that kept nodes apart, and what became of their sides so far.
func (s *State) Partitions() []Partition {
	var out []Partition
	for _, f := range s.Faults.All() {
		if f.sides != nil && len(f.sides.sides) > 1 {
			p := f.sides.partition(f, s.Nodes, &s.Blocks, s.Recoveries.All())
			for i := range p.Sides {
				p.Sides[i].Quorate = s.Facts.HasQuorum(p.Sides[i].Power)
			}
			out = append(out, p)
		}
	}
	return out
}

// apply takes in an event.
func (s *State) apply(e *trace.Event) {
	late := s.Now - e.At
	s.Now = max(s.Now, e.At)
	s.Blocks.now = s.Now
	s.Events++
	s.Current = noEvent
	var n *Node
	if e.Node != "" {
		i, ok := s.Nodes.Index(e.Node)
		if !ok {
			s.problems.add("an event is about the node %q, which the run event does not name", e.Node)
			return
		}
		if n = s.Nodes.At(i); n.Adversary && e.Kind != trace.KindAttack && e.Kind != trace.KindNode {
			return // what it says is no evidence
		}
		s.Node = i
	}
	s.Since = s.Facts.earliest(e, n, s.Now)
	if !s.Net.started && e.At >= 0 && e.Kind != trace.KindNode {
		s.Net.started = true
		s.Net.invalidate(max(0, s.Net.dirtyAt), CauseStart)
		s.refresh()
	}
	switch e.Kind {
	case trace.KindNode:
		s.lifecycle(n, e.Lifecycle)
		return
	case trace.KindBlock:
		s.Block = s.Blocks.link(e.Block.Hash, e.Block.Parent, e.Block.Height)
		s.Blocks.setProducer(s.Block, e.Block.Producer)
		s.Blocks.At(s.Block).dated = s.Facts.Polled() && !e.Block.Time.IsZero() && e.Block.Time.Before(s.Run.Started)
		return
	}
	s.refresh()
	switch e.Kind {
	case trace.KindSeen:
		s.seen(n, e.Seen)
		if n != nil && s.Block != NoBlock && !s.Facts.Polled() {
			from, ok := s.Nodes.Index(e.Seen.From)
			if !ok {
				from = NoNode
			}
			s.Clocks.seen(s.Block, s.Node, from, e.At)
			s.Clocks.reported(s.Node, late)
		}
	case trace.KindHead:
		s.head(n, e.Head)
	case trace.KindFinal:
		if n != nil && e.Final.Hash != "" {
			s.Block = s.Blocks.final(e.Final)
		}
	case trace.KindFault:
		if s.Faults.apply(e.Fault, e.At, &s.problems) {
			s.Net.invalidate(s.Now, e.Fault.ID)
			s.refresh()
		}
	case trace.KindPhase:
		s.enter(e.Phase.Name)
	case trace.KindStatus:
		if n != nil {
			s.status(n, e.Status)
		}
	case trace.KindBusy:
		if !s.Stopping {
			s.Machine.add(e.Busy, e.At)
		}
	case trace.KindAnswer:
		if n != nil && e.Answer.Error == "" && e.Answer.Head == s.Blocks.At(n.Head).Hash {
			n.confirmed = s.Now // it has nothing to report
			s.unobserved.reset(s.Node)
		}
		if n != nil && !e.Answer.Clock.IsZero() && e.Answer.Took >= 0 {
			n.ClockAhead, n.ClockError = s.LogTime(s.Node, e.Answer.Clock)-e.At, e.Answer.Took
		}
	case trace.KindClock:
		if n != nil {
			s.Clocks.measure(s.Node, e.Clock)
			if n.ClockOffset = e.Clock.Offset; n.ClockOffset.Abs() <= e.Clock.Within {
				n.ClockOffset = 0
			}
		}
	case trace.KindGap:
		s.gap(n, e)
	case trace.KindEnd:
		s.End = e.End
		s.stop()
	}
}

// refresh computes the components again if they may have changed.
func (s *State) refresh() {
	if !s.Net.started {
		return
	}
	s.Recoveries.expire(s.Now)
	if !s.Net.dirty || s.Stopping {
		return
	}
	s.Net.dirty, s.wentDown = false, false
	cuts := s.Faults.possibleCuts()
	components, linked := s.Topology.Components(s.Nodes.Up, cuts), s.Topology.Linked(s.Nodes.Up, cuts)
	if s.Net.has(components, linked) {
		return
	}
	s.unobserved.check(s.Net.dirtyAt)
	s.Net.change(components, linked)
	settlingAt := time.Duration(-1)
	if s.Settling {
		settlingAt = s.SettlingAt
	}
	s.Recoveries.componentsChanged(s.Now, settlingAt)
}

func (s *State) lifecycle(n *Node, l *trace.Lifecycle) {
	if n == nil || s.Stopping || n.State == l.State {
		return
	}
	if n.Adversary {
		n.setState(l.State, s.Now)
		return
	}
	if n.State == trace.StateUp && s.Net.started {
		s.unobserved.check(s.Now)
	}
	if l.State == trace.StateUp && s.wentDown {
		s.refresh() // a node that starts again at once has lost its connections all the same
	}
	s.wentDown = s.wentDown || l.State != trace.StateUp
	n.setState(l.State, s.Now)
	s.unobserved.reset(s.Node)
	cause := l.Fault
	if cause == "" {
		cause = fmt.Sprintf("%s %s", n.ID, l.State)
	}
	s.Net.invalidate(s.Now, cause)
}

func (s *State) status(n *Node, e *trace.Status) {
	if n.Answered = e.Error == ""; n.Answered {
		n.Peers = e.Peers
	}
	if !n.Answered && e.Final && n.State == trace.StateUp {
		s.unobserved.found.add("node %s, which was up, did not answer at the end: %s", n.ID, e.Error)
	}
}

func (s *State) seen(n *Node, e *trace.Seen) {
	s.Block = s.Blocks.link(e.Hash, e.Parent, e.Height)
	if n == nil {
		return
	}
	s.had(n)
	b := s.Blocks.At(s.Block)
	if s.First {
		s.Blocks.age(b, e)
	}
	if s.Facts.Measured {
		s.Since = min(n.earliestArrival(b, s.Since), s.Now)
	}
	if !n.HasBlock || e.Height < n.LowestBlock {
		n.HasBlock, n.LowestBlock = true, e.Height
	}
	if from, ok := s.Nodes.Index(e.From); ok {
		s.Recoveries.delivered(s.Block, from, s.Node)
	}
	made := e.Made && b.Maker == NoNode
	if s.Made = made; made {
		b.Maker = s.Node
		n.Made++
	}
	if made && !s.Facts.Polled() || s.First && s.Facts.Polled() {
		s.Faults.blockMade(s.Node, s.Since, &s.Facts)
	}
}

// had records that the node of the event has its block.
func (s *State) had(n *Node) {
	n.report(s.Now, s.Since)
	s.gaps.reported(s.Node, s.Now)
	s.unobserved.reset(s.Node)
	if b := s.Blocks.At(s.Block); b.FirstBy == NoNode {
		s.First = true
		b.First, b.Since, b.FirstBy, b.Groups = s.Now, s.Since, s.Node, s.Net.Version()
	}
}

func (s *State) head(n *Node, e *trace.Head) {
	if n == nil {
		return
	}
	if e.Hash == "" { // it names no block: neither genesis nor any other
		if s.Blocks.At(n.Head).Height > 0 {
			s.gaps.open(s.Node, s.Now)
			s.gaps.about.add("the head of %s at height %d, as it stated at %s, names no block", n.ID, e.Height, trace.Round(s.Now))
		}
		return
	}
	s.Block = s.Blocks.intern(e.Hash, e.Height)
	s.had(n)
	s.Blocks.adopt(s.Block, s.Node)
	old := n.Head
	s.Reorg = n.setHead(&s.Blocks, s.Block)
	s.Recoveries.headChanged(s.Node, old, s.Reorg, s.Since, s.Now)
}

func (s *State) enter(p trace.PhaseName) {
	switch p {
	case trace.PhaseSettling:
		s.Settling, s.SettlingAt = true, s.Now
		if s.Net.started {
			s.Recoveries.begin(s.Now, s.SettlingAt, nil)
		}
	case trace.PhaseStopping:
		s.stop()
	}
}

func (s *State) stop() {
	if s.Stopping {
		return
	}
	if s.Net.started {
		s.unobserved.check(s.Now)
	}
	s.unobserved.checkEnd()
	s.Stopping, s.StoppingAt = true, s.Now
}

func (s *State) gap(n *Node, e *trace.Event) {
	if n == nil {
		s.gaps.open(NoNode, e.Gap.From)
		s.gaps.whole.add("events of all nodes since %s may be missing: %s", trace.Round(e.Gap.From), e.Gap.Reason)
		return
	}
	// A node that was down all the time had nothing to report.
	if !s.Stopping && n.State != trace.StateUp && n.StateSince <= e.Gap.From {
		return
	}
	s.gaps.open(s.Node, e.Gap.From)
	s.gaps.about.add("events of %s since %s may be missing: %s", n.ID, trace.Round(e.Gap.From), e.Gap.Reason)
}
