package run

import (
	"slices"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/trace"
	"github.com/netsplit/netsplit/testnets/scenario"
)

// planOf is what a spec calls for, as the trace states it. The checkers compare it with what was recorded, so everything that
// it promises must be recorded in every run that goes to its end.
func planOf(spec *scenario.Spec, caps chain.Capabilities) *trace.Plan {
	p := &trace.Plan{Settle: spec.Settle, ProbeLinks: maxProbes, Reports: []trace.Kind{trace.KindAnswer, trace.KindStatus}}
	if caps.Polling == nil { // its nodes print what happens to them
		p.Reports = []trace.Kind{trace.KindHead, trace.KindPeer, trace.KindAnswer, trace.KindStatus}
	}
	planned, err := spec.PlanFaults()
	if err != nil {
		return p // the run fails for the same reason
	}
	for i := range planned {
		p.Faults = append(p.Faults, plannedFault(&planned[i]))
	}
	for _, l := range spec.Load {
		p.Load = append(p.Load, trace.PlannedLoad{Rate: l.Rate, From: l.From, Until: l.Until, Submits: transfers(l)})
	}
	return p
}

func plannedFault(f *faults.Planned) trace.PlannedFault {
	p := trace.PlannedFault{
		ID: f.ID, Kind: f.Fault.Kind(), At: f.At, For: f.End - f.At, Rules: traceRules(f.Effect.Links), Nodes: actedOn(f.Effect),
	}
	p.Before, p.During, p.After = measurements(f)
	for _, a := range slices.Concat(f.Effect.Begin, f.Effect.End) {
		id := trace.NodeID(a.Node)
		if _, stops := stateDuring[a.Verb]; stops && !slices.Contains(p.Stops, id) {
			p.Stops = append(p.Stops, id)
		}
		if (starts(a.Verb) || a.Verb == faults.Resume) && !slices.Contains(p.Starts, id) {
			p.Starts = append(p.Starts, id)
		}
	}
	return p
}

// transfers is how many transfers a load gives.
func transfers(l scenario.Load) int {
	step := loadStep(l)
	if l.Until <= l.From {
		return 0
	}
	return int((l.Until - l.From + step - 1) / step)
}

// loadStep is the time from one transfer of a load to the next.
func loadStep(l scenario.Load) time.Duration { return time.Duration(float64(time.Second) / l.Rate) }
