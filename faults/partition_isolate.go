package faults

import (
	"fmt"
	"math/rand/v2"
)

// PartitionIsolate cuts each chosen node from every other node, the other chosen ones included.
type PartitionIsolate struct {
	Nodes Select
}

// Kind implements Fault.
func (PartitionIsolate) Kind() string { return kindPartition }

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
	text := fmt.Sprintf("cut %s from all other nodes", p.Nodes.text(nodes))
	if len(nodes) > 1 {
		text = fmt.Sprintf("cut %s each from all other nodes", p.Nodes.text(nodes))
	}
	return Effect{Text: text, Links: links}, nil
}
