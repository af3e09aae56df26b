package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/network"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// changes returns what a node's inbox holds: "start", "requested" and "exit".
func changes(n *node) (out []string) {
	n.inbox.mu.Lock()
	defer n.inbox.mu.Unlock()
	for _, c := range n.inbox.queue {
		switch {
		case c.started:
			out = append(out, "start")
		case c.requested:
			out = append(out, "requested")
		case c.external != nil:
			out = append(out, c.external.What)
		default:
			out = append(out, "exit")
		}
	}
	return out
}

func TestNode_RequestedEnds(t *testing.T) {
	died := errors.New("died")
	for _, c := range []struct {
		name string
		do   func(n *node)
		want string
	}{
		{"killed, event last", func(n *node) { done := n.requestEnd(); done(true); n.reportEnd(died) }, "[start requested]"},
		{"killed, event first", func(n *node) { done := n.requestEnd(); n.reportEnd(died); done(true) }, "[start requested]"},
		{"died", func(n *node) { n.reportEnd(died) }, "[start exit]"},
		{"died before a kill", func(n *node) { n.reportEnd(died); done := n.requestEnd(); done(false) }, "[start exit]"},
		{"died while a kill looked", func(n *node) { done := n.requestEnd(); n.reportEnd(died); done(false) }, "[start requested exit]"},
		{"died after a kill failed", func(n *node) { done := n.requestEnd(); done(false); n.reportEnd(died) }, "[start exit]"},
		{"killed, started, died", func(n *node) {
			done := n.requestEnd()
			done(true)
			n.reportEnd(died)
			n.reportStart(1)
			n.reportEnd(died)
		}, "[start requested start exit]"},
		{"event repeated", func(n *node) { n.reportStart(1); n.reportEnd(died); n.reportEnd(died) }, "[start exit]"},
	} {
		n := &node{id: "n", inbox: newInbox()}
		n.reportStart(1)
		c.do(n)
		if got := fmt.Sprint(changes(n)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestNode_ExternalActs(t *testing.T) {
	died := errors.New("died")
	pause := func(n *node, ok bool) { n.requestPause(true)(ok) }
	for _, c := range []struct {
		name string
		do   func(n *node)
		want string
	}{
		{"paused by a fault, event last", func(n *node) { pause(n, true); n.reportPause(true, 1) }, "[start]"},
		{"paused by a fault, event first", func(n *node) { done := n.requestPause(true); n.reportPause(true, 1); done(true) }, "[start]"},
		{"paused and resumed by a fault, events late", func(n *node) {
			pause(n, true)
			n.requestPause(false)(true)
			n.reportPause(true, 1)
			n.reportPause(false, 2)
		}, "[start]"},
		{"paused", func(n *node) { n.reportPause(true, 1) }, "[start paused]"},
		{"paused and resumed", func(n *node) { n.reportPause(true, 1); n.reportPause(false, 2) }, "[start paused resumed]"},
		{"paused after a fault could not", func(n *node) { pause(n, false); n.reportPause(true, 1) }, "[start paused]"},
		{"resumed under a fault", func(n *node) { pause(n, true); n.reportPause(true, 1); n.reportPause(false, 2) }, "[start resumed]"},
		{"event repeated", func(n *node) { pause(n, true); n.reportPause(true, 1); n.reportPause(true, 1) }, "[start]"},
		{"a fault kills it while it is paused", func(n *node) {
			pause(n, true)
			n.reportPause(true, 1)
			done := n.requestEnd()
			n.reportSignal("9")
			n.reportPause(false, 2) // the engine's own doing
			n.reportEnd(died)
			done(true)
		}, "[start requested]"},
		{"killed", func(n *node) { n.reportSignal("9"); n.reportEnd(died) }, "[start killed]"},
		{"stopped", func(n *node) { n.reportSignal("15"); n.reportSignal("9"); n.reportEnd(died) }, "[start stopped]"},
		{"a signal to reload, and died later", func(n *node) { n.reportSignal("1"); n.reportEnd(died) }, "[start exit]"},
		{"killed and removed", func(n *node) { n.reportSignal("9"); n.reportEnd(died); n.reportRemoval() }, "[start killed]"},
		{"died and removed", func(n *node) { n.reportEnd(died); n.reportRemoval() }, "[start exit removed]"},
		{"killed, started, died", func(n *node) {
			n.reportSignal("9")
			n.reportEnd(died)
			n.reportStart(1)
			n.reportEnd(died)
		}, "[start killed start exit]"},
		{"killed by a fault, event of the signal first", func(n *node) {
			done := n.requestEnd()
			n.reportSignal("9")
			n.reportEnd(died)
			done(true)
		}, "[start requested]"},
		{"found paused", func(n *node) { n.reconcilePause(true) }, "[start paused]"},
		{"found running", func(n *node) { n.reconcilePause(false) }, "[start]"},
		{"found paused by a fault whose event is to come", func(n *node) { pause(n, true); n.reconcilePause(true); n.reportPause(true, 1) }, "[start]"},
		{"not found", func(n *node) { n.reconcileRemoval() }, "[start removed]"},
		{"not found after its end", func(n *node) { n.reportEnd(died); n.reconcileRemoval() }, "[start exit]"},
	} {
		n := &node{id: "n", inbox: newInbox(), launched: true}
		n.reportStart(1)
		c.do(n)
		if got := fmt.Sprint(changes(n)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestNode_Act(t *testing.T) {
	const no = "wrong state"
	for _, c := range []struct {
		verb                                  faults.Verb
		running, paused, exited, neverStarted string
	}{
		{faults.Kill, "SIGKILL c", "SIGKILL c", no, no},
		{faults.Stop, "stop10 c", no, no, no},
		{faults.Restart, "stop10 c, start c", no, no, no},
		{faults.Start, no, no, "start c", "start c"},
		{faults.Pause, "pause c", no, no, no},
		{faults.Resume, no, "unpause c", no, no},
		{"melt", "no such action", "no such action", "no such action", "no such action"},
	} {
		states := []container.ContainerState{container.StateRunning, container.StatePaused, container.StateExited, container.StateCreated}
		for i, want := range []string{c.running, c.paused, c.exited, c.neverStarted} {
			e := newFakeEngine()
			e.containers["c"] = &fakeContainer{state: states[i]}
			err := (&node{container: "c", inbox: newInbox()}).act(t.Context(), e, c.verb)
			got := strings.Join(e.did, ", ")
			switch {
			case errors.Is(err, runtime.ErrState):
				got += no
			case err != nil:
				got = err.Error()
			}
			if !strings.HasSuffix(got, want) {
				t.Errorf("%s %s: %s, want %s", c.verb, states[i], got, want)
			}
		}
	}
	// The state may change between the inspection and the action.
	e := newFakeEngine()
	e.containers["c"] = &fakeContainer{state: container.StateRunning}
	e.err = fmt.Errorf("container is not running: %w", errdefs.ErrConflict)
	n := &node{container: "c", inbox: newInbox()}
	if err := n.act(t.Context(), e, faults.Kill); !errors.Is(err, runtime.ErrState) || n.requested != 0 {
		t.Errorf("got %v, requested %d", err, n.requested)
	}
	e.err = errors.New("engine is away")
	if err := n.act(t.Context(), e, faults.Restart); err == nil || errors.Is(err, runtime.ErrState) || strings.Join(e.did, ", ") != "SIGKILL c, stop10 c" {
		t.Errorf("got %v after %q", err, e.did)
	}
}

// fakeEvents gives a stream for each subscription, and the state of containers.
type fakeEvents struct {
	opened chan events.ListOptions
	msgs   chan events.Message
	errs   chan error

	mu         sync.Mutex
	containers map[string]fakeState // by node
	listed     int
}

// fakeState is a container's: how the engine's list shows it, when it was started, and on which network it is.
type fakeState struct {
	state   container.ContainerState
	status  string
	started time.Time
	network string
}

func newFakeEvents() *fakeEvents {
	return &fakeEvents{
		opened: make(chan events.ListOptions, 99), msgs: make(chan events.Message), errs: make(chan error), containers: map[string]fakeState{},
	}
}

// set changes the state of a container, without an event; the zero fakeState removes it.
func (f *fakeEvents) set(node string, s fakeState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.containers[node] = s; s == (fakeState{}) {
		delete(f.containers, node)
	}
}

func (f *fakeEvents) Events(_ context.Context, o events.ListOptions) (<-chan events.Message, <-chan error) {
	f.opened <- o
	return f.msgs, f.errs
}

func (f *fakeEvents) ContainerList(context.Context, container.ListOptions) ([]container.Summary, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listed++
	var out []container.Summary
	for id, s := range f.containers {
		c := container.Summary{ID: "c" + id, Labels: map[string]string{labelTestnet: "x", labelNode: id}, State: s.state, Status: s.status}
		if s.network != "" {
			c.NetworkSettings = &container.NetworkSettingsSummary{Networks: map[string]*network.EndpointSettings{s.network: {}}}
		}
		out = append(out, c)
	}
	return out, nil
}

func (f *fakeEvents) ContainerInspect(_ context.Context, id string) (container.InspectResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.containers[strings.TrimPrefix(id, "c")]
	if !ok {
		return container.InspectResponse{}, errdefs.ErrNotFound
	}
	return container.InspectResponse{ContainerJSONBase: &container.ContainerJSONBase{State: &container.State{
		Running: s.state == container.StateRunning || s.state == container.StatePaused, StartedAt: s.started.Format(time.RFC3339Nano),
	}}}, nil
}

func event(id string, nano int64, a events.Action) events.Message {
	return events.Message{TimeNano: nano, Action: a, Actor: events.Actor{ID: "c" + id, Attributes: map[string]string{
		labelTestnet: "x", labelNode: id, "exitCode": "9",
	}}}
}

// networkEvent is the engine's event that a container was connected to a network or disconnected.
func networkEvent(id string, nano int64, a events.Action, network string) events.Message {
	return events.Message{Type: events.NetworkEventType, TimeNano: nano, Action: a, Actor: events.Actor{
		Attributes: map[string]string{"container": "c" + id, "name": network},
	}}
}

func TestWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeEvents()
		nodes := map[faults.NodeID]*node{"a": {inbox: newInbox()}, "b": {inbox: newInbox()}}
		var gaps int
		w := &watcher{src: f, testnet: "x", nodes: nodes, gap: func(faults.NodeID, error) { gaps++ }}
		msgs, errs := w.open(t.Context())
		if o := <-f.opened; o.Since != "" || !o.Filters.ExactMatch("event", "die") || !o.Filters.ExactMatch("event", "pause") || !o.Filters.ExactMatch("event", "disconnect") || o.Filters.ExactMatch("event", "exec_die") {
			t.Errorf("subscribed with %+v", o)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			w.run(t.Context(), msgs, errs)
		}()
		f.msgs <- event("a", 1e9+5, events.ActionStart)
		f.msgs <- event("b", 1e9+7, events.ActionStart)
		f.msgs <- event("other", 1e9+6, events.ActionDie)
		others := event("a", 1e9+6, events.ActionDie)
		others.Actor.Attributes[labelTestnet] = "y" // another testnet's, whose nodes have the same names
		f.msgs <- others
		f.msgs <- event("a", 1e9+4, events.ActionDie) // the engine keeps no order
		f.msgs <- event("a", 1e9+6, events.ActionStart)
		synctest.Wait()
		if got := fmt.Sprint(changes(nodes["a"]), changes(nodes["b"])); got != "[start exit start] [start]" {
			t.Errorf("got %s", got)
		}
		// While the connection is broken b dies; the engine may send old events again.
		f.set("a", fakeState{state: container.StateRunning})
		f.set("b", fakeState{state: container.StateExited, status: "Exited (3) 2 seconds ago"})
		f.set("other", fakeState{state: container.StateExited})
		f.errs <- errors.New("broken")
		if o := <-f.opened; o.Since != "1.000000007" {
			t.Errorf("subscribed again since %q", o.Since)
		}
		f.msgs <- event("b", 1e9+7, events.ActionDie)
		synctest.Wait()
		if got := fmt.Sprint(changes(nodes["b"])); got != "[start exit]" {
			t.Errorf("got %s", got)
		}
		for range retries - 1 {
			f.errs <- errors.New("broken")
			<-f.opened
		}
		f.errs <- errors.New("broken")
		<-ended
		if gaps != len(nodes) {
			t.Errorf("%d gaps", gaps)
		}
	})
}
