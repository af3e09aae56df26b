package run_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/orchestrator/chain/native"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/fake"
	"github.com/netsplit/netsplit/orchestrator/runtime/sim"
	"github.com/netsplit/netsplit/testnets"
)

func TestANetworkThatCannotBeMade(t *testing.T) {
	a := scripted(t, brief, fake.Script{CreateErr: errScript})
	a.broke(t, "create testnet t", "as scripted")
	if !errors.Is(a.err, errScript) {
		t.Errorf("error %v does not wrap its cause", a.err)
	}
}

func TestANodeThatDoesNotStart(t *testing.T) {
	a := scripted(t, brief, fake.Script{
		LaunchErr: map[faults.NodeID]error{"full-1": errScript}, Tail: []string{"open /data: input/output error"},
	})
	a.broke(t, "start testnet t", "start node full-1", "as scripted")
	if tail := died(t, a.err, "full-1", "start", "as scripted"); tail != "open /data: input/output error" {
		t.Errorf("the node's last lines: %q", tail)
	}
}

// hermit is a node that takes up no connection.
type hermit struct{ sim.Machine }

func (hermit) PeerUp(node.Time, chain.PeerID, bool) []node.Effect { return nil }

// tardy is a runtime that takes a while to start the last node.
type tardy struct{ *sim.Runtime }

func (r tardy) Launch(ctx context.Context, nodes []runtime.Launch, progress func(faults.NodeID)) error {
	last := len(nodes) - 1
	if err := r.Runtime.Launch(ctx, nodes[:last], progress); err != nil {
		return err
	}
	if err := r.Clock().Sleep(ctx, 10*time.Second); err != nil {
		return err
	}
	return r.Runtime.Launch(ctx, nodes[last:], progress)
}

// secluded is a runtime one of whose nodes cannot be asked anything.
type secluded struct {
	*sim.Runtime
	addr string
}

func (s secluded) Transport() http.RoundTripper { return s }

func (s secluded) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Hostname() == s.addr {
		return nil, errors.New("no route to host")
	}
	return s.Runtime.Transport().RoundTrip(r)
}

func TestANodeThatIsNeverReady(t *testing.T) {
	opts := func(plant func(sim.Machine) sim.Machine) sim.Options {
		return sim.Options{Epoch: epoch, Plant: in(plant, "full-2").plant}
	}
	same := func(m sim.Machine) sim.Machine { return m }
	for _, c := range []struct {
		name string
		rt   runtime.Runtime
		why  string
	}{
		{"connects to nobody", sim.New(opts(func(m sim.Machine) sim.Machine { return hermit{m} })),
			"connected to 0 peers, waiting for 3"},
		{"starts late and stays behind", tardy{sim.New(opts(deafFor(0, time.Hour)))}, "blocks shorter than that of"},
		{"does not answer", secluded{sim.New(opts(same)), "10.0.0.4"}, "no route to host"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := attempted(t.Context(), t, brief, c.rt, nil, nil)
			a.broke(t, "connect node full-2")
			died(t, a.err, "full-2", "connect", c.why)
			if a.ended < 30*time.Second || a.ended > time.Minute {
				t.Errorf("it was waited for until %v", a.ended)
			}
		})
	}
}

func TestACapabilityThatTheRuntimeLacks(t *testing.T) {
	rt := fake.New(sim.Options{}, fake.Script{})
	dir := t.TempDir()
	err := run.Run(t.Context(), run.Options{
		ID: "t", Spec: parse(t, brief), Runtime: fake.WithoutLinkShaper(rt), Chain: native.New(rt.Transport()), Dir: dir,
		Version: "test",
	})
	var bad *testnets.Error
	if !errors.As(err, &bad) || bad.Pos.Line != 10 || bad.Hint == "" || !strings.Contains(bad.Msg, "partition changes links") {
		t.Errorf("error %#v, want a *testnets.Error at line 10", err)
	}
	if calls := rt.Calls(); len(calls) != 0 {
		t.Errorf("the runtime was asked to do something: %v", calls)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
		t.Errorf("the run left %v, %v", files, err)
	}
}

func TestATraceThatCannotBeMade(t *testing.T) {
	rt := fake.New(sim.Options{}, fake.Script{})
	err := run.Run(t.Context(), run.Options{
		ID: "t", Spec: parse(t, brief), Runtime: rt, Chain: native.New(rt.Transport()),
		Dir: filepath.Join(t.TempDir(), "nowhere"), Version: "test",
	})
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "create trace") {
		t.Errorf("error %v", err)
	}
	if calls := rt.Calls(); len(calls) != 0 {
		t.Errorf("the runtime was asked to do something: %v", calls)
	}
}

func TestAFullDiskEndsTheRun(t *testing.T) {
	const full = "/dev/full"
	if _, err := os.Stat(full); err != nil {
		t.Skipf("needs a device that is always full: %v", err)
	}
	dir := t.TempDir()
	if err := os.Symlink(full, filepath.Join(dir, run.TraceFile)); err != nil {
		t.Fatal(err)
	}
	rt := fake.New(sim.Options{}, fake.Script{})
	err := run.Run(t.Context(), run.Options{
		ID: "t", Spec: parse(t, brief), Runtime: rt, Chain: native.New(rt.Transport()), Dir: dir,
		Version: "test",
	})
	if err == nil || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("error %v", err)
	}
	if now := rt.Clock().Now(); now > 10*time.Second {
		t.Errorf("the run went on until %v", now)
	}
	if err := rt.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
