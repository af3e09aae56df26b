package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// inspector inspects containers.
type inspector interface {
	ContainerInspect(ctx context.Context, id string) (container.InspectResponse, error)
}

// actor is what actions on nodes need of the engine.
type actor interface {
	inspector
	ContainerStart(ctx context.Context, id string, o container.StartOptions) error
	ContainerStop(ctx context.Context, id string, o container.StopOptions) error
	ContainerKill(ctx context.Context, id, signal string) error
	ContainerPause(ctx context.Context, id string) error
	ContainerUnpause(ctx context.Context, id string) error
}

// Do implements runtime.Runtime.
func (s *nodeSet) Do(ctx context.Context, a faults.Action) error {
	n, err := s.launched(a.Node)
	if err == nil {
		err = n.act(ctx, s.engine, a.Verb)
	}
	if err != nil {
		return fmt.Errorf("%s node %s: %w", a.Verb, a.Node, err)
	}
	return nil
}

// act carries out a verb on a node's container.
func (n *node) act(ctx context.Context, e actor, verb faults.Verb) error {
	n.acting.Lock()
	defer n.acting.Unlock()
	name := n.container
	start := func() error { return asState(e.ContainerStart(ctx, name, container.StartOptions{})) }
	// SIGTERM, and SIGKILL to a node that ignores it.
	timeout := stopSeconds
	stop := func() error { return e.ContainerStop(ctx, name, container.StopOptions{Timeout: &timeout}) }
	switch verb {
	case faults.Kill:
		kill := func() error { return e.ContainerKill(ctx, name, "SIGKILL") }
		return n.end(ctx, e, kill, container.StateRunning, container.StatePaused)
	case faults.Stop:
		return n.end(ctx, e, stop, container.StateRunning)
	case faults.Restart:
		if err := n.end(ctx, e, stop, container.StateRunning); err != nil {
			return err
		}
		return start()
	case faults.Start:
		if err := needState(ctx, e, name, container.StateExited, container.StateCreated); err != nil {
			return err
		}
		return start()
	case faults.Pause:
		return n.pause(ctx, e, container.StateRunning, container.StatePaused, e.ContainerPause)
	case faults.Resume:
		return n.pause(ctx, e, container.StatePaused, container.StateRunning, e.ContainerUnpause)
	default:
		return fmt.Errorf("this runtime has no such action")
	}
}

// end ends a node that is in one of the states.
func (n *node) end(ctx context.Context, e actor, do func() error, states ...container.ContainerState) (err error) {
	// Noted before the state is read: an end in between is either seen there or counts as requested.
	outcome := n.requestEnd()
	defer func() { outcome(err == nil) }()
	if err := needState(ctx, e, n.container, states...); err != nil {
		return err
	}
	return asState(do())
}

// pause pauses or resumes a node: from one state to another.
func (n *node) pause(ctx context.Context, e actor, from, to container.ContainerState, do func(context.Context, string) error) (err error) {
	outcome := n.requestPause(to == container.StatePaused)
	defer func() { outcome(err == nil) }()
	if err := needState(ctx, e, n.container, from); err != nil {
		return err
	}
	return untilState(ctx, e, n.container, to, do)
}

// needState fails unless the container is in one of the states. The engine is queried every time: another process may have
// acted on the testnet, and starting a container that runs is no error to the engine.
func needState(ctx context.Context, e inspector, name string, states ...container.ContainerState) error {
	c, err := e.ContainerInspect(ctx, name)
	if err != nil {
		return err
	}
	if slices.Contains(states, c.State.Status) {
		return nil
	}
	return fmt.Errorf("it is %s: %w", c.State.Status, runtime.ErrState)
}

// A container is polled that often, and for that long, for a state.
const (
	statePoll    = 5 * time.Millisecond
	stateTimeout = 5 * time.Second
)

// untilState calls do and waits until the engine reports the state: it answers a pause and a resume before it has noted
// them, and would refuse what comes next.
func untilState(ctx context.Context, e inspector, name string, state container.ContainerState,
	do func(context.Context, string) error) error {
	if err := asState(do(ctx, name)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stateTimeout)
	defer cancel()
	tick := time.NewTicker(statePoll)
	defer tick.Stop()
	for {
		err := needState(ctx, e, name, state)
		if err == nil || !errors.Is(err, runtime.ErrState) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// asState makes the engine's errors about a container's state wrap ErrState.
func asState(err error) error {
	if errdefs.IsConflict(err) || errdefs.IsNotModified(err) {
		return fmt.Errorf("%w: %w", runtime.ErrState, err)
	}
	return err
}
