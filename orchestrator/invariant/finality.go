package invariant

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/netsplit/netsplit/orchestrator/invariant/replay"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// The parts of agreement about final blocks: two of them at one height (finalBlocks), reported final heights that decrease or
// are overtaken by a reorganisation (finalHeights), and producers of two blocks at one height (doubleProductions).

// finalBlocks compares the final blocks at every height on every node: a second block at a height is a violation as soon as
// one node has it, and stays one if the node drops it again.
type finalBlocks struct {
	at        map[uint64]replay.BlockIndex // the first block that a node held at a height
	compared  map[replay.BlockIndex]bool
	conflicts []conflict // one for each block that is not the first at its height
}

type conflict struct {
	first, second replay.BlockIndex
	by            replay.NodeIndex // the node that had the second
	at            time.Duration
}

// observe takes in the block of the current event, and all blocks below it that are new on any node's chain.
func (f *finalBlocks) observe(s *replay.State) {
	if f.at == nil {
		f.at, f.compared = make(map[uint64]replay.BlockIndex), make(map[replay.BlockIndex]bool)
	}
	for b := s.Block; b > 0 && !f.compared[b]; b = s.Blocks.At(b).Parent {
		f.compared[b] = true
		height := s.Blocks.At(b).Height
		if first, ok := f.at[height]; !ok {
			f.at[height] = b
		} else if first != b {
			f.conflicts = append(f.conflicts, conflict{first, b, s.Node, s.Now})
		}
	}
}

// evidence names the blocks, the height and the nodes that hold each block, for the first conflicts, the lowest first.
func (f *finalBlocks) evidence(s *replay.State) []Evidence {
	// One event may bring a whole branch, highest block first.
	slices.SortStableFunc(f.conflicts, func(a, b conflict) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(s.Blocks.At(a.second).Height, s.Blocks.At(b.second).Height))
	})
	var out []Evidence
	for _, x := range f.conflicts[:min(len(f.conflicts), MaxEvidence)] {
		a, b := s.Blocks.At(x.first), s.Blocks.At(x.second)
		one, two := holders(s, x.first), holders(s, x.second)
		if !slices.Contains(two, x.by) {
			two = append(two, x.by)
		}
		out = append(out, Evidence{
			At: x.at, Nodes: s.Nodes.Names(append(slices.Clone(one), two...)), Blocks: []trace.Hash{a.Hash, b.Hash},
			Windows: s.Faults.Windows(x.at),
			Text: fmt.Sprintf("two final blocks at height %d: %s on %s, and %s on %s%s", a.Height,
				a.Hash, list(s, one), b.Hash, list(s, two), producers(s, a, b)),
		})
	}
	return out
}

// producers says who made two blocks of one height, as far as the chain states it. Two first blocks of different producers
// are most likely those of two networks.
func producers(s *replay.State, a, b *replay.Block) string {
	x, y, text := s.Blocks.Producer(a), s.Blocks.Producer(b), ""
	switch {
	case x == "" || y == "":
	case x == y:
		return fmt.Sprintf("; %s made both, as if its key were used twice", x)
	default:
		text = fmt.Sprintf("; made by %s and %s", x, y)
	}
	if a.Height == 1 {
		text += "; no block is below them: another genesis?"
	}
	return text
}

// holders are the nodes whose last chain has the block; if none has, the first node that had it.
func holders(s *replay.State, b replay.BlockIndex) []replay.NodeIndex {
	var out []replay.NodeIndex
	for i, n := range s.Nodes.All() {
		if s.Blocks.OnChain(b, n.Top) {
			out = append(out, i)
		}
	}
	if x := s.Blocks.At(b); len(out) == 0 && x.FirstBy >= 0 {
		out = append(out, x.FirstBy)
	}
	return out
}

