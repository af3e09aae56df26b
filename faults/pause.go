package faults

import "math/rand/v2"

// PauseNodes freezes the chosen nodes, with their connections open, and resumes them when the fault ends or when a
// ResumeNodes names them.
type PauseNodes struct {
	Nodes Select
}

// Kind implements Fault.
func (PauseNodes) Kind() string { return "pause" }

// Resolve implements Fault.
func (f PauseNodes) Resolve(net Net, rng *rand.Rand) (Effect, error) {
	return nodeEffect(net, rng, f.Nodes, Pause, Resume)
}
