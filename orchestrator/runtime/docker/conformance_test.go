package docker

import (
	"testing"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/runtimetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	needDocker(t)
	if testing.Short() {
		t.Skip("takes a minute")
	}
	runtimetest.Run(t, func(t *testing.T) runtime.Runtime {
		r := must.Get(New(t.Context(), Options{Lease: true}))(t)
		return r
	}, runtimetest.Shape)
}
