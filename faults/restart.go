package faults

import "math/rand/v2"

// RestartNodes stops the chosen nodes and starts them again at once. It is instantaneous.
type RestartNodes struct {
	Nodes Select
}

// Kind implements Fault.
func (RestartNodes) Kind() string { return "restart" }

// Resolve implements Fault.
func (f RestartNodes) Resolve(net Net, rng *rand.Rand) (Effect, error) {
	return nodeEffect(net, rng, f.Nodes, Restart, "")
}
