package invariant

import (
	"fmt"
	"slices"

	"github.com/netsplit/netsplit/orchestrator/invariant/replay"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

var durabilityDefinition = Definition{
	Name:  "durability",
	Title: "A node that starts again has what it had reported before",
	Doc: `A node stores a block before it reports it, answers with it or sends it to a peer, so that no end of its process can
take it back. Judged at each start of a node after a kill, a stop or a restart: the head that it reads from its disk must not be
below a head that its log or its status stated before, nor one of another branch that it had reported too and not chosen; and no
block that it had reported, or that a peer had received from it, may be accepted by it for the first time again. A head above the
last one that was reported is no violation: the process may end between storing and reporting. Of each node, the chain up to its
last head and the last 128 other blocks are remembered. There is no statistic, and no false alarm.
UNKNOWN when a node that started again reported blocks, but not the head that it had read. VACUOUS, and left out of the report
unless the scenario lists it, when no node that had reported a block started again. NOT APPLICABLE where nodes are polled: a
chain file does not show what they read from their disks.`,
	Class: Safety, Always: true, Quiet: true,
	Needs: []Observation{ObserveRestored},
	New:   func(Values) Checker { return &durability{} },
}

// durability follows what each node has stated, by the lives of its process.
type durability struct {
	nodes    []*statements
	restarts int // of nodes that had reported a block
	lost     int // blocks, as far as is known
	unknown  string
	evidence []Evidence
}

// statements is what a node stated: in this life, and in those before.
type statements struct {
	started bool // it has been up
	down    bool
	now     stated
	before  *stated // nil in the first life
	waiting bool    // for the head that it read from its disk
	blamed  bool    // in this life
}

// stated is a bounded record of blocks.
type stated struct {
	head   replay.BlockIndex // the last one that the log stated
	status replay.BlockIndex // the last one that a status stated
	others [128]replay.BlockIndex
	count  int
}

func (x *stated) add(b replay.BlockIndex) {
	x.others[x.count%len(x.others)] = b
	x.count++
}

// has says whether a block was stated, as far as is remembered.
func (x *stated) has(t *replay.BlockTree, b replay.BlockIndex) bool {
	return t.OnChain(b, x.head) || slices.Contains(x.others[:min(x.count, len(x.others))], b)
}

func (c *durability) Observe(s *replay.State, e *trace.Event) {
	if c.nodes == nil {
		c.nodes = make([]*statements, s.Nodes.Len())
	}
	if s.Node == replay.NoNode || s.Facts.Polled() || s.Stopping {
		return
	}
	n := c.nodes[s.Node]
	if n == nil {
		n = &statements{now: stated{head: 0, status: replay.NoBlock}}
		c.nodes[s.Node] = n
	}
	switch e.Kind {
	case trace.KindNode:
		c.lifecycle(n, e.Lifecycle.State)
	case trace.KindHead:
		c.head(s, n, e.Head)
	case trace.KindSeen:
		c.seen(s, n, e.Seen)
	case trace.KindStatus:
		if b, ok := s.Blocks.Lookup(e.Status.Head); ok && e.Status.Error == "" {
			n.now.status = b
			n.now.add(b)
		}
	}
}

// lifecycle begins a new life when a node is up after its process ended.
func (c *durability) lifecycle(n *statements, state trace.State) {
	switch state {
	case trace.StateDown, trace.StateDied:
		n.down = true
	case trace.StateUp:
		if n.started && n.down {
			if n.now.count > 0 {
				c.restarts++
			}
			before := n.now
			n.before, n.waiting, n.blamed = &before, true, false
		}
		n.started, n.down = true, false
	}
}

func (c *durability) head(s *replay.State, n *statements, e *trace.Head) {
	if n.waiting && e.Restored {
		c.restored(s, n)
	} else if n.waiting {
		c.noRestored(s)
	}
	n.waiting = false
	n.now.head = s.Block
}

// restored compares the head that a node read from its disk with what it had stated.
func (c *durability) restored(s *replay.State, n *statements) {
	t := &s.Blocks
	for _, was := range []replay.BlockIndex{n.before.head, n.before.status} {
		if was == replay.NoBlock || was == s.Block || t.OnChain(was, s.Block) {
			continue
		}
		below := t.OnChain(s.Block, was)
		if !below && (was != n.before.head || !n.before.has(t, s.Block)) {
			continue // it stored another branch, and ended before it could report it
		}
		x, y := t.At(was), t.At(s.Block)
		text := fmt.Sprintf("%s had reported block %s at height %d and came back with %s at height %d",
			s.Nodes.At(s.Node).ID, short(x.Hash), x.Height, short(y.Hash), y.Height)
		if below {
			c.lost += int(x.Height - y.Height)
			text += fmt.Sprintf(": %s lost", Count(int(x.Height-y.Height), "block"))
		} else {
			c.lost++
			text += ", which it had not chosen before"
		}
		c.violated(s, n, text, x.Hash, y.Hash)
		return
	}
}

func (c *durability) noRestored(s *replay.State) {
	if c.unknown == "" {
		c.unknown = fmt.Sprintf("%s started again and did not report the head that it read from its disk", s.Nodes.At(s.Node).ID)
	}
}

// seen is about a block that a node accepted for the first time: its sender has it, and the node itself must not have
// reported it in an earlier life.
func (c *durability) seen(s *replay.State, n *statements, e *trace.Seen) {
	if from, ok := s.Nodes.Index(e.From); ok && c.nodes[from] != nil {
		c.nodes[from].now.add(s.Block)
	}
	if n.waiting {
		c.noRestored(s)
		n.waiting = false
	}
	if n.before != nil && n.before.has(&s.Blocks, s.Block) {
		b := s.Blocks.At(s.Block)
		if !n.blamed {
			c.lost++ // else it is among those that the head lost
		}
		c.violated(s, n, fmt.Sprintf("%s had reported or sent block %s at height %d before it ended, and accepted it as a new one after it came back",
			s.Nodes.At(s.Node).ID, short(b.Hash), b.Height), b.Hash)
	}
	n.now.add(s.Block)
}

// violated records the first violation of a life.
func (c *durability) violated(s *replay.State, n *statements, text string, blocks ...trace.Hash) {
	if n.blamed {
		return
	}
	n.blamed = true
	c.evidence = appendEvidence(c.evidence, Evidence{
		At: s.Now, Nodes: []trace.NodeID{s.Nodes.At(s.Node).ID}, Blocks: blocks, Windows: s.Faults.Windows(s.Now), Text: text,
	})
}

func (c *durability) Finish(s *replay.State) Result {
	r := Result{
		Figure: fmt.Sprintf("%s, %s lost", Count(c.restarts, "restart"), Count(c.lost, "block")), Bound: "nothing lost", Evidence: c.evidence,
		Metrics: map[string]float64{"restarts": float64(c.restarts), "lost_blocks": float64(c.lost)},
	}
	switch {
	case len(c.evidence) > 0:
		return r.fail(c.evidence[0].Text)
	case s.Facts.Polled():
		return r.notApplicable(fmt.Sprintf("this chain does not show %s", ObserveRestored))
	case c.unknown != "":
		return r.unknown(c.unknown)
	case c.restarts == 0:
		return r.vacuous("no node that had reported a block started again")
	}
	r.Verdict = Pass
	return r
}
