package faults

import "math/rand/v2"

// ResumeNodes resumes nodes that a PauseNodes without an end froze. It is instantaneous.
type ResumeNodes struct {
	Nodes Select
}

// Kind implements Fault.
func (ResumeNodes) Kind() string { return "resume" }

// Resolve implements Fault.
func (f ResumeNodes) Resolve(net Net, rng *rand.Rand) (Effect, error) {
	return nodeEffect(net, rng, f.Nodes, Resume, "")
}
