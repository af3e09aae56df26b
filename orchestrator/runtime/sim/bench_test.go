package sim

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// flooder is a machine that sends every new message to all peers except the sender, and makes one when its timer fires. It
// does as little as possible, to measure the simulator.
type flooder struct {
	peers    []chain.PeerID
	dials    []node.Effect
	out      []node.Effect
	seen     uint64
	received *int
}

func (f *flooder) Start(node.Time) []node.Effect { return f.dials }
func (f *flooder) PeerUp(_ node.Time, id chain.PeerID, _ bool) []node.Effect {
	f.peers = append(f.peers, id)
	return nil
}
func (f *flooder) PeerDown(node.Time, chain.PeerID, string) []node.Effect { return nil }
func (f *flooder) DialFailed(node.Time, chain.PeerID) []node.Effect       { return nil }
func (f *flooder) Malformed(node.Time, chain.PeerID, error) []node.Effect { return nil }
func (f *flooder) Stop(node.Time) []node.Effect                           { return nil }
func (f *flooder) Timer(now node.Time, id node.TimerID) []node.Effect {
	f.seen++
	f.flood(&wire.Ping{Nonce: f.seen}, nil)
	f.out = append(f.out, node.Effect{Kind: node.EffectTimer, Timer: id, At: now + node.Time(100*time.Millisecond)})
	return f.out
}
func (f *flooder) Receive(_ node.Time, from chain.PeerID, m wire.Message) []node.Effect {
	*f.received++
	ping := m.(*wire.Ping)
	if ping.Nonce <= f.seen {
		return nil
	}
	f.seen = ping.Nonce
	return f.flood(ping, &from)
}

func (f *flooder) flood(m wire.Message, but *chain.PeerID) []node.Effect {
	f.out = f.out[:0]
	for i := range f.peers {
		if but == nil || f.peers[i] != *but {
			f.out = append(f.out, node.Effect{Kind: node.EffectSend, Peer: f.peers[i], Msg: m})
		}
	}
	return f.out
}

// floodNet is a running network of n flooders, each of which dials degree/2 others.
func floodNet(tb testing.TB, n, degree int) (r *Runtime, received *int) {
	tb.Helper()
	r = New(Options{Seed: 1})
	received = new(int)
	plan := runtime.Plan{ID: "flood"}
	for i := range n {
		plan.Nodes = append(plan.Nodes, runtime.PlanNode{ID: faults.NodeID(fmt.Sprint(i))})
	}
	hosts := must.Get(r.Create(tb.Context(), plan))(tb)
	rng := rand.New(rand.NewPCG(1, 1))
	r.newMachine = func(cfg node.Config, _ []*chain.Block, now node.Time) (Machine, chain.PeerID, error) {
		f := &flooder{received: received}
		for range degree / 2 {
			k := rng.IntN(n)
			f.dials = append(f.dials, node.Effect{
				Kind: node.EffectDial, Peer: idOf(fmt.Sprint(k)), Addr: fmt.Sprintf("%s:%d", hosts[k].Addr, runtime.PeerPort),
			})
		}
		if cfg.Name == "0" {
			f.dials = append(f.dials, node.Effect{Kind: node.EffectTimer, At: now + node.Time(time.Second)})
		}
		return f, idOf(cfg.Name), nil
	}
	for _, h := range hosts {
		l := runtime.Launch{ID: h.ID, Args: []string{"node", "--config=/c"}, Files: map[string][]byte{
			"/c": fmt.Appendf(nil, `{"name": %q, "genesis": {"network": "flood"}}`, h.ID)}}
		must.Do(tb, r.Launch(tb.Context(), []runtime.Launch{l}, nil))
	}
	must.Do(tb, r.Clock().Sleep(tb.Context(), 500*time.Millisecond))
	return r, received
}

// BenchmarkDelivery measures the simulator's cost of a message on a link.
func BenchmarkDelivery(b *testing.B) {
	for _, n := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprintf("nodes=%d", n), func(b *testing.B) {
			r, received := floodNet(b, n, 8)
			b.ReportAllocs()
			b.ResetTimer()
			from := *received
			for *received-from < b.N {
				must.Do(b, r.Clock().Sleep(b.Context(), r.Clock().Now()+100*time.Millisecond))
			}
			b.ReportMetric(float64(*received-from)/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}

func TestDelivery_DoesNotAllocate(t *testing.T) {
	r, received := floodNet(t, 200, 8)
	step := func() {
		must.Do(t, r.Clock().Sleep(t.Context(), r.Clock().Now()+100*time.Millisecond))
	}
	for range 20 { // until all buffers have grown
		step()
	}
	before := *received
	const rounds = 50
	allocs := testing.AllocsPerRun(rounds, step)
	perRound := float64(*received-before) / (rounds + 1)
	if perRound < 1000 {
		t.Fatalf("%v deliveries a round: the flood does not run", perRound)
	}
	// The message itself, and occasionally a growing buffer.
	if allocs > perRound/100 {
		t.Errorf("%v allocations for %v deliveries", allocs, perRound)
	}
}
