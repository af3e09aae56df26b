package replay

import (
	"fmt"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

const (
	// orderTolerance is by how much the times of two nodes may contradict the way of a block, beside what is known of the
	// uncertainty of their clocks.
	orderTolerance = 50 * time.Millisecond
	// followedBlocks is how many blocks are followed from node to node, the latest.
	followedBlocks = 256
	// lateReport is how much earlier than the events before it a report may have happened that could not be put in order.
	lateReport = time.Second
)

// Clocks says what is known of the nodes' clocks: what was measured, and what the reports themselves contradict. A node
// cannot receive a block from a peer before that peer has it, and where the times say so one of the two clocks is wrong.
// Polled nodes have no times of their own.
type Clocks struct {
	nodes    *Nodes
	measured map[NodeIndex]trace.Clock
	recent   map[BlockIndex]*holders // of the latest blocks
	order    []BlockIndex
	// against counts, for each node, the contradictions with others.
	against map[NodeIndex]*orderConflict
	late    map[NodeIndex]time.Duration // reports that came too late to be put in order
}

// holders are the nodes that reported a block. claims say, for a node that had not reported it yet, when another received it
// from that node first.
type holders struct {
	set    NodeSet
	claims map[NodeIndex]claim
}

type claim struct {
	at time.Duration
	by NodeIndex
}

type orderConflict struct {
	with  map[NodeIndex]bool
	worst time.Duration
	ahead bool // it reports too late what others had from it
	block BlockIndex
}

func newClocks(nodes *Nodes) Clocks {
	return Clocks{
		nodes: nodes, measured: make(map[NodeIndex]trace.Clock), recent: make(map[BlockIndex]*holders),
		against: make(map[NodeIndex]*orderConflict), late: make(map[NodeIndex]time.Duration),
	}
}

// Wrong are the clocks that are surely wrong as measured, in the order of the nodes.
func (c *Clocks) Wrong() []NodeClock {
	var out []NodeClock
	for i, n := range c.nodes.All() {
		if m, ok := c.measured[i]; ok && m.Offset.Abs() > m.Within {
			out = append(out, NodeClock{n.ID, m})
		}
	}
	return out
}

// NodeClock is what was measured of a node's clock.
type NodeClock struct {
	Node trace.NodeID `json:"node"`
	trace.Clock
}

// Text says how wrong the clock is.
func (c NodeClock) Text() string {
	word := "ahead"
	if c.Offset < 0 {
		word = "behind"
	}
	return fmt.Sprintf("%s by %s (± %s)", word, trace.Round(c.Offset.Abs()), trace.Round(c.Within))
}

// measure takes in a measurement. A worse one of the same clock is kept until a better one follows.
func (c *Clocks) measure(n NodeIndex, m *trace.Clock) {
	if old, ok := c.measured[n]; !ok || m.Within <= old.Within || (m.Offset-old.Offset).Abs() > m.Within+old.Within {
		c.measured[n] = *m
	}
}

// reported takes in the time of a node's report, which stands so late in the trace.
func (c *Clocks) reported(n NodeIndex, late time.Duration) {
	if late > lateReport {
		c.late[n] = max(c.late[n], late)
	}
}

// seen follows a block to a node from a peer, or to its maker.
func (c *Clocks) seen(b BlockIndex, n, from NodeIndex, at time.Duration) {
	h := c.recent[b]
	if h == nil {
		h = &holders{set: NewNodeSet(c.nodes.Len())}
		c.recent[b] = h
		c.order = append(c.order, b)
		if len(c.order) > followedBlocks {
			delete(c.recent, c.order[0])
			c.order = c.order[1:]
		}
	}
	if x, ok := h.claims[n]; ok && !h.set.Has(n) {
		delete(h.claims, n)
		tolerance := orderTolerance + c.measured[n].Within + c.measured[x.by].Within
		if off := at - x.at; off > tolerance {
			c.contradict(n, x.by, off, true, b)
			c.contradict(x.by, n, off, false, b)
		}
	}
	h.set.Add(n)
	if from == NoNode || from == n || h.set.Has(from) {
		return
	}
	if h.claims == nil {
		h.claims = make(map[NodeIndex]claim)
	}
	if _, ok := h.claims[from]; !ok {
		h.claims[from] = claim{at, n}
	}
}

func (c *Clocks) contradict(n, with NodeIndex, off time.Duration, ahead bool, b BlockIndex) {
	x := c.against[n]
	if x == nil {
		x = &orderConflict{with: make(map[NodeIndex]bool)}
		c.against[n] = x
	}
	x.with[with] = true
	if off > x.worst {
		x.worst, x.ahead, x.block = off, ahead, b
	}
}

// Problem says which node's times contradict those of others, or came too late; empty if none do. Of the two nodes of a
// contradiction it is the one that contradicts most others.
func (c *Clocks) Problem(blocks *BlockTree) string {
	var worst []NodeIndex // that contradict most others
	for i := range c.nodes.All() {
		switch x := c.against[i]; {
		case x == nil:
		case len(worst) == 0 || len(x.with) > len(c.against[worst[0]].with):
			worst = []NodeIndex{i}
		case len(x.with) == len(c.against[worst[0]].with):
			worst = append(worst, i)
		}
	}
	if len(worst) > 0 {
		x := c.against[worst[0]]
		what := "before the nodes that it has them from"
		if x.ahead {
			what = "after the nodes that have them from it"
		}
		text := fmt.Sprintf("the clock of %s is wrong: it reports blocks %s, by up to %s (block %.12s)", c.nodes.At(worst[0]).ID, what,
			trace.Round(x.worst), blocks.At(x.block).Hash)
		if len(worst) > 1 {
			text += fmt.Sprintf("; or that of %s", c.nodes.At(worst[1]).ID)
		}
		return text
	}
	for i, n := range c.nodes.All() {
		if late := c.late[i]; late > 0 {
			return fmt.Sprintf("reports of %s came up to %s late, too late to be put in order", n.ID, trace.Round(late))
		}
	}
	return ""
}
