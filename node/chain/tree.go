package chain

import (
	"errors"
	"fmt"
)

// Engine is the consensus engine: the rules for headers.
type Engine interface {
	// CheckHeader checks h as a child of branch's tip: difficulty, proof and time. The tree has checked version, parent
	// and height. now is the node's clock and bounds the header's time. Errors wrap ErrFuture, or ErrInvalid and the
	// reason.
	CheckHeader(h *Header, branch Branch, now Millis) error
	// NextBits is the compact target that a child of branch's tip must have.
	NextBits(branch Branch) uint32
	// MinTime is the earliest time that a child of branch's tip may have.
	MinTime(branch Branch) Millis
}

// Branch is the headers from genesis to some block, its tip.
type Branch interface {
	// Ancestor is the header n blocks before the tip, nil before genesis. It takes O(n) steps.
	Ancestor(n int) *Header
	// First is the branch's header at height 1, nil if the tip is genesis.
	First() *Header
}

// Headers is a Branch as a slice, by height.
type Headers []*Header

// Ancestor implements Branch.
func (hs Headers) Ancestor(n int) *Header {
	if n < 0 || n >= len(hs) {
		return nil
	}
	return hs[len(hs)-1-n]
}

// First implements Branch.
func (hs Headers) First() *Header {
	if len(hs) < 2 {
		return nil
	}
	return hs[1]
}

// Tree holds all known valid blocks and implements the fork choice: the head is the block with the most cumulative work,
// among equals the one seen first. The branch that ends with the head is the canonical chain. Orphans are not stored: that
// is the caller's job. A Tree is not safe for concurrent use.
type Tree struct {
	ledger    *Ledger
	engine    Engine
	entries   map[Hash]*treeEntry
	canonical []*treeEntry // by height; the last one is the head
	invalid   invalidSet
	recent    ring[*treeEntry] // the last keepStates entries
}

// treeEntry is a block in the tree. A simulation has a tree for each of thousands of nodes, so an entry is small, and
// blocks and states are shared.
type treeEntry struct {
	block  *Block
	parent *treeEntry // nil at genesis
	first  *treeEntry // the block at height 1 of this branch; nil at genesis
	state  State      // zero if it was dropped, see keepStates
	work   Work       // cumulative
}

// Ancestor implements Branch: an entry is the tip of a branch.
func (e *treeEntry) Ancestor(n int) *Header {
	for ; n > 0 && e != nil; n-- {
		e = e.parent
	}
	if e == nil {
		return nil
	}
	return &e.block.Header
}

// First implements Branch.
func (e *treeEntry) First() *Header {
	if e.first == nil {
		return nil
	}
	return &e.first.block.Header
}

// NewTree makes a tree with the genesis block only. It fails if g is invalid. memo may be nil.
func NewTree(g *Genesis, e Engine, memo *Memo) (*Tree, error) {
	l, err := NewLedger(g, memo)
	if err != nil {
		return nil, fmt.Errorf("block tree: %w", err)
	}
	root := &treeEntry{block: l.Genesis(), state: l.State()}
	return &Tree{
		ledger:    l,
		engine:    e,
		entries:   map[Hash]*treeEntry{l.Genesis().Hash(): root},
		canonical: []*treeEntry{root},
	}, nil
}

// Added is the outcome of Tree.Add.
type Added struct {
	Known   bool // the block was known already, as valid or invalid; nothing changed
	Orphan  bool // its parent is unknown; it was not stored
	NewHead bool // it is the new head
	OldHead Hash // the previous head, if NewHead
	// Dropped are the blocks that left the canonical chain, Applied those that joined it, both by ascending height.
	Dropped, Applied []*Block
}

