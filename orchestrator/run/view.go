package run

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// view is the present as the recorded events tell it: the state and head of every node, the faults that hold, the phase.
// The recorder adds every event, in the order of the trace; the parts of the run decide by it and people are shown it. It
// sees nothing but events. It is safe for concurrent use.
type view struct {
	mu      sync.Mutex
	phase   trace.PhaseName
	states  map[faults.NodeID]trace.State
	heads   map[faults.NodeID]trace.Head
	parents map[trace.Hash]trace.Hash   // of every block that a node has
	active  []string                    // IDs of the faults that hold
	txs     map[trace.Hash][]trace.Hash // in the blocks whose content is known
	waiting map[trace.Hash]waitingTx    // transactions that were on no chain that missing looked at
	sent    []trace.Hash                // transactions that nodes accepted, in the order of their submission
	busy    trace.Busy                  // the latest
	relay   time.Duration               // how long before its node went down a transaction must have been submitted to count
}

// waitingTx is where and when a transaction was submitted.
type waitingTx struct {
	node trace.NodeID
	at   time.Duration // of the clock that add is given
}

func newView() *view {
	return &view{
		txs: make(map[trace.Hash][]trace.Hash), waiting: make(map[trace.Hash]waitingTx),
		states: make(map[faults.NodeID]trace.State), heads: make(map[faults.NodeID]trace.Head),
		parents: make(map[trace.Hash]trace.Hash),
	}
}

// add takes an event into account.
func (v *view) add(e *trace.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch e.Kind {
	case trace.KindRun:
		v.relay = invariant.RelayTime(&e.Run.Chain)
	case trace.KindPhase:
		v.phase = e.Phase.Name
	case trace.KindNode:
		v.states[faults.NodeID(e.Node)] = e.Lifecycle.State
		if e.Lifecycle.State != trace.StateUp { // it may not have relayed these
			maps.DeleteFunc(v.waiting, func(_ trace.Hash, x waitingTx) bool {
				return x.node == e.Node && e.At-x.at < v.relay
			})
		}
	case trace.KindSubmit:
		if e.Submit.Error == "" && !e.Submit.Skipped {
			v.waiting[e.Submit.Tx] = waitingTx{e.Node, e.At}
			v.sent = append(v.sent, e.Submit.Tx)
		}
	case trace.KindBlock:
		v.txs[e.Block.Hash] = e.Block.Txs
	case trace.KindHead:
		v.heads[faults.NodeID(e.Node)] = *e.Head
	case trace.KindSeen:
		v.parents[e.Seen.Hash] = e.Seen.Parent
	case trace.KindBusy:
		v.busy = *e.Busy
	case trace.KindFault:
		switch e.Fault.Phase {
		case trace.FaultActive:
			v.active = append(v.active, e.Fault.ID)
		case trace.FaultHealing:
			v.active = slices.DeleteFunc(v.active, func(id string) bool { return id == e.Fault.ID })
		}
	}
}

// isUp reports whether a node is up.
func (v *view) isUp(node faults.NodeID) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.states[node] == trace.StateUp
}

// up returns the nodes of a list that are up.
func (v *view) up(nodes []faults.NodeID) []faults.NodeID {
	v.mu.Lock()
	defer v.mu.Unlock()
	var up []faults.NodeID
	for _, n := range nodes {
		if v.states[n] == trace.StateUp {
			up = append(up, n)
		}
	}
	return up
}

// head returns a node's best block, zero if none is known.
func (v *view) head(node faults.NodeID) trace.Head {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.heads[node]
}

// recentTxs is how many transactions submitted draws from in every second call.
const recentTxs = 32

// submitted draws a transaction that a node accepted: one of the latest as often as one of all. It is false when there is none.
func (v *view) submitted(rng *rand.Rand) (trace.Hash, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	from := v.sent
	if len(from) == 0 {
		return "", false
	}
	if rng.IntN(2) == 0 {
		from = from[max(0, len(from)-recentTxs):]
	}
	return from[rng.IntN(len(from))], true
}

// missing counts the transactions that nodes accepted and that are not on the chain which ends with a block. Those of a node that
// went down soon after do not count.
func (v *view) missing(head trace.Hash) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	left := len(v.waiting)
	counted := make(map[trace.Hash]bool)
	for known := true; known && left > 0; head, known = v.parents[head] {
		for _, tx := range v.txs[head] {
			if _, ok := v.waiting[tx]; ok && !counted[tx] {
				counted[tx] = true
				left--
			}
		}
	}
	return left
}

// snapshot returns the present, without its time.
func (v *view) snapshot() Snapshot {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := Snapshot{Phase: v.phase, ActiveFaults: slices.Clone(v.active), Busy: v.busy}
	heads := make(map[trace.Hash]uint64) // heights of different heads
	for node, state := range v.states {
		if state != trace.StateUp {
			continue
		}
		s.Up++
		if h, ok := v.heads[node]; ok {
			heads[h.Hash] = h.Height
		}
	}
	byHeight := make([]trace.Hash, 0, len(heads))
	for h := range heads {
		byHeight = append(byHeight, h)
	}
	slices.SortFunc(byHeight, func(a, b trace.Hash) int { return cmp.Compare(heads[b], heads[a]) })
	if n := len(byHeight); n > 0 {
		s.MinHeight, s.MaxHeight = heads[byHeight[n-1]], heads[byHeight[0]]
	}
	visited := make(map[trace.Hash]bool)
	for _, h := range byHeight {
		if visited[h] {
			continue // an ancestor of a higher head
		}
		s.Chains++
		for b, height := h, heads[h]; !visited[b] && height >= s.MinHeight; height-- {
			visited[b] = true
			parent, known := v.parents[b]
			if !known || height == 0 {
				break
			}
			b = parent
		}
	}
	return s
}
