package faults

import (
	"fmt"
	"math/rand/v2"
)

// act is the effect of every fault on nodes: begin on each chosen node, and end, if not empty, when the fault ends.
func act(net Net, rng *rand.Rand, who Select, begin, end Verb) (Effect, error) {
	if who.zero() {
		return Effect{}, fmt.Errorf("%s names no node", begin)
	}
	nodes, err := who.resolve(net, rng)
	if err != nil {
		return Effect{}, err
	}
	e := Effect{Text: fmt.Sprintf("%s %s", begin, who.text(nodes))}
	for _, id := range nodes {
		e.Begin = append(e.Begin, Action{Verb: begin, Node: id})
		if end != "" {
			e.End = append(e.End, Action{Verb: end, Node: id})
		}
	}
	return e, nil
}
