package docker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// healTimeout bounds the healing of links before the agent is removed, which heals them too.
const healTimeout = 10 * time.Second

// actTimeout bounds an action: what is done to containers of others is seen through, so that Close finds what came of it.
const actTimeout = time.Minute

// Do implements runtime.Runtime. An action that would make the engine remove the container is refused. What ends the
// action is on disk before it begins.
func (f *Foreign) Do(ctx context.Context, a faults.Action) error {
	f.act.Lock()
	defer f.act.Unlock()
	if f.closed {
		return fmt.Errorf("%s node %s: %w", a.Verb, a.Node, ErrClosed)
	}
	g, known := f.guest(a.Node)
	if !known || f.nodes[a.Node] == nil || ctx.Err() != nil {
		return f.Runtime.Do(ctx, a)
	}
	if err := g.survives(a.Verb); err != nil {
		return fmt.Errorf("%s node %s: %w", a.Verb, a.Node, err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), actTimeout)
	defer cancel()
	before, held := f.undo.of(g.full)
	if err := f.promise(ctx, g, a.Verb); err != nil {
		return fmt.Errorf("%s node %s: %w", a.Verb, a.Node, err)
	}
	err := f.Runtime.Do(ctx, a)
	switch {
	case errors.Is(err, runtime.ErrState):
		// It did not act, and whatever the container is in is not our doing.
		if held {
			return errors.Join(err, f.undo.put(before))
		}
		return errors.Join(err, f.undo.drop(g.full))
	case err != nil:
		return err // whatever became of it, Close looks
	case a.Verb == faults.Resume:
		return f.undo.drop(g.full)
	case a.Verb == faults.Start || a.Verb == faults.Restart:
		err := errors.Join(f.undo.drop(g.full), sameAddr(ctx, f.cli, undoStep{Container: g.full, Addr: g.addr}, f.network))
		if err != nil {
			return fmt.Errorf("%s node %s: %w", a.Verb, a.Node, err)
		}
	}
	return nil
}

// promise notes what ends an action on a container that is in a state for it.
func (f *Foreign) promise(ctx context.Context, g guest, verb faults.Verb) error {
	back, ok := undoOf[verb]
	if !ok {
		return nil
	}
	c, err := f.cli.ContainerInspect(ctx, g.full)
	if err != nil {
		return err
	}
	if c.State.Status != container.StateRunning && c.State.Status != container.StatePaused {
		return nil // it will not be acted on
	}
	return f.undo.put(undoStep{Container: g.full, Name: g.name, Addr: g.addr, Verb: back, Started: c.State.StartedAt})
}

// undoOf says what ends an action.
var undoOf = map[faults.Verb]faults.Verb{
	faults.Pause: faults.Resume, faults.Kill: faults.Start, faults.Stop: faults.Start, faults.Restart: faults.Start,
}

// ends reports whether an action ends the container's process.
func ends(v faults.Verb) bool { return undoOf[v] == faults.Start }

// survives fails for an action that would make the engine remove the container.
func (g *guest) survives(v faults.Verb) error {
	if g.autoRemove && ends(v) {
		return misfit("start it without --rm", "container %s was started with --rm and would be gone for good", g.name)
	}
	return nil
}

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
// containers stay. It does its work even when ctx has ended. Where something could not be made to go on, the agent stays
// too, with its links healed, so that Remove finds the testnet and tries again.
func (f *Foreign) Close(ctx context.Context) error {
	err := f.restore(ctx)
	if f.undo != nil && len(f.undo.Held) > 0 {
		f.retire()
		return errors.Join(err, fmt.Errorf("testnet %s is not gone: netsplit down %s tries again", f.plan.ID, f.plan.ID), f.cli.Close())
	}
	return errors.Join(err, f.Runtime.Close(ctx))
}

// restore ends all that faults did to links and containers. Later calls try again what failed.
func (f *Foreign) restore(ctx context.Context) error {
	f.act.Lock()
	defer f.act.Unlock()
	first := !f.closed
	f.closed = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if first && f.agent != nil {
		hctx, cancel := context.WithTimeout(ctx, healTimeout)
		// Should this fail, the links heal with the end of the agent; only packets held for a delay would be lost.
		_, _ = f.Shape(hctx, nil)
		cancel()
	}
	if f.undo == nil {
		return nil
	}
	return f.undo.carryOut(ctx, f.cli)
}
