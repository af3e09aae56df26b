//go:build linux

package agent_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/agent"
	"github.com/netsplit/netsplit/faults/shape/lab"
	"github.com/netsplit/netsplit/faults/shape/nft"
	"github.com/netsplit/netsplit/faults/shape/shapetest"
)

// plan is quick and still has a median.
var plan = faults.ProbePlan{Count: 5, Interval: 10 * time.Millisecond, Wait: 300 * time.Millisecond}

// fixture is an agent in this process and a lab that it works on.
type fixture struct {
	*agent.Client
	lab    *lab.Lab
	nodes  []faults.NodeID
	socket string
	ended  chan error // what Serve returned
	cancel context.CancelFunc
}

// hosts are the lab's nodes n1, n2 ...
func hosts(l *lab.Lab) []agent.Host {
	out := make([]agent.Host, len(l.Nodes))
	for i, n := range l.Nodes {
		out[i] = agent.Host{Node: faults.NodeID(fmt.Sprint("n", i+1)), Addr: n.Addr, Netns: n.Path}
	}
	return out
}

// socketPath is a path short enough for a socket.
func socketPath(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "ns")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// serve starts an agent on the lab and waits until it listens.
func serve(tb testing.TB, l *lab.Lab, cfg agent.Config) *fixture {
	tb.Helper()
	if cfg.Testnet == "" {
		cfg.Testnet = "test"
	}
	cfg.Netns, cfg.Socket = l.Bridge, socketPath(tb)
	ctx, cancel := context.WithCancel(tb.Context())
	f := &fixture{Client: agent.Dial(cfg.Socket), lab: l, socket: cfg.Socket, ended: make(chan error, 1), cancel: cancel}
	ready := make(chan struct{})
	go func() {
		err := agent.Serve(ctx, cfg, func() { close(ready) })
		f.ended <- err
		close(f.ended)
	}()
	tb.Cleanup(func() {
		cancel()
		<-f.ended
		f.Close()
	})
	select {
	case <-ready:
	case err := <-f.ended:
		tb.Fatalf("agent ended at once: %v", err)
	}
	if err := f.SetHosts(tb.Context(), hosts(l)); err != nil {
		tb.Fatal(err)
	}
	for _, h := range hosts(l) {
		f.nodes = append(f.nodes, h.Node)
	}
	return f
}

