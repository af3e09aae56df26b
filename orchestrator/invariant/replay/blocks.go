package replay

import (
	"fmt"
	"strings"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// BlockIndex is a block's number in the order of first mention; genesis is 0.
type BlockIndex int32

// NoBlock stands for a block that is not known.
const NoBlock BlockIndex = -1

// Block is what is held of a block for the whole run, in some 150 bytes.
type Block struct {
	Hash   trace.Hash
	Parent BlockIndex // NoBlock: not known, or genesis
	Height uint64
	// First is when a node first had it, Since the earliest time at which that can have been, FirstBy that node: NoNode while
	// no node had it, and the times mean nothing then. Groups is Connectivity.Version at First.
	First   time.Duration
	Since   time.Duration
	FirstBy NodeIndex
	Groups  int32
	Maker   NodeIndex // NoNode: not known
	// Adopter is the node on whose chain it was first, NoNode while it is on none; Adopted is when.
	Adopter NodeIndex
	Adopted time.Duration
	// dated is true where the block's own time is before the run, recent where it appeared in the run above all blocks that
	// existed before.
	dated, recent bool
	// assumed is true while the height is known from a child alone. skipped is how many heights below are known to have no
	// block.
	assumed  bool
	skipped  uint64
	producer int32 // index in BlockTree.producers, 0: not stated
}

// Preexisting says whether the block was made before the run, so that its first appearance says nothing. A block that
// stands above all that existed is new, whatever time it states: block times may be constant, or lag.
func (b *Block) Preexisting() bool { return b.dated && !b.recent }

// Number is the number of blocks below the block, as far as is known: its height without those that the chain skips.
func (b *Block) Number() uint64 { return b.Height - b.skipped }

// BlockTree is every block that the trace mentions. Parent links go strictly downwards in height, so walks end.
//
// Polled nodes may be observed from some height on. A block that does not lead down to genesis then has a lowest known
// ancestor of its own: what is below is not known, and may be another network's chain.
type BlockTree struct {
	byHash map[trace.Hash]BlockIndex
	blocks []Block
	// unnamed is true until block 0 has a hash, where the run event states none.
	unnamed bool
	// skips is true where a chain may have no block at some heights.
	skips      bool
	producers  []string // names that blocks state for their producers, by number
	producerNo map[string]int32
	preexisted uint64 // height of the highest block that existed before the run
	// malformed is the first contradiction among the events' own statements about blocks.
	malformed   string
	malformedAt time.Duration
	now         time.Duration // of the event that is being applied
}

func newBlockTree(genesis trace.Hash) BlockTree {
	t := BlockTree{
		byHash: make(map[trace.Hash]BlockIndex), unnamed: genesis == "",
		producers: []string{""}, producerNo: make(map[string]int32),
	}
	t.intern(genesis, 0)
	return t
}

// Len is the number of blocks, genesis included.
func (t *BlockTree) Len() int { return len(t.blocks) }

// At is the block with a number, which must not be NoBlock. The pointer is valid until the next event.
func (t *BlockTree) At(b BlockIndex) *Block { return &t.blocks[b] }

// Lookup finds a block by its hash.
func (t *BlockTree) Lookup(h trace.Hash) (BlockIndex, bool) {
	b, ok := t.byHash[h]
	return b, ok
}

// Producer is the name that a block states for its producer; empty where it states none.
func (t *BlockTree) Producer(b *Block) string { return t.producers[b.producer] }

// Malformed is the first contradiction among what the trace says of blocks, and when it was recorded; empty if there is none.
func (t *BlockTree) Malformed() (string, time.Duration) { return t.malformed, t.malformedAt }

// Fork is the highest block that is on both chains, NoBlock where a chain is not known far enough down.
func (t *BlockTree) Fork(a, b BlockIndex) BlockIndex {
	for a != b {
		if a == NoBlock || b == NoBlock {
			return NoBlock
		}
		if t.At(a).Height >= t.At(b).Height {
			a = t.At(a).Parent
		} else {
			b = t.At(b).Parent
		}
	}
	return a
}

// Divergent counts the blocks of a's chain that are surely not on b's, for two chains that share no known block: those at
// heights where both are known. 0 means that no height of both is known, so that nothing can be said.
func (t *BlockTree) Divergent(a, b BlockIndex) int {
	if a == NoBlock || b == NoBlock {
		return 0
	}
	from := max(t.At(t.Lowest(a)).Height, t.At(t.Lowest(b)).Height)
	if t.At(a).Height < from || t.At(b).Height < from {
		return 0
	}
	first := a
	for p := t.At(first).Parent; p != NoBlock && t.At(p).Height >= from; p = t.At(first).Parent {
		first = p
	}
	return int(t.At(a).Number()-t.At(first).Number()) + 1
}

// Lowest is the lowest known block of the chain that ends with b.
func (t *BlockTree) Lowest(b BlockIndex) BlockIndex {
	for t.At(b).Parent != NoBlock {
		b = t.At(b).Parent
	}
	return b
}

// Ancestor is the block at a height of the chain that ends with tip, NoBlock where that is above it or not known.
func (t *BlockTree) Ancestor(tip BlockIndex, height uint64) BlockIndex {
	for tip != NoBlock && t.At(tip).Height > height {
		tip = t.At(tip).Parent
	}
	if tip == NoBlock || t.At(tip).Height != height {
		return NoBlock
	}
	return tip
}

// OnChain says whether b is on the chain that ends with tip.
func (t *BlockTree) OnChain(b, tip BlockIndex) bool {
	for tip != NoBlock && tip != b && t.At(tip).Height > t.At(b).Height {
		tip = t.At(tip).Parent
	}
	return tip == b
}

// intern returns the block's number; a hash that is new gets the next one.
func (t *BlockTree) intern(h trace.Hash, height uint64) BlockIndex {
	if b, ok := t.byHash[h]; ok {
		return b
	}
	if height == 0 && t.unnamed && len(t.blocks) > 0 {
		t.unnamed = false
		t.byHash[h], t.At(0).Hash = 0, h
		return 0
	}
	b := BlockIndex(len(t.blocks))
	t.byHash[h] = b
	t.blocks = append(t.blocks, Block{
		Hash: h, Parent: NoBlock, Height: height, FirstBy: NoNode, Maker: NoNode, Adopter: NoNode,
	})
	return b
}

// link records that h, at height, is a child of parent.
func (t *BlockTree) link(h, parent trace.Hash, height uint64) BlockIndex {
	b := t.intern(h, height)
	if x := t.At(b); x.Parent != NoBlock {
		if x.Height != height || t.At(x.Parent).Hash != parent {
			t.contradict("block %s is recorded with two parents or heights", h)
		}
		return b
	}
	if x := t.At(b); t.skips && x.assumed && height < x.Height {
		x.Height = height // it was known from a child alone, and the chain skips the heights between them
	}
	t.At(b).assumed = false
	if t.At(b).Height != height {
		t.contradict("block %s is recorded with heights %d and %d", h, t.At(b).Height, height)
		return b
	}
	if height == 0 {
		return b
	}
	_, known := t.byHash[parent]
	p := t.intern(parent, height-1)
	x := t.At(p)
	x.assumed = x.assumed || !known && height > 1
	if x.Height > height-1 && x.assumed && x.Parent == NoBlock {
		x.Height = height - 1 // a child of a skipped height came first
	}
	if x.Height != height-1 && !(t.skips && x.Height < height) {
		t.contradict("block %s of height %d has a parent of height %d", h, height, x.Height)
		return b
	}
	t.At(b).Parent = p
	t.At(b).skipped = x.skipped + (height - 1 - x.Height)
	return b
}

// final looks up the block that a node reports as final; NoBlock for one at another height than its own.
func (t *BlockTree) final(f *trace.Final) BlockIndex {
	b := t.intern(f.Hash, f.Height)
	if t.At(b).Height != f.Height {
		t.contradict("block %s is reported as final at a height that is not its own", f.Hash)
		return NoBlock
	}
	return b
}

// setProducer records the producer that a block states. A name without content, such as the zero address that clique puts
// into headers, says nothing.
func (t *BlockTree) setProducer(b BlockIndex, producer string) {
	if strings.Trim(strings.TrimPrefix(producer, "0x"), "0") == "" {
		return
	}
	no, ok := t.producerNo[producer]
	if !ok {
		no = int32(len(t.producers))
		t.producers = append(t.producers, producer)
		t.producerNo[producer] = no
	}
	t.At(b).producer = no
}

// age separates the blocks of the run from those that existed before, for the first report of a block.
func (t *BlockTree) age(b *Block, s *trace.Seen) {
	switch {
	case s.Sync || t.now <= 0:
		t.preexisted = max(t.preexisted, s.Height)
	case s.Height > t.preexisted:
		b.recent = true
	}
}

// adopt records the first node whose chain the blocks up to head are on.
func (t *BlockTree) adopt(head BlockIndex, n NodeIndex) {
	for b := head; b != NoBlock && t.At(b).Adopter == NoNode; b = t.At(b).Parent {
		t.At(b).Adopter, t.At(b).Adopted = n, t.now
	}
}

func (t *BlockTree) contradict(format string, args ...any) {
	if t.malformed == "" {
		t.malformed, t.malformedAt = fmt.Sprintf(format, args...), t.now
	}
}
