//go:build linux

package agent_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/agent"
	"github.com/netsplit/netsplit/faults/shape/lab"
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
	if s.Traffic.Dropped == 0 || s.Traffic.Delayed != 0 || s.Traffic.Lost != 0 || s.Version != 3 || len(s.Layers) != 0 {
		t.Errorf("state after healing: %+v", s)
	}
}

func TestDelays(t *testing.T) {
	f := serve(t, shapetest.Lab(t, 2), agent.Config{})
	links := both("n1", "n2")
	for _, d := range []time.Duration{10 * time.Millisecond, 50 * time.Millisecond, 500 * time.Millisecond} {
		f.shape(t, layer("slow", faults.Rule{From: f.nodes[:1], To: f.nodes[1:], Shape: faults.Shape{Delay: d}}))
		p := faults.ProbePlan{Count: 21, Interval: 5 * time.Millisecond, Wait: 2 * time.Second}
		m := f.probe(t, p, links...)
		t.Log(m)
	}
}
