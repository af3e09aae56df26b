package run_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/chain/native"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/fake"
	"github.com/netsplit/netsplit/orchestrator/runtime/sim"
)

// password is a secret of the nodes that passwordPrinter starts.
const password = "correct-horse-battery"

// secretChain is netsplit's own chain as one with a password.
type secretChain struct{ *native.Chain }

func (c secretChain) Capabilities() chain.Capabilities {
	caps := c.Chain.Capabilities()
	caps.Redact = func(text string) string { return strings.ReplaceAll(text, password, "[secret]") }
	caps.Export = func() ([]byte, error) { return []byte(`{"secret": "` + password + `"}`), nil }
	return caps
}

// passwordPrinter is a runtime whose nodes print their password as their last line.
type passwordPrinter struct {
	*fake.Runtime
	dir string // the run's
}

func (p *passwordPrinter) Create(ctx context.Context, plan runtime.Plan) ([]runtime.Host, error) {
	p.dir = plan.Dir
	return p.Runtime.Create(ctx, plan)
}

func (p *passwordPrinter) Logs(ctx context.Context, node faults.NodeID, n int) ([]string, error) {
	if _, _, err := run.LoadNetwork(p.dir); err != nil {
		return nil, err // other commands read logs, too, and could not
	}
	lines, err := p.Runtime.Logs(ctx, node, n)
	return append(lines, "my password is "+password), err
}

// filesWith lists the files of a directory that contain a text.
func filesWith(t *testing.T, dir, text string) (out []string) {
	t.Helper()
	must.Do(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(text)) {
			out = append(out, filepath.Base(path))
		}
		return err
	}))
	return out
}

func TestRun_RedactsSecrets(t *testing.T) {
	printer := func(script fake.Script) func(sim.Options) runtime.Runtime {
		return func(o sim.Options) runtime.Runtime { return &passwordPrinter{Runtime: fake.New(o, script)} }
	}
	for name, script := range map[string]fake.Script{
		"a run to its end":           {},
		"a node that dies":           {DieAt: map[faults.NodeID]time.Duration{"miner-2": 5 * time.Second}},
		"a node that does not start": {LaunchErr: map[faults.NodeID]error{"full-1": errScript}, Tail: []string{"with " + password}},
	} {
		t.Run(name, func(t *testing.T) {
			out := setup{runtime: printer(script), chain: func(c *native.Chain, _ http.RoundTripper) chain.Chain { return secretChain{c} }}.run(t, brief)
			if (out.err == nil) != (name == "a run to its end") {
				t.Fatal(out.err)
			}
			if out.err != nil && (strings.Contains(out.err.Error(), password) || !strings.Contains(out.err.Error(), "[secret]")) {
				t.Errorf("the error shows or lacks it: %v", out.err)
			}
			// The testnet's description, with which other commands opened it, went with it.
			if got := filesWith(t, out.dir, password); len(got) != 0 {
				t.Errorf("files with the password: %v", got)
			}
			if name == "a run to its end" && len(filesWith(t, filepath.Join(out.dir, run.LogDir), "my password is [secret]")) == 0 {
				t.Error("the logs do not contain what the nodes printed")
			}
		})
	}
	// A chain without Redact shows that the password gets that far.
	if got := filesWith(t, on(printer(fake.Script{})).mustRun(t, brief).dir, password); len(got) == 0 {
		t.Error("no log contains the password of a chain without secrets")
	}
}

