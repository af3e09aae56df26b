package replay

import (
	"slices"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// Fault is when one fault was planned and when it happened. Times of phases that it did not reach are zero.
type Fault struct {
	ID         string           `json:"id"`
	Kind       string           `json:"kind"`
	Text       string           `json:"text"`
	PlannedAt  time.Duration    `json:"planned_at"`
	PlannedFor time.Duration    `json:"planned_for"`
	Begin      time.Duration    `json:"begin"`
	Active     time.Duration    `json:"active"`
	Healing    time.Duration    `json:"healing"`
	Healed     time.Duration    `json:"healed"`
	Reached    trace.FaultPhase `json:"reached"` // the latest phase
	// TookActive and TookHealed are how long the engine needed to apply and to remove it.
	TookActive time.Duration `json:"took_active"`
	TookHealed time.Duration `json:"took_healed"`
	// Dropped and Delayed count the packets of the testnet's own traffic that it affected, -1: not known.
	Dropped int64          `json:"dropped"`
	Delayed int64          `json:"delayed"`
	Flushed int64          `json:"flushed,omitempty"` // delayed packets lost because another testnet on the host ended
	Nodes   []trace.NodeID `json:"nodes,omitempty"`   // the nodes that a node fault acts on
}

// FaultWindow is a Fault with what it does.
type FaultWindow struct {
	Fault
	Targets []NodeIndex  // the numbers of Nodes
	Rules   []trace.Rule // of a fault on links

	phases map[trace.FaultPhase]bool
	cuts   []Cut
	ends   []ruleEnds // of each rule
	sides  *cutSides  // nil: it cuts nothing, or never became active
}

// ruleEnds are the nodes at the ends of a rule's links.
type ruleEnds struct{ from, to map[trace.NodeID]bool }

func setOf(ids []trace.NodeID) map[trace.NodeID]bool {
	set := make(map[trace.NodeID]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}

// Has says whether the fault reached a phase.
func (f *FaultWindow) Has(p trace.FaultPhase) bool { return f.phases[p] }

// Cuts says whether the fault cuts links.
func (f *FaultWindow) Cuts() bool { return len(f.cuts) > 0 }

// IdleCut says whether the fault is a cut that is known to have dropped no packet of the testnet's own traffic.
func (f *FaultWindow) IdleCut() bool {
	return f.Cuts() && f.Has(trace.FaultHealed) && f.Dropped == 0
}

// IdleDelay says whether the fault is a delay that is known to have delayed no packet of the testnet's own traffic.
func (f *FaultWindow) IdleDelay() bool {
	return f.Has(trace.FaultHealed) && f.Delayed == 0 &&
		slices.ContainsFunc(f.Rules, func(r trace.Rule) bool { return r.Delay > 0 || r.Jitter > 0 })
}

// Faults is every fault so far and the cuts that hold. It sees which nodes are up and which blocks they have, for the sides
// of a partition, but knows nothing of components, which also depend on the nodes' states.
type Faults struct {
	nodes    *Nodes
	blocks   *BlockTree
	topology *Topology

	all  []*FaultWindow
	byID map[string]*FaultWindow
	// Enforced is the separation that the active cuts enforce.
	Enforced EnforcedCut
}

// All are the faults, in the order of their first event.
func (s *Faults) All() []*FaultWindow { return s.all }

// Get is the fault with this id, a zero one if no event was about it yet.
func (s *Faults) Get(id string) *FaultWindow {
	if f := s.byID[id]; f != nil {
		return f
	}
	return &FaultWindow{}
}

// Windows are the ids of the faults that a time falls in, in order of their begin.
func (s *Faults) Windows(at time.Duration) []string {
	var out []string
	for _, f := range s.all {
		if f.Begin <= at && (!f.Has(trace.FaultHealed) || at <= f.Healed) {
			out = append(out, f.ID)
		}
	}
	return out
}

// LatestOn is the latest node fault that acts on n, nil if there is none.
func (s *Faults) LatestOn(n NodeIndex) *FaultWindow {
	for i := len(s.all) - 1; i >= 0; i-- {
		if slices.Contains(s.all[i].Targets, n) {
			return s.all[i]
		}
	}
	return nil
}

// ActiveCuts are the cuts that hold everywhere.
func (s *Faults) ActiveCuts() []Cut {
	return s.cutsWhere(func(f *FaultWindow) bool { return f.Has(trace.FaultActive) && !f.Has(trace.FaultHealing) })
}

// possibleCuts are the cuts that may hold somewhere.
func (s *Faults) possibleCuts() []Cut {
	return s.cutsWhere(func(f *FaultWindow) bool { return !f.Has(trace.FaultHealed) })
}

func (s *Faults) cutsWhere(holds func(*FaultWindow) bool) []Cut {
	var out []Cut
	for _, f := range s.all {
		if f.Cuts() && holds(f) {
			out = append(out, f.cuts...)
		}
	}
	return out
}

// Expected is what the faults that hold add up to on the link between two nodes: cuts unite, delays and jitters add. It is not
// sure while a fault on the link is being applied or removed.
func (s *Faults) Expected(from, to trace.NodeID) (cut bool, delay, jitter time.Duration, sure bool) {
	for _, f := range s.all {
		if f.Has(trace.FaultHealed) {
			continue
		}
		for i := range f.Rules {
			r := &f.Rules[i]
			if !f.ends[i].from[from] || !f.ends[i].to[to] {
				continue
			}
			if !f.Has(trace.FaultActive) || f.Has(trace.FaultHealing) {
				return false, 0, 0, false
			}
			cut, delay, jitter = cut || r.Cut, delay+r.Delay, jitter+r.Jitter
		}
	}
	return cut, delay, jitter, true
}

// MostDelay is the most by which faults can have delayed one packet on the link between two nodes since a time: the delays and
// jitters add up of all that held at any time since.
func (s *Faults) MostDelay(from, to trace.NodeID, since time.Duration) (most time.Duration) {
	for _, f := range s.all {
		if !f.held(since, f.Begin) {
			continue
		}
		for i, r := range f.Rules {
			if (r.Delay > 0 || r.Jitter > 0) && f.ends[i].from[from] && f.ends[i].to[to] {
				most += r.Delay + r.Jitter
			}
		}
	}
	return most
}

// SumOfDelays is the most by which faults can have delayed one packet on any link between two times: the largest delay and jitter
// of each fault that held meanwhile add up.
func (s *Faults) SumOfDelays(from, to time.Duration) (sum time.Duration) {
	for _, f := range s.all {
		if !f.held(from, to) {
			continue
		}
		most := time.Duration(0)
		for _, r := range f.Rules {
			most = max(most, r.Delay+r.Jitter)
		}
		sum += most
	}
	return sum
}

// Disconnected says whether a fault took nodes down or cut links between two times.
func (s *Faults) Disconnected(from, to time.Duration) bool {
	return slices.ContainsFunc(s.all, func(f *FaultWindow) bool { return (f.Cuts() || len(f.Targets) > 0) && f.held(from, to) })
}

// held says whether the fault was in place, as a whole or in part, at any time between two times.
func (f *FaultWindow) held(from, to time.Duration) bool {
	return f.Begin <= to && !(f.Has(trace.FaultHealed) && f.Healed < from)
}

// apply takes in a phase of a fault and reports whether that may change who can reach whom.
func (s *Faults) apply(e *trace.Fault, now time.Duration, problems *notes) (cuts bool) {
	f := s.byID[e.ID]
	if f == nil {
		f = &FaultWindow{phases: make(map[trace.FaultPhase]bool, 4), Fault: Fault{
			ID: e.ID, Kind: e.Kind, Text: e.Text, PlannedAt: e.PlannedAt, PlannedFor: e.PlannedFor, Begin: now,
			Dropped: -1, Delayed: -1,
		}}
		s.byID[e.ID] = f
		s.all = append(s.all, f)
	}
	if len(e.Rules) > 0 && f.Rules == nil {
		f.Rules = e.Rules
		for _, r := range e.Rules {
			f.ends = append(f.ends, ruleEnds{setOf(r.From), setOf(r.To)})
			if r.Cut {
				f.cuts = append(f.cuts, Cut{s.nodes.indices(r.From, problems), s.nodes.indices(r.To, problems)})
			}
		}
	}
	if len(e.Nodes) > 0 && f.Targets == nil {
		f.Targets = s.nodes.indices(e.Nodes, problems)
		f.Nodes = s.nodes.Names(f.Targets)
	}
	f.Reached = e.Phase
	f.phases[e.Phase] = true
	switch e.Phase {
	case trace.FaultBegin:
		f.Begin = now
	case trace.FaultActive:
		f.Active, f.TookActive = now, e.Took
	case trace.FaultHealing:
		f.Healing = now
		if f.sides != nil {
			f.sides.healing(s.nodes, s.blocks)
		}
	case trace.FaultHealed:
		f.Healed, f.TookHealed = now, e.Took
		f.Dropped, f.Delayed, f.Flushed = e.Dropped, e.Delayed, e.Flushed
		if f.sides != nil {
			f.sides.counting = false
		}
	default:
		problems.add("fault %s has the unknown phase %q", e.ID, e.Phase)
	}
	if !f.Cuts() {
		return false
	}
	if e.Phase == trace.FaultActive || e.Phase == trace.FaultHealing {
		s.Enforced.update(s.topology, s.ActiveCuts(), now)
	}
	if e.Phase == trace.FaultActive {
		f.sides = newCutSides(s.nodes, s.topology.Components(s.nodes.Up, s.ActiveCuts()))
	}
	return true
}

// blockMade counts a block for the partitions that hold; see cutSides.count.
func (s *Faults) blockMade(n NodeIndex, since time.Duration, facts *Facts) {
	for _, f := range s.all {
		if f.sides != nil && (!facts.Polled() || since > f.Active+facts.InFlight()) {
			f.sides.count(n)
		}
	}
}

// EnforcedCut is the separation that the active cuts enforce, whatever state the nodes are in.
type EnforcedCut struct {
	Since         time.Duration // when the active cuts last changed
	Version       int           // counts the changes
	Separates     bool          // it keeps some nodes apart now
	EverSeparated bool          // it kept some nodes apart at some time
	sides         []int32
	topology      *Topology
	active        []Cut
	reach         map[NodeIndex]NodeSet // what Reaches found since the last change
}

// Reaches says whether what one node sends can arrive at another, over any number of hops in directions that are not cut. Where
// one direction alone is cut, connections that exist go on to carry data in the other, until their ends give them up.
func (c *EnforcedCut) Reaches(from, to NodeIndex) bool {
	if c.topology == nil || c.sides[from] == c.sides[to] {
		return true
	}
	if c.reach == nil {
		c.reach = make(map[NodeIndex]NodeSet)
	}
	if c.reach[from] == nil {
		c.reach[from] = c.topology.reach(from, c.active)
	}
	return c.reach[from].Has(to)
}

// Side is equal for nodes that no active cut keeps apart.
func (c *EnforcedCut) Side(n NodeIndex) int32 { return c.sides[n] }

func (c *EnforcedCut) update(t *Topology, active []Cut, now time.Duration) {
	c.sides, c.Since = t.Components(nil, active), now
	c.topology, c.active, c.reach = t, active, nil
	c.Version++
	c.Separates = !slices.Equal(t.Components(nil, nil), c.sides)
	c.EverSeparated = c.EverSeparated || c.Separates
}
