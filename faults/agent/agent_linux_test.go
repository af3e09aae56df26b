package agent_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/agent"
	"github.com/netsplit/netsplit/faults/shape/lab"
	"github.com/netsplit/netsplit/faults/shape/netns"
	"github.com/netsplit/netsplit/faults/shape/nft"
	"github.com/netsplit/netsplit/faults/shape/shapetest"
)

// plan is quick and still has a median.
var plan = faults.ProbePlan{Count: 5, Interval: 10 * time.Millisecond, Wait: 300 * time.Millisecond}

// testAgent is an agent in this process, and the lab that it works on.
type testAgent struct {
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
	dir := must.Get(os.MkdirTemp("", "ns"))(tb)
	tb.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// serve starts an agent on the lab and waits until it listens.
func serve(tb testing.TB, l *lab.Lab, cfg agent.Config) *testAgent {
	tb.Helper()
	if cfg.Testnet == "" {
		cfg.Testnet = "test"
	}
	cfg.Netns, cfg.Socket = l.Bridge, socketPath(tb)
	ctx, cancel := context.WithCancel(tb.Context())
	f := &testAgent{Client: agent.Dial(cfg.Socket), lab: l, socket: cfg.Socket, ended: make(chan error, 1), cancel: cancel}
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
	must.Do(tb, f.SetHosts(tb.Context(), hosts(l)))
	for _, h := range hosts(l) {
		f.nodes = append(f.nodes, h.Node)
	}
	return f
}

// shape applies layers.
func (f *testAgent) shape(tb testing.TB, layers ...faults.Layer) faults.Applied {
	tb.Helper()
	return must.Get(f.Shape(tb.Context(), layers))(tb)
}

// layer is a layer of one rule.
func layer(id string, r faults.Rule) faults.Layer {
	return faults.Layer{ID: id, Kind: "test", Links: faults.Links{Rules: []faults.Rule{r}}}
}

// both are the links between a and b in both directions.
func both(a, b faults.NodeID) []faults.Link {
	return []faults.Link{{From: a, To: b}, {From: b, To: a}}
}

// probe measures links.
func (f *testAgent) probe(tb testing.TB, p faults.ProbePlan, links ...faults.Link) []faults.Measurement {
	tb.Helper()
	m := must.Get(f.Probe(tb.Context(), links, p))(tb)
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

// expectOpen fails the test unless all packets of the links arrive; expectCut unless none does.
func (f *testAgent) expectOpen(tb testing.TB, links ...faults.Link) {
	tb.Helper()
	for _, m := range f.probe(tb, plan, links...) {
		if m.Sent != plan.Count || m.Received != plan.Count {
			tb.Errorf("link %v: %d sent, %d received, want all", m.Link, m.Sent, m.Received)
		}
	}
}

func (f *testAgent) expectCut(tb testing.TB, links ...faults.Link) {
	tb.Helper()
	p := plan
	p.Wait = 100 * time.Millisecond // what is not cut arrives within a millisecond
	for _, m := range f.probe(tb, p, links...) {
		if m.Sent != plan.Count || m.Received != 0 {
			tb.Errorf("link %v: %d sent, %d received, want none", m.Link, m.Sent, m.Received)
		}
	}
}

func TestAgent_CutAndHeal(t *testing.T) {
	t.Parallel() // it waits most of the time
	f := serve(t, shapetest.Lab(t, 3), agent.Config{})
	there, back := both("n1", "n2")[0], both("n1", "n2")[1]
	f.expectOpen(t, there, back)

	f.shape(t, layer("one-way", faults.Rule{From: []faults.NodeID{"n1"}, To: []faults.NodeID{"n2"}, Cut: true}))
	f.expectCut(t, there)
	f.expectOpen(t, back)
	f.expectOpen(t, both("n1", "n3")...)

	f.shape(t,
		layer("one-way", faults.Rule{From: []faults.NodeID{"n1"}, To: []faults.NodeID{"n2"}, Cut: true}),
		layer("other", faults.Rule{From: []faults.NodeID{"n2"}, To: []faults.NodeID{"n1"}, Cut: true}))
	f.expectCut(t, there, back)
	f.expectOpen(t, both("n2", "n3")...)

	f.shape(t)
	f.expectOpen(t, there, back)
	s := must.Get(f.State(t.Context()))(t)
	// Probes are not the testnet's own traffic.
	if s.Traffic != (faults.Traffic{}) || s.Version != 3 || len(s.Layers) != 0 {
		t.Errorf("state after healing: %+v", s)
	}
}

// slack is how late the fastest packet may be in a test on a busy machine. BenchmarkDelayError measures how late packets
// are.
const slack = 20 * time.Millisecond

// expectDelay fails the test unless every packet was delayed by at least want, one by not much more, and none was lost.
func expectDelay(tb testing.TB, m faults.Measurement, want time.Duration) {
	tb.Helper()
	if m.Received != m.Sent || m.Sent == 0 {
		tb.Errorf("link %v: %d sent, %d received", m.Link, m.Sent, m.Received)
	}
	if m.Min < want || m.Min > want+slack {
		tb.Errorf("link %v: %v to %v, median %v, want %v", m.Link, m.Min, m.Max, m.Median, want)
	}
}

func TestAgent_Delay(t *testing.T) {
	f := serve(t, shapetest.Lab(t, 2), agent.Config{})
	links := both("n1", "n2")
	p := faults.ProbePlan{Count: 31, Interval: 5 * time.Millisecond, Wait: 2 * time.Second}
	for _, d := range []time.Duration{10 * time.Millisecond, 50 * time.Millisecond, 500 * time.Millisecond} {
		a := f.shape(t, layer("slow", faults.Rule{From: f.nodes[:1], To: f.nodes[1:], Shape: faults.Shape{Delay: d}}))
		if a.Engine != "nft+nfqueue" || a.Took <= 0 {
			t.Errorf("applied: %+v", a)
		}
		m := f.probe(t, p, links...)
		t.Logf("requested %v, measured %v to %v, median %v", d, m[0].Min, m[0].Max, m[0].Median)
		expectDelay(t, m[0], d)
		if m[1].Received != m[1].Sent || m[1].Min >= d {
			t.Errorf("the opposite direction is delayed too: %+v", m[1])
		}
	}
}

func TestAgent_Jitter(t *testing.T) {
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

func TestAgent_LostLeaseHeals(t *testing.T) {
	t.Parallel() // it waits most of the time
	f := serve(t, shapetest.Lab(t, 2), agent.Config{RequireLease: true})
	all := layer("all", faults.Rule{From: f.nodes, To: f.nodes, Cut: true})
	var refusal *agent.Error
	if _, err := f.Shape(t.Context(), []faults.Layer{all}); !errors.As(err, &refusal) || refusal.Status != http.StatusPreconditionFailed {
		t.Fatalf("shape without a lease: %v, want status 412", err)
	}
	lease := must.Get(f.AcquireLease(t.Context()))(t)
	f.shape(t, all)
	lease.Release()
	for deadline := time.Now().Add(10 * time.Second); len(must.Get(f.State(t.Context()))(t).Layers) > 0; {
		if time.Now().After(deadline) {
			t.Fatal("the faults outlived the lease")
		}
	}
	f.expectOpen(t, both("n1", "n2")...)
}

func TestAgent_RestartedNodeKeepsItsFaults(t *testing.T) {
	t.Parallel() // it waits most of the time
	l := shapetest.Lab(t, 3)
	f := serve(t, l, agent.Config{})
	f.shape(t, layer("all", faults.Rule{From: f.nodes[:1], To: f.nodes[1:2], Cut: true}))
	down := hosts(l)
	down[1].Netns = ""
	must.Do(t, f.SetHosts(t.Context(), down))
	for _, m := range f.probe(t, plan, both("n1", "n2")...) {
		if m.Received != 0 {
			t.Errorf("a stopped node received packets: %+v", m)
		}
	}
	must.Do(t, f.SetHosts(t.Context(), hosts(l)))
	f.expectCut(t, both("n1", "n2")[0])
	f.expectOpen(t, both("n1", "n2")[1])

	// The address moves to another node: so do the faults.
	moved := hosts(l)
	moved[1].Addr, moved[2].Addr = moved[2].Addr, moved[1].Addr
	moved[1].Netns, moved[2].Netns = moved[2].Netns, moved[1].Netns
	must.Do(t, f.SetHosts(t.Context(), moved))
	f.expectCut(t, both("n1", "n2")[0])
	f.expectOpen(t, both("n1", "n3")...)
}

func TestAgent_TwoTestnets(t *testing.T) {
	l := shapetest.Lab(t, 4)
	left, right := *l, *l
	left.Nodes, right.Nodes = l.Nodes[:2], l.Nodes[2:]
	a, b := serve(t, &left, agent.Config{Testnet: "a"}), serve(t, &right, agent.Config{Testnet: "b"})
	a.shape(t, layer("cut", faults.Rule{From: a.nodes[:1], To: a.nodes[1:], Cut: true}))
	b.shape(t, layer("slow", faults.Rule{From: b.nodes, To: b.nodes, Shape: faults.Shape{Delay: 20 * time.Millisecond}}))
	links := both("n1", "n2")
	a.expectCut(t, links[0])
	expectDelay(t, b.probe(t, plan, links...)[0], 20*time.Millisecond)
	must.Do(t, a.Stop(t.Context()))
	if err := <-a.ended; err != nil {
		t.Fatal(err)
	}
	expectDelay(t, b.probe(t, plan, links...)[0], 20*time.Millisecond)
	b.shape(t)
	b.expectOpen(t, links...)
}

func TestAgent_SecondOfTestnet(t *testing.T) {
	t.Parallel() // it waits most of the time
	l := shapetest.Lab(t, 2)
	journal := filepath.Join(t.TempDir(), "journal")
	first := serve(t, l, agent.Config{Testnet: "one", Journal: journal})
	before := must.Get(os.ReadFile(journal))(t)
	err := agent.Serve(t.Context(), agent.Config{Testnet: "one", Journal: journal, Netns: l.Bridge, Socket: socketPath(t)}, nil)
	if !errors.Is(err, nft.ErrOwned) || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
		t.Errorf("second agent: %v, want ErrOwned and the owner's process", err)
	}
	after, err := os.ReadFile(journal)
	if err != nil || string(after) != string(before) {
		t.Errorf("the second agent changed the journal: %s, %v", after, err)
	}
	must.Do(t, first.Stop(t.Context()))
	if err := <-first.ended; err != nil {
		t.Errorf("stopped agent: %v", err)
	}
	if _, err := os.Stat(journal); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the journal outlived its agent: %v", err)
	}
	serve(t, l, agent.Config{Testnet: "one", Journal: journal}) // the testnet has no agent any more
}

func TestAgent_BridgeDeleted(t *testing.T) {
	t.Parallel() // it waits most of the time
	l := shapetest.Lab(t, 2)
	f := serve(t, l, agent.Config{Bridge: l.BridgeIf})
	f.shape(t, layer("all", faults.Rule{From: f.nodes, To: f.nodes, Cut: true}))
	must.Do(t, netns.Do(l.Bridge, func() error {
		bridge, err := netlink.LinkByName(l.BridgeIf)
		if err != nil {
			return err
		}
		return netlink.LinkDel(bridge)
	}))
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
	out := must.Get(cmd.StdoutPipe())(tb)
	must.Do(tb, cmd.Start())
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		tb.Fatalf("wait for agent to listen: %v", err)
	}
	c := agent.Dial(socket)
	tb.Cleanup(c.Close)
	must.Do(tb, c.SetHosts(tb.Context(), hosts(l)))
	return cmd, c
}

