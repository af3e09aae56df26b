package invariant

import (
	"slices"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// window is the life of one fault.
type window struct {
	id, kind, text string
	asked          time.Duration // when the schedule wanted it to begin
	askedFor       time.Duration
	phase          trace.FaultPhase // the latest
	begin          time.Duration
	active         time.Duration
	healing        time.Duration
	healed         time.Duration
	tookActive     time.Duration
	tookHealed     time.Duration
	dropped        int64
	delayed        int64
	reached        map[trace.FaultPhase]bool
	rules          []trace.Rule
	cuts           []cutRule
	nodes          []nodeID
	part           *partition // nil: it cuts nothing, or never became active
}

func (f *window) over(p trace.FaultPhase) bool { return f.reached[p] }

// partition is what a cut did, while it is being counted.
type partition struct {
	side     []int32 // side of every node, -1 for nodes that were not up
	sides    []partSide
	counting bool
}

type partSide struct {
	nodes  []nodeID
	mined  int
	height uint64
	head   blockID // the highest head when the heal began
}

// countMade counts a block that a node made just now, or was the first to tell of where nodes are asked: then the first
// moments are left out, in which what was made before the cut comes to light.
func (f *window) countMade(w *World) {
	if f.part == nil || !f.part.counting || f.part.side[w.node] < 0 {
		return
	}
	if w.facts.asked() && w.since <= f.active+w.facts.inFlight() {
		return
	}
	f.part.sides[f.part.side[w.node]].mined++
}

// idleCut says whether the window is a cut that is known to have touched no packet of the testnet's own traffic.
func (f *window) idleCut() bool {
	return len(f.cuts) > 0 && f.over(trace.FaultHealed) && f.dropped == 0
}

// idleDelay is idleCut for what a window delays. Engines that cannot count say -1.
func (f *window) idleDelay() bool {
	return f.over(trace.FaultHealed) && f.delayed == 0 &&
		slices.ContainsFunc(f.rules, func(r trace.Rule) bool { return r.Delay > 0 || r.Jitter > 0 })
}

// fault takes in a phase of a fault.
func (w *World) fault(e *trace.Fault) {
	f := w.byName[e.ID]
	if f == nil {
		f = &window{
			id: e.ID, kind: e.Kind, text: e.Text, asked: e.PlannedAt, askedFor: e.PlannedFor, begin: w.now,
			reached: make(map[trace.FaultPhase]bool, 4), dropped: -1, delayed: -1,
		}
		w.byName[e.ID] = f
		w.faults = append(w.faults, f)
	}
	if len(e.Rules) > 0 && f.rules == nil {
		f.rules, f.cuts = e.Rules, w.cutRules(e.Rules)
	}
	if len(e.Nodes) > 0 && f.nodes == nil {
		f.nodes = w.ids(e.Nodes)
	}
	f.phase = e.Phase
	f.reached[e.Phase] = true
	switch e.Phase {
	case trace.FaultBegin:
		f.begin = w.now
	case trace.FaultActive:
		f.active, f.tookActive = w.now, e.Took
	case trace.FaultHealing:
		f.healing = w.now
		w.heightsAtHeal(f)
	case trace.FaultHealed:
		f.healed, f.tookHealed = w.now, e.Took
		f.dropped, f.delayed = e.Dropped, e.Delayed
		if f.part != nil {
			f.part.counting = false
		}
	default:
		w.problem("fault %s has the unknown phase %q", e.ID, e.Phase)
	}
	if len(f.cuts) == 0 {
		return
	}
	if e.Phase == trace.FaultActive || e.Phase == trace.FaultHealing {
		w.hard.update(w)
	}
	if e.Phase == trace.FaultActive {
		w.startPartition(f)
	}
	w.sep.dirty, w.sep.dirtyAt, w.sep.cause = true, w.now, f.id
	w.refresh()
}

// startPartition finds the sides that the active cuts make of the nodes that are up.
func (w *World) startPartition(f *window) {
	p := &partition{side: make([]int32, len(w.nodes)), counting: true}
	labels := w.graph.labels(w.up, w.activeCuts())
	index := make(map[int32]int32)
	for i := range w.nodes {
		p.side[i] = -1
		if !w.up(nodeID(i)) {
			continue
		}
		k, ok := index[labels[i]]
		if !ok {
			k = int32(len(p.sides))
			index[labels[i]] = k
			p.sides = append(p.sides, partSide{})
		}
		p.side[i] = k
		p.sides[k].nodes = append(p.sides[k].nodes, nodeID(i))
	}
	f.part = p
}

func (w *World) heightsAtHeal(f *window) {
	if f.part == nil {
		return
	}
	for k := range f.part.sides {
		s := &f.part.sides[k]
		for _, n := range s.nodes {
			b := w.tree.at(w.nodes[n].head)
			if b.height > s.height || s.height == 0 {
				s.height, s.head = b.height, w.nodes[n].head
			}
		}
	}
}

// activeCuts are the cuts that surely hold everywhere.
func (w *World) activeCuts() []cutRule {
	return w.cutsWhere(func(f *window) bool { return f.over(trace.FaultActive) && !f.over(trace.FaultHealing) })
}

// possibleCuts are the cuts that may hold somewhere.
func (w *World) possibleCuts() []cutRule {
	return w.cutsWhere(func(f *window) bool { return !f.over(trace.FaultHealed) })
}

func (w *World) cutsWhere(holds func(*window) bool) []cutRule {
	var out []cutRule
	for _, f := range w.faults {
		if len(f.cuts) > 0 && holds(f) {
			out = append(out, f.cuts...)
		}
	}
	return out
}

// hardCut is the separation that the active cuts enforce, whatever state the nodes are in.
type hardCut struct {
	labels []int32
	since  time.Duration
	no     int  // counts changes
	whole  bool // it separates nobody
	any    bool // some cut separated somebody at some time
}

func (h *hardCut) init(w *World) {
	h.labels = w.graph.labels(nil, nil)
	h.whole = true
}

func (h *hardCut) update(w *World) {
	free := w.graph.labels(nil, nil)
	h.labels = w.graph.labels(nil, w.activeCuts())
	h.since = w.now
	h.no++
	h.whole = same(free, h.labels)
	h.any = h.any || !h.whole
}

func same(a, b []int32) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
