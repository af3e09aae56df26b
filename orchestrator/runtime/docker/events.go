package docker

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// eventSource is what watching a testnet needs of the engine.
type eventSource interface {
	inspector
	Events(ctx context.Context, o events.ListOptions) (<-chan events.Message, <-chan error)
	ContainerList(ctx context.Context, o container.ListOptions) ([]container.Summary, error)
}

// watcher receives the engine's events of what happens to the containers of a testnet, and passes them to the nodes. At intervals
// it compares the containers' state with that, because an engine may lose events.
type watcher struct {
	src        eventSource
	testnet    string
	network    string // the name or the id of the nodes' network
	nodes      map[faults.NodeID]*node
	containers map[string]faults.NodeID // by id; nil: those that are labelled as the testnet's
	gap        func(faults.NodeID, error)
	last       int64 // nanoseconds of the newest event taken

	// suspects are the nodes whose state was another than reported when it was compared last.
	suspects map[*node]mismatch

	mu   sync.Mutex
	seen map[string]*node // by the id of a container, where containers is nil: those that were named
}

// watched are the actions on containers and networks that matter: ends of containers, and what somebody else may do to them.
var watched = []events.Action{
	events.ActionStart, events.ActionDie, events.ActionOOM, events.ActionPause, events.ActionUnPause, events.ActionKill,
	events.ActionDestroy, events.ActionConnect, events.ActionDisconnect,
}

// open subscribes; when it returns the engine reports everything from now on. Containers are selected later: with a filter for
// them the engine would leave out the events of networks, and the order of two subscriptions is not known.
func (w *watcher) open(ctx context.Context) (<-chan events.Message, <-chan error) {
	f := filters.NewArgs()
	f.Add("type", string(events.ContainerEventType))
	f.Add("type", string(events.NetworkEventType))
	for _, a := range watched {
		f.Add("event", string(a))
	}
	o := events.ListOptions{Filters: f}
	if w.last > 0 {
		o.Since = fmt.Sprintf("%d.%09d", w.last/1e9, w.last%1e9)
	}
	return w.src.Events(ctx, o)
}

// filter selects the containers of the testnet in a list.
func (w *watcher) filter() filters.Args {
	if w.containers == nil {
		return byTestnet(w.testnet)
	}
	f := filters.NewArgs()
	for id := range w.containers {
		f.Add("id", id)
	}
	return f
}

// node returns the node of a container; nil if it has none.
func (w *watcher) node(id string, labels map[string]string) *node {
	if w.containers != nil {
		return w.nodes[w.containers[id]]
	}
	if labels[labelTestnet] != w.testnet {
		return nil
	}
	n := w.nodes[faults.NodeID(labels[labelNode])]
	if n != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.seen == nil {
			w.seen = make(map[string]*node)
		}
		w.seen[id] = n
	}
	return n
}

// nodeOf returns the node of a container of which the engine says no more than its id; nil if it has none.
func (w *watcher) nodeOf(id string) *node {
	if w.containers != nil {
		return w.nodes[w.containers[id]]
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[id]
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
	tick := time.NewTicker(compareEvery)
	defer tick.Stop()
	for {
		select {
		case m := <-msgs:
			received()
			w.take(ctx, m)
		case <-tick.C:
			w.compare(ctx)
		case err := <-errs:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take passes one event on. The engine may send the last ones again after a break; nodes ignore repeated ones.
func (w *watcher) take(ctx context.Context, m events.Message) {
	w.last = max(w.last, m.TimeNano)
	if m.Type == events.NetworkEventType {
		w.takeNetwork(ctx, m)
		return
	}
	n := w.node(m.Actor.ID, m.Actor.Attributes)
	if n == nil {
		return
	}
	switch m.Action {
	case events.ActionStart:
		n.reportStart(m.TimeNano)
	case events.ActionDie:
		n.reportEnd(exitStatusError(m.Actor.Attributes["exitCode"]))
	case events.ActionOOM:
		n.reportMemory()
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

// takeNetwork takes an event of a network: a container that runs was connected or disconnected. The engine also connects containers
// that it starts, and disconnects those that ended.
func (w *watcher) takeNetwork(ctx context.Context, m events.Message) {
	id := m.Actor.Attributes["container"]
	n := w.nodeOf(id)
	if n == nil || !n.runs() {
		return
	}
	own := m.Actor.ID == w.network || m.Actor.Attributes["name"] == w.network
	if own != (m.Action == events.ActionDisconnect) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, causeTimeout)
	defer cancel()
	c, err := w.src.ContainerInspect(ctx, id)
	if err != nil || c.State == nil || !c.State.Running {
		return
	}
	if began, err := time.Parse(time.RFC3339Nano, c.State.StartedAt); err != nil || began.UnixNano() > m.TimeNano {
		return
	}
	what := runtime.ExternalConnect
	if own {
		what = runtime.ExternalDisconnect
	}
	n.reportExternal(what)
}

// reconcile reports what happened to nodes while there were no events: the engine keeps only the last few hundred.
func (w *watcher) reconcile(ctx context.Context) {
	found, err := w.mismatches(ctx)
	if err != nil {
		return // the stream will break again, or work
	}
	for n, m := range found {
		_ = w.settle(n, m)
	}
}

// report reports what happens to the nodes to a sink, in the background of a session. containers are the nodes'
// containers by id, which run already and whose earlier lines are left out; nil: containers that will be labelled.
func (s *nodeSet) report(bg *session, sink runtime.Sink, containers map[string]faults.NodeID) {
	w := &watcher{src: s.engine, testnet: s.testnet, network: s.network, nodes: s.byID, containers: containers, gap: sink.Gap}
	s.watcher = w
	for _, n := range s.order {
		f := newFollower(n.logs(s.engine), s.engine, n, sink)
		if containers != nil {
			n.reportStart(time.Now().UnixNano())
			f.lines.last = time.Now()
		}
		bg.workers.Go(func() { f.run(bg.life) })
	}
	msgs, errs := w.open(bg.life)
	bg.workers.Go(func() { w.run(bg.life, msgs, errs) })
}
