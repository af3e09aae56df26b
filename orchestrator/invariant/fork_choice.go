package invariant

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/netsplit/netsplit/orchestrator/invariant/ledger"
	"github.com/netsplit/netsplit/orchestrator/invariant/replay"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

var forkChoiceDefinition = Definition{
	Name:  "fork_choice",
	Title: "Every node follows the heaviest chain that it has",
	Doc: `After each block that a node accepts, its head must be the block with the most cumulative work among all that it has
accepted, and among equals the one that it accepted first. The work is computed from the blocks' own headers, not taken from
the nodes. A node that changes its head to a block with less or with equal work, one that moves to a block that it did not just
accept, and one that does not move to a heavier block before it accepts the next one, or within 2s, violate it: choosing by height, by arrival, or not at all.
What a node restores from its disk at a start is its new beginning. Nothing is random: a violation is certain.
UNKNOWN when the content of an accepted block is not in the trace. VACUOUS without blocks. Chains whose blocks are recorded
without their encoding do not show the work of a block, and polled nodes do not show what they did not choose: there it is NOT
APPLICABLE.`,
	Class: Safety, Always: true,
	Needs: []Observation{ObserveBlocks, ObserveEncoding},
	New: func(Values) Checker {
		return &forkChoice{work: make(map[replay.BlockIndex]*big.Int), total: make(map[replay.BlockIndex]*big.Int)}
	},
}

// choiceDelay is the most time from the log line of an accepted block to that of the head. A node writes both at once.
const choiceDelay = 2 * time.Second

type forkChoice struct {
	work  map[replay.BlockIndex]*big.Int // of blocks whose total is not known yet
	total map[replay.BlockIndex]*big.Int // cumulative; genesis has 0
	nodes []chooser

	choices, branches int // accepted blocks; of them those that do not extend the head
	worse             []worseChoice
	count             []int // violations by node
}

// chooser is one node's head and what it reported that could not be judged yet.
type chooser struct {
	head  replay.BlockIndex
	known bool // head is known: it is not after a gap, until the next head
	// next is the block that must become the head, since it was accepted at nextAt; NoBlock: none.
	next   replay.BlockIndex
	nextAt time.Duration
	queue  []choice // whose work is not known yet
}

// choice is one line of a node's log.
type choice struct {
	kind  choiceKind
	block replay.BlockIndex
	at    time.Duration
}

type choiceKind int

const (
	accepted choiceKind = iota
	moved
	restored // the head that it read from its disk
	stopped  // the process ended
	lost     // lines may be missing
)

// worseChoice is a violation: text says what was chosen over what.
type worseChoice struct {
	node           replay.NodeIndex
	at             time.Duration
	chosen, better replay.BlockIndex
	text           string
}

func (c *forkChoice) Observe(s *replay.State, e *trace.Event) {
	if len(s.Facts.Genesis) == 0 {
		return
	}
	switch e.Kind {
	case trace.KindRun:
		c.nodes, c.count = make([]chooser, s.Nodes.Len()), make([]int, s.Nodes.Len())
		for i := range c.nodes {
			c.nodes[i] = chooser{known: true, next: replay.NoBlock}
		}
		c.total[0] = new(big.Int)
	case trace.KindBlock:
		if w, err := ledger.Work(e.Block.Raw); err == nil && s.Block > 0 && c.total[s.Block] == nil {
			c.work[s.Block] = w
		}
	case trace.KindSeen:
		c.add(s, accepted, e.At)
	case trace.KindHead:
		kind := moved
		if e.Head.Restored {
			kind = restored
		}
		c.add(s, kind, e.At)
	case trace.KindNode:
		if e.Lifecycle.State != trace.StateUp && e.Lifecycle.State != trace.StatePaused {
			c.add(s, stopped, e.At)
		}
	case trace.KindGap:
		for i := range c.nodes {
			if n := replay.NodeIndex(i); s.Node == replay.NoNode || s.Node == n {
				c.nodes[i].queue = append(c.nodes[i].queue, choice{kind: lost, at: e.At})
				c.judge(s, n)
			}
		}
	}
}

func (c *forkChoice) add(s *replay.State, kind choiceKind, at time.Duration) {
	if s.Node == replay.NoNode || s.Stopping {
		return
	}
	x, n := choice{kind, s.Block, at}, &c.nodes[s.Node]
	if len(n.queue) == 0 && c.judgeable(s, x) {
		c.apply(s, s.Node, x)
		return
	}
	n.queue = append(n.queue, x)
	c.judge(s, s.Node)
}

// judgeable says whether the work that a line is about is known.
func (c *forkChoice) judgeable(s *replay.State, x choice) bool {
	return x.kind > restored || c.totalOf(s, x.block) != nil
}

// totalOf is the cumulative work up to a block, nil while the content of a block below is missing.
func (c *forkChoice) totalOf(s *replay.State, b replay.BlockIndex) *big.Int {
	var path []replay.BlockIndex
	for b != replay.NoBlock && c.total[b] == nil {
		if c.work[b] == nil {
			return nil
		}
		path = append(path, b)
		b = s.Blocks.At(b).Parent
	}
	if b == replay.NoBlock {
		return nil
	}
	sum := c.total[b]
	for _, b := range slices.Backward(path) {
		sum = new(big.Int).Add(sum, c.work[b])
		c.total[b] = sum
		delete(c.work, b)
	}
	return sum
}

// judge goes through what a node reported, as far as the works are known.
func (c *forkChoice) judge(s *replay.State, id replay.NodeIndex) {
	n := &c.nodes[id]
	for len(n.queue) > 0 && c.judgeable(s, n.queue[0]) {
		c.apply(s, id, n.queue[0])
		n.queue = n.queue[1:]
	}
}