func TestAgent_KilledLeavesNoFault(t *testing.T) {
	t.Parallel() // it waits most of the time
	for _, sig := range []os.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			l := shapetest.Lab(t, 3)
			watcher := serve(t, l, agent.Config{Testnet: "watcher"})
			cmd, c := child(t, l)
			must.Get(c.Shape(t.Context(), []faults.Layer{
				layer("cut", faults.Rule{From: watcher.nodes[:1], To: watcher.nodes[1:2], Cut: true}),
				layer("slow", faults.Rule{From: watcher.nodes[:1], To: watcher.nodes[2:], Shape: faults.Shape{Delay: 50 * time.Millisecond}}),
			}))(t)
			watcher.expectCut(t, both("n1", "n2")[0])
			expectDelay(t, watcher.probe(t, plan, both("n1", "n3")[0])[0], 50*time.Millisecond)
			must.Do(t, cmd.Process.Signal(sig))
			err := cmd.Wait()
			if (err == nil) != (sig == syscall.SIGTERM) {
				t.Errorf("the agent's end: %v", err)
			}
			watcher.expectOpen(t, mesh(watcher.nodes)...)
			if m := watcher.probe(t, plan, both("n1", "n3")[0])[0]; m.Min >= 50*time.Millisecond {
				t.Errorf("the delay outlived its agent: %+v", m)
			}
		})
	}
}

