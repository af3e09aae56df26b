package run_test

import (
	"bytes"
	"encoding/json"

	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/report"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// edited is a scenario with a partition, a node that is killed, and load. All invariants hold in it.
var edited = powNet(3, 4, "500ms") + `seed: 3
load: [{transfers: 10/s, until: 20s}]
faults:
  - {at: 6s, for: 8s, partition: {groups: [[miner-1, full-1, full-2], [miner-2, miner-3, full-3, full-4]]}}
  - {at: 22s, for: 6s, kill: full-1}
expect: [agreement, validity, convergence, chain_growth, block_propagation, inclusion, durability, isolation, fault_accuracy]
duration: 36s
`

// lines are the events of a trace in the order of its file.
type lines []*trace.Event

// is selects events of a kind, about a node if that is named.
func is(kind trace.Kind, node ...trace.NodeID) func(*trace.Event) bool {
	return func(e *trace.Event) bool {
		return e.Kind == kind && (len(node) == 0 || slices.Contains(node, e.Node))
	}
}

func about(nodes ...trace.NodeID) func(*trace.Event) bool {
	return func(e *trace.Event) bool { return slices.Contains(nodes, e.Node) }
}

func faultIs(id string, phases ...trace.FaultPhase) func(*trace.Event) bool {
	return func(e *trace.Event) bool {
		return e.Kind == trace.KindFault && e.Fault.ID == id && (len(phases) == 0 || slices.Contains(phases, e.Fault.Phase))
	}
}

func probeIs(id string, phases ...trace.ProbePhase) func(*trace.Event) bool {
	return func(e *trace.Event) bool {
		return e.Kind == trace.KindProbe && e.Probe.Fault == id && (len(phases) == 0 || slices.Contains(phases, e.Probe.Phase))
	}
}

func phaseIs(name trace.PhaseName) func(*trace.Event) bool {
	return func(e *trace.Event) bool { return e.Kind == trace.KindPhase && e.Phase.Name == name }
}

func all(selects ...func(*trace.Event) bool) func(*trace.Event) bool {
	return func(e *trace.Event) bool {
		return !slices.ContainsFunc(selects, func(f func(*trace.Event) bool) bool { return !f(e) })
	}
}

func either(selects ...func(*trace.Event) bool) func(*trace.Event) bool {
	return func(e *trace.Event) bool {
		return slices.ContainsFunc(selects, func(f func(*trace.Event) bool) bool { return f(e) })
	}
}

func made(e *trace.Event) bool { return e.Kind == trace.KindSeen && e.Seen.Made }

func since(d time.Duration) func(*trace.Event) bool {
	return func(e *trace.Event) bool { return e.At >= d }
}

// drop removes the events that are selected: all, or those whose number among them, counted from 0, is in a list; a negative
// number counts from the end.
func drop(selected func(*trace.Event) bool, numbers ...int) func(lines) lines {
	return func(l lines) lines {
		at := l.find(selected, numbers...)
		var out lines
		for i, e := range l {
			if !slices.Contains(at, i) {
				out = append(out, e)
			}
		}
		return out
	}
}

// find returns the places of events, see drop.
func (l lines) find(selected func(*trace.Event) bool, numbers ...int) (at []int) {
	for i, e := range l {
		if selected(e) {
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		panic("no event is selected")
	}
	if len(numbers) == 0 {
		return at
	}
	var out []int
	for _, n := range numbers {
		if n < 0 {
			n += len(at)
		}
		out = append(out, at[n])
	}
	return out
}

// every lists each step'th of some numbers.
func every(step, count int) (out []int) {
	for i := range count {
		out = append(out, i*step)
	}
	return out
}

// change changes events in place.
func change(selected func(*trace.Event) bool, number int, f func(*trace.Event)) func(lines) lines {
	return func(l lines) lines {
		f(l[l.find(selected, number)[0]])
		return l
	}
}

// twice doubles an event.
func twice(selected func(*trace.Event) bool, number int) func(lines) lines {
	return func(l lines) lines {
		i := l.find(selected, number)[0]
		return slices.Insert(l, i, l[i])
	}
}

// shift moves the clock of a node.
func shift(node trace.NodeID, by time.Duration) func(lines) lines {
	return func(l lines) lines {
		for _, e := range l {
			switch e.Kind {
			case trace.KindSeen, trace.KindHead, trace.KindPeer, trace.KindRefuse:
				if e.Node == node {
					e.At += by
				}
			}
		}
		return l
	}
}

// late moves an event to a later time, and to the place in the file for that.
func late(selected func(*trace.Event) bool, number int, by time.Duration) func(lines) lines {
	return func(l lines) lines {
		i := l.find(selected, number)[0]
		e := l[i]
		e.At += by
		l = slices.Delete(l, i, i+1)
		k := slices.IndexFunc(l[1:], func(x *trace.Event) bool { return x.At > e.At }) + 1
		if k == 0 {
			k = len(l) - 1
		}
		return slices.Insert(l, k, e)
	}
}

// swap exchanges two events, in the file and in time.
func swap(selected func(*trace.Event) bool, a, b int) func(lines) lines {
	return func(l lines) lines {
		at := l.find(selected, a, b)
		l[at[0]], l[at[1]] = l[at[1]], l[at[0]]
		l[at[0]].At, l[at[1]].At = l[at[1]].At, l[at[0]].At
		return l
	}
}

func both(edits ...func(lines) lines) func(lines) lines {
	return func(l lines) lines {
		for _, f := range edits {
			l = f(l)
		}
		return l
	}
}

// anything is what is judged in the scenario.
const anything = "agreement validity convergence chain_growth block_propagation inclusion durability isolation fault_accuracy"

// edit is a change of a trace, and what is judged then.
type edit struct {
	name string
	edit func(lines) lines
	// says is in the report on the edited trace, as it is.
	says string
	// fits are the invariants that do not pass when the counts and digests of the end event are made to fit again, refitted is in
	// the report then. An empty list: no evidence is missing, and they pass.
	fits, refitted string
	// errs is in the error of traces that cannot be judged.
	errs string
}

// edits are made to the trace of the scenario edited.
var edits = []edit{
	// Whole nodes.
	{name: "a miner", edit: drop(about("miner-1")), says: "events of miner-1 are missing", fits: anything, refitted: "node miner-1 is in the run, and no event says that it started"},
	{name: "four full nodes", edit: drop(about("full-1", "full-2", "full-3", "full-4")), says: "events of full-1 are missing", fits: anything, refitted: "node full-1 is in the run"},
	{name: "what a miner logged", edit: drop(all(about("miner-2"), either(is(trace.KindSeen), is(trace.KindHead), is(trace.KindPeer)))), says: "head events of miner-2 are missing", fits: anything, refitted: "no head event of miner-2"},
	{name: "a full node that nobody gets blocks from", edit: drop(all(about("full-4"), func(e *trace.Event) bool { return e.Kind != trace.KindNode })), says: "events of full-4 are missing", fits: anything, refitted: "of full-4"},
	{name: "a node from the run's list and all its events", edit: both(drop(about("full-4")), change(is(trace.KindRun), 0, func(e *trace.Event) {
		e.Run.Nodes = slices.DeleteFunc(e.Run.Nodes, func(n trace.RunNode) bool { return n.ID == "full-4" })
	})), errs: "full-4"},
	// Heads and blocks.
	{name: "30 heads", edit: drop(is(trace.KindHead), every(9, 30)...), says: "head events of", fits: anything, refitted: "contradicts itself"},
	{name: "one head", edit: drop(is(trace.KindHead, "full-2"), 12), says: "1 of", fits: anything, refitted: "full-2 left the head"},
	{name: "the last head", edit: drop(is(trace.KindHead, "full-2"), -1), says: "1 of", fits: anything, refitted: "full-2"},
	{name: "the first heads", edit: drop(is(trace.KindHead, "full-2"), 0, 1, 2), says: "3 of", fits: anything, refitted: "full-2 left the head"},
	{name: "all heads of a node", edit: drop(is(trace.KindHead, "full-2")), says: "head events of full-2 are missing", fits: anything, refitted: "no head event of full-2"},
	{name: "all heads", edit: drop(is(trace.KindHead)), says: "head events are missing", fits: anything, refitted: "no head event of"},
	{name: "one seen", edit: drop(is(trace.KindSeen, "full-3"), 9), says: "1 of", fits: anything, refitted: "full-3"},
	{name: "the last seen and its head", edit: both(drop(is(trace.KindSeen, "full-3"), -1), drop(is(trace.KindHead, "full-3"), -1)), says: "head events of full-3 are missing", fits: anything, refitted: "full-3"},
	{name: "a block that a node made", edit: drop(made, 7), says: "1 of", fits: anything, refitted: "does not show"},
	{name: "all seen of a node", edit: drop(is(trace.KindSeen, "miner-3")), says: "seen events of miner-3 are missing", fits: anything, refitted: "miner-3"},
	{name: "all seen", edit: drop(is(trace.KindSeen)), says: "seen events are missing", fits: anything, refitted: "does not show"},
	{name: "all seen and heads in the middle of the run", edit: drop(all(either(is(trace.KindSeen), is(trace.KindHead)), since(16*time.Second), func(e *trace.Event) bool { return e.At < 20*time.Second })), says: "events of", fits: anything, refitted: "contradicts itself"},
	{name: "one body", edit: drop(is(trace.KindBlock), 20), says: "1 of", fits: "validity", refitted: "lacks the content of block"},
	{name: "all bodies", edit: drop(is(trace.KindBlock)), says: "block events are missing", fits: "validity inclusion", refitted: "lacks the content of block"},
	// What was submitted.
	{name: "one submit", edit: drop(is(trace.KindSubmit), 50), says: "1 of", fits: "inclusion", refitted: "200 submits are planned, the trace has 199"},
	{name: "nearly all submits", edit: drop(is(trace.KindSubmit), every(1, 190)...), says: "submit events of", fits: "inclusion", refitted: "200 submits are planned, the trace has 10"},
	{name: "all submits", edit: drop(is(trace.KindSubmit)), says: "all 200 submit events are missing", fits: "inclusion", refitted: "200 submits are planned, the trace has 0"},
	{name: "a submit turned into a skipped one", edit: change(is(trace.KindSubmit), 50, func(e *trace.Event) { e.Node, e.Submit = "", &trace.Submit{Skipped: true} }), says: "submit events of", fits: "inclusion", refitted: "when 7 nodes were up"},
	// Connections, polls, answers.
	{name: "all peer events", edit: drop(is(trace.KindPeer)), says: "peer events are missing", fits: anything, refitted: "no peer event of"},
	{name: "the peer events of a node", edit: drop(is(trace.KindPeer, "full-2")), says: "peer events of full-2 are missing", fits: anything, refitted: "no peer event of full-2"},
	{name: "one lost connection", edit: drop(func(e *trace.Event) bool { return e.Kind == trace.KindPeer && !e.Peer.Up && e.Node == "full-3" }, 0), says: "1 of", fits: anything, refitted: "full-3"},
	{name: "all status events", edit: drop(is(trace.KindStatus)), says: "status events are missing", fits: anything, refitted: "lacks the last poll of"},
	{name: "the last poll of a node", edit: drop(is(trace.KindStatus, "miner-2"), -1), says: "status events of miner-2 are missing", fits: anything, refitted: "lacks the last poll of miner-2"},
	{name: "the polls of the killed node", edit: drop(all(is(trace.KindStatus, "full-1"), func(e *trace.Event) bool { return !e.Status.Final })), says: "status events of full-1 are missing", fits: "isolation fault_accuracy", refitted: "kill-1 was measured 0 times during it, planned are 1"},
	{name: "all answers", edit: drop(is(trace.KindAnswer)), says: "answer events are missing", fits: anything, refitted: "no answer of"},
	{name: "one answer", edit: drop(is(trace.KindAnswer, "full-2"), 3), says: "1 of", fits: anything, refitted: "answers of full-2 are numbered"},
	// Phases.
	{name: "all phases", edit: drop(is(trace.KindPhase)), says: "all 4 phase events are missing", fits: anything, refitted: "phase scheduled began"},
	{name: "the schedule never began", edit: drop(phaseIs(trace.PhaseScheduled)), says: "1 of 4 phase events are missing", fits: anything, refitted: "phase scheduled began"},
	{name: "settling", edit: drop(phaseIs(trace.PhaseSettling)), says: "1 of 4 phase events are missing", fits: anything, refitted: "phase settling began"},
	{name: "stopping", edit: drop(phaseIs(trace.PhaseStopping)), says: "1 of 4 phase events are missing", fits: anything, refitted: "phase stopping began"},
	// Faults.
	{name: "a fault", edit: drop(faultIs("partition-1")), says: "fault events are missing", fits: anything, refitted: "partition-1 is planned, and the trace lacks its begin event"},
	{name: "the begin of a fault", edit: drop(faultIs("partition-1", trace.FaultBegin)), says: "1 of 8 fault events", fits: anything, refitted: "lacks its begin event"},
	{name: "that a fault was active", edit: drop(faultIs("partition-1", trace.FaultActive)), says: "1 of 8 fault events", fits: anything, refitted: "lacks its active event"},
	{name: "that a fault began to end", edit: drop(faultIs("partition-1", trace.FaultHealing)), says: "1 of 8 fault events", fits: anything, refitted: "lacks its healing event"},
	{name: "the end of a fault", edit: drop(faultIs("partition-1", trace.FaultHealed)), says: "1 of 8 fault events", fits: anything, refitted: "lacks its healed event"},
	{name: "all of a partition", edit: drop(either(faultIs("partition-1"), probeIs("partition-1"))), says: "fault events are missing", fits: anything, refitted: "partition-1 is planned"},
	{name: "all of a kill", edit: drop(either(faultIs("kill-1"), all(is(trace.KindNode, "full-1"), since(time.Second)), all(is(trace.KindStatus, "full-1"), func(e *trace.Event) bool { return !e.Status.Final }))), says: "are missing", fits: anything, refitted: "kill-1 is planned"},
	{name: "that a node went down", edit: drop(all(is(trace.KindNode, "full-1"), since(time.Second)), 0), says: "node events of full-1 are missing", fits: anything, refitted: "no event says that full-1 went down by kill-1"},
	{name: "that a node came back", edit: drop(all(is(trace.KindNode, "full-1"), since(time.Second)), -1), says: "node events of full-1 are missing", fits: anything, refitted: "no event says that full-1 came back by kill-1"},
	{name: "that nodes started", edit: drop(is(trace.KindNode)), says: "node events are missing", fits: anything, refitted: "is in the run, and no event says that it started"},
	{name: "the measurement before", edit: drop(probeIs("partition-1", trace.ProbeBefore)), says: "1 of 4 probe events", fits: "isolation fault_accuracy", refitted: "before"},
	{name: "a measurement meanwhile", edit: drop(probeIs("partition-1", trace.ProbeDuring), 0), says: "1 of 4 probe events", fits: "isolation fault_accuracy", refitted: "partition-1 was measured once during it, planned are 2"},
	{name: "both measurements meanwhile", edit: drop(probeIs("partition-1", trace.ProbeDuring)), says: "2 of 4 probe events", fits: "isolation fault_accuracy", refitted: "during"},
	{name: "the measurement after", edit: drop(probeIs("partition-1", trace.ProbeAfter)), says: "1 of 4 probe events", fits: "isolation fault_accuracy", refitted: "after"},
	{name: "links of a measurement", edit: change(probeIs("partition-1", trace.ProbeDuring), 0, func(e *trace.Event) { e.Probe.Links = e.Probe.Links[2:] }), says: "events of the whole run were changed", fits: "isolation fault_accuracy", refitted: "links"},
	// Beginnings and ends.
	{name: "the end event", edit: drop(is(trace.KindEnd)), says: "no end event", fits: anything, refitted: "no end event"},
	{name: "the second half", edit: drop(since(18 * time.Second)), says: "no end event", fits: anything, refitted: "no end event"},
	{name: "the first half", edit: drop(all(func(e *trace.Event) bool { return e.At < 18*time.Second && e.Kind != trace.KindRun })), says: "are missing", fits: anything, refitted: "no event says"},
	{name: "the run event", edit: drop(is(trace.KindRun)), errs: "begins with"},
	{name: "everything", edit: func(lines) lines { return nil }, errs: "no run event"},
	{name: "the plan", edit: change(is(trace.KindRun), 0, func(e *trace.Event) { e.Run.Plan = nil }), says: "events of the whole run were changed", fits: anything, refitted: "has no plan"},
	{name: "a fault from the plan", edit: change(is(trace.KindRun), 0, func(e *trace.Event) { e.Run.Plan.Faults = e.Run.Plan.Faults[1:] }), says: "events of the whole run were changed", fits: anything, refitted: "partition-1, whose links were measured, is not in the plan"},
	{name: "the load from the plan", edit: change(is(trace.KindRun), 0, func(e *trace.Event) { e.Run.Plan.Load = nil }), says: "events of the whole run were changed", fits: "inclusion", refitted: "0 submits are planned"},
	{name: "an older format", edit: change(is(trace.KindRun), 0, func(e *trace.Event) { e.Run.Format = 2 }), errs: "format 2"},
	{name: "a newer format", edit: change(is(trace.KindRun), 0, func(e *trace.Event) { e.Run.Format = 4 }), errs: "a newer version recorded it"},
	// Delays and clocks.
	{name: "a head too late", edit: late(is(trace.KindHead, "full-2"), 12, 3*time.Second), says: "events of full-2 were changed", fits: anything, refitted: "full-2 left the head"},
	{name: "a block too late", edit: late(is(trace.KindSeen, "full-2"), 12, 3*time.Second), says: "events of full-2 were changed", fits: anything, refitted: "full-2"},
	{name: "a fault too late", edit: late(faultIs("partition-1", trace.FaultActive), 0, 5*time.Second), says: "events of the whole run were changed", fits: "fault_accuracy", refitted: "partition-1"},
	{name: "a clock half a minute ahead", edit: shift("full-2", 30*time.Second), says: "events of full-2 were changed", fits: "consistency", refitted: "full-2"},
	{name: "a clock half a minute behind", edit: shift("full-2", -30*time.Second), says: "events of full-2 were changed", fits: "consistency", refitted: "full-2"},
	{name: "a clock 2 ms ahead", edit: shift("full-2", 2*time.Millisecond), says: "events of full-2 were changed"},
	// Twice.
	{name: "a head twice", edit: twice(is(trace.KindHead, "full-2"), 12), says: "were recorded", fits: anything, refitted: "full-2 left the head"},
	{name: "a seen twice", edit: twice(is(trace.KindSeen, "full-2"), 12), says: "were recorded", fits: "consistency", refitted: "full-2"},
	{name: "a submit twice", edit: twice(is(trace.KindSubmit), 12), says: "were recorded", fits: "inclusion", refitted: "its id is that of one submitted before"},
	{name: "a fault phase twice", edit: twice(faultIs("partition-1", trace.FaultActive), 0), says: "were recorded", fits: anything, refitted: "the phases of partition-1"},
	{name: "a connection twice", edit: twice(is(trace.KindPeer, "full-2"), 0), says: "were recorded", fits: anything, refitted: "that it had already"},
	{name: "an answer twice", edit: twice(is(trace.KindAnswer, "full-2"), 0), says: "were recorded", fits: anything, refitted: "answers of full-2 are numbered"},
	{name: "a phase twice", edit: twice(phaseIs(trace.PhaseSettling), 0), says: "were recorded", fits: anything, refitted: "the phases are"},
	{name: "a run event twice", edit: twice(is(trace.KindRun), 0), errs: "second run event"},
	// Another order.
	{name: "two heads of a node", edit: swap(is(trace.KindHead, "full-2"), 12, 13), says: "events of full-2 were changed", fits: anything, refitted: "full-2 left the head"},
	{name: "two blocks of a node", edit: swap(is(trace.KindSeen, "full-2"), 12, 13), says: "events of full-2 were changed", fits: anything, refitted: "full-2 accepted block"},
	{name: "two submits", edit: func(l lines) lines {
		at := l.find(is(trace.KindSubmit), 12, 13)
		l[at[0]], l[at[1]] = l[at[1]], l[at[0]]
		return l
	}, says: "changed"},
	{name: "heads before blocks", edit: func(l lines) lines {
		for i := range l[1:] {
			if a, b := l[i], l[i+1]; a.Kind == trace.KindSeen && b.Kind == trace.KindHead && a.Node == b.Node {
				l[i], l[i+1] = b, a
			}
		}
		return l
	}, says: "were changed", fits: anything, refitted: "does not show that it accepted it"},
	// Other content.
	{name: "the hash of a block that a node got", edit: change(is(trace.KindSeen, "full-2"), 12, func(e *trace.Event) { e.Seen.Hash = "ff" + e.Seen.Hash[2:] }), says: "events of full-2 were changed", fits: anything, refitted: "full-2"},
	{name: "its parent", edit: change(is(trace.KindSeen, "full-2"), 12, func(e *trace.Event) { e.Seen.Parent = "ff" + e.Seen.Parent[2:] }), says: "events of full-2 were changed", fits: "agreement", refitted: "two parents"},
	{name: "its height", edit: change(is(trace.KindSeen, "full-2"), 12, func(e *trace.Event) { e.Seen.Height++ }), says: "events of full-2 were changed", fits: "agreement", refitted: "two parents or heights"},
	{name: "its sender", edit: change(func(e *trace.Event) bool { return e.Kind == trace.KindSeen && e.Node == "full-2" && e.Seen.From != "" }, 12, func(e *trace.Event) { e.Seen.From = "nobody" }), says: "events of full-2 were changed"},
	{name: "its node", edit: change(is(trace.KindSeen, "full-2"), 12, func(e *trace.Event) { e.Node = "full-3" }), says: "seen events of full-2 are missing", fits: anything, refitted: "full-2"},
	{name: "the hash of a head", edit: change(is(trace.KindHead, "full-2"), 12, func(e *trace.Event) { e.Head.Hash = "ff" + e.Head.Hash[2:] }), says: "events of full-2 were changed", fits: anything, refitted: "full-2"},
	{name: "the head before", edit: change(is(trace.KindHead, "full-2"), 12, func(e *trace.Event) { e.Head.Old = "ff" + e.Head.Old[2:] }), says: "events of full-2 were changed", fits: anything, refitted: "full-2 left the head"},
	{name: "the hash of a body", edit: change(is(trace.KindBlock), 12, func(e *trace.Event) { e.Block.Hash = "ff" + e.Block.Hash[2:] }), says: "events of the whole run were changed", fits: "validity", refitted: "lacks the content"},
	{name: "a body", edit: change(is(trace.KindBlock), 12, func(e *trace.Event) { e.Block.Raw = slices.Clone(e.Block.Raw); e.Block.Raw[len(e.Block.Raw)-1] ^= 1 }), says: "events of the whole run were changed", fits: "validity", refitted: "invalid block"},
	{name: "a transaction", edit: change(is(trace.KindSubmit), 3, func(e *trace.Event) { e.Submit.Tx = "ff" + e.Submit.Tx[2:] }), says: "were changed", fits: "inclusion", refitted: "lost"},
	{name: "the head of the last poll", edit: change(is(trace.KindStatus, "full-2"), -1, func(e *trace.Event) { e.Status.Head = "ff" + e.Status.Head[2:] }), says: "events of full-2 were changed", fits: anything, refitted: "full-2 answered the last poll"},
	{name: "the rules of a fault", edit: change(faultIs("partition-1", trace.FaultBegin), 0, func(e *trace.Event) { e.Fault.Rules = e.Fault.Rules[:1] }), says: "events of the whole run were changed", fits: anything, refitted: "is not what the plan says of it"},
	{name: "the time of a fault", edit: change(faultIs("partition-1", trace.FaultBegin), 0, func(e *trace.Event) { e.Fault.PlannedAt += time.Second }), says: "events of the whole run were changed", fits: anything, refitted: "is not what the plan says of it"},
	{name: "the genesis hash", edit: change(is(trace.KindRun), 0, func(e *trace.Event) { e.Run.Chain.GenesisHash = "ff" }), says: "events of the whole run were changed", fits: "validity", refitted: "genesis"},
	{name: "that the run ended by an error", edit: change(is(trace.KindEnd), 0, func(e *trace.Event) { e.End.Error = "no engine" }), fits: "convergence chain_growth inclusion block_propagation", refitted: "the run ended early"},
	{name: "that the last node died", edit: change(is(trace.KindEnd), 0, func(e *trace.Event) { e.End.Error, e.End.Died = "run node full-1", "full-1" }), fits: anything, refitted: "full-1 exited unexpectedly, and the trace lacks the event of that"},
}

// editsOfPolled are made to the trace of a run whose nodes were polled.
var editsOfPolled = []edit{
	{name: "a node", edit: drop(about("miner-2")), says: "events of miner-2 are missing", fits: "agreement consistency", refitted: "node miner-2 is in the run"},
	{name: "what the polls of a node showed", edit: drop(all(about("miner-2"), either(is(trace.KindSeen), is(trace.KindHead)))), says: "events of miner-2 are missing", fits: "agreement", refitted: "miner-2"},
	{name: "one head", edit: drop(is(trace.KindHead, "full-1"), 5), says: "1 of", fits: "agreement consistency", refitted: "full-1 left the head"},
	{name: "one block", edit: drop(is(trace.KindSeen, "full-1"), 5), says: "1 of", fits: "agreement consistency", refitted: "full-1"},
	{name: "two heads swapped", edit: swap(is(trace.KindHead, "full-1"), 5, 6), says: "events of full-1 were changed", fits: "agreement consistency", refitted: "full-1 left the head"},
	{name: "the hash of a head", edit: change(is(trace.KindHead, "full-1"), 5, func(e *trace.Event) { e.Head.Hash = "ff" + e.Head.Hash[2:] }), says: "events of full-1 were changed", fits: "agreement consistency", refitted: "full-1"},
	{name: "one answer", edit: drop(is(trace.KindAnswer, "full-1"), 2), says: "1 of", fits: "agreement consistency", refitted: "answers of full-1 are numbered"},
	{name: "all answers", edit: drop(is(trace.KindAnswer)), says: "answer events are missing", fits: "agreement consistency", refitted: "no answer of"},
	{name: "the last polls", edit: drop(func(e *trace.Event) bool { return e.Kind == trace.KindStatus && e.Status.Final }), says: "status events of", fits: "agreement consistency", refitted: "lacks the last poll of"},
	{name: "a kill", edit: drop(faultIs("kill-1")), says: "fault events are missing", fits: "agreement consistency fault_accuracy", refitted: "kill-1 is planned"},
	{name: "that it took the node down", edit: drop(all(is(trace.KindNode, "full-1"), since(time.Second)), 0), says: "node events of full-1 are missing", fits: "agreement consistency fault_accuracy", refitted: "went down by kill-1"},
	{name: "settling", edit: drop(phaseIs(trace.PhaseSettling)), says: "phase events are missing", fits: "agreement consistency", refitted: "phase settling began"},
}

// TestEditedTraces edits the traces of runs in which everything holds, and judges them again: as they are then, and with counts
// and digests made to fit. Nothing that rests on what was removed may pass.
func TestEditedTraces(t *testing.T) {
	if n := len(edits) + len(editsOfPolled); n < 60 {
		t.Errorf("%d edits", n)
	}
	t.Run("nodes that report", func(t *testing.T) { tryEdits(t, setup{}.mustRun(t, edited), edits) })
	t.Run("nodes that are polled", func(t *testing.T) {
		out, _, _ := mustRunPolled(t, steady+killFull, func(*polledChain) {})
		path := filepath.Join(out.dir, run.TraceFile)
		var l lines
		must.Do(t, trace.Read(path, func(e *trace.Event) error { l = append(l, e); return nil }))
		l[0].Run.Chain.Resolution, l[0].Run.Chain.Genesis = 100*time.Millisecond, nil // as of an external chain
		w := must.Get(trace.Create(path))(t)
		for _, e := range l {
			if e.Kind == trace.KindBlock {
				e.Block.Raw = nil
			}
			must.Do(t, w.Append(e))
		}
		must.Do(t, w.Close())
		out.report = judged(t, out.dir)
		tryEdits(t, out, editsOfPolled)
	})
}

func tryEdits(t *testing.T, out outcome, edits []edit) {
	for _, r := range out.report.Results {
		if r.Expected && r.Verdict != invariant.Pass {
			t.Fatalf("unedited, %s is %s: %s", r.Invariant, r.Verdict, r.Reason)
		}
	}
	path := filepath.Join(out.dir, run.TraceFile)
	for _, c := range edits {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var l lines
			must.Do(t, trace.Read(path, func(e *trace.Event) error { l = append(l, e); return nil }))
			l = c.edit(l)
			for _, refit := range []bool{false, true} {
				rep, err := judgeLines(t, l, refit)
				if c.errs != "" {
					if err == nil || !strings.Contains(err.Error(), c.errs) {
						t.Errorf("refitted %v: error %v, want %q", refit, err, c.errs)
					}
					continue
				}
				must.Do(t, err)
				if refit {
					checkEdited(t, rep, c.fits, c.refitted)
				} else if c.says != "" {
					checkEdited(t, rep, "everything", c.says)
				}
			}
		})
	}
}

