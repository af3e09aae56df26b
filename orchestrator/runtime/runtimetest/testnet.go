package runtimetest

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

const (
	// blockInterval makes blocks come fast.
	blockInterval = 500 * time.Millisecond
	// patience bounds every wait, by the runtime's clock. Streams that were cut recover by TCP's back-off.
	patience = 90 * time.Second
	// pollStep is how often conditions are looked at again.
	pollStep = 50 * time.Millisecond
	// closeTimeout bounds the clean-up, by the machine's clock.
	closeTimeout = 2 * time.Minute
)

// testnet is a testnet of a few nodes under test. Its first node mines, and every node connects to every other.
type testnet struct {
	rt    runtime.Runtime
	sink  *sink
	plan  runtime.Plan
	hosts []runtime.Host
}

// plans counts the testnets of this process.
var plans atomic.Int64

// newPlan returns a plan of n nodes with an id of its own.
func newPlan(t *testing.T, n int, sink runtime.Sink) runtime.Plan {
	t.Helper()
	// Not t.TempDir: its paths are too long for the sockets that a runtime may put there.
	dir, err := os.MkdirTemp("", "rt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	plan := runtime.Plan{
		ID:   fmt.Sprintf("rt-%d-%d", os.Getpid(), plans.Add(1)),
		Name: "conformance", Dir: dir, Sink: sink,
	}
	for i := range n {
		role := "full"
		if i == 0 {
			role = "miner"
		}
		plan.Nodes = append(plan.Nodes, runtime.PlanNode{ID: faults.NodeID(fmt.Sprintf("n%d", i+1)), Role: role})
	}
	return plan
}

// create opens a runtime and creates a testnet of n nodes on it, which is closed at the end of t.
func (s suite) create(t *testing.T, n int) *testnet {
	t.Helper()
	net := &testnet{rt: s.open(t), sink: newSink()}
	net.plan = newPlan(t, n, net.sink)
	t.Cleanup(func() { closeNow(t, net.rt) })
	var err error
	if net.hosts, err = net.rt.Create(t.Context(), net.plan); err != nil {
		t.Fatalf("create: %v", err)
	}
	return net
}

func closeNow(t *testing.T, rt runtime.Runtime) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), closeTimeout)
	defer cancel()
	if err := rt.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

// up creates a testnet and waits until its nodes are connected and have a common chain.
func (s suite) up(t *testing.T, n int) *testnet {
	t.Helper()
	net := s.create(t, n)
	var started []faults.NodeID
	err := net.rt.Launch(t.Context(), net.launches(), func(id faults.NodeID) { started = append(started, id) })
	if err != nil {
		t.Fatalf("launch: %v", err)
	}
	slices.Sort(started)
	if want := net.ids(); !slices.Equal(started, want) {
		t.Fatalf("progress told of %v, want %v", started, want)
	}
	net.agree(t, 2)
	return net
}

func (n *testnet) ids() []faults.NodeID {
	var ids []faults.NodeID
	for _, p := range n.plan.Nodes {
		ids = append(ids, p.ID)
	}
	return ids
}

// network describes the testnet's nodes: the first mines, and everyone connects to everyone.
func (n *testnet) network() Network {
	return Network{ID: n.plan.ID, Hosts: n.hosts, Start: n.rt.Clock().Epoch(), Interval: blockInterval, Miners: 1}
}

// launches says how to start every node.
func (n *testnet) launches() []runtime.Launch { return n.network().Launches() }