// mesh is every link between nodes.
func mesh(nodes []faults.NodeID) []faults.Link {
	var out []faults.Link
	for _, a := range nodes {
		for _, b := range nodes {
			if a != b {
				out = append(out, faults.Link{From: a, To: b})
			}
		}
	}
	return out
}

func TestAgent_HundredNodes(t *testing.T) {
	f := serve(t, shapetest.Lab(t, 100), agent.Config{})
	all := mesh(f.nodes)
	a := f.shape(t, layer("half", faults.Rule{From: f.nodes[:50], To: f.nodes[50:], Cut: true}))
	t.Logf("2,500 links cut in %v", a.Took)
	p := faults.ProbePlan{Count: 1, Wait: 500 * time.Millisecond}
	left := make(map[faults.NodeID]bool)
	for _, n := range f.nodes[:50] {
		left[n] = true
	}
	for _, m := range f.probe(t, p, all...) {
		want := p.Count
		if left[m.Link.From] && !left[m.Link.To] {
			want = 0
		}
		if m.Sent != p.Count || m.Received != want {
			t.Fatalf("link %v: %d sent, %d received, want %d", m.Link, m.Sent, m.Received, want)
		}
	}
	const delay = 20 * time.Millisecond
	a = f.shape(t, layer("slow", faults.Rule{From: f.nodes, To: f.nodes, Shape: faults.Shape{Delay: delay}}))
	t.Logf("9,900 links delayed in %v", a.Took)
	late := 0
	for _, m := range f.probe(t, p, all...) {
		if m.Received != p.Count || m.Min < delay {
			t.Fatalf("link %v: %+v", m.Link, m)
		}
		if m.Median > delay+time.Millisecond {
			late++
		}
	}
	t.Logf("%d of %d links have a median more than 1ms late at 20,000 packets/s", late, len(all))
	if s, err := f.State(t.Context()); err != nil || s.Traffic.Lost != 0 {
		t.Errorf("traffic %+v, %v", s.Traffic, err)
	}
}