func (c *forkChoice) apply(s *replay.State, id replay.NodeIndex, x choice) {
	n := &c.nodes[id]
	switch x.kind {
	case accepted:
		c.accept(s, id, x)
	case moved:
		c.move(s, id, x)
	case restored:
		n.head, n.known, n.next = x.block, true, replay.NoBlock
	case stopped:
		n.next = replay.NoBlock // the line about its head may be lost
	case lost:
		n.known, n.next = false, replay.NoBlock
	}
}

// accept says which block must be the head after a node accepted one.
func (c *forkChoice) accept(s *replay.State, id replay.NodeIndex, x choice) {
	n := &c.nodes[id]
	if !n.known {
		return
	}
	c.choices++
	if s.Blocks.At(x.block).Parent != n.head {
		c.branches++
	}
	if n.next != replay.NoBlock {
		c.stayed(s, id) // the head comes right after the block
	}
	if c.total[x.block].Cmp(c.total[n.head]) > 0 {
		n.next, n.nextAt = x.block, x.at
	}
}

// stayed is the violation that a node did not move to the block that it should have moved to.
func (c *forkChoice) stayed(s *replay.State, id replay.NodeIndex) {
	n := &c.nodes[id]
	c.violated(worseChoice{
		node: id, at: n.nextAt, chosen: n.head, better: n.next,
		text: fmt.Sprintf("stayed on %s when it accepted %s", c.describe(s, n.head), c.describe(s, n.next)),
	})
	n.next = replay.NoBlock
}

// move judges a change of a node's head.
func (c *forkChoice) move(s *replay.State, id replay.NodeIndex, x choice) {
	n := &c.nodes[id]
	old, next := n.head, n.next
	n.head, n.next = x.block, replay.NoBlock
	if !n.known || x.block == next || x.block == old {
		n.known = true
		return
	}
	what := "lighter"
	switch c.total[x.block].Cmp(c.total[old]) {
	case 0:
		what = "equal"
	case 1:
		what = "heavier"
	}
	v := worseChoice{node: id, at: x.at, chosen: x.block, better: old}
	switch {
	case next != replay.NoBlock:
		v.better = next
		v.text = fmt.Sprintf("moved to %s when it accepted %s", c.describe(s, x.block), c.describe(s, next))
	case what == "heavier":
		v.text = fmt.Sprintf("moved from %s to %s, a heavier block that it had not just accepted", c.describe(s, old), c.describe(s, x.block))
	default:
		v.text = fmt.Sprintf("moved from %s to %s, which is %s", c.describe(s, old), c.describe(s, x.block), what)
	}
	c.violated(v)
}

func (c *forkChoice) violated(v worseChoice) {
	if c.count[v.node]++; c.count[v.node] <= MaxEvidence {
		c.worse = append(c.worse, v)
	}
}

func (c *forkChoice) describe(s *replay.State, b replay.BlockIndex) string {
	x := s.Blocks.At(b)
	return fmt.Sprintf("block %s at height %d (work %s)", short(x.Hash), x.Height, c.total[b])
}

func (c *forkChoice) Finish(s *replay.State) Result {
	r := Result{Bound: "the most work, first seen among equals", Metrics: map[string]float64{}}
	if len(s.Facts.Genesis) == 0 {
		r.Figure = "not judged"
		if !s.Facts.Polled() {
			return r.unknown("the trace does not hold the chain's genesis")
		}
		return r.notApplicable("the chain does not record the work of its blocks")
	}
	missing := replay.NoBlock
	for i := range c.nodes {
		c.judge(s, replay.NodeIndex(i)) // contents may have come since
		if n := &c.nodes[i]; n.next != replay.NoBlock && s.Horizon()-n.nextAt > choiceDelay {
			c.stayed(s, replay.NodeIndex(i))
		}
		if q := c.nodes[i].queue; len(q) > 0 && missing == replay.NoBlock {
			missing = q[0].block
		}
	}
	total, bad := 0, 0
	for _, n := range c.count {
		total += n
		if n > 0 {
			bad++
		}
	}
	r.Figure = fmt.Sprintf("%s, %d between branches", Count(c.choices, "choice"), c.branches)
	if total > 0 {
		r.Figure += fmt.Sprintf(", %d wrong on %s", total, Count(bad, "node"))
	}
	r.Metrics["choices"], r.Metrics["between_branches"], r.Metrics["wrong"] = float64(c.choices), float64(c.branches), float64(total)
	// The first violation of every node, those of the nodes with the most first.
	slices.SortStableFunc(c.worse, func(a, b worseChoice) int {
		return cmp.Or(cmp.Compare(c.count[b.node], c.count[a.node]), cmp.Compare(a.at, b.at))
	})
	named := replay.NewNodeSet(s.Nodes.Len())
	for _, v := range c.worse {
		if named.Has(v.node) {
			continue
		}
		named.Add(v.node)
		id := s.Nodes.At(v.node).ID
		r.Evidence = appendEvidence(r.Evidence, Evidence{
			At: v.at, Nodes: []trace.NodeID{id}, Blocks: []trace.Hash{s.Blocks.At(v.chosen).Hash, s.Blocks.At(v.better).Hash},
			Windows: s.Faults.Windows(v.at), Text: fmt.Sprintf("%s %s", id, v.text),
		})
	}
	switch {
	case len(r.Evidence) > 0:
		return r.fail(r.Evidence[0].Text)
	case missing != replay.NoBlock:
		return r.unknown(fmt.Sprintf("the trace lacks the content of block %s, or of one below it", s.Blocks.At(missing).Hash))
	case c.choices == 0:
		return r.vacuous("no block was made")
	}
	r.Verdict = Pass
	return r
}
