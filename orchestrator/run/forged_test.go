package run_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// ofRun changes the run event.
func ofRun(f func(*trace.Run)) func(lines) lines {
	return change(is(trace.KindRun), 0, func(e *trace.Event) { f(e.Run) })
}

// each changes all events that are selected.
func each(selected func(*trace.Event) bool, f func(*trace.Event)) func(lines) lines {
	return func(l lines) lines {
		for _, i := range l.find(selected) {
			f(l[i])
		}
		return l
	}
}

func add(events ...*trace.Event) func(lines) lines {
	return func(l lines) lines { return slices.Insert(l, len(l)-1, events...) }
}

// rename changes names of nodes wherever events have them, beside the run event.
func rename(names map[trace.NodeID]trace.NodeID) func(lines) lines {
	return each(func(e *trace.Event) bool { return e.Kind != trace.KindRun }, func(e *trace.Event) {
		swapped := func(id *trace.NodeID) {
			if to, ok := names[*id]; ok {
				*id = to
			}
		}
		swapped(&e.Node)
		switch e.Kind {
		case trace.KindSeen:
			swapped(&e.Seen.From)
		case trace.KindPeer:
			swapped(&e.Peer.Peer)
		case trace.KindAnswer:
			for i := range e.Answer.Peers {
				swapped(&e.Answer.Peers[i].Peer)
			}
		}
	})
}

// between selects what one of two nodes says of its connection to the other.
func between(a, b trace.NodeID) func(*trace.Event) bool {
	return func(e *trace.Event) bool {
		return e.Kind == trace.KindPeer && (e.Node == a && e.Peer.Peer == b || e.Node == b && e.Peer.Peer == a)
	}
}

func notRun(e *trace.Event) bool { return e.Kind != trace.KindRun }
func notEnd(e *trace.Event) bool { return e.Kind != trace.KindEnd }

func withoutFault(id string) func(lines) lines {
	return ofRun(func(r *trace.Run) {
		r.Plan.Faults = slices.DeleteFunc(r.Plan.Faults, func(f trace.PlannedFault) bool { return f.ID == id })
	})
}

func ofNode(id trace.NodeID, f func(*trace.RunNode)) func(lines) lines {
	return ofRun(func(r *trace.Run) {
		for i := range r.Nodes {
			if r.Nodes[i].ID == id {
				f(&r.Nodes[i])
			}
		}
	})
}

