package invariant

import (
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// answers counts what the nodes of a fault said when they were asked.
type answers AnswerSummary

// fault notes how many of the fault's nodes are up when it begins.
func (a *answers) fault(w *World, f *trace.Fault) {
	if f.Phase != trace.FaultBegin {
		return
	}
	for _, id := range f.Nodes {
		if n, ok := w.byID[id]; ok && w.up(n) {
			a.UpBefore++
		}
	}
}

// answered counts an answer, or that there was none, for the latest fault on the node.
func (c *accuracy) answered(w *World, s *trace.Status) {
	if w.node == noNode || s.Final {
		return
	}
	f := lastFaultOn(w, w.node)
	if f == nil {
		return
	}
	a := &c.of(f.id).answers
	asked, got := &a.PolledDuring, &a.AnsweredDuring
	if f.over(trace.FaultHealing) {
		asked, got = &a.PolledAfter, &a.AnsweredAfter
	}
	*asked++
	if s.Error == "" {
		*got++
	}
}