// shape makes layers true.
func (f *fixture) shape(tb testing.TB, layers ...faults.Layer) faults.Applied {
	tb.Helper()
	a, err := f.Shape(tb.Context(), layers)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

// layer is a layer of one rule.
func layer(id string, r faults.Rule) faults.Layer {
	return faults.Layer{ID: id, Kind: "test", Links: faults.Links{Rules: []faults.Rule{r}}}
}

// both are the links between a and b, there and back.
func both(a, b faults.NodeID) []faults.Link {
	return []faults.Link{{From: a, To: b}, {From: b, To: a}}
}

// probe measures links.
func (f *fixture) probe(tb testing.TB, p faults.ProbePlan, links ...faults.Link) []faults.Measurement {
	tb.Helper()
	m, err := f.Probe(tb.Context(), links, p)
	if err != nil {
		tb.Fatal(err)
	}
	if len(m) != len(links) {
		tb.Fatalf("%d measurements of %d links", len(m), len(links))
	}
	for i := range m {
		if m[i].Link != links[i] {
			tb.Fatalf("measurement %d is of %v, not %v", i, m[i].Link, links[i])
		}
	}
	return m
}

// open fails the test unless all packets of the links arrived; cut unless none did.
func (f *fixture) open(tb testing.TB, links ...faults.Link) {
	tb.Helper()
	for _, m := range f.probe(tb, plan, links...) {
		if m.Sent != plan.Count || m.Received != plan.Count {
			tb.Errorf("link %v: %d sent, %d received, want all", m.Link, m.Sent, m.Received)
		}
	}
}

func (f *fixture) cut(tb testing.TB, links ...faults.Link) {
	tb.Helper()
	for _, m := range f.probe(tb, plan, links...) {
		if m.Sent != plan.Count || m.Received != 0 {
			tb.Errorf("link %v: %d sent, %d received, want none", m.Link, m.Sent, m.Received)
		}
	}
}

func TestCutAndHeal(t *testing.T) {
	f := serve(t, shapetest.Lab(t, 3), agent.Config{})
	there, back := both("n1", "n2")[0], both("n1", "n2")[1]
	f.open(t, there, back)

	f.shape(t, layer("one-way", faults.Rule{From: []faults.NodeID{"n1"}, To: []faults.NodeID{"n2"}, Cut: true}))
	f.cut(t, there)
	f.open(t, back)
	f.open(t, both("n1", "n3")...)

	f.shape(t,
		layer("one-way", faults.Rule{From: []faults.NodeID{"n1"}, To: []faults.NodeID{"n2"}, Cut: true}),
		layer("other", faults.Rule{From: []faults.NodeID{"n2"}, To: []faults.NodeID{"n1"}, Cut: true}))
	f.cut(t, there, back)
	f.open(t, both("n2", "n3")...)

	f.shape(t)
	f.open(t, there, back)
	s, err := f.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Probes are not the testnet's own traffic.
	if s.Traffic != (faults.Traffic{}) || s.Version != 3 || len(s.Layers) != 0 {
		t.Errorf("state after healing: %+v", s)
	}
}

// slack is how late the fastest packet may be in a test. It is for machines that do other things at the same time; how late it
// really is, BenchmarkDelayError tells.
const slack = 20 * time.Millisecond

// near fails the test unless every packet was as late as was asked for, one not much more, and none was lost.
func near(tb testing.TB, m faults.Measurement, want time.Duration) {
	tb.Helper()
	if m.Received != m.Sent || m.Sent == 0 {
		tb.Errorf("link %v: %d sent, %d received", m.Link, m.Sent, m.Received)
	}
	if m.Min < want || m.Min > want+slack {
		tb.Errorf("link %v: %v to %v, median %v, want %v", m.Link, m.Min, m.Max, m.Median, want)
	}
}

func TestDelay(t *testing.T) {
	f := serve(t, shapetest.Lab(t, 2), agent.Config{})
	links := both("n1", "n2")
	p := faults.ProbePlan{Count: 31, Interval: 5 * time.Millisecond, Wait: 2 * time.Second}
	for _, d := range []time.Duration{10 * time.Millisecond, 50 * time.Millisecond, 500 * time.Millisecond} {
		a := f.shape(t, layer("slow", faults.Rule{From: f.nodes[:1], To: f.nodes[1:], Shape: faults.Shape{Delay: d}}))
		if a.Engine != "nft+nfqueue" || a.Took <= 0 {
			t.Errorf("applied: %+v", a)
		}
		m := f.probe(t, p, links...)
		t.Logf("asked for %v, measured %v to %v, median %v", d, m[0].Min, m[0].Max, m[0].Median)
		near(t, m[0], d)
		if m[1].Received != m[1].Sent || m[1].Min >= d {
			t.Errorf("the way back is late too: %+v", m[1])
		}
	}
}

func TestJitterStaysWithinItsBounds(t *testing.T) {
	f := serve(t, shapetest.Lab(t, 2), agent.Config{})
	f.shape(t, layer("jitter", faults.Rule{From: f.nodes[:1], To: f.nodes[1:],
		Shape: faults.Shape{Delay: 50 * time.Millisecond, Jitter: 10 * time.Millisecond}}))
	// Packets further apart than twice the jitter do not wait for each other.
	m := f.probe(t, faults.ProbePlan{Count: 41, Interval: 25 * time.Millisecond, Wait: time.Second}, both("n1", "n2")[0])[0]
	t.Logf("%+v", m)
	if m.Received != m.Sent || m.Min < 40*time.Millisecond || m.Max-m.Min < 8*time.Millisecond || m.Min > 60*time.Millisecond+slack {
		t.Errorf("measured %+v, want 50ms ± 10ms", m)
	}
}

func TestDelaysOfLayersAdd(t *testing.T) {
	f := serve(t, shapetest.Lab(t, 2), agent.Config{})
	slow := faults.Rule{From: f.nodes, To: f.nodes, Shape: faults.Shape{Delay: 20 * time.Millisecond}}
	f.shape(t, layer("a", slow), layer("b", slow))
	for _, m := range f.probe(t, plan, both("n1", "n2")...) {
		near(t, m, 40*time.Millisecond)
	}
	f.shape(t, layer("b", slow))
	for _, m := range f.probe(t, plan, both("n1", "n2")...) {
		near(t, m, 20*time.Millisecond)
	}
}

func TestLayerEndsByItself(t *testing.T) {
	f := serve(t, shapetest.Lab(t, 2), agent.Config{})
	brief := layer("brief", faults.Rule{From: f.nodes, To: f.nodes, Cut: true})
	brief.Until = time.Now().Add(2 * time.Second) // probing must be over by then
	over := layer("over", faults.Rule{From: f.nodes, To: f.nodes, Cut: true})
	over.Until = time.Now().Add(-time.Second)
	f.shape(t, brief, over)
	f.cut(t, both("n1", "n2")...)
	f.eventually(t, "the layer to end", func(s agent.State) bool { return len(s.Layers) == 0 })
	f.open(t, both("n1", "n2")...)
}

// eventually asks for the state until it is as wanted.
func (f *fixture) eventually(tb testing.TB, what string, is func(agent.State) bool) {
	tb.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); ; {
		s, err := f.State(tb.Context())
		if err != nil {
			tb.Fatal(err)
		}
		if is(s) {
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("waited in vain for %s: %+v", what, s)
		}
		<-tick.C
	}
}

