//go:build linux

package agent_test

import (
	"testing"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/agent"
	"github.com/netsplit/netsplit/faults/shape/lab"
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

func TestX100(t *testing.T) {
	f := serve(t, shapetest.Lab(t, 100), agent.Config{})
	a := f.shape(t, layer("p", faults.Rule{From: f.nodes, To: f.nodes, Cut: true}))
	t.Log("cut", a)
	a = f.shape(t)
	t.Log("heal", a)
	a = f.shape(t, layer("p", faults.Rule{From: f.nodes, To: f.nodes, Shape: faults.Shape{Delay: 20 * time.Millisecond}}))
	t.Log("delay", a)
	start := time.Now()
	m, err := f.Probe(t.Context(), mesh(f.nodes), faults.ProbePlan{Count: 3, Interval: 100 * time.Millisecond, Wait: time.Second})
	t.Log(time.Since(start), err)
	lost, worst := 0, time.Duration(0)
	for _, x := range m {
		lost += x.Sent - x.Received
		worst = max(worst, x.Median)
	}
	t.Log("lost", lost, "worst median", worst)
	s, _ := f.State(t.Context())
	t.Log(s.Traffic)
}
