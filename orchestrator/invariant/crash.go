package invariant

import (
	"fmt"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

var crashDefinition = Definition{
	Name:  "no_crash",
	Title: "No node exits by itself",
	Doc: `A node that exits without having been asked to, at any time before the run stops its nodes, violates it.
VACUOUS when no node came up.`,
	Class: Safety, Always: true,
	New: func(Values) Checker { return &crash{} },
}

type crash struct {
	started  int
	died     int
	evidence []Evidence
}

func (c *crash) Observe(w *World, e *trace.Event) {
	if e.Kind != trace.KindNode || w.node == noNode || w.frozen {
		return
	}
	switch e.Lifecycle.State {
	case trace.StateUp:
		c.started++
	case trace.StateDied:
		c.died++
		c.evidence = appendEvidence(c.evidence, Evidence{
			At: w.now, Nodes: []trace.NodeID{e.Node}, Windows: w.Windows(w.now),
			Text: fmt.Sprintf("%s exited by itself: %s", e.Node, e.Lifecycle.Reason),
		})
	}
}

func (c *crash) Finish(*World) Result {
	r := Result{
		Figure: Count(c.died, "exit"), Bound: "0 exits", Evidence: c.evidence,
		Metrics: map[string]float64{"exits": float64(c.died), "starts": float64(c.started)},
	}
	switch {
	case c.died > 0:
		return r.fail(c.evidence[0].Text)
	case c.started == 0:
		return r.vacuous("no node came up")
	}
	r.Verdict = Pass
	return r
}
