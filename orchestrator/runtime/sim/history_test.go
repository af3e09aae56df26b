package sim_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	goruntime "runtime"
	"slices"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/runtimetest"
	"github.com/netsplit/netsplit/orchestrator/runtime/sim"
)

func TestConformance(t *testing.T) {
	runtimetest.Run(t, func(*testing.T) runtime.Runtime { return sim.New(sim.Options{Seed: 7}) }, runtimetest.Shape)
}

// counter is a planted machine that counts received messages and drops sent ones.
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

func TestPlant_ReplacesMachine(t *testing.T) {
	machines := make(map[faults.NodeID][]*counter)
	r := sim.New(sim.Options{Plant: func(id faults.NodeID, m sim.Machine) sim.Machine {
		c := &counter{Machine: m}
		machines[id] = append(machines[id], c)
		if id == "b" {
			return c
		}
		return m
	}})
	hosts := must.Get(r.Create(t.Context(), runtime.Plan{ID: "t", Nodes: []runtime.PlanNode{{ID: "a"}, {ID: "b"}}}))(t)
	net := runtimetest.Network{ID: "t", Hosts: hosts, Start: r.Clock().Epoch(), Interval: time.Second, Miners: 1}
	must.Do(t, r.Launch(t.Context(), net.Launches(), nil))
	must.Do(t, r.Clock().Sleep(t.Context(), 3*time.Second))
	if b := machines["b"][0]; b.received == 0 || b.sent == 0 {
		t.Errorf("b received %d messages and tried to send %d", b.received, b.sent)
	}
	if a := machines["a"][0]; a.received != 0 {
		t.Errorf("a machine that was not planted received messages")
	}
	status, _, err := request(t, r, "GET", "http://"+hosts[1].Addr.String()+":8080/v1/status", "")
	if err != nil || status != 200 {
		t.Errorf("the API of a planted node: %d, %v", status, err)
	}
	must.Do(t, r.Do(t.Context(), faults.Action{Verb: faults.Restart, Node: "b"}))
	if len(machines["b"]) != 2 || len(machines["a"]) != 1 {
		t.Errorf("%d and %d machines were planted", len(machines["b"]), len(machines["a"]))
	}
	must.Do(t, r.Close(t.Context()))
}

// history is a Sink that collects everything in one text.
type history struct{ bytes.Buffer }

func (h *history) Line(id faults.NodeID, _ time.Time, line []byte) {
	fmt.Fprintf(h, "%s %s\n", id, line)
}
func (h *history) Gap(id faults.NodeID, err error)  { fmt.Fprintf(h, "%s gap: %v\n", id, err) }
func (h *history) Exit(id faults.NodeID, err error) { fmt.Fprintf(h, "%s exit: %v\n", id, err) }

func (h *history) External(_ faults.NodeID, err *runtime.ExternalError) { fmt.Fprintln(h, err) }

// graph connects each of n hosts, at least 2, to the next one and to some at random.
func graph(n, degree int) func(int) []int {
	rng := rand.New(rand.NewPCG(uint64(n), uint64(degree)))
	peers := make([][]int, n)
	for i := range peers {
		peers[i] = append(peers[i], (i+1)%n)
		for len(peers[i]) < degree/2 {
			if k := rng.IntN(n); k != i {
				peers[i] = append(peers[i], k)
			}
		}
	}
	return func(i int) []int { return peers[i] }
}

// start creates and launches n nodes, of which miners mine.
func start(tb testing.TB, r *sim.Runtime, sink runtime.Sink, n, miners int) []faults.NodeID {
	tb.Helper()
	plan := runtime.Plan{ID: "history", Sink: sink}
	var ids []faults.NodeID
	for i := range n {
		ids = append(ids, faults.NodeID(fmt.Sprintf("n%d", i)))
		plan.Nodes = append(plan.Nodes, runtime.PlanNode{ID: ids[i]})
	}
	hosts := must.Get(r.Create(tb.Context(), plan))(tb)
	network := runtimetest.Network{
		ID: plan.ID, Hosts: hosts, Start: r.Clock().Epoch(), Interval: 2 * time.Second, Miners: miners, Peers: graph(n, 8),
	}
	must.Do(tb, r.Launch(tb.Context(), network.Launches(), nil))
	return ids
}

