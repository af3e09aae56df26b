package faults

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Limits of a schedule.
const (
	// MaxFaults is the most faults that a schedule can have.
	MaxFaults = 1000
	// maxPlanned is the most faults times nodes; it bounds the memory and the time of a plan.
	maxPlanned = 2_000_000
)

// Planned is a resolved fault of a schedule.
type Planned struct {
	// ID is the fault's kind and its number among its kind in the schedule: "partition-1". It is unique in the plan.
	ID string
	Scheduled
	Effect Effect
	// End is when the fault ends, after the start of the schedule. It is At for an instantaneous fault. At equal times,
	// ends come before begins.
	End time.Duration
}

// Instant reports that the fault has no duration: it acts once, and nothing is reverted.
func (p *Planned) Instant() bool { return p.End == p.At }

// instant reports that the effect leaves nothing to revert.
func (e *Effect) instant() bool { return len(e.Links.Rules) == 0 && len(e.End) == 0 }

// Step is the moment at which a fault of a plan begins or ends.
type Step struct {
	At    time.Duration // after the start of the schedule
	Index int           // the fault's place in the plan
	Begin bool
}

// Steps lists the begins and ends of all faults of a plan in time. At equal times, ends come before begins, and then the
// order is that of the plan; an instantaneous fault begins and ends in two steps that follow each other.
func Steps(plan []Planned) []Step {
	steps := make([]Step, 0, 2*len(plan))
	for i := range plan {
		steps = append(steps, Step{plan[i].At, i, true}, Step{plan[i].End, i, false})
	}
	first := func(s Step) int { // ends of faults that began before
		if s.Begin || plan[s.Index].Instant() {
			return 1
		}
		return 0
	}
	// The sort is stable: of one fault, the begin comes first.
	slices.SortStableFunc(steps, func(a, b Step) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(first(a), first(b)), cmp.Compare(a.Index, b.Index))
	})
	return steps
}

// PlanError says what is wrong with one fault of a schedule.
type PlanError struct {
	// Index is the fault's place in the list given to Plan, from 0.
	Index int
	ID    string
	Err   error
}

// Error implements error.
func (e *PlanError) Error() string { return fmt.Sprintf("fault %s: %v", e.ID, e.Err) }

// Unwrap implements errors.Unwrap.
func (e *PlanError) Unwrap() error { return e.Err }

