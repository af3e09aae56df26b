package runtimetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// failures checks nodes that cannot start.
func (s suite) failures(t *testing.T) {
	t.Run("bad configuration", s.badConfig)
	t.Run("cancelled launch", s.cancelledLaunch)
}

// badConfig starts a good node and one that refuses its configuration: either the launch fails, or the node's exit is
// reported. What the node printed can be read in both cases.
func (s suite) badConfig(t *testing.T) {
	net := s.create(t, 2)
	launches := net.launches()
	bad := launches[1].ID
	launches[1] = launchOf(bad, []byte(`{"name": "n2", "colour": "blue"}`))
	err := net.rt.Launch(t.Context(), launches, nil)
	if err != nil {
		var failed *runtime.NodeError
		if !errors.As(err, &failed) {
			t.Fatalf("launch: %v (%T), want a *runtime.NodeError", err, err)
		}
		if failed.Node != bad || failed.Op != "start" || len(failed.Tail) == 0 {
			t.Errorf("launch: %+v, want a failed start of %s with its last lines", failed, bad)
		}
		return
	}
	net.wait(t, "the exit of "+string(bad), func() error {
		if net.sink.exited(bad) == 0 {
			return errors.New("not reported")
		}
		return nil
	})
	net.wait(t, "its last lines", func() error {
		tail, err := net.rt.Logs(t.Context(), bad, 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(tail) == 0 {
			return fmt.Errorf("no lines")
		}
		return nil
	})
	if n := net.sink.exited(launches[0].ID); n != 0 {
		t.Errorf("%d exits of the good node", n)
	}
	err = net.rt.Do(t.Context(), faults.Action{Verb: faults.Pause, Node: bad})
	if !errors.Is(err, runtime.ErrState) {
		t.Errorf("pause of a node that ended by itself: %v, want ErrState", err)
	}
}

func (s suite) cancelledLaunch(t *testing.T) {
	net := s.create(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := net.rt.Launch(ctx, net.launches(), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("launch with a dead context: %v, want canceled", err)
	}
}
