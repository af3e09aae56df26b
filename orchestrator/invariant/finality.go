package invariant

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// finality compares the blocks of a chain of instant finality at every height on every node: a second block at a height is
// a violation as soon as one node has it, and stays one if the node drops it again.
type finality struct {
	at        map[uint64]blockID // the first block that a node held at a height
	held      map[blockID]bool   // blocks that were compared
	conflicts []conflict         // one for each block that is not the first at its height
}

type conflict struct {
	first, second blockID
	by            nodeID // who had the second
	when          time.Duration
}

// observe takes in what a seen or head event says of the node's chain: its block, and all below it that are new.
func (f *finality) observe(w *World) {
	if f.at == nil {
		f.at, f.held = make(map[uint64]blockID), make(map[blockID]bool)
	}
	for b := w.block; b > 0 && !f.held[b]; b = w.tree.at(b).parent {
		f.held[b] = true
		height := w.tree.at(b).height
		if first, ok := f.at[height]; !ok {
			f.at[height] = b
		} else if first != b {
			f.conflicts = append(f.conflicts, conflict{first, b, w.node, w.now})
		}
	}
}

// evidence names the hashes, the height and the nodes that hold each block, for the first conflicts, the lowest first.
func (f *finality) evidence(w *World) []Evidence {
	// One event may bring a whole branch, highest block first.
	slices.SortStableFunc(f.conflicts, func(a, b conflict) int {
		return cmp.Or(cmp.Compare(a.when, b.when), cmp.Compare(w.tree.at(a.second).height, w.tree.at(b.second).height))
	})
	var out []Evidence
	for _, x := range f.conflicts[:min(len(f.conflicts), MaxEvidence)] {
		a, b := w.tree.at(x.first), w.tree.at(x.second)
		one, two := holders(w, x.first), holders(w, x.second)
		if !slices.Contains(two, x.by) {
			two = append(two, x.by)
		}
		out = append(out, Evidence{
			At: x.when, Nodes: w.names(append(slices.Clone(one), two...)), Blocks: []trace.Hash{a.hash, b.hash},
			Windows: w.Windows(x.when),
			Text: fmt.Sprintf("two final blocks at height %d: %s on %s, and %s on %s%s", a.height,
				a.hash, w.list(one), b.hash, w.list(two), w.makers(a, b)),
		})
	}
	return out
}

// makers says who made two blocks of one height, as far as the chain states it. Two first blocks that one maker did not
// make are most likely those of two networks.
func (w *World) makers(a, b *block) string {
	text := ""
	switch {
	case a.producer == 0 || b.producer == 0:
	case a.producer == b.producer:
		return fmt.Sprintf("; %s made both, as if its key were used twice", w.tree.producers[a.producer])
	default:
		text = fmt.Sprintf("; made by %s and %s", w.tree.producers[a.producer], w.tree.producers[b.producer])
	}
	if a.height == 1 {
		text += "; no block is below them: another genesis?"
	}
	return text
}

// holders are the nodes whose last chain has the block; if none has, who was the first to have it.
func holders(w *World, b blockID) []nodeID {
	var out []nodeID
	for i := range w.nodes {
		if w.tree.onChain(b, w.nodes[i].top) {
			out = append(out, nodeID(i))
		}
	}
	if x := w.tree.at(b); len(out) == 0 && x.firstBy >= 0 {
		out = append(out, x.firstBy)
	}
	return out
}

func (w *World) names(nodes []nodeID) []trace.NodeID {
	out := make([]trace.NodeID, len(nodes))
	for i, n := range nodes {
		out[i] = w.nodes[n].id
	}
	return out
}

// list names nodes in words, the first few.
func (w *World) list(nodes []nodeID) string {
	var parts []string
	for _, n := range nodes[:min(len(nodes), MaxEvidence)] {
		parts = append(parts, string(w.nodes[n].id))
	}
	if more := len(nodes) - len(parts); more > 0 {
		parts = append(parts, fmt.Sprintf("%d more", more))
	}
	return strings.Join(parts, ", ")
}

// equivocations finds makers of two blocks at one height, where a quorum carries the chain on: a key that is used twice. On
// chains that may fork for some blocks a maker may change branches, so that only two blocks on one parent tell.
func equivocations(w *World) []Evidence {
	if !w.facts.voted() {
		return nil
	}
	type slot struct {
		producer int32
		height   uint64
		parent   blockID
	}
	first := make(map[slot]blockID)
	var out []Evidence
	for i := 1; i < len(w.tree.blocks); i++ {
		b := &w.tree.blocks[i]
		if b.producer == 0 || b.firstBy < 0 {
			continue
		}
		s := slot{b.producer, b.height, noBlock}
		if !w.facts.instant() {
			s.parent = b.parent
		}
		x, ok := first[s]
		if !ok {
			first[s] = blockID(i)
			continue
		}
		a := w.tree.at(x)
		out = appendEvidence(out, Evidence{
			At: b.first, Nodes: []trace.NodeID{w.nodes[a.firstBy].id, w.nodes[b.firstBy].id},
			Blocks: []trace.Hash{a.hash, b.hash}, Windows: w.Windows(b.first),
			Text: fmt.Sprintf("%s made two blocks at height %d, as if its key were used twice: %s, first seen on %s, and %s, first seen on %s",
				w.tree.producers[b.producer], b.height, a.hash, w.nodes[a.firstBy].id, b.hash, w.nodes[b.firstBy].id),
		})
	}
	return out
}
