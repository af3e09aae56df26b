package docker

import (
	"context"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// eventSource is what watching a testnet needs of the engine.
type eventSource interface {
	Events(ctx context.Context, o events.ListOptions) (<-chan events.Message, <-chan error)
	ContainerList(ctx context.Context, o container.ListOptions) ([]container.Summary, error)
}

// watcher receives the engine's events of what happens to the containers of a testnet, and passes them to the nodes.
type watcher struct {
	src        eventSource
	testnet    string
	nodes      map[faults.NodeID]*node
	containers map[string]faults.NodeID // by id; nil: those that are labelled as the testnet's
	gap        func(faults.NodeID, error)
	last       int64 // nanoseconds of the newest event taken
}

// watched are the actions on containers that matter: their ends, and what somebody else may do to them.
var watched = []events.Action{
	events.ActionStart, events.ActionDie, events.ActionPause, events.ActionUnPause, events.ActionKill, events.ActionDestroy,
}

// open subscribes; when it returns the engine reports everything from now on.
func (w *watcher) open(ctx context.Context) (<-chan events.Message, <-chan error) {
	f := w.filter("container")
	f.Add("type", string(events.ContainerEventType))
	for _, a := range watched {
		f.Add("event", string(a))
	}
	o := events.ListOptions{Filters: f}
	if w.last > 0 {
		o.Since = fmt.Sprintf("%d.%09d", w.last/1e9, w.last%1e9)
	}
	return w.src.Events(ctx, o)
}

// filter selects the containers of the testnet; by is the engine's key for an id there.
func (w *watcher) filter(by string) filters.Args {
	if w.containers == nil {
		return byTestnet(w.testnet)
	}
	f := filters.NewArgs()
	for id := range w.containers {
		f.Add(by, id)
	}
	return f
}

// node returns the node of a container; nil if it has none.
func (w *watcher) node(id string, labels map[string]string) *node {
	if w.containers == nil {
		return w.nodes[faults.NodeID(labels[labelNode])]
	}
	return w.nodes[w.containers[id]]
}

// run passes events on until ctx ends, and subscribes again when the engine breaks off.
func (w *watcher) run(ctx context.Context, msgs <-chan events.Message, errs <-chan error) {
	for failed := 0; ; {
		err := w.drain(ctx, msgs, errs, func() { failed = 0 })
		if ctx.Err() != nil {
			return
		}
		if failed++; failed == retries {
			for id := range w.nodes {
				w.gap(id, fmt.Errorf("the engine's events of testnet %s are lost: %w", w.testnet, err))
			}
			return
		}
		select {
		case <-time.After(retryAfter):
		case <-ctx.Done():
			return
		}
		msgs, errs = w.open(ctx)
		w.reconcile(ctx)
	}
}

// drain passes events on until the stream ends.
func (w *watcher) drain(ctx context.Context, msgs <-chan events.Message, errs <-chan error, received func()) error {
	for {
		select {
		case m := <-msgs:
			received()
			w.take(m)
		case err := <-errs:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take passes one event on. The engine may send the last ones again after a break; nodes ignore repeated ones.
func (w *watcher) take(m events.Message) {
	w.last = max(w.last, m.TimeNano)
	n := w.node(m.Actor.ID, m.Actor.Attributes)
	if n == nil {
		return
	}
	switch m.Action {
	case events.ActionStart:
		n.reportStart()
	case events.ActionDie:
		n.reportEnd(fmt.Errorf("exited with status %s", m.Actor.Attributes["exitCode"]))
	case events.ActionPause:
		n.reportPause(true, m.TimeNano)
	case events.ActionUnPause:
		n.reportPause(false, m.TimeNano)
	case events.ActionKill:
		n.reportSignal(m.Actor.Attributes["signal"])
	case events.ActionDestroy:
		n.reportRemoval()
	}
}

// reconcile reports what happened to nodes without an event: the engine keeps only the last few hundred events.
func (w *watcher) reconcile(ctx context.Context) {
	list, err := w.src.ContainerList(ctx, container.ListOptions{All: true, Filters: w.filter("id")})
	if err != nil {
		return // the stream will break again, or work
	}
	there := make(map[*node]bool)
	for _, c := range list {
		n := w.node(c.ID, c.Labels)
		if n == nil {
			continue
		}
		there[n] = true
		switch c.State {
		case container.StateExited:
			n.reportEnd(fmt.Errorf("ended while no events came from the engine: %s", c.Status))
		case container.StatePaused, container.StateRunning:
			n.reconcilePause(c.State == container.StatePaused)
		}
	}
	for _, n := range w.nodes {
		if !there[n] {
			n.reconcileRemoval()
		}
	}
}

// report reports what happens to the nodes to a sink, in the background of a session. containers are the nodes'
// containers by id, which run already and whose earlier lines are left out; nil: containers that will be labelled.
func (s *nodeSet) report(bg *session, sink runtime.Sink, containers map[string]faults.NodeID) {
	w := &watcher{src: s.engine, testnet: s.testnet, nodes: s.byID, containers: containers, gap: sink.Gap}
	for _, n := range s.order {
		f := newFollower(n.logs(s.engine), s.engine, n, sink)
		if containers != nil {
			n.reportStart()
			f.lines.last = time.Now()
		}
		bg.workers.Go(func() { f.run(bg.life) })
	}
	msgs, errs := w.open(bg.life)
	bg.workers.Go(func() { w.run(bg.life, msgs, errs) })
}