// BenchmarkDelayError reports by how much the median of a probed link is late.
func BenchmarkDelayError(b *testing.B) {
	for _, d := range []time.Duration{10 * time.Millisecond, 50 * time.Millisecond, 500 * time.Millisecond} {
		b.Run(d.String(), func(b *testing.B) {
			f := serve(b, shapetest.Lab(b, 2), agent.Config{})
			f.shape(b, layer("slow", faults.Rule{From: f.nodes[:1], To: f.nodes[1:], Shape: faults.Shape{Delay: d}}))
			var late time.Duration
			n := 0
			for b.Loop() {
				m := f.probe(b, faults.ProbePlan{Count: 101, Interval: 5 * time.Millisecond, Wait: time.Second}, both("n1", "n2")[0])[0]
				late += m.Median - d
				n++
			}
			b.ReportMetric(float64(late.Microseconds())/float64(n), "us-late")
		})
	}
}

func BenchmarkCutAndHeal100NodesByCall(b *testing.B) {
	l := shapetest.Lab(b, 2)
	f := serve(b, l, agent.Config{})
	many := hosts(l)
	for i := len(many); i < 100; i++ {
		h := agent.Host{Node: faults.NodeID(rune('A' + i)), Addr: many[0].Addr}
		for range i {
			h.Addr = h.Addr.Next()
		}
		many = append(many, h)
	}
	must.Do(b, f.SetHosts(b.Context(), many))
	var names []faults.NodeID
	for _, h := range many {
		names = append(names, h.Node)
	}
	for b.Loop() {
		f.shape(b, layer("all", faults.Rule{From: names, To: names, Cut: true}))
		f.shape(b)
	}
}
