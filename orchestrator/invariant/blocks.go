package invariant

import (
	"fmt"
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
	firstBy nodeID        // noNode: no seen event yet
	calm    int32         // number of the calm partition at first, see separation
	maker   nodeID        // noNode: not known
	adopter nodeID        // the node whose chain it was on first; noNode: on no chain yet
	adopted time.Duration
}

// tree is every block of the run. Its parent links go strictly downwards in height, so walks end.
type tree struct {
	byHash map[trace.Hash]blockID
	blocks []block
	// malformed is the first contradiction among the events' own statements about blocks.
	malformed string
}

func newTree(genesis trace.Hash) tree {
	t := tree{byHash: make(map[trace.Hash]blockID)}
	t.at(t.intern(genesis, 0)).adopter = systemNode
	return t
}

func (t *tree) at(b blockID) *block { return &t.blocks[b] }

// intern gives the block's number, and makes one for a hash that is new.
func (t *tree) intern(h trace.Hash, height uint64) blockID {
	if b, ok := t.byHash[h]; ok {
		return b
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
		if b != 0 {
			t.contradict("block %s has height 0 and is not genesis", h)
		}
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
		t.malformed = fmt.Sprintf(format, args...)
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

// onChain says whether b is on the chain that ends with tip.
func (t *tree) onChain(b, tip blockID) bool {
	for tip != noBlock && tip != b && t.at(tip).height > t.at(b).height {
		tip = t.at(tip).parent
	}
	return tip == b
}
