package invariant

import (
	"fmt"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// silence finds nodes of which nothing was heard while others of their component went on: what they had cannot be told,
// so nothing about them may pass.
type silence struct {
	found []string // the first few
}

// silentIntervals is for how many block intervals a node may say nothing while the others of its component go on;
// minSilence is the least time.
const (
	silentIntervals = 20
	minSilence      = 20 * time.Second
)

// look judges the components as they have been until at. A node's silence is the time in all of them, since it spoke or was
// started, in which others of its component went on.
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
	allowed := max(minSilence, silentIntervals*w.facts.BlockInterval)
	for i := range w.nodes {
		n := &w.nodes[i]
		if n.state != trace.StateUp {
			continue
		}
		since := max(0, w.sep.since, n.changed)
		if n.heard {
			since = max(since, n.spoke)
		}
		if since > w.sep.since {
			n.silent = 0
		}
		n.silent += max(0, min(at, latest[w.sep.labels[i]])-since)
		if n.silent > allowed {
			s.note("nothing was heard of node %s for %s, although it was up and others went on", n.id, Round(n.silent))
		}
	}
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