func TestSaveNetwork_OwnerOnly(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, run.NetworkFile)
	must.Do(t, os.WriteFile(path, []byte("{}"), 0o644))
	net := chain.Network{ID: "t", Seed: 7, Nodes: []chain.Node{{ID: "a", Addr: netip.MustParseAddr("10.0.0.1"), Peers: []faults.NodeID{"b"}}}}
	must.Do(t, run.SaveNetwork(dir, net, secretChain{}))
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	got, exported, err := run.LoadNetwork(dir)
	if err != nil || got.ID != "t" || got.Seed != 7 || len(got.Nodes) != 1 || got.Nodes[0].Peers[0] != "b" || !bytes.Contains(exported, []byte(password)) {
		t.Errorf("%+v, %s, %v", got, exported, err)
	}
	// netsplit's own chain needs no more than the network.
	must.Do(t, run.SaveNetwork(dir, net, native.New(nil)))
	if _, exported, err := run.LoadNetwork(dir); err != nil || exported != nil {
		t.Errorf("exported %s, %v", exported, err)
	}
	must.Do(t, os.WriteFile(path, []byte("{"), 0o600))
	if _, _, err := run.LoadNetwork(dir); err == nil {
		t.Error("half a description is read")
	}
}

func TestForgetNetwork(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, run.NetworkFile)
	must.Do(t, run.SaveNetwork(dir, chain.Network{ID: "t"}, secretChain{}))
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
	must.Do(t, os.WriteFile(path, []byte(`{"ID": "t", "Chain": {"secr`), 0o600))
	if err := run.ForgetNetwork(dir, "t"); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "secrets") {
		t.Errorf("half of one stays without an error that says so: %v", err)
	}
}

// forwarder is a runtime that forwards ports of the loopback to nodes.
type forwarder struct {
	*sim.Runtime
	ports []netip.AddrPort // of the last call
	err   error
}

func (f *forwarder) ForwardPorts(_ context.Context, ports []netip.AddrPort) ([]netip.AddrPort, error) {
	f.ports = ports
	out := make([]netip.AddrPort, len(ports))
	for i := range out {
		out[i] = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(40000+i))
	}
	return out, f.err
}

// withoutAccess is a chain that cannot say how people reach its nodes.
type withoutAccess struct{ chain.Chain }

func (withoutAccess) Capabilities() chain.Capabilities { return chain.Capabilities{} }

func TestTestnet_Access(t *testing.T) {
	rt := &forwarder{Runtime: sim.New(sim.Options{Seed: 1})}
	defer rt.Close(context.WithoutCancel(t.Context()))
	ch := native.New(rt.Transport())
	net, err := run.Up(t.Context(), run.Options{ID: "t", Spec: parse(t, steady), Runtime: rt, Chain: ch, Dir: t.TempDir()})
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
	if want := netip.AddrPortFrom(net.Network.Nodes[2].Addr, 8080); rt.ports[2] != want {
		t.Errorf("forwarded to %s, not %s", rt.ports[2], want)
	}
	rt.err = errors.New("no port is free")
	if _, err := net.Access(t.Context()); !errors.Is(err, rt.err) {
		t.Errorf("%v", err)
	}
	net.Runtime = rt.Runtime
	if access, err := net.Access(t.Context()); err != nil || access[0].URL.Host != netip.AddrPortFrom(net.Network.Nodes[0].Addr, 8080).String() {
		t.Errorf("%+v, %v", access, err)
	}
	net.Chain = withoutAccess{ch}
	if access, err := net.Access(t.Context()); err != nil || access != nil {
		t.Errorf("of a chain that cannot say: %v, %v", access, err)
	}
}

// A node that cannot make a block is left out where Failed says so, and does not make up for it.
func TestStartBlockMakers_FailureLeavesBlockOut(t *testing.T) {
	rt := sim.New(sim.Options{Seed: 1})
	defer rt.Close(context.WithoutCancel(t.Context()))
	c := newPolledChain(native.New(rt.Transport()), rt.Clock())
	c.onCommand, c.makeErr = true, errors.New("paused")
	net, err := run.Up(t.Context(), run.Options{ID: "t", Spec: parse(t, steady), Runtime: rt, Chain: c, Dir: t.TempDir()})
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
			if failures++; n != "miner-1" || !errors.Is(err, c.makeErr) {
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
	if failures < 10 || failures != c.made["miner-1"] || c.made["miner-2"] != 0 {
		t.Errorf("%d failures, made %v", failures, c.made)
	}
}
