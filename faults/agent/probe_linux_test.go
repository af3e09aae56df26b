package agent

import (
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/shape/probe"
	"github.com/netsplit/netsplit/faults/shape/shapetest"
)

// A probe detects an engine that has no effect.
func TestProbe_EngineWithoutEffect(t *testing.T) {
	l := shapetest.Lab(t, 2)
	r := newFakeAgent(t, false)
	real := probe.New()
	defer real.Close()
	r.server.prober = real
	hosts := threeHosts()[:2]
	for i := range hosts {
		hosts[i].Addr, hosts[i].Netns = l.Nodes[i].Addr, l.Nodes[i].Path
	}
	must.Do(t, r.SetHosts(t.Context(), hosts))
	slow := cutLayer("slow")
	slow.Links.Rules = []faults.Rule{{From: []faults.NodeID{"b"}, To: []faults.NodeID{"a"}, Shape: faults.Shape{Delay: time.Minute}}}
	must.Get(r.Shape(t.Context(), []faults.Layer{cutLayer("cut"), slow}))(t)
	m, err := r.Probe(t.Context(), []faults.Link{{From: "a", To: "b"}, {From: "b", To: "a"}}, faults.ProbePlan{Count: 5, Wait: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if m[0].Received != 5 {
		t.Errorf("the link that is not cut was measured as %+v", m[0])
	}
	if m[1].Received != 5 || m[1].Median > 10*time.Second {
		t.Errorf("the link that is not slow was measured as %+v", m[1])
	}
}

func TestProbe_InvalidNamespaces(t *testing.T) {
	shapetest.RequireRoot(t)
	r := newFakeAgent(t, false)
	real := probe.New()
	defer real.Close()
	r.server.prober = real
	hosts := threeHosts()
	hosts[0].Netns, hosts[1].Netns = "/dev/null", "/no/such/file"
	must.Do(t, r.SetHosts(t.Context(), hosts))
	plan := faults.ProbePlan{Count: 1}
	if _, err := r.Probe(t.Context(), []faults.Link{{From: "a", To: "c"}}, plan); status(err) != 500 {
		t.Errorf("a file that is not a namespace: %v", err)
	}
	m, err := r.Probe(t.Context(), []faults.Link{{From: "b", To: "c"}}, plan)
	if err != nil || m[0].Received != 0 {
		t.Errorf("a namespace that does not exist: %+v, %v, want nothing received", m, err)
	}
}
