package docker

import (
	"testing"

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
		r, err := New(t.Context(), Options{Lease: true})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}, runtimetest.Shape)
}
