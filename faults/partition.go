package faults

import (
	"fmt"
	"math/rand/v2"
	"strconv"
)

// kindPartition is the Kind of every fault that cuts links.
const kindPartition = "partition"

// PartitionGroups cuts the nodes into groups: packets pass within a group and not between groups. There are at least
// two groups, and every node of the testnet is in exactly one.
type PartitionGroups struct {
	Groups []Select
}

// PartitionIsolate cuts each chosen node from every other node, of its own kind too.
type PartitionIsolate struct {
	Nodes Select
}

// PartitionOneWay drops packets from From to To; those from To to From pass. One of the two may be the zero Select,
// which then means every node that the other does not name. A node cannot be on both sides.
type PartitionOneWay struct {
	From, To Select
}

// Kind implements Fault.
func (PartitionGroups) Kind() string { return kindPartition }

// Kind implements Fault.
func (PartitionIsolate) Kind() string { return kindPartition }

// Kind implements Fault.
func (PartitionOneWay) Kind() string { return kindPartition }

// Resolve implements Fault.
func (p PartitionGroups) Resolve(net Net, rng *rand.Rand) (Effect, error) {
	if len(p.Groups) < 2 {
		return Effect{}, fmt.Errorf("a partition needs at least 2 groups, there is %d", len(p.Groups))
	}
	groups := make([][]NodeID, len(p.Groups))
	owner := make(map[NodeID]int, len(net.Nodes))
	for i, g := range p.Groups {
		if g.zero() {
			return Effect{}, fmt.Errorf("group %d of the partition is empty", i+1)
		}
		nodes, err := g.resolve(net, rng)
		if err != nil {
			return Effect{}, fmt.Errorf("group %d of the partition: %w", i+1, err)
		}
		for _, id := range nodes {
			if other, taken := owner[id]; taken {
				return Effect{}, fmt.Errorf("%s is in groups %d and %d of the partition", id, other+1, i+1)
			}
			owner[id] = i
		}
		groups[i] = nodes
	}
	var left []NodeID
	for _, id := range net.Nodes {
		if _, ok := owner[id]; !ok {
			left = append(left, id)
		}
	}
	if len(left) > 0 {
		return Effect{}, fmt.Errorf("the partition puts %s in no group; every node must be in one", list(left))
	}
	return cutGroups(groups), nil
}

// cutGroups cuts every link between different groups. The numbers of two groups differ in some bit, so that cutting by
// each bit cuts all: the rules stay small however many groups there are.
func cutGroups(groups [][]NodeID) Effect {
	if len(groups) == 2 {
		return cutTwo(groups[0], groups[1])
	}
	var e Effect
	for bit := 1; bit < len(groups); bit *= 2 {
		var sides [2][]NodeID
		for i, g := range groups {
			side := min(i&bit, 1)
			sides[side] = append(sides[side], g...)
		}
		e.Links.Rules = append(e.Links.Rules, cutTwo(sides[0], sides[1]).Links.Rules...)
	}
	if len(groups) > 2*maxListed {
		e.Text = fmt.Sprintf("cut %d groups from each other", len(groups))
		return e
	}
	sizes := make([]string, len(groups))
	for i, g := range groups {
		sizes[i] = strconv.Itoa(len(g))
	}
	e.Text = fmt.Sprintf("cut %d groups of %s nodes from each other", len(groups), enumerate(sizes))
	return e
}

// Resolve implements Fault.
func (p PartitionIsolate) Resolve(net Net, rng *rand.Rand) (Effect, error) {
	if p.Nodes.zero() {
		return Effect{}, fmt.Errorf("isolate names no node")
	}
	nodes, err := p.Nodes.resolve(net, rng)
	if err != nil {
		return Effect{}, err
	}
	if len(net.Nodes) < 2 {
		return Effect{}, fmt.Errorf("%s is the only node, there is nothing to cut it from", nodes[0])
	}
	rest := without(net.Nodes, nodes)
	links := Links{Rules: []Rule{{From: nodes, To: net.Nodes, Cut: true}}}
	if len(rest) > 0 {
		links.Rules = append(links.Rules, Rule{From: rest, To: nodes, Cut: true})
	}
	text := fmt.Sprintf("cut %s from everybody else", p.Nodes.text(nodes))
	if len(nodes) > 1 {
		text = fmt.Sprintf("cut %s each from everybody else", p.Nodes.text(nodes))
	}
	return Effect{Text: text, Links: links}, nil
}

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

// sides resolves From and To; a side that says nothing is what the other leaves.
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
