package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/containerd/errdefs"

	"github.com/netsplit/netsplit/ci/must"
)

func TestSweep_OnlyItsTestnet(t *testing.T) {
	e := newFakeEngine()
	e.add("a", 20)
	e.add("b", 2)
	e.put("other", map[string]string{labelTestnet: "a"}) // not made by this tool
	must.Do(t, sweep(t.Context(), e, byTestnet("a")))
	if len(e.containers) != 4 || len(e.networks) != 1 {
		t.Errorf("left: %v %v", e.containers, e.networks)
	}
	must.Do(t, sweep(t.Context(), e, byTool()))
	if len(e.containers) != 1 || len(e.networks) != 0 {
		t.Errorf("left: %v %v", e.containers, e.networks)
	}
}

func TestSweep_Retries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newFakeEngine()
		e.add("a", 2)
		// A container that was being made appears after the first listing, and removals fail now and then.
		fails := 2
		e.onList = func(round int) error {
			if round == 2 {
				e.put("netsplit-a-late", map[string]string{labelTool: tool, labelTestnet: "a"})
			}
			return nil
		}
		e.onRemove = func(string) error {
			if fails--; fails >= 0 {
				return errors.New("busy")
			}
			return nil
		}
		busy := true
		e.onNetworkRemove = func(string) error {
			if busy {
				busy = false
				return errors.New("has active endpoints")
			}
			return nil
		}
		must.Do(t, sweep(t.Context(), e, byTestnet("a")))
		if len(e.containers)+len(e.networks) != 0 {
			t.Errorf("left: %v %v", e.containers, e.networks)
		}
	})
}

func TestSweep_NamesWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newFakeEngine()
		e.add("a", 2)
		e.onRemove = func(name string) error {
			if name == "netsplit-a-n-2" {
				return errors.New("device is stuck")
			}
			return nil
		}
		must.Fail(t, "remove container netsplit-a-n-2: device is stuck")(sweep(t.Context(), e, byTestnet("a")))
		e.onRemove = nil
		e.onNetworkRemove = func(string) error { return errors.New("network x has active endpoints") }
		err := sweep(t.Context(), e, byTestnet("a"))
		if err == nil || !strings.Contains(err.Error(), "remove network netsplit-a") || !strings.Contains(err.Error(), "restarted") {
			t.Errorf("got %v", err)
		}
	})
}

func TestSweep_AlreadyGone(t *testing.T) {
	e := newFakeEngine()
	e.add("a", 2)
	e.onRemove = func(name string) error {
		delete(e.containers, name)
		return fmt.Errorf("no such container: %w", errdefs.ErrNotFound)
	}
	must.Check(t, sweep(t.Context(), e, byTestnet("a")))
	e.add("b", 1)
	e.onRemove = func(name string) error {
		delete(e.containers, name)
		return errors.New("removal of container x is already in progress")
	}
	must.Check(t, sweep(t.Context(), e, byTestnet("b")))
}

func TestSweep_GivesUp(t *testing.T) {
	t.Run("never empty", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e := newFakeEngine()
			e.add("a", 1)
			e.onRemove = func(name string) error { return fmt.Errorf("gone: %w", errdefs.ErrNotFound) }
			must.Fail(t, "still there: container netsplit-a")(sweep(t.Context(), e, byTestnet("a")))
		})
	})
	t.Run("engine is gone", func(t *testing.T) {
		e := newFakeEngine()
		e.onList = func(int) error { return errors.New("connection refused") }
		must.Fail(t, "refused")(sweep(t.Context(), e, byTestnet("a")))
	})
	t.Run("out of time", func(t *testing.T) {
		e := newFakeEngine()
		e.add("a", 1)
		e.onRemove = func(string) error { return errors.New("busy") }
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := sweep(ctx, e, byTestnet("a")); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "busy") {
			t.Errorf("got %v", err)
		}
	})
}