// list names the first few nodes.
func list(s *replay.State, nodes []replay.NodeIndex) string {
	var parts []string
	for _, n := range nodes[:min(len(nodes), MaxEvidence)] {
		parts = append(parts, string(s.Nodes.At(n).ID))
	}
	if more := len(nodes) - len(parts); more > 0 {
		parts = append(parts, fmt.Sprintf("%d more", more))
	}
	return strings.Join(parts, ", ")
}

// doubleProductions finds producers of two blocks at one height, where the chain needs a quorum: a key that is used twice. On
// chains that may fork a producer may change branches, so that only two blocks on one parent show it.
func doubleProductions(s *replay.State) []Evidence {
	if !s.Facts.NeedsQuorum() {
		return nil
	}
	type slot struct {
		producer string
		height   uint64
		parent   replay.BlockIndex
	}
	first := make(map[slot]*replay.Block)
	var out []Evidence
	for i := replay.BlockIndex(1); int(i) < s.Blocks.Len(); i++ {
		b := s.Blocks.At(i)
		x := slot{s.Blocks.Producer(b), b.Height, replay.NoBlock}
		if x.producer == "" || b.FirstBy < 0 {
			continue
		}
		if !s.Facts.InstantFinality() {
			x.parent = b.Parent
		}
		a := first[x]
		if a == nil {
			first[x] = b
			continue
		}
		one, two := s.Nodes.At(a.FirstBy).ID, s.Nodes.At(b.FirstBy).ID
		out = appendEvidence(out, Evidence{
			At: b.First, Nodes: []trace.NodeID{one, two}, Blocks: []trace.Hash{a.Hash, b.Hash}, Windows: s.Faults.Windows(b.First),
			Text: fmt.Sprintf("%s made two blocks at height %d, as if its key were used twice: %s, first seen on %s, and %s, first seen on %s",
				x.producer, b.Height, a.Hash, one, b.Hash, two),
		})
	}
	return out
}

// finalHeights are the heights that nodes report as final: none may decrease, and what is below may not be replaced.
type finalHeights struct {
	by         map[replay.NodeIndex]*finalHeight
	violations int
	found      []Evidence
}

type finalHeight struct {
	latest uint64 // as reported last
	// intact is the highest that was reported, as far as its blocks were not replaced since.
	intact uint64
}

// observe takes in a final event, or a reorganisation.
func (f *finalHeights) observe(s *replay.State, e *trace.Event) {
	if s.Node == replay.NoNode {
		return
	}
	x, id := f.by[s.Node], s.Nodes.At(s.Node).ID
	switch {
	case e.Kind == trace.KindFinal:
		if x == nil {
			x = &finalHeight{}
			if f.by == nil {
				f.by = make(map[replay.NodeIndex]*finalHeight)
			}
			f.by[s.Node] = x
		}
		if e.Final.Height < x.latest {
			f.violated(Evidence{
				At: s.Now, Nodes: []trace.NodeID{id}, Windows: s.Faults.Windows(s.Now),
				Text: fmt.Sprintf("finality was reverted: the final height of %s went from %d to %d", id, x.latest, e.Final.Height),
			})
		}
		x.latest, x.intact = e.Final.Height, max(x.intact, e.Final.Height)
	case x != nil && s.Reorg.Depth > 0:
		var fork uint64
		if s.Reorg.Fork != replay.NoBlock {
			fork = s.Blocks.At(s.Reorg.Fork).Height
		}
		if fork >= x.intact {
			return
		}
		reorg := reorgEvidence(s)
		reorg.Text = fmt.Sprintf("final blocks were replaced: %s had reported height %d as final; %s", id, x.intact, reorg.Text)
		f.violated(reorg)
		x.intact = fork
	}
}

func (f *finalHeights) violated(e Evidence) {
	f.violations++
	f.found = appendEvidence(f.found, e)
}

// shared is the height that all nodes which report one have as final; ok is false where none does.
func (f *finalHeights) shared() (height uint64, ok bool) {
	for _, x := range f.by {
		if !ok || x.latest < height {
			height, ok = x.latest, true
		}
	}
	return height, ok
}