// checkEdited checks that invariants do not pass, or none if the list says "everything", and that the report says why.
func checkEdited(t *testing.T, rep *report.Report, names, why string) {
	t.Helper()
	text := rep.Incomplete
	for _, r := range rep.Results {
		text += "\n" + r.Reason
		for _, e := range r.Evidence {
			text += "\n" + e.Text
		}
		passes := r.Verdict == invariant.Pass || r.Verdict == invariant.Vacuous
		if listed := names == "everything" || slices.Contains(strings.Fields(names), r.Invariant); listed && passes {
			t.Errorf("%s is %s", r.Invariant, r.Verdict)
		}
		if names == "" && r.Verdict != invariant.Pass {
			t.Errorf("%s is %s (%s), though nothing is missing", r.Invariant, r.Verdict, r.Reason)
		}
	}
	if !strings.Contains(text, why) {
		t.Errorf("the report does not say %q: %s", why, text)
	}
	if code := rep.ExitCode(invariant.Policy{}); (code == invariant.ExitPass) != (names == "") {
		t.Errorf("exit code %d", code)
	}
}

// judgeLines writes a trace with the end event as it is, or with counts and digests that fit, and judges it.
func judgeLines(t *testing.T, l lines, refit bool) (*report.Report, error) {
	t.Helper()
	var file bytes.Buffer
	if refit {
		w := must.Get(trace.NewWriter(&file))(t)
		for _, e := range l {
			must.Do(t, w.Append(e))
		}
		must.Do(t, w.Close())
	} else {
		var text bytes.Buffer
		out := json.NewEncoder(&text)
		out.SetEscapeHTML(false)
		for _, e := range l {
			must.Do(t, out.Encode(e))
		}
		z := must.Get(zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1)))(t)
		file.Write(z.EncodeAll(text.Bytes(), nil))
		must.Do(t, z.Close())
	}
	return judgeBytes(t, file.Bytes())
}

