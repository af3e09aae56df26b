package run_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/chain/native"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/fake"
	"github.com/netsplit/netsplit/orchestrator/runtime/sim"
)

// password is a secret of the nodes that blabber starts.
const password = "correct-horse-battery"

// secretive is our own chain as one with a password.
type secretive struct{ *native.Chain }

func (s secretive) Capabilities() chain.Capabilities {
	caps := s.Chain.Capabilities()
	caps.Redact = func(text string) string { return strings.ReplaceAll(text, password, "[secret]") }
	caps.Export = func() ([]byte, error) { return []byte(`{"secret": "` + password + `"}`), nil }
	return caps
}

// open is our own chain without any secret that it would know.
type open struct{ chain.Chain }

func (open) Capabilities() chain.Capabilities { return chain.Capabilities{ExactPeers: true} }

// blabber is a runtime whose nodes print their password as their last line.
type blabber struct {
	*fake.Runtime
	dir string // the run's
}

func (b *blabber) Create(ctx context.Context, p runtime.Plan) ([]runtime.Host, error) {
	b.dir = p.Dir
	return b.Runtime.Create(ctx, p)
}

func (b *blabber) Logs(ctx context.Context, node faults.NodeID, n int) ([]string, error) {
	if _, _, err := run.LoadNetwork(b.dir); err != nil {
		return nil, err // other commands read logs, too, and could not
	}
	lines, err := b.Runtime.Logs(ctx, node, n)
	return append(lines, "my password is "+password), err
}

