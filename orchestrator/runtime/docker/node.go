package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/docker/docker/client"
	"golang.org/x/sync/errgroup"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/agent"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// nodeSet is the nodes of a testnet. It acts on their containers, reads their logs and reports what happens to them; it
// neither makes nor removes containers.
type nodeSet struct {
	engine  *client.Client
	testnet string
	network string   // the name or the id of their network
	watcher *watcher // nil until what happens to them is reported
	byID    map[faults.NodeID]*node
	order   []*node // as in the plan
}

func newNodeSet(cli *client.Client, testnet, network string) *nodeSet {
	return &nodeSet{engine: cli, testnet: testnet, network: network, byID: map[faults.NodeID]*node{}}
}

// add adds a node whose name must be new.
func (s *nodeSet) add(n *node) error {
	if s.byID[n.id] != nil {
		return fmt.Errorf("two nodes are named %s", n.id)
	}
	n.inbox = newInbox()
	s.byID[n.id] = n
	s.order = append(s.order, n)
	return nil
}

// find returns a node.
func (s *nodeSet) find(id faults.NodeID) (*node, error) {
	if s == nil || s.byID[id] == nil {
		return nil, fmt.Errorf("testnet has no node %s", id)
	}
	return s.byID[id], nil
}

// launched returns a node that must have been launched.
func (s *nodeSet) launched(id faults.NodeID) (*node, error) {
	n, err := s.find(id)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.launched {
		return nil, errors.Join(errors.New("it has not been launched"), runtime.ErrState)
	}
	return n, nil
}

// hosts are the nodes' addresses.
func (s *nodeSet) hosts() []runtime.Host {
	var out []runtime.Host
	for _, n := range s.order {
		out = append(out, runtime.Host{ID: n.id, Addr: n.addr})
	}
	return out
}

// Logs implements runtime.Runtime.
func (s *nodeSet) Logs(ctx context.Context, id faults.NodeID, count int) ([]string, error) {
	n, err := s.find(id)
	var tail []string
	if err == nil {
		tail, err = tailOf(ctx, n.logs(s.engine), n.container, count)
	}
	if err != nil {
		return nil, fmt.Errorf("read the log of node %s: %w", id, err)
	}
	return tail, nil
}

// fail returns the failure of an operation on a node, with what the node printed last.
func (s *nodeSet) fail(ctx context.Context, op string, id faults.NodeID, err error) error {
	e := &runtime.NodeError{Node: id, Op: op, Err: err}
	if tail, err := s.Logs(ctx, id, tailLines); err == nil {
		e.Tail = tail
	}
	return e
}

// agentHosts is the agent's table of nodes before any of their namespaces is known.
func (s *nodeSet) agentHosts() []agent.Host {
	out := make([]agent.Host, len(s.order))
	for i, n := range s.order {
		out[i] = agent.Host{Node: n.id, Addr: n.addr}
	}
	return out
}

// netns returns the paths of the network namespaces, in the host's /proc, of the nodes at the links' ends; empty for a
// node that does not run.
func (s *nodeSet) netns(ctx context.Context, links []faults.Link) (map[faults.NodeID]string, error) {
	paths := map[faults.NodeID]string{}
	for _, l := range links {
		paths[l.From], paths[l.To] = "", ""
	}
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, id := range slices.Collect(maps.Keys(paths)) {
		if _, err := s.find(id); err != nil {
			return nil, err
		}
		n, err := s.launched(id)
		if err != nil {
			continue
		}
		g.Go(func() error {
			c, err := s.engine.ContainerInspect(gctx, n.container)
			if err != nil {
				return fmt.Errorf("find node %s: %w", id, err)
			}
			if c.State.Running && c.State.Pid > 0 {
				mu.Lock()
				defer mu.Unlock()
				paths[id] = fmt.Sprintf("/proc/%d/ns/net", c.State.Pid)
			}
			return nil
		})
	}
	return paths, g.Wait()
}

