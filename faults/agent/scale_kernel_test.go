//go:build linux

package agent_test

import (
	"testing"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/agent"
	"github.com/netsplit/netsplit/faults/shape/shapetest"
)

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

func TestHundredNodes(t *testing.T) {
	f := serve(t, shapetest.Lab(t, 100), agent.Config{})
	all := mesh(f.nodes)
	a := f.shape(t, layer("half", faults.Rule{From: f.nodes[:50], To: f.nodes[50:], Cut: true}))
	t.Logf("2,500 links cut in %v", a.Took)
	p := faults.ProbePlan{Count: 3, Interval: 100 * time.Millisecond, Wait: time.Second}
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
	if err := f.SetHosts(b.Context(), many); err != nil {
		b.Fatal(err)
	}
	var names []faults.NodeID
	for _, h := range many {
		names = append(names, h.Node)
	}
	for b.Loop() {
		f.shape(b, layer("all", faults.Rule{From: names, To: names, Cut: true}))
		f.shape(b)
	}
}