// Add validates b and adds it to the tree if its parent is known. now is the node's clock. An error wraps ErrFuture, which
// is not permanent, or ErrInvalid and the reason. Proof of work is checked before anything costly.
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
		// The header of an orphan cannot be checked, its body can.
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
		// A body that the header does not commit to does not make the block with this hash invalid.
		if !errors.Is(err, ErrTxRoot) && !errors.Is(err, ErrTooManyTx) {
			t.invalid.put(hash, e, err)
		}
		return Added{}, t.refuse(b, err)
	}
	t.entries[hash] = e
	added := t.updateHead(e)
	t.retireStates(e)
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

// Head is the last block of the canonical chain.
func (t *Tree) Head() *Block { return t.head().block }

// HeadWork is the head's cumulative work; that of genesis is zero.
func (t *Tree) HeadWork() Work { return t.head().work }

// HeadState is the ledger after the head.
func (t *Tree) HeadState() State { return t.head().state }

// Genesis is the block at height 0.
func (t *Tree) Genesis() *Block { return t.canonical[0].block }

// Ledger is the ledger that executes the tree's blocks.
func (t *Tree) Ledger() *Ledger { return t.ledger }

// Len is the number of blocks in the tree, genesis and side branches included.
func (t *Tree) Len() int { return len(t.entries) }

// Has reports whether the block is in the tree.
func (t *Tree) Has(h Hash) bool { return t.entries[h] != nil }

// Get returns the block with this hash, on any branch.
func (t *Tree) Get(h Hash) (*Block, bool) {
	e := t.entries[h]
	if e == nil {
		return nil, false
	}
	return e.block, true
}

// AtHeight returns the block of the canonical chain at this height.
func (t *Tree) AtHeight(h Height) (*Block, bool) {
	if h >= Height(len(t.canonical)) {
		return nil, false
	}
	return t.canonical[h].block, true
}

// IsCanonical reports whether the block is on the canonical chain.
func (t *Tree) IsCanonical(h Hash) bool {
	e := t.entries[h]
	return e != nil && t.isCanonical(e)
}

func (t *Tree) head() *treeEntry { return t.canonical[len(t.canonical)-1] }

func (t *Tree) isCanonical(e *treeEntry) bool {
	h := e.block.Height
	return h < Height(len(t.canonical)) && t.canonical[h] == e
}

// updateHead makes e, a new entry, the head if it has more work than the present one.
func (t *Tree) updateHead(e *treeEntry) Added {
	old := t.head()
	if e.work.Cmp(old.work) <= 0 {
		return Added{}
	}
	a := Added{NewHead: true, OldHead: old.block.Hash()}
	fork := e
	for !t.isCanonical(fork) {
		fork = fork.parent
	}
	base := int(fork.block.Height) + 1
	for _, d := range t.canonical[base:] {
		a.Dropped = append(a.Dropped, d.block)
	}
	grown := int(e.block.Height) + 1
	clear(t.canonical[min(grown, len(t.canonical)):]) // a chain with more work may be shorter
	t.canonical = t.canonical[:min(grown, len(t.canonical))]
	for len(t.canonical) < grown {
		t.canonical = append(t.canonical, nil)
	}
	a.Applied = make([]*Block, grown-base)
	for n := e; n != fork; n = n.parent {
		h := int(n.block.Height)
		t.canonical[h] = n
		a.Applied[h-base] = n.block
	}
	return a
}

// maxInvalid is the number of invalid blocks that a tree remembers.
const maxInvalid = 1024

// invalidSet remembers the last maxInvalid blocks that have a valid proof of work but violate the ledger's rules, and
// their descendants, so that they are refused without being executed again. To fill it costs an attacker work.
type invalidSet struct {
	known map[Hash]*invalidBlock
	order ring[Hash]
}

type invalidBlock struct {
	entry *treeEntry // without transactions, to check the headers of its children
	err   error
}

func (s *invalidSet) get(h Hash) *invalidBlock { return s.known[h] }

func (s *invalidSet) put(h Hash, e *treeEntry, err error) {
	if s.known == nil {
		s.known = make(map[Hash]*invalidBlock)
	}
	if oldest, evicted := s.order.push(h, maxInvalid); evicted {
		delete(s.known, oldest)
	}
	e.block = &Block{Header: e.block.Header, sealed: true, hash: h}
	s.known[h] = &invalidBlock{entry: e, err: err}
}

