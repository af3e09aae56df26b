package runtimetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// lifecycle checks all actions on nodes, on one testnet of four nodes.
func (s suite) lifecycle(t *testing.T) {
	net := s.up(t, 4)
	t.Run("addresses", net.addresses)
	t.Run("answers", net.answers)
	t.Run("lines", net.lines)
	t.Run("logs", net.logs)
	t.Run("stop", func(t *testing.T) { net.startAgain(t, faults.Stop, faults.Start) })
	t.Run("kill", func(t *testing.T) { net.startAgain(t, faults.Kill, faults.Start) })
	t.Run("restart", func(t *testing.T) { net.startAgain(t, faults.Restart) })
	t.Run("pause", net.pause)
	t.Run("wrong state", net.wrongState)
	t.Run("unknown node", net.unknownNode)
	t.Run("cancelled context", net.cancelled)
	net.sink.check(t)
}

func (n *testnet) addresses(t *testing.T) {
	seen := make(map[netip.Addr]bool)
	if len(n.hosts) != len(n.plan.Nodes) {
		t.Fatalf("%d hosts for %d nodes", len(n.hosts), len(n.plan.Nodes))
	}
	for i, h := range n.hosts {
		if h.ID != n.plan.Nodes[i].ID {
			t.Errorf("host %d is %s, want %s", i, h.ID, n.plan.Nodes[i].ID)
		}
		if !h.Addr.IsValid() || h.Addr.IsUnspecified() || seen[h.Addr] {
			t.Errorf("address %v of %s is invalid or not unique", h.Addr, h.ID)
		}
		seen[h.Addr] = true
	}
}

func (n *testnet) answers(t *testing.T) {
	network := n.network()
	for i, h := range n.hosts {
		if got, want := n.mustStatus(t, h.ID).ID, network.Peer(i).ID.String(); got != want {
			t.Errorf("the node at the address of %s has identity %s, want %s", h.ID, got, want)
		}
	}
}

func (n *testnet) lines(t *testing.T) {
	for _, id := range n.ids() {
		for _, line := range n.sink.printed(id) {
			if !json.Valid([]byte(line)) {
				t.Errorf("%s printed %q, which is not JSON", id, line)
			}
		}
		if got := n.sink.events(id, node.EventStart); len(got) != 1 {
			t.Errorf("%s: %d start events, want 1", id, len(got))
		}
		if got := n.sink.events(id, node.EventBlock); len(got) == 0 {
			t.Errorf("%s: no block event", id)
		}
	}
}

func (n *testnet) logs(t *testing.T) {
	id := n.ids()[0]
	n.wait(t, "log lines", func() error {
		all := must.Get(n.rt.Logs(t.Context(), id, 1000))(t)
		printed := n.sink.printed(id)
		for _, want := range []string{printed[0], printed[min(2, len(printed)-1)]} {
			if !slices.Contains(all, want) {
				return fmt.Errorf("%q is not among %d lines of the log", want, len(all))
			}
		}
		return nil
	})
	last, err := n.rt.Logs(t.Context(), id, 2)
	if err != nil || len(last) != 2 {
		t.Errorf("last 2 lines: %d lines, %v", len(last), err)
	}
}

// startAgain ends a node and starts it again. It waits until the node has started once more, with at least the blocks that it
// had, and agrees with the others.
func (n *testnet) startAgain(t *testing.T, verbs ...faults.Verb) {
	id := n.ids()[3]
	height := n.mustStatus(t, id).Height
	starts := len(n.sink.events(id, node.EventStart))
	for i, verb := range verbs {
		n.do(t, verb, id)
		if s, err := n.status(t.Context(), id); err == nil && i < len(verbs)-1 {
			t.Errorf("%s answers after %s: %+v", id, verb, s)
		}
	}
	var start node.Event
	n.wait(t, "a start event", func() error {
		got := n.sink.events(id, node.EventStart)
		if len(got) != starts+1 {
			return fmt.Errorf("%d start events, want %d", len(got), starts+1)
		}
		start = got[starts]
		return nil
	})
	if uint64(start.Height) < height {
		t.Errorf("%s loaded height %d from disk, it was at %d before", id, start.Height, height)
	}
	n.agree(t, height+1)
	if verbs[0] == faults.Stop && len(n.sink.events(id, node.EventStop)) == 0 {
		t.Errorf("%s was not given time to stop", id)
	}
}

func (n *testnet) pause(t *testing.T) {
	id := n.ids()[3]
	n.do(t, faults.Pause, id)
	if s, err := n.status(t.Context(), id); err == nil {
		t.Errorf("%s answers while paused: %+v", id, s)
	}
	// Lines printed before the pause may still be in transit.
	n.sleep(t, time.Second)
	before := len(n.sink.printed(id))
	miner := n.mustStatus(t, n.ids()[0]).Height
	n.wait(t, "blocks without the paused node", func() error {
		if h := n.mustStatus(t, n.ids()[0]).Height; h < miner+3 {
			return fmt.Errorf("height %d, was %d", h, miner)
		}
		return nil
	})
	if after := len(n.sink.printed(id)); after != before {
		t.Errorf("%s printed %d lines while paused", id, after-before)
	}
	n.do(t, faults.Resume, id)
	n.agree(t, miner+3)
}

