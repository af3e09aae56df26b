package sim_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/runtimetest"
	"github.com/netsplit/netsplit/orchestrator/runtime/sim"
)

// counter is a planted machine that counts what goes through it and drops what the node sends.
type counter struct {
	sim.Machine
	received, sent int
}

func (c *counter) Receive(now node.Time, from chain.PeerID, m wire.Message) []node.Effect {
	c.received++
	return c.drop(c.Machine.Receive(now, from, m))
}

func (c *counter) PeerUp(now node.Time, id chain.PeerID, outbound bool) []node.Effect {
	return c.drop(c.Machine.PeerUp(now, id, outbound))
}

func (c *counter) drop(effects []node.Effect) []node.Effect {
	return slices.DeleteFunc(effects, func(e node.Effect) bool {
		if e.Kind != node.EffectSend {
			return false
		}
		c.sent++
		return true
	})
}

func TestPlantedMachinesAreDrivenInPlaceOfNodes(t *testing.T) {
	machines := make(map[faults.NodeID][]*counter)
	r := sim.New(sim.Options{Plant: func(id faults.NodeID, m sim.Machine) sim.Machine {
		c := &counter{Machine: m}
		machines[id] = append(machines[id], c)
		if id == "b" {
			return c
		}
		return m
	}})
	hosts, err := r.Create(t.Context(), runtime.Plan{ID: "t", Nodes: []runtime.PlanNode{{ID: "a"}, {ID: "b"}}})
	if err != nil {
		t.Fatal(err)
	}
	net := runtimetest.Network{ID: "t", Hosts: hosts, Start: r.Clock().Epoch(), Interval: time.Second, Miners: 1}
	if err := r.Launch(t.Context(), net.Launches(), nil); err != nil {
		t.Fatal(err)
	}
	if err := r.Clock().Sleep(t.Context(), 3*time.Second); err != nil {
		t.Fatal(err)
	}
	if b := machines["b"][0]; b.received == 0 || b.sent == 0 {
		t.Errorf("b got %d messages and wanted to send %d", b.received, b.sent)
	}
	if a := machines["a"][0]; a.received != 0 {
		t.Errorf("a machine that was not planted is driven")
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+hosts[1].Addr.String()+":8080/v1/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := r.Transport().RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("the API of a planted node: %v, %v", resp, err)
	}
	if err := r.Do(t.Context(), faults.Action{Verb: faults.Restart, Node: "b"}); err != nil {
		t.Fatal(err)
	}
	if len(machines["b"]) != 2 || len(machines["a"]) != 1 {
		t.Errorf("%d and %d machines were planted", len(machines["b"]), len(machines["a"]))
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
