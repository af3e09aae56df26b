package invariant

import (
	"fmt"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// World is what several checkers need to know of a run: its nodes and their states, the tree of blocks, every node's
// chain, the fault windows, and who can reach whom. It is brought up to date by each event before the checkers see it,
// and holds what is true at that event. Its memory is bounded by the nodes and the fault windows, but for some 150
// bytes a block.
type World struct {
	run   *trace.Run
	facts facts
	now   time.Duration
	phase trace.PhaseName
	// inherited is the height of the highest block that a node's first look showed, or that came to light before time zero.
	inherited uint64
	// settlingAt is when the settling began; settled is false before.
	settlingAt time.Duration
	settled    bool
	// frozen is set when the run takes its nodes down: from then on their states are not followed.
	frozen   bool
	frozenAt time.Duration

	nodes  []node
	byID   map[trace.NodeID]nodeID
	tree   tree
	graph  graph
	faults []*window
	byName map[string]*window
	sep    separation
	hard   hardCut

	// What the current event is about.
	node   nodeID        // noNode: the whole run, or a node that the run event does not name
	block  blockID       // of a seen or head event; noBlock otherwise
	fresh  bool          // no node was known to have that block before
	since  time.Duration // when at the earliest that can have happened
	reorg  reorg         // of a head event
	counts map[trace.Kind]int

	gaps     []string
	problems []string // statements of the trace that cannot be: the first few
	end      *trace.End
	unlinked int // head events whose chain is not known down to where it could be compared

	silence silence
	widths  histogram // of how well arrivals are known, where every seen event says it

	epochObservers []epochObserver
}

// epochObserver is a checker that wants to know when the components are about to change.
type epochObserver interface {
	epochEnding(w *World, at time.Duration)
}

// nodeID is a node's number in the run event.
type nodeID int32

const (
	noNode     nodeID = -1
	systemNode nodeID = -2 // stands for the run itself where a node is recorded
)

type node struct {
	id      trace.NodeID
	role    string
	mine    float64
	account string
	state   trace.State
	changed time.Duration // when state last changed
	head    blockID       // genesis until a head event says otherwise
	// top is the end of the longest chain that the node has been on without having left it: its head, or a block above
	// it when the node fell back (a torn disk) and has not caught up yet.
	top    blockID
	made   int
	reorgs int
	headed bool          // it told of a head
	lowest uint64        // the least height of a block that it told of; meaningless unless it told of one
	told   bool          // it told of a block
	spoke  time.Duration // when it last told of a block or a head; meaningless unless heard
	silent time.Duration // how long it has told nothing since it spoke or its state changed while others went on, see silence
	since  time.Duration // when at the earliest that can have happened
	heard  bool
	left   time.Duration // when it was up last, if it ever was down or paused
}

// reorg is what a head event did to the node's chain.
type reorg struct {
	from, fork blockID // fork is noBlock when the two chains part below all that is known of them
	depth      int     // blocks of the old chain that are not on the new one, as far as is known
}

// newWorld makes the world of a run.
func newWorld(run *trace.Run, at time.Duration) (*World, error) {
	w := &World{
		run: run, now: at, phase: trace.PhaseStarting,
		byID: make(map[trace.NodeID]nodeID, len(run.Nodes)), tree: newTree(run.Chain.GenesisHash),
		byName: make(map[string]*window), node: noNode, block: noBlock, counts: make(map[trace.Kind]int),
	}
	for _, n := range run.Nodes {
		if _, twice := w.byID[n.ID]; twice {
			return nil, fmt.Errorf("run event names node %s twice", n.ID)
		}
		w.byID[n.ID] = nodeID(len(w.nodes))
		w.nodes = append(w.nodes, node{id: n.ID, role: n.Role, mine: n.Mine, account: n.Account, state: trace.StateDown})
	}
	w.graph = graph{nodes: len(w.nodes), exchange: run.PeerExchange}
	for _, e := range run.Edges {
		a, aok := w.byID[e[0]]
		b, bok := w.byID[e[1]]
		if !aok || !bok {
			return nil, fmt.Errorf("run event has an edge between %s and %s, and one of them is no node", e[0], e[1])
		}
		w.graph.edges = append(w.graph.edges, [2]nodeID{a, b})
	}
	w.facts = newFacts(run)
	w.sep.init(len(w.nodes))
	w.hard.init(w)
	return w, nil
}

// Run is the run event.
func (w *World) Run() *trace.Run { return w.run }

// Now is the time of the latest event so far.
func (w *World) Now() time.Duration { return w.now }

// Phase is the run's phase.
func (w *World) Phase() trace.PhaseName { return w.phase }

// State is a node's state; StateDown for one that is not known.
func (w *World) State(id trace.NodeID) trace.State {
	if n, ok := w.byID[id]; ok {
		return w.nodes[n].state
	}
	return trace.StateDown
}

// Head is a node's best block and its height; genesis before the first head event.
func (w *World) Head(id trace.NodeID) (trace.Hash, uint64) {
	n, ok := w.byID[id]
	if !ok {
		return "", 0
	}
	b := w.tree.at(w.nodes[n].head)
	return b.hash, b.height
}

// Components are the groups of nodes that are up and can reach each other under the cuts that hold or are just being
// made or healed; larger groups of nodes come in the order of their first node.
func (w *World) Components() [][]trace.NodeID {
	w.refresh()
	var out [][]trace.NodeID
	index := make(map[int32]int)
	for i, l := range w.sep.labels {
		if w.nodes[i].state != trace.StateUp {
			continue
		}
		k, ok := index[l]
		if !ok {
			k = len(out)
			index[l] = k
			out = append(out, nil)
		}
		out[k] = append(out[k], w.nodes[i].id)
	}
	return out
}

// Windows are the ids of the fault windows that a time falls in, in order of their begin.
func (w *World) Windows(at time.Duration) []string {
	var out []string
	for _, f := range w.faults {
		if f.begin <= at && (!f.over(trace.FaultHealed) || at <= f.healed) {
			out = append(out, f.id)
		}
	}
	return out
}

func (w *World) up(n nodeID) bool { return w.nodes[n].state == trace.StateUp }

// ids gives the numbers of nodes; those that are not known are left out and noted.
func (w *World) ids(names []trace.NodeID) []nodeID {
	out := make([]nodeID, 0, len(names))
	for _, id := range names {
		n, ok := w.byID[id]
		if !ok {
			w.problem("an event names the node %q, which the run event does not", id)
			continue
		}
		out = append(out, n)
	}
	return out
}

func (w *World) problem(format string, args ...any) {
	if len(w.problems) < MaxEvidence {
		w.problems = append(w.problems, fmt.Sprintf(format, args...))
	}
}

// observe takes in an event.
func (w *World) observe(e *trace.Event) {
	w.now = max(w.now, e.At)
	w.tree.now = w.now
	w.counts[e.Kind]++
	w.node, w.block, w.fresh, w.reorg = noNode, noBlock, false, reorg{from: noBlock, fork: noBlock}
	if e.Node != "" {
		n, ok := w.byID[e.Node]
		if !ok {
			w.problem("an event is about the node %q, which the run event does not name", e.Node)
			return
		}
		w.node = n
	}
	w.since = w.earliest(e)
	if !w.sep.started && e.At >= 0 && e.Kind != trace.KindNode {
		w.startSeparation()
	}
	switch e.Kind {
	case trace.KindNode:
		w.lifecycle(e.Lifecycle)
		return
	case trace.KindBlock:
		w.block = w.tree.link(e.Block.Hash, e.Block.Parent, e.Block.Height)
		w.tree.name(w.block, e.Block.Producer)
		w.tree.at(w.block).old = w.facts.asked() && !e.Block.Time.IsZero() && e.Block.Time.Before(w.run.Started)
		return
	}
	w.refresh()
	switch e.Kind {
	case trace.KindSeen:
		w.seen(e.Seen)
	case trace.KindHead:
		w.head(e.Head)
	case trace.KindFinal:
		w.finalized(e.Final)
	case trace.KindFault:
		w.fault(e.Fault)
	case trace.KindPhase:
		w.enter(e.Phase.Name)
	case trace.KindStatus:
		w.status(e.Status)
	case trace.KindGap:
		w.gap(e)
	case trace.KindEnd:
		w.end = e.End
		w.freeze()
	}
}

func (w *World) gap(e *trace.Event) {
	who := "all nodes"
	if e.Node != "" {
		who = string(e.Node)
	}
	if w.node != noNode && !w.frozen {
		// A node that was down all the time had nothing to tell.
		if n := &w.nodes[w.node]; n.state != trace.StateUp && n.changed <= e.Gap.From {
			return
		}
	}
	if len(w.gaps) < MaxEvidence {
		w.gaps = append(w.gaps, fmt.Sprintf("events of %s since %s may be missing: %s", who, e.Gap.From, e.Gap.Reason))
	}
}

func (w *World) lifecycle(l *trace.Lifecycle) {
	if w.node == noNode || w.frozen {
		return
	}
	n := &w.nodes[w.node]
	if n.state == l.State {
		return
	}
	if n.state == trace.StateUp {
		w.silence.look(w, w.now)
		n.left = w.now
	}
	n.state, n.changed, n.silent = l.State, w.now, 0
	w.sep.dirty, w.sep.dirtyAt = true, w.now
	w.sep.cause = l.Fault
	if l.Fault == "" {
		w.sep.cause = fmt.Sprintf("%s %s", n.id, l.State)
	}
}

func (w *World) seen(s *trace.Seen) {
	w.block = w.tree.link(s.Hash, s.Parent, s.Height)
	if w.node == noNode {
		return
	}
	w.touch(w.block)
	w.inherit(s)
	w.narrow()
	if w.facts.Measured && !s.Sync && w.sep.started {
		w.widths.add(w.now - w.since)
	}
	b, n := w.tree.at(w.block), &w.nodes[w.node]
	if !n.told || s.Height < n.lowest {
		n.told, n.lowest = true, s.Height
	}
	unmade := s.Made && b.maker == noNode
	if unmade {
		b.maker = w.node
		n.made++
	}
	if unmade && !w.facts.asked() || w.fresh && w.facts.asked() {
		for _, f := range w.faults {
			f.countMade(w)
		}
	}
}

// inherit tells the blocks of the run from those that were there before.
func (w *World) inherit(s *trace.Seen) {
	switch {
	case !w.fresh:
	case s.Sync || w.now <= 0:
		w.inherited = max(w.inherited, s.Height)
	case s.Height > w.inherited:
		w.tree.at(w.block).recent = true
	}
}

// touch records the first time that a node had a block.
func (w *World) touch(id blockID) {
	n := &w.nodes[w.node]
	n.spoke, n.heard, n.since, n.silent = w.now, true, w.since, 0
	if b := w.tree.at(id); b.firstBy == noNode {
		w.fresh = true
		b.first, b.since, b.firstBy, b.calm = w.now, w.since, w.node, w.sep.calmNo
	}
}

func (w *World) head(h *trace.Head) {
	if w.node == noNode {
		return
	}
	w.block = w.tree.intern(h.Hash, h.Height)
	w.touch(w.block)
	n := &w.nodes[w.node]
	old := n.head
	n.head = w.block
	for b := w.block; b != noBlock && w.tree.at(b).adopter == noNode; b = w.tree.at(b).parent {
		w.tree.at(b).adopter, w.tree.at(b).adopted = w.node, w.now
	}
	fork, first := w.tree.fork(n.top, w.block), !n.headed
	n.headed = true
	switch {
	case fork == noBlock && first: // it is compared with the others' chains alone
		n.top = w.block
	case fork == noBlock:
		if depth := w.tree.parting(n.top, w.block); depth > 0 {
			w.reorg = reorg{from: n.top, fork: noBlock, depth: depth}
			n.reorgs++
		} else {
			w.unlinked++
		}
		n.top = w.block
	case fork == w.block: // fell back; it may yet return to top
	default:
		w.reorg = reorg{from: n.top, fork: fork, depth: int(w.tree.at(n.top).height - w.tree.at(fork).height)}
		n.top = w.block
		if w.reorg.depth > 0 {
			n.reorgs++
		}
	}
	w.joinsHead(w.node, old, w.block)
}

func (w *World) enter(p trace.PhaseName) {
	w.phase = p
	switch p {
	case trace.PhaseSettling:
		w.settled, w.settlingAt = true, w.now
		w.openSettling()
	case trace.PhaseStopping:
		w.freeze()
	}
}

func (w *World) freeze() {
	if !w.frozen {
		w.silence.look(w, w.now)
		w.silence.last(w)
		w.frozen, w.frozenAt = true, w.now
	}
}

// horizon is the time up to which nodes were expected to behave.
func (w *World) horizon() time.Duration {
	if w.frozen {
		return w.frozenAt
	}
	return w.now
}
