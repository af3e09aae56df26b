package chain

import (
	"errors"
	"fmt"
)

// Tree holds all valid blocks that are known, and chooses the head: the block with the most cumulative work, the first
// one seen among equals. It is not safe for use by many goroutines at once. Blocks whose parent is not known are not
// kept: that is the caller's task.
type Tree struct {
	ledger  *Ledger
	engine  Engine
	entries map[Hash]*treeEntry
	best    []*treeEntry // by height; the last is the head
	invalid invalidSet
	recent  recentStates
}

// treeEntry is what the tree holds of a block. A simulation has a tree for each of thousands of nodes, so it is small;
// blocks and states are shared.
type treeEntry struct {
	block  *Block
	parent *treeEntry // nil at genesis
	first  *treeEntry // the block at height 1 of this branch; nil at genesis
	state  State      // zero if it was let go, see keepStates
	work   Work       // cumulative
}

// Ancestor makes an entry the Branch that ends with it.
func (e *treeEntry) Ancestor(n int) *Header {
	for ; n > 0 && e != nil; n-- {
		e = e.parent
	}
	if e == nil {
		return nil
	}
	return &e.block.Header
}

// First is as Branch says.
func (e *treeEntry) First() *Header {
	if e.first == nil {
		return nil
	}
	return &e.first.block.Header
}

// NewTree makes a tree that knows genesis alone. It fails if g is not valid. memo may be nil.
func NewTree(g *Genesis, e Engine, memo *Memo) (*Tree, error) {
	if memo == nil {
		memo = newSigMemo()
	}
	l, err := NewLedger(g, memo)
	if err != nil {
		return nil, fmt.Errorf("block tree: %w", err)
	}
	root := &treeEntry{block: l.Genesis(), state: l.State()}
	return &Tree{
		ledger:  l,
		engine:  e,
		entries: map[Hash]*treeEntry{l.Genesis().Hash(): root},
		best:    []*treeEntry{root},
	}, nil
}

// Added says what became of a block that was given to Tree.Add.
type Added struct {
	Known   bool // it was in the tree already, or was known to be invalid; nothing changed
	Orphan  bool // its parent is not known; it was not kept
	NewHead bool // it is the head now
	Old     Hash // the head before, if NewHead
	// Dropped are the blocks that left the best chain, Adopted those that joined it, both by ascending height.
	Dropped, Adopted []*Block
}

// Add checks b and, if it is valid and its parent is known, takes it into the tree. now is the node's clock. An error
// wraps ErrFuture, which time may cure, or ErrInvalid and the reason. Proof of work is checked before anything costly.
func (t *Tree) Add(b *Block, now Millis) (Added, error) {
	hash := b.Hash()
	if t.entries[hash] != nil {
		return Added{Known: true}, nil
	}
	if bad := t.invalid.get(hash); bad != nil {
		return Added{Known: true}, t.refuse(b, bad.err)
	}
	if b.Version != HeaderVersion {
		return Added{}, t.refuse(b, Invalid(ErrVersion, "%d", b.Version))
	}
	parent, badParent := t.entries[b.Parent], t.invalid.get(b.Parent)
	if badParent != nil {
		parent = badParent.entry
	}
	if parent == nil {
		// An orphan's header cannot be judged, its body can.
		if err := checkBody(b); err != nil {
			return Added{}, t.refuse(b, err)
		}
		return Added{Orphan: true}, nil
	}
	if err := t.checkHeader(b, parent, now); err != nil {
		return Added{}, t.refuse(b, err)
	}
	e := t.link(b, parent)
	if badParent != nil {
		err := Invalid(ErrParent, "%s", b.Parent)
		t.invalid.put(hash, e, err)
		return Added{}, t.refuse(b, err)
	}
	before, err := t.stateAfter(parent)
	if err != nil {
		return Added{}, fmt.Errorf("add block %s: %w", hash, err)
	}
	if e.state, err = t.ledger.Execute(before, b); err != nil {
		// A body that the header does not commit to says nothing about the block with this hash.
		if !errors.Is(err, ErrTxRoot) && !errors.Is(err, ErrTooManyTx) {
			t.invalid.put(hash, e, err)
		}
		return Added{}, t.refuse(b, err)
	}
	t.entries[hash] = e
	added := t.choose(e)
	t.keep(e)
	return added, nil
}

func (t *Tree) refuse(b *Block, err error) error {
	return fmt.Errorf("block %s at height %d: %w", b.Hash(), b.Height, err)
}

func (t *Tree) checkHeader(b *Block, parent *treeEntry, now Millis) error {
	if b.Height != parent.block.Height+1 {
		return Invalid(ErrHeight, "%d on top of %d", b.Height, parent.block.Height)
	}
	return t.engine.CheckHeader(&b.Header, parent, now)
}

// link makes b's entry, without a state.
func (t *Tree) link(b *Block, parent *treeEntry) *treeEntry {
	e := &treeEntry{block: b, parent: parent, first: parent.first, work: parent.work.Add(WorkOf(b.Bits))}
	if parent.parent == nil {
		e.first = e
	}
	return e
}

// Head is the last block of the best chain.
func (t *Tree) Head() *Block { return t.head().block }

// HeadWork is the head's cumulative work; genesis has none.
func (t *Tree) HeadWork() Work { return t.head().work }

// HeadState is the ledger after the head.
func (t *Tree) HeadState() State { return t.head().state }

// Genesis is the block at height 0.
func (t *Tree) Genesis() *Block { return t.best[0].block }

// Ledger is the rules that the tree's blocks are executed by.
func (t *Tree) Ledger() *Ledger { return t.ledger }

// Len is the number of blocks in the tree, genesis and side branches included.
func (t *Tree) Len() int { return len(t.entries) }

// Has says whether the block is in the tree.
func (t *Tree) Has(h Hash) bool { return t.entries[h] != nil }

// Get is the block with this hash, on any branch.
func (t *Tree) Get(h Hash) (*Block, bool) {
	e := t.entries[h]
	if e == nil {
		return nil, false
	}
	return e.block, true
}

// AtHeight is the best chain's block at this height.
func (t *Tree) AtHeight(h Height) (*Block, bool) {
	if h >= Height(len(t.best)) {
		return nil, false
	}
	return t.best[h].block, true
}

// OnBest says whether the block is on the best chain.
func (t *Tree) OnBest(h Hash) bool {
	e := t.entries[h]
	return e != nil && t.onBest(e)
}

func (t *Tree) head() *treeEntry { return t.best[len(t.best)-1] }

func (t *Tree) onBest(e *treeEntry) bool {
	h := e.block.Height
	return h < Height(len(t.best)) && t.best[h] == e
}
