package invariant

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// TestJudge_HostileTraces judges traces that no run could record: none may panic, and two judgements must be equal.
func TestJudge_HostileTraces(t *testing.T) {
	for seed := range uint64(600) {
		rng := rand.New(rand.NewPCG(seed, 1))
		h := newHistory(t, "a", "b", "c", "d")
		h.run.PeerExchange = rng.IntN(2) == 0
		h.run.Edges = [][2]trace.NodeID{{"a", "b"}, {"b", "c"}, {"c", "a"}}
		if rng.IntN(2) == 0 { // a chain that needs a quorum, with polled nodes
			h.run.Chain.Family = string(pick(rng, "bft", "poa", "odd"))
			h.run.Chain.Quorum, h.run.Chain.ForkDepth = 1/(1.5+rng.Float64()), rng.IntN(2)
			h.run.Chain.Resolution, h.run.Chain.Measured = 100*ms, rng.IntN(2) == 0
			h.run.Chain.GenesisHash = trace.Hash(pick(rng, "", string(genesis)))
		}
		for range 200 {
			h.now += time.Duration(rng.Int64N(int64(4*time.Second))) - time.Second/2
			node := trace.NodeID("abcde"[rng.IntN(5)]) // e is no node
			h.add(pick(rng, "", string(node), string(node), string(node)), hostileEvent(rng))
		}
		first, err := Judge(h.source, nil)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		again := must.Get(Judge(h.source, nil))(t)
		for i := range first.Results {
			a, b := first.Results[i], again.Results[i]
			if a.Verdict != b.Verdict || a.Reason != b.Reason || a.Figure != b.Figure {
				t.Fatalf("seed %d: %s is %s (%s) and then %s (%s)", seed, a.Invariant, a.Verdict, a.Reason, b.Verdict, b.Reason)
			}
		}
	}
}

func pick(rng *rand.Rand, of ...string) trace.NodeID { return trace.NodeID(of[rng.IntN(len(of))]) }

func hostileEvent(rng *rand.Rand) *trace.Event {
	hash := func() trace.Hash { return trace.Hash(fmt.Sprint(rng.IntN(12))) }
	height := uint64(rng.IntN(6))
	if rng.IntN(10) == 0 {
		return &trace.Event{Kind: trace.KindFinal, Final: &trace.Final{Height: height, Hash: hash()}}
	}
	if rng.IntN(20) == 0 {
		height = rng.Uint64()
	}
	nodes := func() []trace.NodeID {
		return ids(pick(rng, "a", "b", "c", "d", "e"), pick(rng, "a", "b", "c", "d", ""))
	}
	switch rng.IntN(12) {
	case 0, 1, 2:
		return &trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{
			Hash: hash(), Parent: hash(), Height: height, Made: rng.IntN(3) == 0, From: pick(rng, "a", "b", "e", ""),
		}}
	case 3, 4, 5:
		return &trace.Event{Kind: trace.KindHead, Head: &trace.Head{Hash: hash(), Height: height, Old: hash(), Dropped: -3}}
	case 6:
		states := []trace.State{trace.StateUp, trace.StateUp, trace.StateDown, trace.StatePaused, trace.StateDied, "odd"}
		return &trace.Event{Kind: trace.KindNode, Lifecycle: &trace.Lifecycle{State: states[rng.IntN(6)], Fault: string(pick(rng, "", "f1"))}}
	case 7, 8:
		phases := []trace.FaultPhase{trace.FaultBegin, trace.FaultActive, trace.FaultHealing, trace.FaultHealed, "odd"}
		return &trace.Event{Kind: trace.KindFault, Fault: &trace.Fault{
			ID: fmt.Sprint("f", rng.IntN(3)), Phase: phases[rng.IntN(5)], Nodes: nodes(),
			Rules: []trace.Rule{{From: nodes(), To: nodes(), Cut: true}},
		}}
	case 9:
		phases := []trace.ProbePhase{trace.ProbeBefore, trace.ProbeDuring, trace.ProbeAfter, "odd"}
		return &trace.Event{Kind: trace.KindProbe, Probe: &trace.Probe{Fault: fmt.Sprint("f", rng.IntN(3)), Phase: phases[rng.IntN(4)],
			Links: []trace.LinkProbe{{From: pick(rng, "a", "e"), To: "b", Sent: -1, Received: rng.IntN(3) - 1, Median: -5, ExpectedDelay: time.Hour}}}}
	case 10:
		phases := []trace.PhaseName{trace.PhaseScheduled, trace.PhaseSettling, trace.PhaseStopping, "odd"}
		return &trace.Event{Kind: trace.KindPhase, Phase: &trace.Phase{Name: phases[rng.IntN(4)]}}
	default:
		if rng.IntN(2) == 0 {
			return &trace.Event{Kind: trace.KindSubmit, Submit: &trace.Submit{Tx: hash()}}
		}
		return &trace.Event{Kind: trace.KindBlock, Block: &trace.Block{Hash: hash(), Parent: hash(), Height: height, Txs: []trace.Hash{hash()}, Producer: string(pick(rng, "", "p")), Raw: []byte{1}[:rng.IntN(2)]}}
	}
}
