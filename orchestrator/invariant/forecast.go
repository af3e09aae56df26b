package invariant

import (
	"fmt"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// Shows says what a chain shows of itself beside its facts.
type Shows struct {
	// Refused is why no transaction can be submitted; empty where they can.
	Refused string
	// Txs is true when blocks tell which transactions they hold.
	Txs bool
}

// Forecast says of every invariant how a run is judged in which all goes well: by judging one that is made up. Nodes of a
// chain with these facts make blocks at even times; one that makes none is cut off for a while and catches up. What is not
// PASS there for want of something that the chain does not show, or because its blocks are too far apart, will not be in a
// run of that length either.
func Forecast(facts trace.Facts, shows Shows) ([]Result, error) {
	if facts.BlockInterval <= 0 {
		return nil, fmt.Errorf("forecast for chain %s: a block interval of %s", facts.Name, facts.BlockInterval)
	}
	h := &ideal{facts: facts, shows: shows, heads: make(map[trace.NodeID]trace.Head)}
	h.begin()
	h.blocks(0, idealCut, idealNodes)
	h.cut()
	h.blocks(idealCut, idealHeal, idealMakers)
	h.heal()
	h.blocks(idealHeal, idealSettling, idealNodes)
	h.add(trace.Event{At: idealSettling, Kind: trace.KindPhase, Phase: &trace.Phase{Name: trace.PhaseSettling}})
	h.blocks(idealSettling, idealEnd, idealNodes)
	h.finish()
	var expect []trace.Expectation
	for _, d := range Definitions() {
		expect = append(expect, trace.Expectation{Name: d.Name})
	}
	j, err := Judge(h.events, expect)
	if err != nil {
		return nil, fmt.Errorf("forecast for chain %s: %w", facts.Name, err)
	}
	return j.Results, nil
}

// The times of the run that is made up: those of the catalog's split-brain.
const (
	idealCut      = 20 * time.Second
	idealHeal     = 50 * time.Second
	idealSettling = 80 * time.Second
	idealEnd      = 120 * time.Second
	idealStep     = time.Millisecond // between two things that follow from each other
)

var (
	idealMakers = []trace.NodeID{"a", "b", "c"}
	idealOther  = trace.NodeID("d") // makes no blocks, and is cut off
	idealNodes  = append(append([]trace.NodeID{}, idealMakers...), idealOther)
)

// ideal is the history of a run that is made up.
type ideal struct {
	facts trace.Facts
	shows Shows
	all   []*trace.Event
	chain []trace.Block // above genesis
	heads map[trace.NodeID]trace.Head
	txs   int
}

// events is an Events.
func (h *ideal) events(fn func(*trace.Event) error) error {
	for _, e := range h.all {
		if err := fn(e); err != nil {
			return err
		}
	}
	return nil
}

func (h *ideal) add(e trace.Event) { h.all = append(h.all, &e) }

func (h *ideal) begin() {
	run := &trace.Run{Format: trace.Format, ID: "forecast", Scenario: "forecast", PeerExchange: true, Duration: idealSettling, Chain: h.facts}
	for _, n := range idealNodes {
		x := trace.RunNode{ID: n, Role: "node"}
		if n != idealOther {
			x.Mine = 1
		}
		run.Nodes = append(run.Nodes, x)
	}
	h.add(trace.Event{Kind: trace.KindRun, Run: run})
	for _, n := range idealNodes {
		h.add(trace.Event{Kind: trace.KindNode, Node: n, Lifecycle: &trace.Lifecycle{State: trace.StateUp}})
	}
	h.add(trace.Event{Kind: trace.KindPhase, Phase: &trace.Phase{Name: trace.PhaseScheduled}})
}

// blocks lets nodes have a block each interval, from one time to before another. While the schedule lasts, a transaction is
// submitted before each.
func (h *ideal) blocks(from, to time.Duration, nodes []trace.NodeID) {
	first := (from/h.facts.BlockInterval + 1) * h.facts.BlockInterval
	for at := first; at < to; at += h.facts.BlockInterval {
		b := trace.Block{Height: uint64(len(h.chain)) + 1, Parent: "genesis", Hash: trace.Hash(fmt.Sprintf("block-%d", len(h.chain)+1))}
		if len(h.chain) > 0 {
			b.Parent = h.chain[len(h.chain)-1].Hash
		}
		if at < idealSettling {
			h.submit(at-idealStep, &b)
		}
		h.chain = append(h.chain, b)
		h.add(trace.Event{At: at, Kind: trace.KindBlock, Block: &b})
		for _, n := range nodes {
			h.take(at, n, b)
		}
	}
}

// submit hands over a transaction, which the next block holds if it is taken in.
func (h *ideal) submit(at time.Duration, into *trace.Block) {
	h.txs++
	s := &trace.Submit{Error: h.shows.Refused}
	if s.Error == "" {
		s.Tx = trace.Hash(fmt.Sprintf("tx-%d", h.txs))
		if h.shows.Txs {
			into.Txs = []trace.Hash{s.Tx}
		}
	}
	h.add(trace.Event{At: at, Kind: trace.KindSubmit, Node: idealMakers[0], Submit: s})
}

// take lets a node have a block as its head.
func (h *ideal) take(at time.Duration, n trace.NodeID, b trace.Block) {
	h.add(trace.Event{At: at, Kind: trace.KindSeen, Node: n, Seen: &trace.Seen{Hash: b.Hash, Parent: b.Parent, Height: b.Height}})
	head := trace.Head{Hash: b.Hash, Height: b.Height, Old: h.heads[n].Hash}
	h.add(trace.Event{At: at, Kind: trace.KindHead, Node: n, Head: &head})
	h.heads[n] = head
}

func (h *ideal) cut() {
	h.probe(idealCut-idealStep, trace.ProbeBefore)
	one := []trace.NodeID{idealOther}
	h.fault(idealCut, trace.Fault{Phase: trace.FaultBegin, Rules: []trace.Rule{
		{From: one, To: idealMakers, Cut: true}, {From: idealMakers, To: one, Cut: true},
	}})
	h.fault(idealCut, trace.Fault{Phase: trace.FaultActive})
	h.probe(idealCut+idealStep, trace.ProbeDuring)
}

// heal ends the cut; the node that was cut off catches up at once.
func (h *ideal) heal() {
	h.fault(idealHeal, trace.Fault{Phase: trace.FaultHealing})
	h.fault(idealHeal, trace.Fault{Phase: trace.FaultHealed, Dropped: 1})
	h.probe(idealHeal+idealStep, trace.ProbeAfter)
	for _, b := range h.chain[h.heads[idealOther].Height:] {
		h.take(idealHeal+idealStep, idealOther, b)
	}
}

func (h *ideal) fault(at time.Duration, f trace.Fault) {
	f.ID, f.Kind, f.PlannedAt, f.PlannedFor = "partition-1", "partition", idealCut, idealHeal-idealCut
	h.add(trace.Event{At: at, Kind: trace.KindFault, Fault: &f})
}

// probe measures the links of the cut as they should be.
func (h *ideal) probe(at time.Duration, phase trace.ProbePhase) {
	const packets = 5
	p := &trace.Probe{Fault: "partition-1", Phase: phase}
	for _, n := range idealMakers {
		for _, l := range []trace.LinkProbe{{From: n, To: idealOther}, {From: idealOther, To: n}} {
			l.Sent = packets
			if l.ExpectedCut = phase == trace.ProbeDuring; !l.ExpectedCut {
				l.Received, l.Min, l.Median, l.Max = packets, idealStep, idealStep, idealStep
			}
			p.Links = append(p.Links, l)
		}
	}
	p.Total = len(p.Links)
	h.add(trace.Event{At: at, Kind: trace.KindProbe, Probe: p})
}

func (h *ideal) finish() {
	for _, n := range idealNodes {
		h.add(trace.Event{At: idealEnd, Kind: trace.KindStatus, Node: n, Status: &trace.Status{
			Head: h.heads[n].Hash, Height: h.heads[n].Height, Peers: len(idealNodes) - 1, Final: true,
		}})
	}
	h.add(trace.Event{At: idealEnd, Kind: trace.KindPhase, Phase: &trace.Phase{Name: trace.PhaseStopping}})
	h.add(trace.Event{At: idealEnd, Kind: trace.KindEnd, End: &trace.End{}})
}