// node is one node of a testnet. It distinguishes ends of its process that were requested from those that were not.
type node struct {
	id        faults.NodeID
	role      string
	addr      netip.Addr
	container string // the name of its container
	tty       bool   // its log is one raw stream
	// unreadable is true where the engine cannot read its log, as with the log driver "none".
	unreadable bool
	inbox      *inbox

	// acting serialises actions on the node.
	acting sync.Mutex

	mu sync.Mutex
	// up is true between the engine's events of a start and an end.
	up bool
	// requested counts ends that were requested and whose event has not come.
	requested int
	// unconfirmed are ends that came while one was requested; they were the node's own if the request then failed.
	unconfirmed []error
	// paused is what the container was last seen to be, at a time of the engine's in nanoseconds. pausing and resuming count
	// the requests whose event has not come.
	paused            bool
	pausedAt          int64
	pausing, resuming int
	// startedAt is when it was started last, as the engine says, in nanoseconds.
	startedAt int64
	// oom says that the kernel killed a process of its container for memory.
	oom bool
	// changes counts what was reported of it.
	changes uint64
	// killed is how somebody else ended the process; empty if nobody did.
	killed string
	// launched is true once the container may exist.
	launched bool
	// stderr includes the standard error in the node's lines: many programs other than netsplit's own node log there.
	stderr bool
}

// logs is where the node's log is read.
func (n *node) logs(src logSource) logSource {
	switch {
	case n.unreadable:
		return noLogs{}
	case n.tty:
		return consoleLogs{src}
	}
	return src
}

func (n *node) readsStderr() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.stderr
}

// reportStart takes the engine's event that the node's process began, at a time of the engine's.
func (n *node) reportStart(at int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.startedAt = max(n.startedAt, at)
	if !n.up {
		n.changes++
		n.up, n.paused, n.killed, n.oom = true, false, "", false
		n.inbox.put(change{started: true})
	}
}

// reportPause takes the engine's event that the container was paused or resumed, at a time of the engine's.
func (n *node) reportPause(paused bool, at int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if at <= n.pausedAt {
		return // a repeated event
	}
	n.changes++
	n.paused, n.pausedAt = paused, at
	requests := &n.resuming
	if paused {
		requests = &n.pausing
	}
	switch {
	case *requests > 0:
		*requests--
	case n.up && n.requested == 0: // else the engine resumes a paused container in order to kill it
		n.pausedExternally()
	}
}

// reconcilePause takes the state of the container, when events may have been lost.
func (n *node) reconcilePause(paused bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.up && n.paused != paused && n.pausing+n.resuming+n.requested == 0 {
		n.changes++
		n.paused = paused
		n.pausedExternally()
	}
}

// pausedExternally reports that somebody else paused or resumed the container. The caller holds the lock.
func (n *node) pausedExternally() {
	what := runtime.ExternalResume
	if n.paused {
		what = runtime.ExternalPause
	}
	n.inbox.put(change{external: &runtime.ExternalError{Node: n.id, What: what}})
}

// requestPause notes that the engine is about to be requested to pause or to resume the container. The function that it returns
// must be called with the outcome.
func (n *node) requestPause(pause bool) func(ok bool) {
	requests := &n.resuming
	if pause {
		requests = &n.pausing
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	*requests++
	return func(ok bool) {
		n.mu.Lock()
		defer n.mu.Unlock()
		if !ok && *requests > 0 {
			*requests--
		}
	}
}

// signals are what signals that end a process are called. Others are the node's own business.
var signals = map[string]string{"9": "killed", "SIGKILL": "killed", "15": "stopped", "SIGTERM": "stopped"}

// reportSignal takes the engine's event that somebody had it send a signal to the process.
func (n *node) reportSignal(signal string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if what := signals[signal]; what != "" && n.requested == 0 && n.up && n.killed == "" {
		n.killed = what
	}
}

// reportMemory takes the engine's event that the kernel killed a process of the container for memory.
func (n *node) reportMemory() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.oom = true
}

