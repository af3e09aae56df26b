package faults

import "math/rand/v2"

// KillNodes kills the chosen nodes, as SIGKILL or a power cut does, and starts them again when the fault ends, with their
// data and their address.
type KillNodes struct {
	Nodes Select
}

// Kind implements Fault.
func (KillNodes) Kind() string { return "kill" }

// Resolve implements Fault.
func (f KillNodes) Resolve(net Net, rng *rand.Rand) (Effect, error) {
	return nodeEffect(net, rng, f.Nodes, Kill, Start)
}