func TestList(t *testing.T) {
	e := newFakeEngine()
	e.add("b", 3)
	e.add("a", 0)
	delete(e.containers, agentName("a")) // a crash left the network alone
	got := must.Get(list(t.Context(), e, byTool()))(t)
	if len(got) != 2 || got[0].ID != "a" || got[0].Agent != "" || len(got[0].Nodes) != 0 {
		t.Fatalf("got %+v", got)
	}
	b := got[1]
	var nodes []string
	for _, n := range b.Nodes {
		nodes = append(nodes, fmt.Sprintf("%s %s %s %s %s", n.ID, n.Role, n.Addr, n.State, n.Container))
	}
	want := []string{
		"n-1 n 10.0.0.10 running netsplit-b-n-1", "n-2 n 10.0.0.11 running netsplit-b-n-2", "n-3 n 10.0.0.12 running netsplit-b-n-3",
	}
	must.Equal(t, want, nodes)
	if b.Agent != "running" || b.Socket != "/nowhere/b/agent.sock" || b.Dir != "/d" || b.Scenario != "s" || b.Created != time.Unix(50, 0) {
		t.Errorf("got %+v", b)
	}
	e.onList = func(int) error { return errors.New("no") }
	must.Fail(t, "")(list(t.Context(), e, byTool()))
}

func TestRemoveAll_SweepsSockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := filepath.Join(t.TempDir(), "netsplit")
		for _, id := range []string{"a", "stuck", "crashed"} {
			must.Do(t, os.MkdirAll(filepath.Join(base, id), 0o700))
			must.Do(t, os.WriteFile(filepath.Join(base, id, socketFile), nil, 0o600))
		}
		e := newFakeEngine()
		e.add("a", 2)
		e.add("stuck", 1)
		e.onRemove = func(name string) error {
			if strings.HasPrefix(name, "netsplit-stuck") {
				return errors.New("no")
			}
			return nil
		}
		done, err := removeAll(t.Context(), e, base, false)
		if err == nil || !strings.Contains(err.Error(), "testnet stuck: remove container netsplit-stuck") {
			t.Errorf("error %v", err)
		}
		if !slices.Equal(done.IDs, []string{"a"}) || len(e.networks) != 1 {
			t.Errorf("removed %v, networks %v", done, e.networks)
		}
		if left, err := os.ReadDir(base); err != nil || len(left) != 1 || left[0].Name() != "stuck" {
			t.Errorf("sockets %v, %v", left, err)
		}
		e.onRemove = nil
		done, err = removeAll(t.Context(), e, base, false)
		if err != nil || !slices.Equal(done.IDs, []string{"stuck"}) {
			t.Errorf("removed %v, %v", done, err)
		}
		if _, err := os.Stat(base); !os.IsNotExist(err) {
			t.Errorf("sockets: %v", err)
		}
	})
}

// A testnet of a netsplit that still runs stays, with its socket, and so does a socket whose testnet has no container yet.
func TestRemoveAll_SparesRunning(t *testing.T) {
	self := processID(os.Getpid())
	if self == "" {
		t.Skip("a process cannot be recognised on this system")
	}
	ended := "1-1-1-00000000" // of an earlier boot
	run := must.Get(os.MkdirTemp("", "run"))(t)
	t.Cleanup(func() { os.RemoveAll(run) })
	t.Setenv("XDG_RUNTIME_DIR", run)
	starting := must.Get(makeSocketDir("starting"))(t)
	crashed := must.Get(makeSocketDir("crashed"))(t)
	must.Do(t, os.WriteFile(filepath.Join(crashed, ownerFile), []byte(ended), 0o600))
	e := newFakeEngine()
	e.add("running", 2, labelOwner, self)
	e.add("killed", 1, labelOwner, ended)
	e.add("old", 1) // of a version without the label
	done := must.Get(removeAll(t.Context(), e, socketBase(), false))(t)
	if slices.Sort(done.IDs); !slices.Equal(done.IDs, []string{"killed", "old"}) || len(done.Spared) != 1 || done.Spared[0].ID != "running" {
		t.Errorf("got %+v", done)
	}
	if isDir(crashed) || !isDir(starting) {
		t.Errorf("the socket of a testnet that starts: %v, of one that crashed: %v", isDir(starting), isDir(crashed))
	}
	done = must.Get(removeAll(t.Context(), e, socketBase(), true))(t)
	if !slices.Equal(done.IDs, []string{"running"}) || len(done.Spared) != 0 || isDir(starting) {
		t.Errorf("by force: %+v", done)
	}
}