// outOfMemory says whether the kernel killed a process of the container for memory, as far as events say.
func (n *node) outOfMemory() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.oom
}

// runs says whether the node runs, and nobody is known to be ending it.
func (n *node) runs() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.up && n.requested == 0 && n.killed == ""
}

// reportExternal reports what somebody else did to a node that goes on running.
func (n *node) reportExternal(what string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.changes++
	n.inbox.put(change{external: &runtime.ExternalError{Node: n.id, What: what}})
}

// reportRemoval takes the engine's event that the container was removed, which ended its process before.
func (n *node) reportRemoval() {
	n.mu.Lock()
	defer n.mu.Unlock()
	select {
	case <-n.inbox.removed:
		return
	default:
		close(n.inbox.removed)
	}
	if n.launched && n.killed == "" { // else the end of its process is reported
		n.changes++
		n.up = false
		n.inbox.put(change{external: &runtime.ExternalError{Node: n.id, What: externalRemoval}})
	}
}

// reconcileRemoval takes that there is no container, when events may have been lost.
func (n *node) reconcileRemoval() {
	n.mu.Lock()
	up := n.up
	n.mu.Unlock()
	if up {
		n.reportRemoval()
	}
}

const (
	externalRemoval = "removed"
	// removalWait is how long after the end of a process that somebody killed its container may be removed: one command does
	// both.
	removalWait = time.Second
)

// awaitRemoval says whether the container is removed within a short time.
func (n *node) awaitRemoval(ctx context.Context) bool {
	select {
	case <-n.inbox.removed:
		return true
	case <-time.After(removalWait):
	case <-ctx.Done():
	}
	return false
}

// reportEnd takes the engine's event that the node's process ended.
func (n *node) reportEnd(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.changes++
	switch {
	case !n.up: // a repeated event
	case n.requested > 0:
		n.up = false
		n.requested--
		n.unconfirmed = append(n.unconfirmed, err)
		n.inbox.put(change{requested: true, err: err})
	case n.killed != "":
		n.up = false
		n.inbox.put(change{external: &runtime.ExternalError{Node: n.id, What: n.killed}})
	default:
		n.up = false
		n.inbox.put(change{err: err})
	}
}

// requestEnd notes that the engine is about to be requested to end the node. The function that it returns must be called
// with the outcome.
func (n *node) requestEnd() func(ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.requested++
	n.unconfirmed = nil
	return func(ok bool) {
		n.mu.Lock()
		defer n.mu.Unlock()
		ended := n.unconfirmed
		n.unconfirmed = nil
		switch {
		case ok:
		case len(ended) > 0:
			n.inbox.put(change{err: ended[0]}) // it had ended by itself
		default:
			n.requested--
		}
	}
}

// change is something that happened to a node's container.
type change struct {
	started   bool  // else: it ended
	requested bool  // its end was requested
	err       error // how it ended
	// external is what somebody else did to it: an end, or a pause. Nil for anything else.
	external *runtime.ExternalError
}

// inbox is an unbounded queue of changes: the one stream of events that feeds all nodes must never wait for one of them.
type inbox struct {
	mu    sync.Mutex
	queue []change
	ready chan struct{} // closed while the queue is not empty
	// removed is closed when the container is gone.
	removed chan struct{}
}

func newInbox() *inbox { return &inbox{ready: make(chan struct{}), removed: make(chan struct{})} }

// put appends a change.
func (b *inbox) put(c change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue = append(b.queue, c)
	if len(b.queue) == 1 {
		close(b.ready)
	}
}

// waiting returns a channel that is closed once there is a change to take.
func (b *inbox) waiting() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ready
}

// take waits for the next change; false when ctx ended first.
func (b *inbox) take(ctx context.Context) (change, bool) {
	select {
	case <-b.waiting():
	case <-ctx.Done():
		return change{}, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.queue[0]
	b.queue = b.queue[1:]
	if len(b.queue) == 0 {
		b.ready = make(chan struct{})
	}
	return c, true
}
