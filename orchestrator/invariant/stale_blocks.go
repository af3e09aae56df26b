package invariant

import (
	"time"

	"github.com/netsplit/netsplit/orchestrator/invariant/replay"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// Nodes send each other the chain that they are on. A block that all nodes left again before a peer could fetch it from any of
// them reaches that peer no more, however well all of them work. For which pairs that is so follows from who had the block on its
// chain for how long, and who was connected.

// How long a node must have had a block on its chain, while it was connected to a peer, until the peer surely has it: an
// announcement, a request and the block, then a request and the blocks before it, after the answer to another request that the
// peer awaited meanwhile. These are seven messages, each of which takes the delay that faults add to the peer's links at most; and
// fetchSlack for the rest.
const (
	fetchMessages = 7
	fetchSlack    = 500 * time.Millisecond
)

// holding is the time in which a block was on the chain of a node that was up.
type holding struct {
	node     replay.NodeIndex
	from, to time.Duration // to is negative while it is on it
}

// stay is the time in which a node was connected to a peer.
type stay struct{ from, to time.Duration } // to is negative while it is

// connections are the latest stays of each node with each peer, as it reports them.
type connections struct {
	stays []map[replay.NodeIndex]stay
	known bool // some node reports its connections
}

func (c *connections) observe(s *replay.State, e *trace.Event) {
	switch {
	case e.Kind == trace.KindRun:
		c.stays = make([]map[replay.NodeIndex]stay, s.Nodes.Len())
	case s.Node == replay.NoNode:
	case e.Kind == trace.KindNode && e.Lifecycle.State != trace.StatePaused && e.Lifecycle.State != trace.StateUp,
		e.Kind == trace.KindHead && e.Head.Restored: // a new process has no connections
		clear(c.stays[s.Node])
	case e.Kind == trace.KindPeer:
		peer, ok := s.Nodes.HonestIndex(e.Peer.Peer)
		if !ok {
			return
		}
		c.known = true
		stays := c.stays[s.Node]
		if stays == nil {
			stays = make(map[replay.NodeIndex]stay)
			c.stays[s.Node] = stays
		}
		if x := stays[peer]; e.Peer.Up {
			stays[peer] = stay{s.Now, -1}
		} else if x.to < 0 {
			stays[peer] = stay{x.from, s.Now}
		}
	}
}

// until says until when two nodes were connected that were at a time; negative where they still are, false where they were not. Where
// nodes do not report it, all are.
func (c *connections) until(a, b replay.NodeIndex, at time.Duration) (time.Duration, bool) {
	if !c.known {
		return -1, true
	}
	x, okX := c.stays[a][b]
	y, okY := c.stays[b][a]
	if !okX || !okY || x.from > at || y.from > at {
		return 0, false
	}
	return earlier(x.to, y.to), true
}

// earlier is the earlier of two times, of which negative ones have not come.
func earlier(a, b time.Duration) time.Duration {
	if a < 0 || b >= 0 && b < a {
		return b
	}
	return a
}

// hold follows which nodes have the open blocks on their chains, at the head event of one of them.
func (c *propagation) hold(s *replay.State) {
	head := s.Nodes.At(s.Node).Head
	for _, x := range c.queue {
		if x.closed {
			continue
		}
		had := x.on.Has(s.Node)
		if had && s.Reorg.Depth == 0 {
			continue // its chain grew
		}
		switch has := s.Blocks.OnChain(x.id, head); {
		case has && !had && len(x.holders) < maxHoldings:
			x.on.Add(s.Node)
			x.holders = append(x.holders, holding{s.Node, s.Now, -1})
		case had && !has:
			x.release(s.Node, s.Now)
		}
	}
}

// interrupt ends the holdings of a node that does not run any more: meanwhile nothing can be fetched from it.
func (c *propagation) interrupt(s *replay.State) {
	for _, x := range c.queue {
		if !x.closed && x.on.Has(s.Node) {
			x.release(s.Node, s.Now)
		}
	}
}

// release ends the holding of a node.
func (x *spreading) release(n replay.NodeIndex, at time.Duration) {
	x.on.Remove(n)
	for i := range x.holders {
		if h := &x.holders[i]; h.node == n && h.to < 0 {
			h.to = at
		}
	}
}

// maxHoldings bounds what is kept of one block. One that more nodes had is not lost.
const maxHoldings = 1 << 12

// lost says whether all nodes left a block again before a node could fetch it from any that it was connected to. One that no node
// got does not count: its maker announced it to its peers, which can fetch it by its hash at any time.
func (c *propagation) lost(s *replay.State, x *spreading, to replay.NodeIndex) bool {
	if s.Facts.Polled() || x.arrived == 0 || len(x.holders) >= maxHoldings {
		return false
	}
	for _, h := range x.holders {
		if s.Nodes.Up(h.node) && s.Blocks.OnChain(x.id, s.Nodes.At(h.node).Head) {
			return false
		}
	}
	enough := fetchSlack + fetchMessages*linkDelay(s, to, x.made)
	for _, h := range x.holders {
		if h.node == to {
			return false
		}
		until, ok := c.connections.until(h.node, to, h.from)
		if !ok {
			continue
		}
		if until = earlier(until, h.to); until < 0 {
			until = s.Now
		}
		if until-h.from >= enough {
			return false
		}
	}
	return true
}

// linkDelay is the most that faults can have delayed one packet on any of a node's links, in either direction, since a time.
func linkDelay(s *replay.State, n replay.NodeIndex, since time.Duration) time.Duration {
	id, most := s.Nodes.At(n).ID, time.Duration(0)
	for _, other := range s.Nodes.All() {
		if other.ID == id {
			continue
		}
		most = max(most, s.Faults.MostDelay(id, other.ID, since), s.Faults.MostDelay(other.ID, id, since))
	}
	return most
}