// A state holds what its block changed in the trie, several times the size of the block. So the tree keeps only the states
// of the last keepStates blocks added and of every stateStride-th height. Others are recomputed from the nearest one
// below, which is necessary only for a block on an old parent.
const (
	keepStates  = 256
	stateStride = 128
)

// ring holds the items that were pushed last; once it is full, the oldest is at next.
type ring[T any] struct {
	items []T
	next  int
}

// push adds an item and evicts the oldest if there are limit already.
func (r *ring[T]) push(item T, limit int) (oldest T, evicted bool) {
	if len(r.items) < limit {
		r.items = append(r.items, item)
		return oldest, false
	}
	oldest, r.items[r.next] = r.items[r.next], item
	r.next = (r.next + 1) % limit
	return oldest, true
}

// retireStates records that e was added and drops the state that is too old now.
func (t *Tree) retireStates(e *treeEntry) {
	old, evicted := t.recent.push(e, keepStates)
	if evicted && old != t.head() && old.block.Height%stateStride != 0 {
		old.state = State{}
	}
}

// hasState reports whether the entry's state was not dropped. A computed state is never the zero State.
func (e *treeEntry) hasState() bool { return e.state.s != nil }

// stateAfter returns the state after e's block, recomputed if it was dropped.
func (t *Tree) stateAfter(e *treeEntry) (State, error) {
	var path []*treeEntry
	base := e
	for ; !base.hasState(); base = base.parent {
		path = append(path, base)
	}
	s := base.state
	for i := len(path) - 1; i >= 0; i-- {
		var err error
		if s, err = t.ledger.replay(s, path[i].block); err != nil {
			return State{}, fmt.Errorf("replay block %s: %w", path[i].block.Hash(), err)
		}
	}
	return s, nil
}

// Template returns the header of a child of the head, complete except for the nonce, and the transactions it commits to:
// those of txs that apply, in order. Its time is now, or the earliest valid time if that is later. The error wraps
// ErrSupply.
func (t *Tree) Template(miner Address, txs []Tx, now Millis) (Header, []Tx, error) {
	head := t.head()
	kept, after, err := t.ledger.Assemble(head.state, txs, miner)
	if err != nil {
		return Header{}, nil, err
	}
	return Header{
		Version:   HeaderVersion,
		Height:    head.block.Height + 1,
		Parent:    head.block.Hash(),
		TxRoot:    TxRoot(kept),
		StateRoot: after.Root(),
		Miner:     miner,
		Time:      max(now, t.engine.MinTime(head)),
		Bits:      t.engine.NextBits(head),
	}, kept, nil
}

// locatorDense is the number of consecutive blocks in a locator before its steps double.
const locatorDense = 10

// Locator returns hashes of the canonical chain from the head backwards: the last 10, then in doubling steps, and genesis
// at the end. There are fewer than 64.
func (t *Tree) Locator() []Hash {
	var hashes []Hash
	step := 1
	for h := len(t.canonical) - 1; h > 0; h -= step {
		hashes = append(hashes, t.canonical[h].block.Hash())
		if len(hashes) >= locatorDense {
			step *= 2
		}
	}
	return append(hashes, t.Genesis().Hash())
}

// After returns up to max blocks of the canonical chain, ascending, after the first hash of locator that is on it; more
// is true if others follow. It returns nothing if no hash of locator is on the canonical chain, not even genesis.
func (t *Tree) After(locator []Hash, max int) (blocks []*Block, more bool) {
	for _, h := range locator {
		e := t.entries[h]
		if e == nil || !t.isCanonical(e) {
			continue
		}
		rest := t.canonical[e.block.Height+1:]
		n := min(len(rest), max)
		blocks = make([]*Block, n)
		for i := range blocks {
			blocks[i] = rest[i].block
		}
		return blocks, n < len(rest)
	}
	return nil, false
}
