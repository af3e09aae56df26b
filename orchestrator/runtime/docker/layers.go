package docker

import (
	"context"
	"fmt"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/agent"
)

// The states of a node's container, as the engine says them.
const (
	NodeRunning = "running"
	NodePaused  = "paused"
	NodeExited  = "exited"
)

// Layers returns the faults that hold on links now, and the version of that list for ShapeIf.
func (r *Runtime) Layers(ctx context.Context) ([]faults.Layer, uint64, error) {
	c, err := r.fault(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("list faults: %w", err)
	}
	s, err := c.State(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("list faults: %w", r.explain(ctx, err))
	}
	return s.Layers, s.Version, nil
}

// ShapeIf is Shape for callers that changed the list which Layers gave them: it fails when the list is no longer at that
// version, so that two users do not undo each other's faults.
func (r *Runtime) ShapeIf(ctx context.Context, version uint64, layers []faults.Layer) (faults.Applied, error) {
	c, err := r.fault(ctx)
	if err != nil {
		return faults.Applied{}, fmt.Errorf("shape links: %w", err)
	}
	done, err := c.ShapeIf(ctx, agent.ShapeRequest{IfVersion: version, Layers: layers})
	if err != nil {
		return faults.Applied{}, fmt.Errorf("shape links: %w", r.explain(ctx, err))
	}
	return done, nil
}

// States returns the state of every node's container.
func (r *Runtime) States(ctx context.Context) (map[faults.NodeID]string, error) {
	hosts, err := r.Hosts(ctx)
	if err != nil {
		return nil, err
	}
	states := make(map[faults.NodeID]string, len(hosts))
	for _, h := range hosts {
		states[h.ID] = h.State
	}
	return states, nil
}
