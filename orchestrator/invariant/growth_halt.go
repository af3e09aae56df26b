package invariant

import (
	"fmt"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// halt follows the components that have no quorum, where the chain needs one, and finds blocks that came to light in them.
// It takes nodes to be connected whenever they might be: while a cut is being made or healed, and while a node is being
// brought back. So no block of a component with quorum is held against another.
type halt struct {
	labels []int32 // -1: the node is surely not running
	since  time.Duration
	parts  map[int32]*haltedPart

	judged   int // components that were without quorum for longer than what was in flight
	broken   int // blocks made in them
	evidence []Evidence
}

type haltedPart struct {
	nodes  []nodeID
	share  float64
	makers int
	base   uint64 // the highest block that was in flight or before
}

// observe takes in an event, after the World.
func (h *halt) observe(w *World, e *trace.Event) {
	if !w.facts.voted() || w.facts.power == 0 || !w.sep.started || w.frozen {
		return
	}
	if h.labels == nil || e.Kind == trace.KindNode || e.Kind == trace.KindFault {
		h.update(w)
	}
	if !w.fresh || w.node == noNode || w.block == noBlock {
		return
	}
	p := h.parts[h.labels[w.node]]
	if p == nil || h.labels[w.node] < 0 {
		return
	}
	b := w.tree.at(w.block)
	if w.since <= h.since+w.facts.inFlight() {
		p.base = max(p.base, b.height)
		return
	}
	if steps := w.facts.lastSteps(p.makers); steps > 0 && b.height <= p.base+steps {
		return
	}
	h.broken++
	h.evidence = appendEvidence(h.evidence, Evidence{
		At: w.now, Nodes: []trace.NodeID{w.nodes[w.node].id}, Blocks: []trace.Hash{b.hash}, Windows: w.Windows(w.now),
		Text: fmt.Sprintf("%s took block %s at height %d onto its chain without quorum: its component, apart since %s, has %.0f%% of the power, and more than %.0f%% is needed",
			w.nodes[w.node].id, short(b.hash), b.height, trace.Round(h.since), 100*p.share, 100*w.facts.Quorum),
	})
}

// update finds the components anew, if they changed.
func (h *halt) update(w *World) {
	coming := make(map[nodeID]bool)
	for _, f := range w.faults {
		if f.over(trace.FaultHealing) && !f.over(trace.FaultHealed) {
			for _, n := range f.nodes {
				coming[n] = true
			}
		}
	}
	alive := func(n nodeID) bool { return w.up(n) || coming[n] }
	labels := w.graph.labels(alive, w.activeCuts())
	for i := range labels {
		if !alive(nodeID(i)) {
			labels[i] = -1
		}
	}
	if h.labels != nil && same(labels, h.labels) {
		return
	}
	h.close(w)
	h.labels, h.since = labels, w.now
	h.parts = make(map[int32]*haltedPart)
	for i, l := range labels {
		if l < 0 {
			continue
		}
		p := h.parts[l]
		if p == nil {
			p = &haltedPart{}
			h.parts[l] = p
		}
		p.nodes = append(p.nodes, nodeID(i))
		p.base = max(p.base, w.tree.at(w.nodes[i].head).height)
		if w.nodes[i].mine > 0 {
			p.makers++
		}
	}
	for l, p := range h.parts {
		if p.share = w.share(p.nodes); w.facts.quorate(p.share) {
			delete(h.parts, l)
		}
	}
}

// close counts the components that were watched until now.
func (h *halt) close(w *World) {
	if h.labels != nil && w.horizon() > h.since+w.facts.inFlight()+w.facts.Resolution {
		h.judged += len(h.parts)
	}
}
