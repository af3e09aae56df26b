package runtimetest

import (
	"testing"

	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// Cap is an optional ability of a runtime.
type Cap string

// Shape is the ability of runtime.LinkShaper.
const Shape Cap = "shape"

// Open returns a new runtime without a testnet. It registers with t.Cleanup what must be released after Runtime.Close. The
// goroutine that calls Open is the first task of the clock.
type Open func(t *testing.T) runtime.Runtime

// Run checks that runtimes made by open satisfy the contract. Abilities in caps are required; others are checked if the
// runtime has them and skipped otherwise. The tests do not run in parallel.
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