func TestLostLeaseHeals(t *testing.T) {
	f := serve(t, shapetest.Lab(t, 2), agent.Config{RequireLease: true})
	all := layer("all", faults.Rule{From: f.nodes, To: f.nodes, Cut: true})
	if _, err := f.Shape(t.Context(), []faults.Layer{all}); !errors.Is(err, agent.ErrNoLease) {
		t.Fatalf("shape without a lease: %v, want ErrNoLease", err)
	}
	first, err := f.AcquireLease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := f.AcquireLease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.shape(t, all)
	first.Release()
	f.cut(t, both("n1", "n2")...)
	second.Release()
	f.eventually(t, "the faults to heal", func(s agent.State) bool { return len(s.Layers) == 0 })
	f.open(t, both("n1", "n2")...)
}

func TestRestartedNodeKeepsItsFaults(t *testing.T) {
	l := shapetest.Lab(t, 3)
	f := serve(t, l, agent.Config{})
	f.shape(t, layer("all", faults.Rule{From: f.nodes[:1], To: f.nodes[1:2], Cut: true}))
	down := hosts(l)
	down[1].Netns = ""
	if err := f.SetHosts(t.Context(), down); err != nil {
		t.Fatal(err)
	}
	for _, m := range f.probe(t, plan, both("n1", "n2")...) {
		if m.Received != 0 {
			t.Errorf("a node that does not run: %+v", m)
		}
	}
	if err := f.SetHosts(t.Context(), hosts(l)); err != nil {
		t.Fatal(err)
	}
	f.cut(t, both("n1", "n2")[0])
	f.open(t, both("n1", "n2")[1])

	// The address moves to another node: so do the faults.
	moved := hosts(l)
	moved[1].Addr, moved[2].Addr = moved[2].Addr, moved[1].Addr
	moved[1].Netns, moved[2].Netns = moved[2].Netns, moved[1].Netns
	if err := f.SetHosts(t.Context(), moved); err != nil {
		t.Fatal(err)
	}
	f.cut(t, both("n1", "n2")[0])
	f.open(t, both("n1", "n3")...)
}

