package docker

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/container"
	"golang.org/x/sync/errgroup"

	"github.com/netsplit/netsplit/orchestrator/runtime"
)

const (
	// compareEvery is the time between two comparisons of the containers' states with what was reported. What two of them in a row
	// find is reported: the event of a change may be on its way.
	compareEvery = 2 * time.Second
	// compareTimeout bounds a comparison.
	compareTimeout = 5 * time.Second
	// verifyStep is the time between comparisons at the end of a run, when nothing else happens to nodes, and verifyTime how long a
	// mismatch must stay then.
	verifyStep = 250 * time.Millisecond
	verifyTime = 2 * time.Second
	// startSlack is by how much later than its event the engine may date a start.
	startSlack = 50 * time.Millisecond
)

// mismatch is a state of a container that is another than was reported of its node.
type mismatch struct {
	what    string // as in runtime.ExternalError; empty: it ended
	status  string // with which it ended
	changes uint64 // of the node when this was found
}

// mismatches finds the nodes whose containers are in another state than was reported. Nodes on which netsplit is acting are left
// out.
func (w *watcher) mismatches(ctx context.Context) (map[*node]mismatch, error) {
	ctx, cancel := context.WithTimeout(ctx, compareTimeout)
	defer cancel()
	list, err := w.src.ContainerList(ctx, container.ListOptions{All: true, Filters: w.filter()})
	if err != nil {
		return nil, fmt.Errorf("list the containers of testnet %s: %w", w.testnet, err)
	}
	found, there := make(map[*node]mismatch), make(map[*node]bool)
	for _, c := range list {
		n := w.node(c.ID, c.Labels)
		if n == nil {
			continue
		}
		there[n] = true
		if m, ok := n.compare(c, w.network); ok {
			found[n] = m
		}
	}
	for _, n := range w.nodes {
		if m, ok := n.missing(); ok && !there[n] {
			found[n] = m
		}
	}
	return found, nil
}

// compare compares the state of its container with what was reported of a node.
func (n *node) compare(c container.Summary, network string) (m mismatch, found bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	m.changes = n.changes
	ended := c.State == container.StateExited || c.State == container.StateDead
	if !n.up || n.killed != "" || !ended && n.pausing+n.resuming+n.requested > 0 {
		return m, false
	}
	switch c.State {
	case container.StateExited, container.StateDead:
		var code int
		if k, _ := fmt.Sscanf(c.Status, "Exited (%d)", &code); k == 1 {
			m.status = strconv.Itoa(code)
		}
		return m, true
	case container.StatePaused, container.StateRunning:
		paused := c.State == container.StatePaused
		if paused != n.paused {
			m.what = runtime.ExternalResume
			if paused {
				m.what = runtime.ExternalPause
			}
			return m, true
		}
		if !isOn(c, network) {
			m.what = runtime.ExternalDisconnect
			return m, true
		}
	}
	return m, false
}

// isOn says whether a container is on a network, by its name or id.
func isOn(c container.Summary, network string) bool {
	if c.NetworkSettings == nil || c.NetworkSettings.Networks[network] != nil {
		return true
	}
	for _, e := range c.NetworkSettings.Networks {
		if e != nil && e.NetworkID == network {
			return true
		}
	}
	return false
}

// missing compares that it has no container with what was reported of a node.
func (n *node) missing() (m mismatch, found bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return mismatch{what: externalRemoval, changes: n.changes}, n.up && n.killed == ""
}

// settle reports a mismatch as if its event had come, and returns it as an error; nil for an end that was requested.
func (w *watcher) settle(n *node, m mismatch) error {
	switch m.what {
	case "":
		own := n.runs()
		err := exitStatusError(m.status)
		n.reportEnd(err)
		if !own {
			return nil
		}
		return &runtime.NodeError{Node: n.id, Op: "run", Err: fmt.Errorf("%w, and no event came from the engine", err)}
	case externalRemoval:
		n.reconcileRemoval()
	case runtime.ExternalPause, runtime.ExternalResume:
		n.reconcilePause(m.what == runtime.ExternalPause)
	default:
		n.reportExternal(m.what)
	}
	return &runtime.ExternalError{Node: n.id, What: m.what}
}

// compare reports the mismatches that it also found the last time.
func (w *watcher) compare(ctx context.Context) {
	found, err := w.mismatches(ctx)
	if err != nil {
		return // the events' own connection says when the engine is away
	}
	for n, m := range found {
		if w.suspects[n] == m {
			_ = w.settle(n, m)
		}
	}
	w.suspects = found
}

// verify reports the mismatches that stay while it compares for verifyTime, and nodes that were started again without an event.
func (w *watcher) verify(ctx context.Context, nodes []*node) (failed error) {
	first, err := w.mismatches(ctx)
	for deadline := time.Now().Add(verifyTime); err == nil && len(first) > 0 && time.Now().Before(deadline); {
		select {
		case <-time.After(verifyStep):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		var now map[*node]mismatch
		if now, err = w.mismatches(ctx); err == nil {
			maps.DeleteFunc(first, func(n *node, m mismatch) bool { return now[n] != m })
		}
	}
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if m, ok := first[n]; ok {
			failed = cmp.Or(failed, w.settle(n, m))
		}
	}
	return cmp.Or(failed, w.verifyStarts(ctx, nodes))
}

// verifyStarts reports the nodes that were started again without an event.
func (w *watcher) verifyStarts(ctx context.Context, nodes []*node) error {
	again := make([]error, len(nodes))
	var g errgroup.Group
	g.SetLimit(parallel)
	for i, n := range nodes {
		g.Go(func() error {
			c, err := w.src.ContainerInspect(ctx, n.container)
			if err != nil || c.State == nil || !n.runs() {
				return nil //nolint:nilerr // what is missing was found before
			}
			if began, err := time.Parse(time.RFC3339Nano, c.State.StartedAt); err == nil && n.startedBefore(began.Add(-startSlack)) {
				n.reportExternal(runtime.ExternalRestart)
				again[i] = &runtime.ExternalError{Node: n.id, What: runtime.ExternalRestart}
			}
			return nil
		})
	}
	_ = g.Wait() // the functions return no errors
	return cmp.Or(again...)
}

// startedBefore says whether the last start that was reported is older than a moment.
func (n *node) startedBefore(at time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.startedAt > 0 && n.startedAt < at.UnixNano()
}

// VerifyStates implements runtime.StateVerifier.
func (s *nodeSet) VerifyStates(ctx context.Context) error {
	if s == nil || s.watcher == nil {
		return nil
	}
	return s.watcher.verify(ctx, s.order)
}
