package faults

import (
	"fmt"
	"math/rand/v2"
)

// Bounds on the search for halves that are connected.
const (
	maxDraws     = 200
	maxDrawNodes = 50_000 // draws times nodes
)

// PartitionHalves cuts the network into two halves; with an odd number of nodes the second is larger by one.
//
// Random halves are drawn again until each half is connected in the topology, because a half that is itself partitioned
// is a different fault. When 200 draws (fewer above 250 nodes) find no such halves, the last draw is used.
type PartitionHalves struct {
	// Ordered makes the first half of the nodes, in the scenario's order, one half. Otherwise the halves are random.
	Ordered bool
}

// Kind implements Fault.
func (PartitionHalves) Kind() string { return kindPartition }

// Resolve implements Fault.
func (p PartitionHalves) Resolve(net Net, rng *rand.Rand) (Effect, error) {
	n := len(net.Nodes)
	if n < 2 {
		return Effect{}, fmt.Errorf("cannot cut %s into halves", count(n))
	}
	if p.Ordered {
		return cutTwo(net.Nodes[:n/2], net.Nodes[n/2:]), nil
	}
	return cutTwo(randomHalves(net, rng)), nil
}

// randomHalves draws halves of the nodes as PartitionHalves says, the smaller one first.
func randomHalves(net Net, rng *rand.Rand) (first, second []NodeID) {
	n := len(net.Nodes)
	near := neighbours(net)
	draws := max(1, min(maxDraws, maxDrawNodes/n))
	var half []bool
	for range draws {
		half = make([]bool, n)
		for _, k := range rng.Perm(n)[:n/2] {
			half[k] = true
		}
		if bothConnected(half, near) {
			break
		}
	}
	for k, in := range half {
		if in {
			first = append(first, net.Nodes[k])
		} else {
			second = append(second, net.Nodes[k])
		}
	}
	return first, second
}

// neighbours lists each node's neighbours in the topology by index; nil when no topology is known, which is taken as a
// full mesh.
func neighbours(net Net) [][]int32 {
	if len(net.Edges) == 0 {
		return nil
	}
	index := make(map[NodeID]int32, len(net.Nodes))
	for k, id := range net.Nodes {
		index[id] = int32(k)
	}
	near := make([][]int32, len(net.Nodes))
	for _, e := range net.Edges {
		a, okA := index[e[0]]
		b, okB := index[e[1]]
		if okA && okB {
			near[a] = append(near[a], b)
			near[b] = append(near[b], a)
		}
	}
	return near
}

// bothConnected reports whether the nodes in half, and those not in it, are connected among themselves.
func bothConnected(half []bool, near [][]int32) bool {
	if near == nil {
		return true
	}
	seen := make([]bool, len(half))
	var begun [2]bool // a component of this side was visited before
	var stack []int32
	for k, side := range half {
		if seen[k] {
			continue
		}
		s := 0
		if side {
			s = 1
		}
		if begun[s] {
			return false
		}
		begun[s] = true
		seen[k] = true
		stack = append(stack[:0], int32(k))
		for len(stack) > 0 {
			at := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			for _, next := range near[at] {
				if !seen[next] && half[next] == side {
					seen[next] = true
					stack = append(stack, next)
				}
			}
		}
	}
	return true
}
