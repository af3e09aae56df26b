package docker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

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
func (r *Runtime) Do(ctx context.Context, a faults.Action) error {
	n, err := r.started(a.Node)
	if err == nil {
		n.acting.Lock()
		defer n.acting.Unlock()
		err = act(ctx, r.cli, n.container, n, a.Verb)
	}
	if err != nil {
		return fmt.Errorf("%s node %s: %w", a.Verb, a.Node, err)
	}
	return nil
}

// act carries out a verb on a node whose container has that name.
func act(ctx context.Context, e actor, name string, n *node, verb faults.Verb) error {
	switch verb {
	case faults.Kill:
		return end(ctx, e, name, n, func() error { return e.ContainerKill(ctx, name, "SIGKILL") }, true)
	case faults.Stop:
		return end(ctx, e, name, n, stop(ctx, e, name), false)
	case faults.Restart:
		if err := end(ctx, e, name, n, stop(ctx, e, name), false); err != nil {
			return err
		}
		return start(ctx, e, name)
	case faults.Start:
		if _, err := need(ctx, e, name, container.StateExited, container.StateCreated); err != nil {
			return err
		}
		return start(ctx, e, name)
	case faults.Pause:
		if _, err := need(ctx, e, name, container.StateRunning); err != nil {
			return err
		}
		return reach(ctx, e, name, container.StatePaused, e.ContainerPause)
	case faults.Resume:
		if _, err := need(ctx, e, name, container.StatePaused); err != nil {
			return err
		}
		return reach(ctx, e, name, container.StateRunning, e.ContainerUnpause)
	default:
		return fmt.Errorf("this runtime has no such action")
	}
}

// end ends a running node, and a paused one too if frozen says so.
func end(ctx context.Context, e actor, name string, n *node, do func() error, frozen bool) (err error) {
	// Asked for before the look at the state: an end in between is either seen there or counts as ours.
	outcome := n.ask()
	defer func() { outcome(err == nil) }()
	states := []container.ContainerState{container.StateRunning}
	if frozen {
		states = append(states, container.StatePaused)
	}
	if _, err := need(ctx, e, name, states...); err != nil {
		return err
	}
	return asState(do())
}

// stop sends SIGTERM, and SIGKILL to a node that ignores it.
func stop(ctx context.Context, e actor, name string) func() error {
	grace := stopSeconds
	return func() error { return e.ContainerStop(ctx, name, container.StopOptions{Timeout: &grace}) }
}

func start(ctx context.Context, e actor, name string) error {
	return asState(e.ContainerStart(ctx, name, container.StartOptions{}))
}

// need fails unless the container is in one of the states. The engine is asked every time: another process may have
// acted on the testnet, and it says nothing itself when it is told to start what runs.
func need(ctx context.Context, e inspector, name string, states ...container.ContainerState) (*container.State, error) {
	c, err := e.ContainerInspect(ctx, name)
	if err != nil {
		return nil, err
	}
	for _, s := range states {
		if c.State.Status == s {
			return c.State, nil
		}
	}
	return nil, fmt.Errorf("it is %s: %w", c.State.Status, runtime.ErrState)
}

// reachPoll is how often, and reachTimeout for how long, the engine is asked whether a container has reached a state.
const (
	reachPoll    = 5 * time.Millisecond
	reachTimeout = 5 * time.Second
)

// reach calls do and waits until the engine says that the container is in the state: it answers a pause and a resume
// before it has noted them, and would refuse what comes next.
func reach(ctx context.Context, e inspector, name string, state container.ContainerState,
	do func(context.Context, string) error) error {
	if err := asState(do(ctx, name)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	tick := time.NewTicker(reachPoll)
	defer tick.Stop()
	for {
		_, err := need(ctx, e, name, state)
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

// asState marks the engine's complaints about a container's state as such.
func asState(err error) error {
	if errdefs.IsConflict(err) || errdefs.IsNotModified(err) {
		return fmt.Errorf("%w: %w", runtime.ErrState, err)
	}
	return err
}
