package run

import (
	"testing"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// TestAWantedBlockThatCameByItselfIsNotAskedFor: it would be missed for ever, since nobody is remembered to have it.
func TestAWantedBlockThatCameByItselfIsNotAskedFor(t *testing.T) {
	r := &recorder{bodies: newBodies()}
	r.bodies.want("a", "n")
	r.bodies.want("b", "n")
	r.bodies.done("a")
	if q := r.takeBodies(); len(q) != 1 || q[0] != "b" {
		t.Errorf("asked for: %v", q)
	}
	r.requeue([]trace.Hash{"b"})
	r.bodies.done("b")
	if q := r.takeBodies(); len(q) != 0 {
		t.Errorf("asked for again: %v", q)
	}
}