// forgeries are edits of somebody who wants another verdict and knows what is compared: each changes a statement wherever it stands.
var forgeries = []edit{
	// Times.
	{name: "all times of a node", fits: "block_propagation consistency isolation", refitted: "the clock of full-", edit: each(about("full-2"), func(e *trace.Event) { e.At += 5 * time.Second })},
	{name: "all times of a node, earlier", fits: "chain_growth consistency isolation", refitted: "no new block reached all nodes in settling, which was too short (", edit: each(about("full-2"), func(e *trace.Event) { e.At -= 5 * time.Second })},
	{name: "all times", fits: "consistency fault_accuracy", refitted: "miner-1 answered that its head", edit: each(notRun, func(e *trace.Event) { e.At += 3 * time.Second })},
	{name: "all times slower", fits: "chain_growth consistency fault_accuracy", refitted: "7 nodes with 100% of the block", edit: each(notRun, func(e *trace.Event) { e.At *= 2 })},
	{name: "all blocks at once", fits: anything, refitted: "miner-3 answered that its head", edit: each(either(is(trace.KindSeen), is(trace.KindHead)), func(e *trace.Event) { e.At = e.At.Truncate(time.Second) })},
	{name: "a fault at once", edit: each(faultIs("partition-1", trace.FaultActive), func(e *trace.Event) { e.At -= e.Fault.Took; e.Fault.Took = 0 })},
	// Names.
	{name: "two full nodes exchanged", fits: "consistency isolation", refitted: "which miner-3 made on the other side of the cut", edit: rename(map[trace.NodeID]trace.NodeID{"full-2": "full-3", "full-3": "full-2"})},
	{name: "two miners exchanged", fits: "block_propagation connectivity isolation", refitted: "blocks reached", edit: rename(map[trace.NodeID]trace.NodeID{"miner-1": "miner-2", "miner-2": "miner-1"})},
	{name: "a node's reports given to another", fits: "consistency isolation", refitted: "full-3 answered that its head ", edit: both(drop(all(about("full-3"), either(is(trace.KindSeen), is(trace.KindHead)))), func(l lines) lines {
		var out lines
		for _, e := range l {
			out = append(out, e)
			if e.Node == "full-2" && (e.Kind == trace.KindSeen || e.Kind == trace.KindHead) {
				c := *e
				c.Node = "full-3"
				out = append(out, &c)
			}
		}
		return out
	})},
	{name: "a node doubled", fits: "inclusion isolation", refitted: "26 of 226 transactions were lost", edit: both(ofRun(func(r *trace.Run) {
		for _, n := range r.Nodes {
			if n.ID == "full-4" {
				n.ID = "full-5"
				r.Nodes = append(r.Nodes, n)
				break
			}
		}
	}), func(l lines) lines {
		var out lines
		for _, e := range l {
			out = append(out, e)
			if e.Node == "full-4" {
				c := *e
				c.Node = "full-5"
				out = append(out, &c)
			}
		}
		return out
	})},
	{name: "a node called an adversary", fits: "adversary", refitted: "no attack was recorded", edit: ofNode("full-2", func(n *trace.RunNode) { n.Adversary = []string{"invalid-blocks"} })},
	{name: "a miner without power", fits: "chain_growth", refitted: "miner-2 with 0% of the block-m", edit: ofNode("miner-2", func(n *trace.RunNode) { n.Mine = 0 })},
	{name: "a miner with hardly any power", fits: "chain_growth", refitted: "miner-2 with 0% of the block-m", edit: ofNode("miner-2", func(n *trace.RunNode) { n.Mine /= 1000 })},
	{name: "blocks given to another maker", fits: anything, refitted: "miner-1 with 33% of the block-", edit: each(all(made, is(trace.KindSeen, "miner-1")), func(e *trace.Event) { e.Seen.Made, e.Seen.From = false, "miner-2" })},
	// The plan.
	{name: "a partition from the plan and the events", fits: "inclusion isolation", refitted: "18 of 200 transactions were late", edit: both(withoutFault("partition-1"), drop(either(faultIs("partition-1"), probeIs("partition-1"))))},
	{name: "a kill from the plan and the events", fits: "durability", refitted: "no node that had reported a block started again", edit: both(withoutFault("kill-1"), drop(either(faultIs("kill-1"), all(is(trace.KindNode, "full-1"), since(time.Second), notEnd), all(is(trace.KindStatus, "full-1"), func(e *trace.Event) bool { return e.Status.Fault != "" }))))},
	{name: "measurements from the plan and the events", fits: "fault_accuracy", refitted: "partition-", edit: both(ofRun(func(r *trace.Run) {
		for i := range r.Plan.Faults {
			f := &r.Plan.Faults[i]
			f.Before, f.During, f.After = 0, 0, 0
		}
	}), drop(either(probeIs("partition-1"), func(e *trace.Event) bool { return e.Kind == trace.KindStatus && e.Status.Fault != "" })))},
	{name: "links of measurements and from the plan", edit: both(ofRun(func(r *trace.Run) { r.Plan.ProbeLinks = 1 }), each(is(trace.KindProbe), func(e *trace.Event) { e.Probe.Links = e.Probe.Links[:1] }))},
	{name: "links that a fault has", fits: "fault_accuracy", refitted: "partition-", edit: both(ofRun(func(r *trace.Run) { r.Plan.Faults[0].Rules = r.Plan.Faults[0].Rules[:1] }), each(faultIs("partition-1", trace.FaultBegin), func(e *trace.Event) { e.Fault.Rules = e.Fault.Rules[:1] }))},
	{name: "submits from the plan and the events", fits: "inclusion", refitted: "transfers at 10 a second", edit: both(ofRun(func(r *trace.Run) { r.Plan.Load[0].Submits = 100 }), drop(is(trace.KindSubmit), every(2, 100)...))},
	{name: "reports from the plan and all answers", fits: "consistency", refitted: "no node gave an answer that could be compared", edit: both(ofRun(func(r *trace.Run) { r.Plan.Reports = []trace.Kind{trace.KindHead} }), drop(is(trace.KindAnswer)))},
	{name: "reports from the plan and all connections", fits: "consistency connectivity", refitted: "full-2 answered that it has 4 ", edit: both(ofRun(func(r *trace.Run) { r.Plan.Reports = []trace.Kind{trace.KindHead} }), drop(is(trace.KindPeer)))},
	{name: "reports from the plan and all polls", fits: anything, refitted: "the plan lacks the last polls", edit: both(ofRun(func(r *trace.Run) { r.Plan.Reports = []trace.Kind{trace.KindHead} }), drop(all(is(trace.KindStatus), func(e *trace.Event) bool { return e.Status.Fault == "" })))},
	{name: "what a fault stops", fits: "durability fault_accuracy", refitted: "no node that had reported a block started again", edit: both(ofRun(func(r *trace.Run) { r.Plan.Faults[1].Stops, r.Plan.Faults[1].Starts = nil, nil }), drop(all(is(trace.KindNode, "full-1"), func(e *trace.Event) bool { return e.Lifecycle.Fault != "" })))},
	// What is expected and known.
	{name: "an expectation", edit: ofRun(func(r *trace.Run) { r.Expect = r.Expect[1:] })},
	{name: "all expectations", edit: ofRun(func(r *trace.Run) { r.Expect = nil })},
	{name: "the seed", edit: ofRun(func(r *trace.Run) { r.Seed++ })},
	{name: "the duration", fits: anything, refitted: "is planned for 22s, the schedule lasts 18s", edit: ofRun(func(r *trace.Run) { r.Duration /= 2 })},
	{name: "the block interval doubled", fits: "chain_growth", refitted: "miner-2 with 33% of the block-", edit: ofRun(func(r *trace.Run) { r.Chain.BlockInterval *= 2 })},
	{name: "the block interval times ten", fits: "chain_growth", refitted: "miner-2 with 33% of the block-", edit: ofRun(func(r *trace.Run) { r.Chain.BlockInterval *= 10 })},
	{name: "the fork depth", edit: ofRun(func(r *trace.Run) { r.Chain.ForkDepth = 1000 })},
	{name: "the genesis", fits: "validity fork_choice", refitted: "the trace does not hold the chain's genesis", edit: ofRun(func(r *trace.Run) { r.Chain.Genesis = nil })},
	{name: "the genesis's hash", fits: "validity fork_choice", refitted: "the genesis has the hash", edit: ofRun(func(r *trace.Run) { r.Chain.GenesisHash = "ff" + r.Chain.GenesisHash[2:] })},
	{name: "that transactions are shown", fits: "inclusion", refitted: "this chain does not show the transactions in blocks", edit: ofRun(func(r *trace.Run) { r.Chain.NoTxs = true })},
	{name: "that transactions can be submitted", fits: "inclusion", refitted: "this chain does not show a way to submit transactions", edit: ofRun(func(r *trace.Run) { r.Chain.NoSubmit = true })},
	{name: "the family", fits: "chain_growth", refitted: "miner-1 accepted block 0061e67", edit: ofRun(func(r *trace.Run) { r.Chain.Family, r.Chain.Quorum = "bft", 2.0/3 })},
	{name: "coarse polls", fits: "chain_growth block_propagation durability", refitted: "no new block reached all nodes in settling, which was too short (", edit: ofRun(func(r *trace.Run) { r.Chain.Resolution = 20 * time.Second })},
	{name: "edges of a node", edit: ofRun(func(r *trace.Run) {
		r.Edges = slices.DeleteFunc(r.Edges, func(e [2]trace.NodeID) bool { return e[0] == "full-4" || e[1] == "full-4" })
	})},
	{name: "peer exchange", edit: ofRun(func(r *trace.Run) { r.PeerExchange = true })},
	// The end.
	{name: "an earlier end with its event", fits: anything, refitted: "the trace lacks the content of block", edit: drop(all(since(18*time.Second), notEnd))},
	{name: "an earlier end that the user wanted", fits: "validity convergence chain_growth block_propagation inclusion durability fork_choice", refitted: "the trace lacks the content of block", edit: both(drop(all(since(18*time.Second), notEnd)), each(is(trace.KindEnd), func(e *trace.Event) { e.At = 18 * time.Second; e.End.Interrupted = true }))},
	{name: "an earlier end with its phases", fits: anything, refitted: "the trace lacks the content of block", edit: both(drop(all(since(18*time.Second), notEnd, func(e *trace.Event) bool {
		return e.Kind != trace.KindPhase && (e.Kind != trace.KindStatus || !e.Status.Final)
	})), withoutFault("kill-1"), ofRun(func(r *trace.Run) { r.Duration = 17 * time.Second; r.Plan.Load[0].Submits = 180 }),
		each(all(either(is(trace.KindPhase), is(trace.KindStatus), is(trace.KindEnd)), since(18*time.Second)), func(e *trace.Event) { e.At = 18 * time.Second }))},
	{name: "an earlier end because a node died", fits: "validity convergence chain_growth block_propagation inclusion durability fork_choice no_crash", refitted: "the trace lacks the content of block", edit: both(drop(all(since(18*time.Second), notEnd)), add(&trace.Event{At: 18 * time.Second, Kind: trace.KindNode, Node: "full-2", Lifecycle: &trace.Lifecycle{State: trace.StateDied}}),
		each(is(trace.KindEnd), func(e *trace.Event) { e.At = 18 * time.Second; e.End.Died, e.End.Error = "full-2", "full-2 exited" }))},
	// Connections.
	{name: "a connection on both sides", fits: "consistency", refitted: "miner-1 answered that it has 4", edit: drop(between("full-1", "miner-1"))},
	{name: "a lost connection on both sides", fits: "consistency", refitted: "full-3 answered that it has 3 ", edit: drop(all(is(trace.KindPeer), since(time.Second), func(e *trace.Event) bool {
		return between("full-3", "miner-1")(e) || between("full-3", "full-2")(e) || between("full-3", "miner-2")(e) || between("full-3", "full-1")(e)
	}))},
	// Blocks.
	{name: "the encoding of a block", fits: "validity", refitted: "miner-1 accepted the invalid b", edit: func(l lines) lines {
		at := l.find(is(trace.KindBlock), 10, 11)
		l[at[0]].Block.Raw = l[at[1]].Block.Raw
		return l
	}},
	{name: "the encodings of two blocks exchanged", fits: "validity", refitted: "miner-1 accepted the invalid b", edit: func(l lines) lines {
		at := l.find(is(trace.KindBlock), 10, 11)
		l[at[0]].Block.Raw, l[at[1]].Block.Raw = l[at[1]].Block.Raw, l[at[0]].Block.Raw
		return l
	}},
	{name: "a block without its encoding", fits: "validity fork_choice", refitted: "the trace lacks the content of block", edit: change(is(trace.KindBlock), 10, func(e *trace.Event) { e.Block.Raw = nil })},
	{name: "all blocks without encodings", fits: "validity fork_choice", refitted: "the trace lacks the content of block", edit: each(is(trace.KindBlock), func(e *trace.Event) { e.Block.Raw = nil })},
	{name: "the transactions of a block", fits: "inclusion", refitted: "6 of 199 transactions were los", edit: change(func(e *trace.Event) bool { return e.Kind == trace.KindBlock && len(e.Block.Txs) > 0 }, 10, func(e *trace.Event) { e.Block.Txs = nil })},
	{name: "the time of a block", fits: "validity", refitted: "its content has the time", edit: change(is(trace.KindBlock), 10, func(e *trace.Event) { e.Block.Time = e.Block.Time.Add(-time.Hour) })},
	{name: "the producer of a block", fits: "validity", refitted: "its content names the producer", edit: change(is(trace.KindBlock), 10, func(e *trace.Event) { e.Block.Producer = "ff" + e.Block.Producer[2:] })},
	{name: "all senders", fits: anything, refitted: "shows neither that it made it nor from whom it got it", edit: each(is(trace.KindSeen), func(e *trace.Event) { e.Seen.From = "" })},
	{name: "all blocks as history", fits: "consistency", refitted: "block as history, and answered that it received", edit: each(all(is(trace.KindSeen), func(e *trace.Event) bool { return !e.Seen.Made }), func(e *trace.Event) { e.Seen.Sync = true })},
	{name: "all times of blocks uncertain", edit: both(ofRun(func(r *trace.Run) { r.Chain.Measured = true }), each(all(is(trace.KindSeen), func(e *trace.Event) bool { return !e.Seen.Made }), func(e *trace.Event) { e.Seen.Within = 5 * time.Second }))},
	{name: "all reorganisations", fits: "consistency", refitted: "full-2 reported that the head ", edit: each(is(trace.KindHead), func(e *trace.Event) { e.Head.Dropped = 0 })},
	// Transactions.
	{name: "transfers that are refused", fits: "inclusion", refitted: "miner-2 refused 10 of 24 submi", edit: each(func() func(*trace.Event) bool {
		n := 0
		return func(e *trace.Event) bool { n++; return e.Kind == trace.KindSubmit && n%3 == 0 }
	}(), func(e *trace.Event) { e.Submit.Error = "busy" })},
	{name: "one transfer instead of another", fits: "inclusion", refitted: "1 of 200 transactions were lost", edit: func(l lines) lines {
		at := l.find(is(trace.KindSubmit), 10, 11)
		l[at[0]].Submit.Tx = l[at[1]].Submit.Tx
		return l
	}},
	// What polls show, clocks, the machine.
	{name: "an account in the answers of a node", fits: "consistency", refitted: "full-2 answered that account", edit: each(is(trace.KindAnswer, "full-2"), func(e *trace.Event) {
		if e.Answer.Account != nil {
			e.Answer.Account.Balance++
		}
	})},
	{name: "answers of a node that agree with another", fits: "consistency", refitted: "full-2 gave no answer from", edit: each(all(is(trace.KindAnswer, "full-2"), since(8*time.Second)), func(e *trace.Event) { e.Answer.Error, e.Answer.Blocks, e.Answer.Peers = "timeout", nil, nil })},
	{name: "the head of a last poll", fits: anything, refitted: "", edit: change(all(is(trace.KindStatus, "full-2"), func(e *trace.Event) bool { return e.Status.Final }), 0, func(e *trace.Event) { e.Status.Head = "ff" + e.Status.Head[2:] })},
	{name: "the clock of a node", fits: "consistency", refitted: "full-2 answered that its head ", edit: func(l lines) lines {
		i := l.find(phaseIs(trace.PhaseScheduled))[0]
		return slices.Insert(l, i+1, &trace.Event{Kind: trace.KindClock, Node: "full-2", Clock: &trace.Clock{Offset: 10 * time.Second, Within: 9 * time.Second}})
	}},
	{name: "a machine that is late", edit: func(l lines) lines {
		i := l.find(phaseIs(trace.PhaseSettling))[0]
		return slices.Insert(l, i, &trace.Event{At: l[i].At, Kind: trace.KindBusy, Busy: &trace.Busy{From: 0, Timers: 100, Late: 9 * time.Second, What: "poll", Waiting: 1}})
	}},
	{name: "a gap", fits: "agreement validity convergence inclusion", refitted: "events of full-", edit: func(l lines) lines {
		i := l.find(phaseIs(trace.PhaseSettling))[0]
		return slices.Insert(l, i, &trace.Event{At: l[i].At, Kind: trace.KindGap, Node: "full-2", Gap: &trace.Gap{Reason: "lost lines"}})
	}},
	{name: "what a fault dropped", fits: "isolation fault_accuracy", refitted: "partition-", edit: each(faultIs("partition-1", trace.FaultHealed), func(e *trace.Event) { e.Fault.Dropped = 0 })},
	{name: "a link that was not cut", fits: "fault_accuracy", refitted: "partition-", edit: change(probeIs("partition-1", trace.ProbeDuring), 0, func(e *trace.Event) { e.Probe.Links[0].ExpectedCut = false })},
}

// TestForgedTraces judges traces whose statements were changed throughout, with counts and digests that fit again. Those without
// an invariant that does not pass are other stories that could have been: docs/trace.md says that they are not found out.
func TestForgedTraces(t *testing.T) {
	path := filepath.Join(setup{}.mustRun(t, edited).dir, run.TraceFile)
	for _, c := range forgeries {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var l lines
			must.Do(t, trace.Read(path, func(e *trace.Event) error { l = append(l, e); return nil }))
			rep := must.Get(judgeLines(t, c.edit(l), true))(t)
			text := rep.Incomplete
			for _, r := range rep.Results {
				text += "\n" + r.Reason
				listed := slices.Contains(strings.Fields(c.fits), r.Invariant)
				if listed == (r.Verdict == invariant.Pass) && (listed || c.fits == "") {
					t.Errorf("%s is %s: %s", r.Invariant, r.Verdict, r.Reason)
				}
			}
			if !strings.Contains(text, c.refitted) {
				t.Errorf("%s\nwant %q", text, c.refitted)
			}
		})
	}
}
