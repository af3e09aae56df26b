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

// Kind implements Fault.
func (PartitionGroups) Kind() string { return kindPartition }

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

// cutTwo cuts every link between two groups.
func cutTwo(a, b []NodeID) Effect {
	return Effect{
		Text:  fmt.Sprintf("cut %s from %s", count(len(a)), count(len(b))),
		Links: Links{Rules: []Rule{{From: a, To: b, Cut: true}, {From: b, To: a, Cut: true}}},
	}
}
