package replay

import (
	"fmt"
	"iter"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// NodeIndex is a node's number in the run event.
type NodeIndex int32

// NoNode stands for no node: an event of the whole run, or a node that the run event does not name.
const NoNode NodeIndex = -1

// Node is one node at this moment.
type Node struct {
	ID    trace.NodeID
	Role  string
	Power float64 // block-making power, see trace.RunNode.Mine
	// Adversary is true for a node of which nothing is expected. Of its events, changes of its state and attacks alone are
	// taken in, and it is part of no component.
	Adversary  bool
	State      trace.State
	StateSince time.Duration
	Head       BlockIndex // genesis until the node reports a head
	// Top is the end of the longest chain that the node has been on without having left it: its head, or a block above it
	// when the node lost its last blocks (a torn disk) and has not caught up yet.
	Top     BlockIndex
	HasHead bool // it reported a head
	Made    int  // blocks that it made
	Reorgs  int
	// HasBlock is true when it reported a block, LowestBlock the least height of one; meaningless before.
	HasBlock    bool
	LowestBlock uint64
	// ClockOffset is what the times of the node's own events were corrected by: its clock was so far ahead of the run's.
	ClockOffset time.Duration
	// ClockAhead is how far the times of its events were ahead of the run's nonetheless at its last answer, ClockError by how
	// much that may be too much. Both are zero before the first.
	ClockAhead, ClockError time.Duration

	// Answered says whether it answered the last poll that the trace records, Peers is how many it counted at the last one
	// that it answered, -1: not known.
	Answered bool
	Peers    int

	reported    bool          // it reported a block or a head
	lastReport  time.Duration // meaningless unless reported
	confirmed   time.Duration // when it answered last that it has the head that it reported
	reportSince time.Duration // the earliest time at which what was reported last can have happened
	leftUp      time.Duration // when it was up last, if it ever was down or paused
}

// Nodes is the state of every node. It knows blocks by number alone, and nothing of the network between nodes.
type Nodes struct {
	list  []Node
	byID  map[trace.NodeID]NodeIndex
	power float64
}

func newNodes(run *trace.Run) (*Nodes, error) {
	s := &Nodes{byID: make(map[trace.NodeID]NodeIndex, len(run.Nodes))}
	for _, n := range run.Nodes {
		if _, twice := s.byID[n.ID]; twice {
			return nil, fmt.Errorf("run event names node %s twice", n.ID)
		}
		s.byID[n.ID] = NodeIndex(len(s.list))
		s.list = append(s.list, Node{
			ID: n.ID, Role: n.Role, Power: n.Mine, State: trace.StateDown, Peers: -1, Adversary: len(n.Adversary) > 0,
		})
		s.power += n.Mine
	}
	return s, nil
}

// Len is the number of nodes, adversaries included: they have numbers too.
func (s *Nodes) Len() int { return len(s.list) }

// Honest is the number of nodes that All yields.
func (s *Nodes) Honest() (count int) {
	for range s.All() {
		count++
	}
	return count
}

// At is the node with a number, which must not be NoNode.
func (s *Nodes) At(n NodeIndex) *Node { return &s.list[n] }

// All yields every honest node, in the order of the run event.
func (s *Nodes) All() iter.Seq2[NodeIndex, *Node] {
	return func(yield func(NodeIndex, *Node) bool) {
		for i := range s.list {
			if !s.list[i].Adversary && !yield(NodeIndex(i), &s.list[i]) {
				return
			}
		}
	}
}

// Index finds a node by its name.
func (s *Nodes) Index(id trace.NodeID) (NodeIndex, bool) {
	n, ok := s.byID[id]
	return n, ok
}

// HonestIndex finds a node by its name, unless it is an adversary.
func (s *Nodes) HonestIndex(id trace.NodeID) (NodeIndex, bool) {
	n, ok := s.byID[id]
	return n, ok && !s.list[n].Adversary
}

// Up says whether a node is up and honest.
func (s *Nodes) Up(n NodeIndex) bool { return s.list[n].State == trace.StateUp && !s.list[n].Adversary }

// Share is the part (0..1) of all block-making power that the nodes hold.
func (s *Nodes) Share(nodes []NodeIndex) float64 {
	if s.power <= 0 {
		return 0
	}
	sum := 0.0
	for _, n := range nodes {
		sum += s.list[n].Power
	}
	return sum / s.power
}

// Names are the names of nodes.
func (s *Nodes) Names(nodes []NodeIndex) []trace.NodeID {
	out := make([]trace.NodeID, len(nodes))
	for i, n := range nodes {
		out[i] = s.list[n].ID
	}
	return out
}

// indices are the numbers of nodes; names that are not known are left out and noted.
func (s *Nodes) indices(names []trace.NodeID, problems *notes) []NodeIndex {
	out := make([]NodeIndex, 0, len(names))
	for _, id := range names {
		n, ok := s.byID[id]
		if !ok {
			problems.add("an event names the node %q, which the run event does not", id)
			continue
		}
		out = append(out, n)
	}
	return out
}

// setState changes the node's state; it reports whether that is a change.
func (n *Node) setState(state trace.State, now time.Duration) bool {
	if n.State == state {
		return false
	}
	if n.State == trace.StateUp {
		n.leftUp = now
	}
	n.State, n.StateSince = state, now
	return true
}

// report records that the node reported a block or a head, which can have been so since a time.
func (n *Node) report(now, since time.Duration) {
	n.reported, n.lastReport, n.reportSince = true, now, since
}

// earliestArrival is the earliest time from since on at which the node can have had b: not before any node had it, and not
// while this one was down or paused.
func (n *Node) earliestArrival(b *Block, since time.Duration) time.Duration {
	since = max(since, b.Since)
	if n.State == trace.StateUp && b.Since >= n.leftUp {
		since = max(since, n.StateSince) // it appeared while the node was away
	}
	return since
}

// Reorg is what a head event did to the node's chain.
type Reorg struct {
	// From is the end of the chain that the node left, Fork the highest block that is on both: NoBlock where the chains share
	// no known block. Both mean nothing while Depth is 0.
	From, Fork BlockIndex
	Depth      int // blocks of the old chain that are not on the new one, as far as is known
	// Unlinked is true when the new chain is not known far enough down to compare it with the old one.
	Unlinked bool
}

// setHead moves the node to a head and says what that did to its chain.
func (n *Node) setHead(t *BlockTree, head BlockIndex) Reorg {
	r := Reorg{From: NoBlock, Fork: NoBlock}
	fork, first := t.Fork(n.Top, head), !n.HasHead
	n.Head, n.HasHead = head, true
	switch {
	case fork == NoBlock && first: // a polled node's first head is compared with those of others alone
		n.Top = head
	case fork == NoBlock:
		if depth := t.Divergent(n.Top, head); depth > 0 {
			r = Reorg{From: n.Top, Fork: NoBlock, Depth: depth}
		} else {
			r.Unlinked = true
		}
		n.Top = head
	case fork == head: // it lost its last blocks and may return to Top
	default:
		r = Reorg{From: n.Top, Fork: fork, Depth: int(t.At(n.Top).Number() - t.At(fork).Number())}
		n.Top = head
	}
	if r.Depth > 0 {
		n.Reorgs++
	}
	return r
}
