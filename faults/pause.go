package faults

import "math/rand/v2"

// PauseNodes freezes the chosen nodes, connections open and silent, and lets them go on when the fault ends or when a
// ResumeNodes names them.
type PauseNodes struct {
	Nodes Select
}

// Kind implements Fault.
func (PauseNodes) Kind() string { return "pause" }

// Resolve implements Fault.
func (f PauseNodes) Resolve(net Net, rng *rand.Rand) (Effect, error) {
	return act(net, rng, f.Nodes, Pause, Resume)
}