func TestTwoTestnetsSideBySide(t *testing.T) {
	l := shapetest.Lab(t, 4)
	left, right := *l, *l
	left.Nodes, right.Nodes = l.Nodes[:2], l.Nodes[2:]
	a, b := serve(t, &left, agent.Config{Testnet: "a"}), serve(t, &right, agent.Config{Testnet: "b"})
	a.shape(t, layer("cut", faults.Rule{From: a.nodes[:1], To: a.nodes[1:], Cut: true}))
	b.shape(t, layer("slow", faults.Rule{From: b.nodes, To: b.nodes, Shape: faults.Shape{Delay: 20 * time.Millisecond}}))
	links := both("n1", "n2")
	a.cut(t, links[0])
	near(t, b.probe(t, plan, links...)[0], 20*time.Millisecond)
	if err := a.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-a.ended; err != nil {
		t.Fatal(err)
	}
	near(t, b.probe(t, plan, links...)[0], 20*time.Millisecond)
	b.shape(t)
	b.open(t, links...)
}

func TestSecondAgentOfATestnetIsRefused(t *testing.T) {
	l := shapetest.Lab(t, 2)
	journal := filepath.Join(t.TempDir(), "journal")
	first := serve(t, l, agent.Config{Testnet: "one", Journal: journal})
	before, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	err = agent.Serve(t.Context(), agent.Config{Testnet: "one", Journal: journal, Netns: l.Bridge, Socket: socketPath(t)}, nil)
	if !errors.Is(err, nft.ErrOwned) || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
		t.Errorf("second agent: %v, want ErrOwned and the owner's process", err)
	}
	after, err := os.ReadFile(journal)
	if err != nil || string(after) != string(before) {
		t.Errorf("the second agent changed the journal: %s, %v", after, err)
	}
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-first.ended; err != nil {
		t.Errorf("stopped agent: %v", err)
	}
	if _, err := os.Stat(journal); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the journal outlived its agent: %v", err)
	}
	serve(t, l, agent.Config{Testnet: "one", Journal: journal}) // the name is free again
}

func TestAgentEndsWithItsBridge(t *testing.T) {
	l := shapetest.Lab(t, 2)
	f := serve(t, l, agent.Config{Bridge: l.BridgeIf})
	f.shape(t, layer("all", faults.Rule{From: f.nodes, To: f.nodes, Cut: true}))
	if err := l.RemoveBridge(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-f.ended:
		if err != nil {
			t.Errorf("agent: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the agent outlived its bridge")
	}
	if err := agent.Serve(t.Context(), agent.Config{Testnet: "late", Bridge: l.BridgeIf, Netns: l.Bridge, Socket: socketPath(t)}, nil); err == nil {
		t.Error("an agent started without its bridge")
	}
}

// child starts this test binary as an agent of the lab.
func child(tb testing.TB, l *lab.Lab) (*exec.Cmd, *agent.Client) {
	tb.Helper()
	socket := socketPath(tb)
	cmd := exec.Command("/proc/self/exe", "agent", "--testnet", "child", "--socket", socket, "--netns", l.Bridge)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		tb.Fatalf("wait for agent to listen: %v", err)
	}
	c := agent.Dial(socket)
	tb.Cleanup(c.Close)
	if err := c.SetHosts(tb.Context(), hosts(l)); err != nil {
		tb.Fatal(err)
	}
	return cmd, c
}

func TestKilledAgentLeavesNoFault(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			l := shapetest.Lab(t, 3)
			watcher := serve(t, l, agent.Config{Testnet: "watcher"})
			cmd, c := child(t, l)
			_, err := c.Shape(t.Context(), []faults.Layer{
				layer("cut", faults.Rule{From: watcher.nodes[:1], To: watcher.nodes[1:2], Cut: true}),
				layer("slow", faults.Rule{From: watcher.nodes[:1], To: watcher.nodes[2:], Shape: faults.Shape{Delay: 50 * time.Millisecond}}),
			})
			if err != nil {
				t.Fatal(err)
			}
			watcher.cut(t, both("n1", "n2")[0])
			near(t, watcher.probe(t, plan, both("n1", "n3")[0])[0], 50*time.Millisecond)
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			err = cmd.Wait()
			if (err == nil) != (sig == syscall.SIGTERM) {
				t.Errorf("the agent's end: %v", err)
			}
			watcher.open(t, mesh(watcher.nodes)...)
			if m := watcher.probe(t, plan, both("n1", "n3")[0])[0]; m.Min >= 50*time.Millisecond {
				t.Errorf("the delay outlived its agent: %+v", m)
			}
		})
	}
}
