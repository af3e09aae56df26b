package report_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/report"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// history builds a small run by hand: each call appends what happened at the history's current time.
type history struct {
	t      *testing.T
	run    trace.Run
	events []trace.Event
	now    time.Duration
	height map[trace.Hash]uint64
	heads  map[trace.NodeID]trace.Hash
}

const genesis = trace.Hash("genesis")

// newHistory starts a run of nodes that know each other, are up, and whose schedule has begun. Those named miner-... mine.
func newHistory(t *testing.T, nodes ...trace.NodeID) *history {
	h := &history{t: t, height: map[trace.Hash]uint64{genesis: 0}, heads: map[trace.NodeID]trace.Hash{}}
	h.run = trace.Run{
		Format: trace.Format, Version: "test", ID: "small-1", Scenario: "small", Seed: 7,
		Runtime:  fmt.Sprintf("sim, virtual time, %d nodes, 500µs link delay, seed 7", len(nodes)),
		Duration: time.Minute, PeerExchange: true,
		Chain:  trace.Facts{Name: "netsplit", Family: "pow", BlockInterval: time.Second, ForkDepth: 2, GenesisHash: genesis},
		Expect: []trace.Expectation{{Name: "agreement"}, {Name: "block_propagation"}},
	}
	for _, n := range nodes {
		x := trace.RunNode{ID: n, Role: "full"}
		if n[0] == 'm' {
			x.Role, x.Mine = "miner", 1
		}
		h.run.Nodes = append(h.run.Nodes, x)
		h.heads[n] = genesis
	}
	h.now = -time.Second
	h.add("", trace.Event{Kind: trace.KindRun, Run: &h.run})
	for _, n := range nodes {
		h.state(n, trace.StateUp, "")
	}
	h.now = 0
	h.phase(trace.PhaseScheduled)
	return h
}

func (h *history) add(node trace.NodeID, e trace.Event) {
	e.At, e.Node = h.now, node
	h.events = append(h.events, e)
}

func (h *history) phase(p trace.PhaseName) {
	h.add("", trace.Event{Kind: trace.KindPhase, Phase: &trace.Phase{Name: p}})
}

func (h *history) state(n trace.NodeID, s trace.State, fault string) {
	h.add(n, trace.Event{Kind: trace.KindNode, Lifecycle: &trace.Lifecycle{State: s, Fault: fault}})
}

// block lets the first node make a block on its head, which the others get 2 ms later. Those with a lower head adopt it.
func (h *history) block(hash trace.Hash, nodes ...trace.NodeID) {
	maker := nodes[0]
	parent := h.heads[maker]
	h.height[hash] = h.height[parent] + 1
	for i, n := range nodes {
		seen := trace.Seen{Hash: hash, Parent: parent, Height: h.height[hash], Made: i == 0}
		if i > 0 {
			seen.From = maker
		}
		h.add(n, trace.Event{Kind: trace.KindSeen, Seen: &seen})
		if h.height[hash] > h.height[h.heads[n]] {
			h.add(n, trace.Event{Kind: trace.KindHead, Head: &trace.Head{Hash: hash, Height: h.height[hash], Old: h.heads[n]}})
			h.heads[n] = hash
		}
		if i == 0 {
			h.now += 2 * time.Millisecond
		}
	}
}

// grow lets a node make count blocks, one a second, named prefix-1 and so on.
func (h *history) grow(prefix string, count int, nodes ...trace.NodeID) {
	for i := range count {
		h.now = (h.now + time.Second).Truncate(time.Second)
		h.block(trace.Hash(fmt.Sprintf("%s-%d", prefix, i+1)), nodes...)
	}
}

// get lets nodes accept blocks of another, as history; they adopt what is higher than their head.
func (h *history) get(from trace.NodeID, hashes []trace.Hash, parent trace.Hash, nodes ...trace.NodeID) {
	for _, hash := range hashes {
		for _, n := range nodes {
			h.add(n, trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{
				Hash: hash, Parent: parent, Height: h.height[hash], From: from, Sync: true,
			}})
			if h.height[hash] > h.height[h.heads[n]] {
				h.add(n, trace.Event{Kind: trace.KindHead, Head: &trace.Head{Hash: hash, Height: h.height[hash], Old: h.heads[n]}})
				h.heads[n] = hash
			}
		}
		parent = hash
	}
}

// fault records a phase of a fault.
func (h *history) fault(f trace.Fault, p trace.FaultPhase) {
	f.Phase = p
	switch p {
	case trace.FaultActive, trace.FaultHealed:
		f.Took = 3 * time.Millisecond
	}
	if p == trace.FaultHealed {
		f.Dropped = 9 // a cut that touched no packet would have nothing to show
	}
	if p != trace.FaultBegin {
		f.Rules, f.Nodes = nil, nil
	}
	h.add("", trace.Event{Kind: trace.KindFault, Fault: &f})
}

// probe measures one link in both directions, with the same result.
func (h *history) probe(fault string, p trace.ProbePhase, l trace.LinkProbe) {
	back := l
	back.From, back.To = l.To, l.From
	h.add("", trace.Event{Kind: trace.KindProbe, Probe: &trace.Probe{
		Fault: fault, Phase: p, Total: 2, Links: []trace.LinkProbe{l, back},
	}})
}

func (h *history) status(n trace.NodeID, err string) {
	h.add(n, trace.Event{Kind: trace.KindStatus, Status: &trace.Status{Error: err}})
}

// end settles for 10 s and ends the run; the schedule was over.
func (h *history) end(e trace.End) {
	h.run.Duration = min(h.run.Duration, h.now)
	h.phase(trace.PhaseSettling)
	h.now += 10 * time.Second
	h.phase(trace.PhaseStopping)
	h.add("", trace.Event{Kind: trace.KindEnd, End: &e})
}

// planned is the plan of a run that did what was recorded.
func (h *history) planned() *trace.Plan {
	p := &trace.Plan{}
	index := make(map[string]int)
	for _, e := range h.events {
		if e.Kind == trace.KindFault && e.Fault.Phase == trace.FaultBegin {
			f := e.Fault
			index[f.ID] = len(p.Faults)
			p.Faults = append(p.Faults, trace.PlannedFault{
				ID: f.ID, Kind: f.Kind, At: f.PlannedAt, For: f.PlannedFor, Rules: f.Rules, Nodes: f.Nodes,
			})
		}
	}
	for _, e := range h.events {
		if e.Kind == trace.KindProbe {
			f := &p.Faults[index[e.Probe.Fault]]
			*map[trace.ProbePhase]*int{trace.ProbeBefore: &f.Before, trace.ProbeDuring: &f.During, trace.ProbeAfter: &f.After}[e.Probe.Phase]++
		}
	}
	return p
}

// make writes the trace to a directory and makes its report.
func (h *history) make() *report.Report {
	h.t.Helper()
	h.run.Plan = h.planned()
	dir := h.t.TempDir()
	path := filepath.Join(dir, "trace.jsonl.zst")
	w := must.Get(trace.Create(path))(h.t)
	for i := range h.events {
		must.Do(h.t, w.Append(&h.events[i]))
	}
	must.Do(h.t, w.Close())
	return must.Get(report.Make(dir, path, nil))(h.t)
}

func ids(n ...trace.NodeID) []trace.NodeID { return n }
