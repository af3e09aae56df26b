package invariant

import (
	"fmt"
	"strings"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// blockID is a block's number in the order of first mention; genesis is 0.
type blockID int32

const noBlock blockID = -1

// block is what the World keeps of a block for the whole run, in some 150 bytes.
type block struct {
	hash    trace.Hash
	parent  blockID // noBlock: not known (or genesis)
	height  uint64
	first   time.Duration // when a node first had it; meaningless while firstBy is noNode
	since   time.Duration // when at the earliest that can have been
	firstBy nodeID        // noNode: no seen event yet
	calm    int32         // number of the calm partition at first, see separation
	maker   nodeID        // noNode: not known
	adopter nodeID        // the node whose chain it was on first; noNode: on no chain yet
	adopted time.Duration
	// old is true for a block that says itself that it was made before the run, of nodes that are asked; recent for one that
	// came to light in the run, above all that had been there before.
	old, recent bool
	// producer is the number of the maker's own name for itself, as the chain states it; 0: not stated.
	producer int32
}

// tree is every block of the run. Its parent links go strictly downwards in height, so walks end.
//
// Nodes that are asked may be asked from some height on. A block that does not lead down to genesis stands on a bottom of its
// own: what is below is not known, and may be another network's.
type tree struct {
	byHash map[trace.Hash]blockID
	blocks []block
	// unnamed is true until block 0 has a hash, where the run event states none.
	unnamed bool
	// producers are the names that blocks state for their makers, by number.
	producers  []string
	producerNo map[string]int32
	// malformed is the first contradiction among the events' own statements about blocks.
	malformed string
	// malformedAt is when; now is the time of the event that is being taken in.
	malformedAt, now time.Duration
}

// past says whether a block was there before the run: when it came to light says nothing then. What stands above all that was
// there is new whatever time it states; times may stand still, or lag.
func (b *block) past() bool { return b.old && !b.recent }

func newTree(genesis trace.Hash) tree {
	t := tree{
		byHash: make(map[trace.Hash]blockID), unnamed: genesis == "",
		producers: []string{""}, producerNo: make(map[string]int32),
	}
	t.at(t.intern(genesis, 0)).adopter = systemNode
	return t
}

func (t *tree) at(b blockID) *block { return &t.blocks[b] }

// intern gives the block's number, and makes one for a hash that is new.
func (t *tree) intern(h trace.Hash, height uint64) blockID {
	if b, ok := t.byHash[h]; ok {
		return b
	}
	if height == 0 && t.unnamed && len(t.blocks) > 0 {
		t.unnamed = false
		t.byHash[h], t.at(0).hash = 0, h
		return 0
	}
	b := blockID(len(t.blocks))
	t.byHash[h] = b
	t.blocks = append(t.blocks, block{
		hash: h, parent: noBlock, height: height, firstBy: noNode, maker: noNode, adopter: noNode,
	})
	return b
}

// link records that h, at height, is a child of parent.
func (t *tree) link(h, parent trace.Hash, height uint64) blockID {
	b := t.intern(h, height)
	if x := t.at(b); x.parent != noBlock {
		if x.height != height || t.at(x.parent).hash != parent {
			t.contradict("block %s is given with two parents or heights", h)
		}
		return b
	}
	if t.at(b).height != height {
		t.contradict("block %s is given with heights %d and %d", h, t.at(b).height, height)
		return b
	}
	if height == 0 {
		return b
	}
	p := t.intern(parent, height-1)
	if t.at(p).height != height-1 {
		t.contradict("block %s of height %d has a parent of height %d", h, height, t.at(p).height)
		return b
	}
	t.at(b).parent = p
	return b
}

func (t *tree) contradict(format string, args ...any) {
	if t.malformed == "" {
		t.malformed, t.malformedAt = fmt.Sprintf(format, args...), t.now
	}
}

// fork gives the highest block that is on both chains, noBlock when a chain's lower part is not known.
func (t *tree) fork(a, b blockID) blockID {
	for a != b {
		if a == noBlock || b == noBlock {
			return noBlock
		}
		if t.at(a).height >= t.at(b).height {
			a = t.at(a).parent
		} else {
			b = t.at(b).parent
		}
	}
	return a
}

// parting gives the number of a's blocks that are surely not on b's chain, for two chains that share no known block: those
// at heights where a block of each is known. 0: nothing can be told, because no height is known of both.
func (t *tree) parting(a, b blockID) int {
	if a == noBlock || b == noBlock {
		return 0
	}
	low, other := t.bottom(a), t.bottom(b)
	from := max(t.at(low).height, t.at(other).height)
	if t.at(a).height < from || t.at(b).height < from {
		return 0
	}
	return int(t.at(a).height - from + 1)
}

// bottom is the lowest known block of the chain that ends with b.
func (t *tree) bottom(b blockID) blockID {
	for t.at(b).parent != noBlock {
		b = t.at(b).parent
	}
	return b
}

// name notes whom a block states as its maker. A name without content, such as the zero address that clique puts into
// headers, says nothing.
func (t *tree) name(b blockID, producer string) {
	if b == noBlock || strings.Trim(strings.TrimPrefix(producer, "0x"), "0") == "" {
		return
	}
	no, ok := t.producerNo[producer]
	if !ok {
		no = int32(len(t.producers))
		t.producers = append(t.producers, producer)
		t.producerNo[producer] = no
	}
	t.at(b).producer = no
}

// ancestor is the block at a height of the chain that ends with tip, noBlock where that is higher or not known.
func (t *tree) ancestor(tip blockID, height uint64) blockID {
	for tip != noBlock && t.at(tip).height > height {
		tip = t.at(tip).parent
	}
	if tip == noBlock || t.at(tip).height != height {
		return noBlock
	}
	return tip
}

// onChain says whether b is on the chain that ends with tip.
func (t *tree) onChain(b, tip blockID) bool {
	for tip != noBlock && tip != b && t.at(tip).height > t.at(b).height {
		tip = t.at(tip).parent
	}
	return tip == b
}
