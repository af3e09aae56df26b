package faults

import (
	"fmt"
	"slices"
	"time"
)

// held is the fault that keeps a node from simply running.
type held struct {
	by   int // index in the plan
	verb Verb
}

// checkNodes walks through the schedule and reports actions on nodes that will not be in a state for them. It takes
// the end away from pauses that a resume ends.
func checkNodes(plan []Planned) []error {
	nodes := make(map[NodeID]held) // those that are not simply running
	var wrong []error
	for _, s := range Steps(plan) {
		p := &plan[s.Index]
		if !s.Begin {
			for _, a := range p.Effect.End {
				if nodes[a.Node].by == s.Index {
					delete(nodes, a.Node)
				}
			}
			continue
		}
		if err := begin(plan, s.Index, nodes); err != nil {
			wrong = append(wrong, &PlanError{Index: s.Index, ID: p.ID, Err: err})
		}
	}
	return wrong
}

// begin takes the beginning of a fault into account, or says what is against it.
func begin(plan []Planned, index int, nodes map[NodeID]held) error {
	p := &plan[index]
	for _, a := range p.Effect.Begin {
		h, busy := nodes[a.Node]
		switch {
		case a.Verb == Resume && busy && h.verb == Pause && plan[h.by].For == 0:
			endPause(&plan[h.by], a.Node, p.At)
			delete(nodes, a.Node)
		case a.Verb == Resume && !busy:
			return fmt.Errorf("cannot resume %s at %v: it is not paused", a.Node, p.At)
		case busy:
			o := &plan[h.by]
			return fmt.Errorf("cannot %s %s at %v: %s has hold of it from %v to %v",
				a.Verb, a.Node, p.At, o.ID, o.At, o.End)
		case !p.Instant():
			nodes[a.Node] = held{by: index, verb: a.Verb}
		}
	}
	return nil
}

// endPause makes a resume at the given time the end of a pause for one node. When it was the last one, the pause ends
// there.
func endPause(p *Planned, node NodeID, at time.Duration) {
	p.Effect.End = slices.DeleteFunc(slices.Clone(p.Effect.End), func(a Action) bool { return a.Node == node })
	if len(p.Effect.End) == 0 {
		p.End = at
	}
}
