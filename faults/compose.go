package faults

import "slices"

// Compose returns the desired state of all layers together. What layers ask of one link adds up (see Links), so their
// order does not matter, and cutting a link twice is cutting it once.
func Compose(layers []Layer) Links {
	n := 0
	for i := range layers {
		n += len(layers[i].Links.Rules)
	}
	if n == 0 {
		return Links{}
	}
	rules := make([]Rule, 0, n)
	for i := range layers {
		rules = append(rules, layers[i].Links.Rules...)
	}
	return Links{Rules: rules}
}

// On returns what l asks of one link. A node's link to itself is never touched. It reads every rule; use Compile where
// many links are looked up.
func (l Links) On(k Link) LinkState {
	var s LinkState
	if k.From == k.To {
		return s
	}
	for i := range l.Rules {
		r := &l.Rules[i]
		if slices.Contains(r.From, k.From) && slices.Contains(r.To, k.To) {
			s.add(r)
		}
	}
	return s
}

// add composes one more rule into the state.
func (s *LinkState) add(r *Rule) {
	s.Cut = s.Cut || r.Cut
	s.Shape.Delay += r.Shape.Delay
	s.Shape.Jitter += r.Shape.Jitter
}

// Whole reports that nothing is asked of the link: packets pass as if there were no faults.
func (s LinkState) Whole() bool { return s == LinkState{} }