// holding lists the files of a directory that hold a text.
func holding(t *testing.T, dir, text string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(text)) {
			out = append(out, filepath.Base(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSecretsThatNodesPrintAreHidden(t *testing.T) {
	for name, script := range map[string]fake.Script{
		"a run to its end":           {},
		"a node that dies":           {DieAt: map[faults.NodeID]time.Duration{"miner-2": 5 * time.Second}},
		"a node that does not start": {LaunchErr: map[faults.NodeID]error{"full-1": errScript}, Tail: []string{"with " + password}},
	} {
		t.Run(name, func(t *testing.T) {
			rt := &blabber{Runtime: fake.New(sim.Options{Epoch: epoch}, script)}
			a := attempted(t.Context(), t, brief, rt, nil, func(c chain.Chain) chain.Chain { return secretive{c.(*native.Chain)} })
			if (a.err == nil) != (name == "a run to its end") {
				t.Fatal(a.err)
			}
			if a.err != nil && (strings.Contains(a.err.Error(), password) || !strings.Contains(a.err.Error(), "[secret]")) {
				t.Errorf("the error shows or lacks it: %v", a.err)
			}
			// The testnet's description, with which other commands opened it, went with it.
			if got := holding(t, a.dir, password); len(got) != 0 {
				t.Errorf("files with the password: %v", got)
			}
			if name == "a run to its end" && len(holding(t, filepath.Join(a.dir, run.LogDir), "my password is [secret]")) == 0 {
				t.Error("the logs do not hold what the nodes printed")
			}
		})
	}
	// A chain that hides nothing shows that the password gets that far.
	rt := &blabber{Runtime: fake.New(sim.Options{Epoch: epoch}, fake.Script{})}
	a := attempted(t.Context(), t, brief, rt, nil, func(c chain.Chain) chain.Chain { return open{c} })
	if got := holding(t, a.dir, password); len(got) == 0 {
		t.Error("no log holds the password of a chain without secrets")
	}
}

func TestADescriptionIsItsOwnersAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, run.NetworkFile)
	if err := os.WriteFile(path, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	net := chain.Network{ID: "t", Seed: 7, Nodes: []chain.Node{{ID: "a", Addr: netip.MustParseAddr("10.0.0.1"), Peers: []faults.NodeID{"b"}}}}
	if err := run.SaveNetwork(dir, net, secretive{}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	got, kept, err := run.LoadNetwork(dir)
	if err != nil || got.ID != "t" || got.Seed != 7 || len(got.Nodes) != 1 || got.Nodes[0].Peers[0] != "b" || !bytes.Contains(kept, []byte(password)) {
		t.Errorf("%+v, %s, %v", got, kept, err)
	}
	// Our own chain needs no more than the network; so were testnets described before there were others.
	if err := run.SaveNetwork(dir, net, native.New(nil)); err != nil {
		t.Fatal(err)
	}
	if _, kept, err := run.LoadNetwork(dir); err != nil || kept != nil {
		t.Errorf("kept %s, %v", kept, err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := run.LoadNetwork(dir); err == nil {
		t.Error("half a description is read")
	}
}

func TestADescriptionGoesWithItsTestnet(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, run.NetworkFile)
	if err := run.SaveNetwork(dir, chain.Network{ID: "t"}, secretive{}); err != nil {
		t.Fatal(err)
	}
	if err := run.ForgetNetwork(dir, "another"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("that of another testnet is gone: %v", err)
	}
	for range 2 { // the second time there is none
		if err := run.ForgetNetwork(dir, "t"); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("it is still there: %v", err)
		}
	}
	if err := os.WriteFile(path, []byte(`{"ID": "t", "Chain": {"secr`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run.ForgetNetwork(dir, "t"); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "secrets") {
		t.Errorf("half of one stays and nobody is told: %v", err)
	}
}

// publisher is a runtime that leads loopback to nodes.
type publisher struct {
	*sim.Runtime
	asked []netip.AddrPort
	err   error
}

func (p *publisher) ForwardPorts(_ context.Context, ports []netip.AddrPort) ([]netip.AddrPort, error) {
	p.asked = ports
	out := make([]netip.AddrPort, len(ports))
	for i := range out {
		out[i] = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(40000+i))
	}
	return out, p.err
}

func TestAccessIsOnLoopbackWhereTheRuntimeCan(t *testing.T) {
	spec := parse(t, calm)
	rt := &publisher{Runtime: sim.New(sim.Options{Seed: 1})}
	defer rt.Close(context.WithoutCancel(t.Context()))
	chain := native.New(rt.Transport())
	net, err := run.Up(t.Context(), run.Options{ID: "t", Spec: spec, Runtime: rt, Chain: chain, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	access, err := net.Access(t.Context())
	if err != nil || len(access) != 3 {
		t.Fatalf("%d nodes, %v", len(access), err)
	}
	if got := access[2].URL.String(); got != "http://127.0.0.1:40002/v1/status" || access[2].Example("x:1") != "curl -s http://x:1/v1/status" {
		t.Errorf("full-1 is at %s: %s", got, access[2].Example("x:1"))
	}
	if want := netip.AddrPortFrom(net.Network.Nodes[2].Addr, 8080); rt.asked[2] != want {
		t.Errorf("led to %s, not %s", rt.asked[2], want)
	}
	rt.err = errors.New("no port is free")
	if _, err := net.Access(t.Context()); !errors.Is(err, rt.err) {
		t.Errorf("%v", err)
	}
	net.Runtime = rt.Runtime
	if access, err := net.Access(t.Context()); err != nil || access[0].URL.Host != netip.AddrPortFrom(net.Network.Nodes[0].Addr, 8080).String() {
		t.Errorf("%+v, %v", access, err)
	}
	net.Chain = open{chain}
	if access, err := net.Access(t.Context()); err != nil || access != nil {
		t.Errorf("of a chain that cannot tell: %v, %v", access, err)
	}
}

// TestProduceGoesOnWhereItMay: a node that cannot make a block is left out while failed says so, and does not make up for
// it.
func TestProduceGoesOnWhereItMay(t *testing.T) {
	rt := sim.New(sim.Options{Seed: 1})
	defer rt.Close(context.WithoutCancel(t.Context()))
	a := &asked{Chain: native.New(rt.Transport()), produced: make(map[faults.NodeID]int), produces: true, refuse: errors.New("paused")}
	net, err := run.Up(t.Context(), run.Options{ID: "t", Spec: parse(t, calm), Runtime: rt, Chain: a, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	failures := 0
	run.StartBlockMakers(net, run.BlockMaking{
		Start: func(_ string, task func(context.Context) error) {
			rt.Clock().Go(func() {
				if err := task(ctx); err != nil {
					t.Error(err)
				}
			})
		},
		Up: func(n faults.NodeID) bool { return n != "miner-2" },
		Failed: func(n faults.NodeID, err error) error {
			if failures++; n != "miner-1" || !errors.Is(err, a.refuse) {
				t.Errorf("%s failed: %v", n, err)
			}
			return nil
		},
	})
	if err := rt.Clock().Sleep(t.Context(), rt.Clock().Now()+time.Minute); err != nil {
		t.Error(err)
	}
	stop()
	rt.Clock().Wait()
	if failures < 10 || failures != a.produced["miner-1"] || a.produced["miner-2"] != 0 {
		t.Errorf("%d failures, made %v", failures, a.produced)
	}
}
