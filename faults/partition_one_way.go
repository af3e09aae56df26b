package faults

import (
	"fmt"
	"math/rand/v2"
)

// PartitionOneWay drops packets from From to To; those from To to From pass. One of the two may be the zero Select,
// which then means every node that the other does not name. A node cannot be on both sides.
type PartitionOneWay struct {
	From, To Select
}

// Kind implements Fault.
func (PartitionOneWay) Kind() string { return kindPartition }

// Resolve implements Fault.
func (p PartitionOneWay) Resolve(net Net, rng *rand.Rand) (Effect, error) {
	from, to, err := p.sides(net, rng)
	if err != nil {
		return Effect{}, fmt.Errorf("one_way: %w", err)
	}
	if len(from) == 0 || len(to) == 0 {
		return Effect{}, fmt.Errorf("one_way: all nodes are on one side, there is nothing to cut")
	}
	if rest := without(to, from); len(rest) != len(to) {
		both := without(to, rest)
		return Effect{}, fmt.Errorf("one_way: %s cannot be on both sides", list(both))
	}
	return Effect{
		Text:  fmt.Sprintf("drop packets from %s to %s", p.From.text(from), p.To.text(to)),
		Links: Links{Rules: []Rule{{From: from, To: to, Cut: true}}},
	}, nil
}

// sides resolves From and To; a zero side is every node that is not on the other.
func (p PartitionOneWay) sides(net Net, rng *rand.Rand) (from, to []NodeID, err error) {
	if p.From.zero() && p.To.zero() {
		return nil, nil, fmt.Errorf("neither from nor to names a node")
	}
	if !p.From.zero() {
		if from, err = p.From.resolve(net, rng); err != nil {
			return nil, nil, fmt.Errorf("from: %w", err)
		}
	}
	if p.To.zero() {
		return from, without(net.Nodes, from), nil
	}
	if to, err = p.To.resolve(net, rng); err != nil {
		return nil, nil, fmt.Errorf("to: %w", err)
	}
	if p.From.zero() {
		from = without(net.Nodes, to)
	}
	return from, to, nil
}
