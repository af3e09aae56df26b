package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"

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
			n.reportStart()
			n.reportEnd(died)
		}, "[start requested start exit]"},
		{"event repeated", func(n *node) { n.reportStart(); n.reportEnd(died); n.reportEnd(died) }, "[start exit]"},
	} {
		n := &node{id: "n", inbox: newInbox()}
		n.reportStart()
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
		{"told to reload, and died later", func(n *node) { n.reportSignal("1"); n.reportEnd(died) }, "[start exit]"},
		{"killed and removed", func(n *node) { n.reportSignal("9"); n.reportEnd(died); n.reportRemoval() }, "[start killed]"},
		{"died and removed", func(n *node) { n.reportEnd(died); n.reportRemoval() }, "[start exit removed]"},
		{"killed, started, died", func(n *node) {
			n.reportSignal("9")
			n.reportEnd(died)
			n.reportStart()
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
		n.reportStart()
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

// fakeEvents gives a stream for each subscription, and a list of what exited.
type fakeEvents struct {
	opened          chan events.ListOptions
	msgs            chan events.Message
	errs            chan error
	exited, running []string
}

func (f *fakeEvents) Events(_ context.Context, o events.ListOptions) (<-chan events.Message, <-chan error) {
	f.opened <- o
	return f.msgs, f.errs
}

func (f *fakeEvents) ContainerList(context.Context, container.ListOptions) ([]container.Summary, error) {
	var out []container.Summary
	for _, id := range f.exited {
		out = append(out, container.Summary{Labels: map[string]string{labelNode: id}, State: container.StateExited})
	}
	for _, id := range f.running {
		out = append(out, container.Summary{Labels: map[string]string{labelNode: id}, State: container.StateRunning})
	}
	return out, nil
}

func event(id string, nano int64, a events.Action) events.Message {
	return events.Message{TimeNano: nano, Action: a, Actor: events.Actor{Attributes: map[string]string{labelNode: id, "exitCode": "9"}}}
}

func TestWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeEvents{opened: make(chan events.ListOptions, 99), msgs: make(chan events.Message), errs: make(chan error)}
		nodes := map[faults.NodeID]*node{"a": {inbox: newInbox()}, "b": {inbox: newInbox()}}
		var gaps int
		w := &watcher{src: f, testnet: "x", nodes: nodes, gap: func(faults.NodeID, error) { gaps++ }}
		msgs, errs := w.open(t.Context())
		if o := <-f.opened; o.Since != "" || !o.Filters.ExactMatch("event", "die") || !o.Filters.ExactMatch("event", "pause") || o.Filters.ExactMatch("event", "exec_die") {
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
		f.msgs <- event("a", 1e9+4, events.ActionDie) // the engine keeps no order
		f.msgs <- event("a", 1e9+6, events.ActionStart)
		synctest.Wait()
		if got := fmt.Sprint(changes(nodes["a"]), changes(nodes["b"])); got != "[start exit start] [start]" {
			t.Errorf("got %s", got)
		}
		// While the connection is broken b dies; the engine may send old events again.
		f.exited, f.running = []string{"b", "other"}, []string{"a"}
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
