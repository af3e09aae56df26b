package sim_test

import (
	"testing"

	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/runtimetest"
	"github.com/netsplit/netsplit/orchestrator/runtime/sim"
)

func TestConformance(t *testing.T) {
	runtimetest.Run(t, func(*testing.T) runtime.Runtime { return sim.New(sim.Options{Seed: 7}) }, runtimetest.Shape)
}