func judgeBytes(t *testing.T, data []byte) (*report.Report, error) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, run.TraceFile)
	must.Do(t, os.WriteFile(path, data, 0o600))
	return report.Make(dir, path, nil)
}

// TestTruncatedTraces cuts a trace off at any byte: it is never judged as if it were whole.
func TestTruncatedTraces(t *testing.T) {
	out := setup{}.mustRun(t, powNet(2, 1, "1s")+"seed: 1\nexpect: []\nduration: 8s\n")
	data := must.Get(os.ReadFile(filepath.Join(out.dir, run.TraceFile)))(t)
	if rep, err := judgeBytes(t, data); err != nil || rep.ExitCode(invariant.Policy{}) != invariant.ExitPass {
		t.Fatalf("the whole trace: %v", err)
	}
	lengths := every(len(data)/150, 150)
	for n := max(0, len(data)-150); n < len(data); n++ {
		lengths = append(lengths, n)
	}
	for _, n := range lengths {
		rep, err := judgeBytes(t, data[:n])
		if err == nil && rep.ExitCode(invariant.Policy{}) != invariant.ExitUnknown {
			t.Errorf("%d of %d bytes: exit code %d", n, len(data), rep.ExitCode(invariant.Policy{}))
		}
		if err == nil && rep.Verdict == invariant.Pass {
			t.Errorf("%d of %d bytes: PASS", n, len(data))
		}
	}
	for _, more := range []string{"x", "\n", string(data[:40]), string(data)} {
		if rep, err := judgeBytes(t, append(slices.Clone(data), more...)); err == nil && rep.ExitCode(invariant.Policy{}) == invariant.ExitPass {
			t.Errorf("%d bytes behind the end: PASS", len(more))
		}
	}
}
