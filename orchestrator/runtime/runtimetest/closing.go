package runtimetest

import (
	"context"
	"errors"
	"testing"

	"github.com/netsplit/netsplit/faults"
)

// closing checks that a runtime can be closed at any time, and that nothing answers afterwards.
func (s suite) closing(t *testing.T) {
	t.Run("before create", func(t *testing.T) {
		rt := s.open(t)
		closeNow(t, rt)
		closeNow(t, rt)
	})
	t.Run("before launch", func(t *testing.T) {
		net := s.create(t, 2)
		closeNow(t, net.rt)
	})
	t.Run("running", func(t *testing.T) {
		net := s.up(t, 2)
		closeNow(t, net.rt)
		closeNow(t, net.rt)
		if got, err := net.ask(t.Context(), net.ids()[0]); err == nil {
			t.Errorf("a node answers after close: %+v", got)
		}
		if err := net.rt.Do(t.Context(), faults.Action{Verb: faults.Pause, Node: net.ids()[0]}); err == nil {
			t.Error("pause after close: no error")
		}
		if n := net.sink.troubles(); n != 0 {
			t.Errorf("close reported %d exits and gaps: %v %v", n, net.sink.exits, net.sink.gaps)
		}
	})
	t.Run("cancelled create", func(t *testing.T) {
		rt := s.open(t)
		defer closeNow(t, rt)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := rt.Create(ctx, newPlan(t, 1, newSink())); !errors.Is(err, context.Canceled) {
			t.Errorf("create with a dead context: %v, want canceled", err)
		}
	})
}
