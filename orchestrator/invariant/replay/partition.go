package replay

import (
	"slices"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// Partition is a cut that kept nodes apart, and how it ended.
type Partition struct {
	Fault  string          `json:"fault"`
	Active time.Duration   `json:"active"`
	Healed time.Duration   `json:"healed"` // meaningless unless Ended
	Ended  bool            `json:"ended"`
	Sides  []PartitionSide `json:"sides"`
	// Canonical is the index in Sides of the one whose chain became canonical; -1 when that is not known, or when no side made
	// a block.
	Canonical int `json:"canonical"`
	// Idle is true when no side made blocks: none had the quorum that the chain needs, or nobody made any.
	Idle bool `json:"idle,omitempty"`
	// DeepestReorg is the most blocks that a node dropped between the heal and convergence, Reorganised the number of
	// nodes that dropped any.
	DeepestReorg int `json:"deepest_reorg"`
	Reorganised  int `json:"reorganised"`
	// Converged says whether all sides came to share one chain, ConvergedIn how long that took after the heal.
	Converged   bool          `json:"converged"`
	ConvergedIn time.Duration `json:"converged_in"`
}

// PartitionSide is a group of nodes that could reach each other during a cut.
type PartitionSide struct {
	Nodes []trace.NodeID `json:"nodes"`
	// Mined is the number of blocks made between the cut and the heal. For polled nodes it is the number of blocks that this
	// side reported first, without those that were in flight when the cut began.
	Mined  int    `json:"mined"`
	Height uint64 `json:"height"` // when the heal began
	// Power is the side's share of all block-making power, and Quorate says whether that is enough to make blocks.
	Power   float64 `json:"power"`
	Quorate bool    `json:"quorate"`
}

// cutSides follows the sides of one cut while it holds.
type cutSides struct {
	side     []int32 // of every node, -1 for nodes that were not up
	sides    []cutSide
	counting bool // blocks are counted: from active until healed
}

type cutSide struct {
	nodes  []NodeIndex
	mined  int
	height uint64
	head   BlockIndex // the highest head when the heal began
}

// newCutSides makes the sides of a cut from the components of the nodes that are up.
func newCutSides(nodes *Nodes, components []int32) *cutSides {
	c := &cutSides{side: make([]int32, nodes.Len()), counting: true}
	index := make(map[int32]int32)
	for n := range nodes.All() {
		c.side[n] = -1
		if !nodes.Up(n) {
			continue
		}
		k, ok := index[components[n]]
		if !ok {
			k = int32(len(c.sides))
			index[components[n]] = k
			c.sides = append(c.sides, cutSide{})
		}
		c.side[n] = k
		c.sides[k].nodes = append(c.sides[k].nodes, n)
	}
	return c
}

// count adds a block that a node made, or was the first to report.
func (c *cutSides) count(n NodeIndex) {
	if k := c.side[n]; c.counting && k >= 0 {
		c.sides[k].mined++
	}
}

// healing records the height of each side when the heal begins.
func (c *cutSides) healing(nodes *Nodes, blocks *BlockTree) {
	for k := range c.sides {
		side := &c.sides[k]
		for _, n := range side.nodes {
			head := nodes.At(n).Head
			if b := blocks.At(head); b.Height > side.height || side.height == 0 {
				side.height, side.head = b.Height, head
			}
		}
	}
}

// partition says what became of the sides of f's cut so far, but for Quorate.
func (c *cutSides) partition(f *FaultWindow, nodes *Nodes, blocks *BlockTree, recoveries []*Recovery) Partition {
	p := Partition{Fault: f.ID, Active: f.Active, Healed: f.Healed, Ended: f.Has(trace.FaultHealed), Canonical: -1}
	for _, side := range c.sides {
		p.Sides = append(p.Sides, PartitionSide{
			Nodes: nodes.Names(side.nodes), Mined: side.mined, Height: side.height, Power: nodes.Share(side.nodes),
		})
	}
	if !p.Ended {
		return p
	}
	p.Idle = !slices.ContainsFunc(p.Sides, func(s PartitionSide) bool { return s.Mined > 0 })
	shared := p.recover(recoveries)
	if shared == NoBlock {
		p.Converged = false
	} else if !p.Idle {
		p.Canonical = c.canonical(blocks, shared)
	}
	return p
}

// recover fills in how the sides recovered after the heal. It returns the block that they shared then, NoBlock if none did.
func (p *Partition) recover(all []*Recovery) BlockIndex {
	p.Converged = true
	shared := NoBlock
	reorgs := make(map[NodeIndex]bool)
	for _, r := range all {
		if r.Settling || r.Reconnecting || r.Cause != p.Fault || r.Outcome == Superseded {
			continue
		}
		for n := range r.Reorgs {
			reorgs[n] = true
		}
		p.DeepestReorg = max(p.DeepestReorg, r.Deepest)
		if r.Outcome != Converged {
			p.Converged = false
			continue
		}
		p.ConvergedIn = max(p.ConvergedIn, r.Ended-r.At)
		shared = r.Shared
	}
	p.Reorganised = len(reorgs)
	return shared
}

// canonical is the side that dropped the least blocks, the highest among equals; -1 when that is not known. shared is a block
// that all sides have now.
func (c *cutSides) canonical(blocks *BlockTree, shared BlockIndex) int {
	best, least := -1, uint64(0)
	for k, side := range c.sides {
		fork := blocks.Fork(side.head, shared)
		if fork == NoBlock {
			continue
		}
		dropped := blocks.At(side.head).Number() - blocks.At(fork).Number()
		if best < 0 || dropped < least || dropped == least && side.height > c.sides[best].height {
			best, least = k, dropped
		}
	}
	return best
}
