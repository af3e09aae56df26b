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

// healTimeout bounds the healing of links before the agent is removed, which heals them too.
const healTimeout = 10 * time.Second

// Do implements runtime.Runtime. An action that would make the engine remove the container is refused.
func (f *Foreign) Do(ctx context.Context, a faults.Action) error {
	f.act.Lock()
	defer f.act.Unlock()
	if f.closed {
		return fmt.Errorf("%s node %s: %w", a.Verb, a.Node, ErrClosed)
	}
	g, known := f.guest(a.Node)
	if known && g.keep && ends(a.Verb) {
		return fmt.Errorf("%s node %s: container %s was started with --rm and would be gone for good; start it without", a.Verb, a.Node, g.name)
	}
	before, held := f.undo[a.Node]
	if back, ok := undoOf[a.Verb]; ok && f.nodes[a.Node] != nil {
		f.undo[a.Node] = back // whatever becomes of it, Close looks
	}
	err := f.Runtime.Do(ctx, a)
	switch {
	case errors.Is(err, runtime.ErrState):
		// It did not act, and whatever the container is in is not our doing.
		if delete(f.undo, a.Node); held {
			f.undo[a.Node] = before
		}
	case err == nil && (a.Verb == faults.Start || a.Verb == faults.Restart || a.Verb == faults.Resume):
		delete(f.undo, a.Node)
	}
	if err == nil && (a.Verb == faults.Start || a.Verb == faults.Restart) {
		if err := f.sameAddr(ctx, f.cli, g); err != nil {
			return fmt.Errorf("%s node %s: %w", a.Verb, a.Node, err)
		}
	}
	return err
}

// undoOf says what ends an action.
var undoOf = map[faults.Verb]faults.Verb{
	faults.Pause: faults.Resume, faults.Kill: faults.Start, faults.Stop: faults.Start, faults.Restart: faults.Start,
}

// ends reports whether an action ends the container's process.
func ends(v faults.Verb) bool { return undoOf[v] == faults.Start }

// Logs implements runtime.Runtime.
func (f *Foreign) Logs(ctx context.Context, id faults.NodeID, n int) ([]string, error) {
	g, ok := f.guest(id)
	if !ok {
		return nil, fmt.Errorf("read the log of node %s: %w", id, errUnknown(id))
	}
	tail, err := tailOf(ctx, f.logs(g), g.name, n)
	if err != nil {
		return nil, fmt.Errorf("read the log of node %s: %w", id, err)
	}
	return tail, nil
}

// logs is where a guest's log is read.
func (f *Foreign) logs(g guest) logSource {
	if g.console {
		return consoleLogs{f.cli}
	}
	return f.cli
}

// watchGuests starts what feeds the sink, with what happens from now on.
func (f *Foreign) watchGuests() {
	now := time.Now()
	ids := map[string]faults.NodeID{}
	for _, n := range f.order {
		g, _ := f.guest(n.id) // every node is one
		ids[g.full] = n.id
		n.mu.Lock()
		n.foreign = true
		n.mu.Unlock()
		n.started()
		fl := newFollower(f.logs(g), n.container, n, f.plan.Sink)
		fl.lines.last = now
		f.workers.Go(func() { fl.run(f.life) })
	}
	w := &watcher{src: f.cli, testnet: f.plan.ID, nodes: f.nodes, guests: ids, gap: f.plan.Sink.Gap}
	msgs, errs := w.open(f.life)
	f.workers.Go(func() { w.run(f.life, msgs, errs) })
}

// Close implements runtime.Runtime: all faults end, what actions paused or ended goes on, and the agent is removed. The
// containers stay. It does its work even when ctx has ended.
func (f *Foreign) Close(ctx context.Context) error {
	return errors.Join(f.restore(ctx), f.Runtime.Close(ctx))
}

// Detach lets go of the containers like Close; a testnet of theirs has nobody to attach to it later.
func (f *Foreign) Detach() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(f.life), closeTimeout)
	defer cancel()
	return f.Close(ctx)
}

// restore ends all that faults did to links and containers. Only the first call does.
func (f *Foreign) restore(ctx context.Context) error {
	f.act.Lock()
	defer f.act.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	var failed error
	if f.agent != nil {
		hctx, cancel := context.WithTimeout(ctx, healTimeout)
		// Should this fail, the links heal with the end of the agent; only packets held for a delay would be lost.
		_, _ = f.Shape(hctx, nil)
		cancel()
	}
	// In the order of their addresses: the engine gives each the lowest that is free.
	byAddr := slices.SortedFunc(slices.Values(f.guests), func(a, b guest) int { return a.addr.Compare(b.addr) })
	for _, g := range byAddr {
		verb, held := f.undo[g.id]
		if !held {
			continue
		}
		if err := f.bringBack(ctx, f.cli, g, verb); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s container %s, which a fault had ended or paused: %w", verb, g.name, err))
		}
	}
	return failed
}

// bringBack makes a container go on that an action paused or ended, unless someone else did, or removed it.
func (f *Foreign) bringBack(ctx context.Context, e reviver, g guest, verb faults.Verb) error {
	c, err := e.ContainerInspect(ctx, g.full)
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	switch {
	case c.State.Status == container.StatePaused:
		return e.ContainerUnpause(ctx, g.full)
	case verb == faults.Start && c.State.Status == container.StateExited:
		if err := e.ContainerStart(ctx, g.full, container.StartOptions{}); err != nil {
			return err
		}
		return f.sameAddr(ctx, e, g)
	}
	return nil
}

// reviver is what bringing a container back needs of the engine.
type reviver interface {
	inspector
	ContainerStart(ctx context.Context, id string, o container.StartOptions) error
	ContainerUnpause(ctx context.Context, id string) error
}
