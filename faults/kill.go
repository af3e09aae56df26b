package faults

import "math/rand/v2"

// KillNodes ends the chosen nodes at once, as SIGKILL and a power cut do, and starts them again, with their data and
// their address, when the fault ends.
type KillNodes struct {
	Nodes Select
}

// Kind implements Fault.
func (KillNodes) Kind() string { return "kill" }

// Resolve implements Fault.
func (f KillNodes) Resolve(net Net, rng *rand.Rand) (Effect, error) {
	return act(net, rng, f.Nodes, Kill, Start)
}
