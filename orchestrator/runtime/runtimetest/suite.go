package runtimetest

import (
	"testing"

	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// Cap is a capability that a runtime is expected to have.
type Cap string

// Shape is the capability of runtime.LinkShaper.
const Shape Cap = "shape"

// Open returns a new runtime that nothing was created on. What it needs to release after Runtime.Close it registers
// with t.Cleanup. A test that opens a runtime of virtual time is the first task of its clock.
type Open func(t *testing.T) runtime.Runtime

// Run checks that runtimes made by open keep the contract. A capability that is not in caps is checked where a runtime
// has it and skipped where it has not; one that is in caps must be there. No test runs in parallel with another.
func Run(t *testing.T, open func(t *testing.T) runtime.Runtime, caps ...Cap) {
	s := suite{open: open, caps: make(map[Cap]bool)}
	for _, c := range caps {
		s.caps[c] = true
	}
	t.Run("lifecycle", s.lifecycle)
	t.Run("links", s.links)
	t.Run("failures", s.failures)
	t.Run("close", s.closing)
}

type suite struct {
	open Open
	caps map[Cap]bool
}
