package docker

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// watchedNode starts a watcher of one running node, a, on network "net".
func watchedNode(t *testing.T) (*watcher, *fakeEvents, *node) {
	f := newFakeEvents()
	n := &node{id: "a", container: "ca", inbox: newInbox(), launched: true}
	w := &watcher{src: f, testnet: "x", network: "net", nodes: map[faults.NodeID]*node{"a": n}, gap: func(faults.NodeID, error) {}}
	msgs, errs := w.open(t.Context())
	go w.run(t.Context(), msgs, errs)
	f.set("a", running(time.Now()))
	f.msgs <- event("a", time.Now().UnixNano(), events.ActionStart)
	return w, f, n
}

// running is the state of a container that was started at a time.
func running(at time.Time) fakeState {
	return fakeState{state: container.StateRunning, started: at, network: "net"}
}

// states are what may become of a container without an event, and what is reported then.
var states = map[string]struct {
	change func(fakeState) fakeState
	want   string
}{
	"ended": {func(s fakeState) fakeState {
		s.state, s.status = container.StateExited, "Exited (7) 1 second ago"
		return s
	}, "exit"},
	"paused":       {func(s fakeState) fakeState { s.state = container.StatePaused; return s }, "paused"},
	"disconnected": {func(s fakeState) fakeState { s.network = "other"; return s }, runtime.ExternalDisconnect},
	"removed":      {func(fakeState) fakeState { return fakeState{} }, "removed"},
}

// Events may be lost while their connection holds: the state of containers is compared at intervals.
func TestWatcher_LostEvents(t *testing.T) {
	for name, c := range states {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, f, n := watchedNode(t)
				time.Sleep(10*compareEvery + time.Millisecond)
				must.Equal(t, "[start]", fmt.Sprint(changes(n)))
				f.set("a", c.change(running(time.Now())))
				time.Sleep(compareEvery)
				must.Equal(t, "[start]", fmt.Sprint(changes(n))) // the event may come yet
				time.Sleep(compareEvery)
				must.Equal(t, "[start "+c.want+"]", fmt.Sprint(changes(n)))
			})
		})
	}
}

// What netsplit itself does is no mismatch, however late the events are.
func TestWatcher_LateEventsOfActions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, f, n := watchedNode(t)
		paused := n.requestPause(true)
		f.set("a", states["paused"].change(running(time.Now())))
		time.Sleep(5 * compareEvery)
		paused(true)
		f.msgs <- event("a", time.Now().UnixNano(), events.ActionPause)
		ended := n.requestEnd()
		ended(true)
		f.set("a", states["ended"].change(running(time.Now())))
		time.Sleep(5 * compareEvery) // the event is lost
		must.Equal(t, "[start requested]", fmt.Sprint(changes(n)))
		must.Equal(t, 0, n.requested)
	})
}

// At the end of a run the states are compared once more.
func TestWatcher_Verify(t *testing.T) {
	for name, c := range states {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, f, n := watchedNode(t)
				synctest.Wait()
				must.Do(t, w.verify(t.Context(), []*node{n}))
				f.set("a", c.change(running(time.Now())))
				err := w.verify(t.Context(), []*node{n})
				var external *runtime.ExternalError
				if err == nil || errors.As(err, &external) && external.What != c.want {
					t.Errorf("error %v", err)
				}
				must.Equal(t, "[start "+c.want+"]", fmt.Sprint(changes(n)))
			})
		})
	}
	t.Run("event on its way", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w, f, n := watchedNode(t)
			synctest.Wait()
			f.set("a", states["paused"].change(running(time.Now())))
			go func() {
				time.Sleep(verifyStep / 2)
				f.msgs <- event("a", time.Now().UnixNano(), events.ActionPause)
			}()
			must.Do(t, w.verify(t.Context(), []*node{n}))
			must.Equal(t, "[start paused]", fmt.Sprint(changes(n))) // once
		})
	})
	t.Run("started again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w, f, n := watchedNode(t)
			synctest.Wait()
			f.set("a", running(time.Now().Add(time.Second)))
			must.Fail(t, "started again by somebody else")(w.verify(t.Context(), []*node{n}))
		})
	})
}

// A container that runs is connected and disconnected by somebody else; when it starts and ends, by the engine.
func TestWatcher_Networks(t *testing.T) {
	connect, disconnect := events.ActionConnect, events.ActionDisconnect
	for _, c := range []struct {
		name string
		do   func(f *fakeEvents, n *node, now int64)
		want string
	}{
		{"disconnected", func(f *fakeEvents, _ *node, now int64) { f.msgs <- networkEvent("a", now, disconnect, "net") }, "[start " + runtime.ExternalDisconnect + "]"},
		{"connected to another", func(f *fakeEvents, _ *node, now int64) { f.msgs <- networkEvent("a", now, connect, "other") }, "[start " + runtime.ExternalConnect + "]"},
		{"disconnected from another", func(f *fakeEvents, _ *node, now int64) { f.msgs <- networkEvent("a", now, disconnect, "other") }, "[start]"},
		{"another container", func(f *fakeEvents, _ *node, now int64) { f.msgs <- networkEvent("b", now, disconnect, "net") }, "[start]"},
		{"died", func(f *fakeEvents, _ *node, now int64) {
			f.msgs <- event("a", now, events.ActionDie)
			f.msgs <- networkEvent("a", now, disconnect, "net")
		}, "[start exit]"},
		{"died, event last", func(f *fakeEvents, _ *node, now int64) {
			f.set("a", states["ended"].change(running(time.Now())))
			f.msgs <- networkEvent("a", now, disconnect, "net")
			f.msgs <- event("a", now, events.ActionDie)
		}, "[start exit]"},
		{"a fault ends it", func(f *fakeEvents, n *node, now int64) {
			n.requestEnd()(true)
			f.msgs <- networkEvent("a", now, disconnect, "net")
			f.msgs <- event("a", now, events.ActionDie)
		}, "[start requested]"},
		{"an old event of a node that was started again", func(f *fakeEvents, _ *node, now int64) {
			f.set("a", running(time.Unix(0, now+1)))
			f.msgs <- networkEvent("a", now, disconnect, "net")
		}, "[start]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, f, n := watchedNode(t)
				time.Sleep(time.Second)
				c.do(f, n, time.Now().UnixNano())
				synctest.Wait()
				must.Equal(t, c.want, fmt.Sprint(changes(n)))
			})
		})
	}
}