func sleep(tb testing.TB, r *sim.Runtime, until time.Duration) {
	tb.Helper()
	must.Do(tb, r.Clock().Sleep(tb.Context(), until))
}

// split is a cut between two groups, both ways.
func split(a, b []faults.NodeID) faults.Layer {
	return faults.Layer{ID: "split", Links: faults.Links{Rules: []faults.Rule{
		{From: a, To: b, Cut: true}, {From: b, To: a, Cut: true},
	}}}
}

// faultyHistory is the history of 20 nodes with faults and restarts, driven by several tasks.
func faultyHistory(t *testing.T, seed uint64) []byte {
	t.Helper()
	var h history
	r := sim.New(sim.Options{Seed: seed})
	ids := start(t, r, &h, 20, 5)
	clock := r.Clock()
	jitter := faults.Layer{ID: "slow", Links: faults.Links{Rules: []faults.Rule{
		{From: ids, To: ids, Shape: faults.Shape{Delay: 30 * time.Millisecond, Jitter: 20 * time.Millisecond}},
	}}}
	clock.Go(func() {
		for i, layers := range [][]faults.Layer{{jitter}, {jitter, split(ids[:10], ids[10:])}, {jitter}, nil} {
			if err := clock.Sleep(t.Context(), time.Duration(i+1)*10*time.Second); err != nil {
				t.Error(err)
			}
			if _, err := r.Shape(t.Context(), layers); err != nil {
				t.Error(err)
			}
		}
	})
	clock.Go(func() {
		verbs := []faults.Verb{faults.Kill, faults.Start, faults.Pause, faults.Resume, faults.Restart}
		for i := range 30 {
			if err := clock.Sleep(t.Context(), time.Duration(i+5)*time.Second); err != nil {
				t.Error(err)
			}
			action := faults.Action{Verb: verbs[i%len(verbs)], Node: ids[i/len(verbs)*3]}
			if err := r.Do(t.Context(), action); err != nil {
				t.Error(err)
			}
		}
	})
	clock.Wait()
	sleep(t, r, 90*time.Second)
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	return h.Bytes()
}

func TestHistory_Deterministic(t *testing.T) {
	first, again, other := faultyHistory(t, 1), faultyHistory(t, 1), faultyHistory(t, 2)
	if n := bytes.Count(first, []byte("\n")); n < 1000 {
		t.Fatalf("only %d lines", n)
	}
	if !bytes.Equal(first, again) {
		t.Error("two runs with one seed differ")
	}
	if bytes.Equal(first, other) {
		t.Error("runs with different seeds are equal")
	}
}

// BenchmarkMemory reports the heap per node in a running network of 2000.
func BenchmarkMemory(b *testing.B) {
	for b.Loop() {
		const n = 2000
		var before, after goruntime.MemStats
		goruntime.GC()
		goruntime.ReadMemStats(&before)
		r := sim.New(sim.Options{Seed: 1})
		start(b, r, nil, n, 20)
		sleep(b, r, 60*time.Second)
		goruntime.GC()
		goruntime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n/1024, "KiB/node")
		must.Do(b, r.Close(b.Context()))
	}
}

// BenchmarkTenThousand is about 100 blocks among 10,000 real nodes.
func BenchmarkTenThousand(b *testing.B) {
	for b.Loop() {
		r := sim.New(sim.Options{Seed: 1})
		start(b, r, nil, 10000, 100)
		sleep(b, r, 200*time.Second)
		must.Do(b, r.Close(b.Context()))
	}
}
