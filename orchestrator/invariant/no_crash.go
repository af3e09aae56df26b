package invariant

import (
	"fmt"

	"github.com/netsplit/netsplit/orchestrator/invariant/replay"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

var crashDefinition = Definition{
	Name:  "no_crash",
	Title: "No node exits unexpectedly",
	Doc: `A node that exits although nothing stopped it, at any time before the run stops its nodes, violates it; so does one that the
kernel kills because its container needs more memory than it may have. One that somebody else killed or removed does not: that
ends the run. In containers that includes SIGKILL which neither netsplit nor the engine sent, because a container's first process
cannot get that from within. An adversary is a node of ours that sends more than others: it must not exit either.
VACUOUS when no node started.`,
	Class: Safety, Always: true, Reports: ReportsNone,
	New: func(Values) Checker { return &crash{} },
}

type crash struct {
	started  int
	died     int
	evidence []Evidence
}

func (c *crash) Observe(s *replay.State, e *trace.Event) {
	if e.Kind != trace.KindNode || s.Node == replay.NoNode || s.Stopping {
		return
	}
	switch e.Lifecycle.State {
	case trace.StateUp:
		c.started++
	case trace.StateDied:
		c.died++
		c.evidence = appendEvidence(c.evidence, Evidence{
			At: s.Now, Nodes: []trace.NodeID{e.Node}, Windows: s.Faults.Windows(s.Now),
			Text: fmt.Sprintf("%s exited unexpectedly: %s", e.Node, e.Lifecycle.Reason),
		})
	}
}

func (c *crash) Finish(*replay.State) Result {
	r := Result{
		Figure: Count(c.died, "unexpected exit"), Bound: "no unexpected exit", Evidence: c.evidence,
		Metrics: map[string]float64{"exits": float64(c.died), "starts": float64(c.started)},
	}
	switch {
	case c.died > 0:
		return r.fail(c.evidence[0].Text)
	case c.started == 0:
		return r.vacuous("no node started")
	}
	r.Verdict = Pass
	return r
}
