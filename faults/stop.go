package faults

import "math/rand/v2"

// StopNodes stops the chosen nodes with SIGTERM and starts them again when the fault ends.
type StopNodes struct {
	Nodes Select
}

// Kind implements Fault.
func (StopNodes) Kind() string { return "stop" }

// Resolve implements Fault.
func (f StopNodes) Resolve(net Net, rng *rand.Rand) (Effect, error) {
	return nodeEffect(net, rng, f.Nodes, Stop, Start)
}
