package invariant

import (
	"fmt"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// silence finds nodes of which nothing was heard while others of their component went on: what they had cannot be told,
// so nothing about them may pass. Times in which the others said nothing either, in a component without quorum say, do not
// count; components may change meanwhile.
type silence struct {
	looked time.Duration // until when the components have been judged
	found  []string      // the first few
}

// silentIntervals is for how many block intervals a node may say nothing while the others of its component go on;
// minSilence is the least time. At the end of the run, when nothing can come to light any more, less is allowed to one that is
// asked and that the others have left behind by lostBlocks: it may answer with what it knew long ago. Nodes that tell by
// themselves then have nothing to tell.
const (
	silentIntervals     = 20
	minSilence          = 20 * time.Second
	lastSilentIntervals = 10
	minLastSilence      = 10 * time.Second
	lostBlocks          = 10
)

// look judges the components as they have been since it looked last, until at.
func (s *silence) look(w *World, at time.Duration) {
	if !w.sep.started || w.frozen {
		return
	}
	latest := make(map[int32]time.Duration)
	for i := range w.nodes {
		if n := &w.nodes[i]; n.heard && n.state == trace.StateUp {
			latest[w.sep.labels[i]] = max(latest[w.sep.labels[i]], n.spoke)
		}
	}
	allowed := s.allowed(w)
	for i := range w.nodes {
		n := &w.nodes[i]
		if n.state != trace.StateUp {
			continue
		}
		before := n.silent
		n.silent += max(0, min(at, latest[w.sep.labels[i]])-s.since(n))
		if before <= allowed && n.silent > allowed {
			s.noteNode(n)
		}
	}
	s.looked = max(s.looked, at)
}

func (s *silence) allowed(w *World) time.Duration {
	return max(minSilence, silentIntervals*w.facts.BlockInterval)
}

// since is from when on the silence of a node is still to be counted.
func (s *silence) since(n *node) time.Duration {
	since := max(s.looked, n.changed)
	if n.heard {
		since = max(since, n.spoke)
	}
	return since
}

// last judges the nodes at the end of the run, after a look.
func (s *silence) last(w *World) {
	if !w.facts.asked() {
		return
	}
	fronts := make(map[int32]uint64)
	for i := range w.nodes {
		if w.up(nodeID(i)) {
			fronts[w.sep.labels[i]] = max(fronts[w.sep.labels[i]], w.tree.at(w.nodes[i].head).height)
		}
	}
	allowed := max(minLastSilence, lastSilentIntervals*w.facts.BlockInterval)
	for i := range w.nodes {
		n := &w.nodes[i]
		noted := n.silent > s.allowed(w)
		if n.state == trace.StateUp && n.silent > allowed && !noted && w.tree.at(n.head).height+lostBlocks <= fronts[w.sep.labels[i]] {
			s.noteNode(n)
		}
	}
}

func (s *silence) noteNode(n *node) {
	s.note("nothing was heard of node %s for %s, although it was up and others went on", n.id, trace.Round(n.silent))
}

func (s *silence) note(format string, args ...any) {
	if len(s.found) < MaxEvidence {
		s.found = append(s.found, fmt.Sprintf(format, args...))
	}
}

// status takes in what a node said when it was asked.
func (w *World) status(st *trace.Status) {
	if w.node == noNode {
		return
	}
	if n := &w.nodes[w.node]; st.Error != "" && st.Final && n.state == trace.StateUp {
		w.silence.note("node %s, which was up, did not answer at the end: %s", n.id, st.Error)
	}
}