// wrongState checks actions that are impossible in a node's state.
func (n *testnet) wrongState(t *testing.T) {
	id := n.ids()[3]
	refuse := func(state string, verbs ...faults.Verb) {
		t.Helper()
		for _, v := range verbs {
			err := n.rt.Do(t.Context(), faults.Action{Verb: v, Node: id})
			if !errors.Is(err, runtime.ErrState) {
				t.Errorf("%s a node that is %s: %v, want ErrState", v, state, err)
			}
		}
	}
	refuse("running", faults.Start, faults.Resume)
	n.do(t, faults.Pause, id)
	refuse("paused", faults.Start, faults.Pause)
	n.do(t, faults.Resume, id)
	n.do(t, faults.Kill, id)
	refuse("down", faults.Kill, faults.Stop, faults.Pause, faults.Resume, faults.Restart)
	n.do(t, faults.Start, id)
	n.agree(t, 1)
}

func (n *testnet) unknownNode(t *testing.T) {
	for _, v := range []faults.Verb{faults.Kill, faults.Start, faults.Pause} {
		if err := n.rt.Do(t.Context(), faults.Action{Verb: v, Node: "unknown"}); err == nil {
			t.Errorf("%s of an unknown node: no error", v)
		}
	}
	if _, err := n.rt.Logs(t.Context(), "unknown", 1); err == nil {
		t.Error("logs of an unknown node: no error")
	}
	if err := n.rt.Do(t.Context(), faults.Action{Verb: "unknown", Node: n.ids()[0]}); err == nil {
		t.Error("unknown verb: no error")
	}
}

// cancelled checks that calls with a cancelled context fail and have no effect.
func (n *testnet) cancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	id := n.ids()[0]
	if err := n.rt.Do(ctx, faults.Action{Verb: faults.Kill, Node: id}); !errors.Is(err, context.Canceled) {
		t.Errorf("kill: %v, want canceled", err)
	}
	if _, err := n.rt.Logs(ctx, id, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("logs: %v, want canceled", err)
	}
	if err := n.rt.Clock().Sleep(ctx, n.rt.Clock().Now()+time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("sleep: %v, want canceled", err)
	}
	if _, err := n.status(ctx, id); !errors.Is(err, context.Canceled) {
		t.Errorf("request: %v, want canceled", err)
	}
	n.mustStatus(t, id)
}

// failures checks nodes that cannot start.
func (s suite) failures(t *testing.T) {
	t.Run("bad configuration", s.badConfig)
	t.Run("cancelled launch", s.cancelledLaunch)
}

// badConfig starts a node with an invalid configuration beside a valid one: either the launch fails, or the exit of the
// node is reported. Its last lines can be read in both cases.
func (s suite) badConfig(t *testing.T) {
	net := s.create(t, 2)
	launches := net.launches()
	bad := launches[1].ID
	launches[1] = launchOf(bad, []byte(`{"name": "n2", "colour": "blue"}`))
	err := net.rt.Launch(t.Context(), launches, nil)
	if err != nil {
		var failed *runtime.NodeError
		if !errors.As(err, &failed) {
			t.Fatalf("launch: %v (%T), want a *runtime.NodeError", err, err)
		}
		if failed.Node != bad || failed.Op != "start" || len(failed.Tail) == 0 {
			t.Errorf("launch: %+v, want a failed start of %s with its last lines", failed, bad)
		}
		return
	}
	net.wait(t, "the exit of "+string(bad), func() error {
		if net.sink.exited(bad) == 0 {
			return errors.New("not reported")
		}
		return nil
	})
	net.wait(t, "its last lines", func() error {
		tail := must.Get(net.rt.Logs(t.Context(), bad, 10))(t)
		if len(tail) == 0 {
			return fmt.Errorf("no lines")
		}
		return nil
	})
	if n := net.sink.exited(launches[0].ID); n != 0 {
		t.Errorf("%d exits of the other node", n)
	}
	err = net.rt.Do(t.Context(), faults.Action{Verb: faults.Pause, Node: bad})
	if !errors.Is(err, runtime.ErrState) {
		t.Errorf("pause of a node that ended by itself: %v, want ErrState", err)
	}
}

func (s suite) cancelledLaunch(t *testing.T) {
	net := s.create(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := net.rt.Launch(ctx, net.launches(), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("launch with a cancelled context: %v, want canceled", err)
	}
}

// closing checks that a runtime can be closed at any time, and that nodes do not answer afterwards.
func (s suite) closing(t *testing.T) {
	t.Run("before create", func(t *testing.T) {
		rt := s.open(t)
		closeNow(t, rt)
		closeNow(t, rt)
	})
	t.Run("before launch", func(t *testing.T) {
		net := s.create(t, 2)
		closeNow(t, net.rt)
	})
	t.Run("running", func(t *testing.T) {
		net := s.up(t, 2)
		closeNow(t, net.rt)
		closeNow(t, net.rt)
		if got, err := net.status(t.Context(), net.ids()[0]); err == nil {
			t.Errorf("a node answers after close: %+v", got)
		}
		if err := net.rt.Do(t.Context(), faults.Action{Verb: faults.Pause, Node: net.ids()[0]}); err == nil {
			t.Error("pause after close: no error")
		}
		net.sink.check(t)
	})
	t.Run("cancelled create", func(t *testing.T) {
		rt := s.open(t)
		defer closeNow(t, rt)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := rt.Create(ctx, newPlan(t, 1, newSink())); !errors.Is(err, context.Canceled) {
			t.Errorf("create with a cancelled context: %v, want canceled", err)
		}
	})
}