// Plan resolves a schedule of the given duration on a testnet, in the order of the list. Each fault draws from a random
// source of its own, made of the seed and the fault's place in the list, so that a fault added at the end changes none
// before it.
//
// It fails when a fault cannot be resolved, is not within the duration, or contradicts another: an action on a node
// that will not be in a state for it, such as killing a node that is down. The error joins one *PlanError for each
// fault that is wrong. A pause without For ends for a node when a resume names the node.
func Plan(list []Scheduled, net Net, seed uint64, duration time.Duration) ([]Planned, error) {
	if len(list) > MaxFaults {
		return nil, fmt.Errorf("%d faults are too many, the most is %d", len(list), MaxFaults)
	}
	if len(list)*len(net.Nodes) > maxPlanned {
		return nil, fmt.Errorf("%d faults on %d nodes are too many, the most is %d faults x nodes",
			len(list), len(net.Nodes), maxPlanned)
	}
	plan := make([]Planned, 0, len(list))
	numbers := make(map[string]int)
	var errs []error
	for i, s := range list {
		if s.Fault == nil {
			errs = append(errs, &PlanError{Index: i, ID: fmt.Sprint(i + 1), Err: errors.New("is empty")})
			continue
		}
		kind := s.Fault.Kind()
		numbers[kind]++
		p := Planned{ID: fmt.Sprintf("%s-%d", kind, numbers[kind]), Scheduled: s}
		if err := p.resolve(net, source(seed, i), duration); err != nil {
			errs = append(errs, &PlanError{Index: i, ID: p.ID, Err: err})
		}
		plan = append(plan, p)
	}
	if len(errs) == 0 {
		errs = checkNodes(plan)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return plan, nil
}

// source is the random source of the fault at one place of a schedule.
func source(seed uint64, index int) *rand.Rand {
	var key [32]byte
	copy(key[:], "netsplit/fault")
	binary.BigEndian.PutUint64(key[16:], seed)
	binary.BigEndian.PutUint64(key[24:], uint64(index))
	return rand.New(rand.NewChaCha8(key))
}

// resolve fills in the effect and the end.
func (p *Planned) resolve(net Net, rng *rand.Rand, duration time.Duration) error {
	if err := p.checkTime(duration); err != nil {
		return err
	}
	var err error
	if p.Effect, err = p.Fault.Resolve(net, rng); err != nil {
		return err
	}
	instant := p.Effect.instant()
	switch {
	case !instant && p.For == 0:
		p.End = duration
	case instant && p.For > 0:
		return fmt.Errorf("%s is instantaneous, it cannot last for %v", p.Fault.Kind(), p.For)
	default:
		p.End = p.At + p.For
	}
	return nil
}

// checkTime returns an error for a fault that is not within the schedule.
func (p *Planned) checkTime(duration time.Duration) error {
	switch {
	case p.At < 0:
		return fmt.Errorf("begins at %v, before the schedule", p.At)
	case p.At >= duration:
		return fmt.Errorf("begins at %v, but the schedule ends at %v", p.At, duration)
	case p.For < 0:
		return fmt.Errorf("has a negative duration, %v", p.For)
	case p.For > duration-p.At:
		return fmt.Errorf("begins at %v and lasts %v, but the schedule ends at %v", p.At, p.For, duration)
	}
	return nil
}

// activeFault is the fault that keeps a node down or paused.
type activeFault struct {
	index int // in the plan
	verb  Verb
}

// checkNodes goes through the plan in time and returns an error for each action on a node that will not be in a state for
// it. Where a resume ends a pause, it removes the pause's own end.
func checkNodes(plan []Planned) []error {
	nodes := make(map[NodeID]activeFault) // of nodes that are down or paused
	var errs []error
	for _, s := range Steps(plan) {
		p := &plan[s.Index]
		if !s.Begin {
			for _, a := range p.Effect.End {
				if nodes[a.Node].index == s.Index {
					delete(nodes, a.Node)
				}
			}
			continue
		}
		if err := beginFault(plan, s.Index, nodes); err != nil {
			errs = append(errs, &PlanError{Index: s.Index, ID: p.ID, Err: err})
		}
	}
	return errs
}

// beginFault notes the begin of a fault in nodes, or returns why it cannot begin.
func beginFault(plan []Planned, index int, nodes map[NodeID]activeFault) error {
	p := &plan[index]
	for _, a := range p.Effect.Begin {
		active, busy := nodes[a.Node]
		switch {
		case a.Verb == Resume && busy && active.verb == Pause && plan[active.index].For == 0:
			endPause(&plan[active.index], a.Node, p.At)
			delete(nodes, a.Node)
		case a.Verb == Resume && !busy:
			return fmt.Errorf("cannot resume %s at %v: it is not paused", a.Node, p.At)
		case busy:
			o := &plan[active.index]
			return fmt.Errorf("cannot %s %s at %v: %s affects it from %v to %v",
				a.Verb, a.Node, p.At, o.ID, o.At, o.End)
		case !p.Instant():
			nodes[a.Node] = activeFault{index: index, verb: a.Verb}
		}
	}
	return nil
}

// endPause ends a pause for one node, because a resume at the given time does. With the last node the whole pause ends.
func endPause(p *Planned, node NodeID, at time.Duration) {
	p.Effect.End = slices.DeleteFunc(slices.Clone(p.Effect.End), func(a Action) bool { return a.Node == node })
	if len(p.Effect.End) == 0 {
		p.End = at
	}
}
