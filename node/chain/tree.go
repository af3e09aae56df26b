package chain

import (
	"errors"
	"fmt"
)

// Engine is the consensus rules on headers.
type Engine interface {
	// CheckHeader checks what h claims as a child of branch's tip: difficulty, proof and time; the tree has checked
	// version, parent and height. now is the node's clock and bounds the header's time. Errors wrap ErrFuture, or
	// ErrInvalid and the reason.
	CheckHeader(h *Header, branch Branch, now Millis) error
	// NextBits is the bits that a child of branch's tip must carry.
	NextBits(branch Branch) uint32
	// MinTime is the earliest time that a child of branch's tip may carry.
	MinTime(branch Branch) Millis
}

// Branch is the headers from genesis to some block, the branch's tip.
type Branch interface {
	// Ancestor is the header n blocks before the tip, the tip itself for 0, nil before genesis. It takes n steps.
	Ancestor(n int) *Header
	// First is the branch's header at height 1, nil if it has genesis alone.
	First() *Header
}

// Headers is a Branch in a slice: index i holds height i, the last is the tip.
type Headers []*Header

// Ancestor is as Branch says.
func (hs Headers) Ancestor(n int) *Header {
	if n < 0 || n >= len(hs) {
		return nil
	}
	return hs[len(hs)-1-n]
}

// First is as Branch says.
func (hs Headers) First() *Header {
	if len(hs) < 2 {
		return nil
	}
	return hs[1]
}

// Tree holds all valid blocks that are known, and chooses the head: the block with the most cumulative work, the first
// one seen among equals. It is not safe for use by many goroutines at once. Blocks whose parent is not known are not
// kept: that is the caller's task.
type Tree struct {
	ledger    *Ledger
	engine    Engine
	entries   map[Hash]*treeEntry
	canonical []*treeEntry // by height; the last is the head
	invalid   invalidSet
	recent    recentStates
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
		ledger:    l,
		engine:    e,
		entries:   map[Hash]*treeEntry{l.Genesis().Hash(): root},
		canonical: []*treeEntry{root},
	}, nil
}

// Added says what became of a block that was given to Tree.Add.
type Added struct {
	Known   bool // it was in the tree already, or was known to be invalid; nothing changed
	Orphan  bool // its parent is not known; it was not kept
	NewHead bool // it is the head now
	OldHead Hash // the head before, if NewHead
	// Dropped are the blocks that left the best chain, Applied those that joined it, both by ascending height.
	Dropped, Applied []*Block
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

// Head is the last block of the best chain.
func (t *Tree) Head() *Block { return t.head().block }

// HeadWork is the head's cumulative work; genesis has none.
func (t *Tree) HeadWork() Work { return t.head().work }

// HeadState is the ledger after the head.
func (t *Tree) HeadState() State { return t.head().state }

// Genesis is the block at height 0.
func (t *Tree) Genesis() *Block { return t.canonical[0].block }

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
	if h >= Height(len(t.canonical)) {
		return nil, false
	}
	return t.canonical[h].block, true
}

// IsCanonical says whether the block is on the best chain.
func (t *Tree) IsCanonical(h Hash) bool {
	e := t.entries[h]
	return e != nil && t.isCanonical(e)
}

func (t *Tree) head() *treeEntry { return t.canonical[len(t.canonical)-1] }

func (t *Tree) isCanonical(e *treeEntry) bool {
	h := e.block.Height
	return h < Height(len(t.canonical)) && t.canonical[h] == e
}

// updateHead makes e, a new entry, the head if its chain has more work than the head's. Ties go to the one seen first.
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
	clear(t.canonical[min(grown, len(t.canonical)):]) // a heavier chain may be shorter: let go of the rest
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

// maxInvalid bounds the invalid blocks that a tree remembers.
const maxInvalid = 1024

// invalidSet remembers the last maxInvalid blocks that carried their proof of work but broke the ledger's rules, and
// their descendants, so that they are refused without executing anything. Its memory costs an attacker work.
type invalidSet struct {
	known map[Hash]*invalidBlock
	order []Hash // ring, the oldest at next once it is full
	next  int
}

type invalidBlock struct {
	entry *treeEntry // its header alone, to judge the headers of its children
	err   error
}

func (s *invalidSet) get(h Hash) *invalidBlock { return s.known[h] }

func (s *invalidSet) put(h Hash, e *treeEntry, err error) {
	if s.known == nil {
		s.known = make(map[Hash]*invalidBlock)
	}
	if len(s.order) < maxInvalid {
		s.order = append(s.order, h)
	} else {
		delete(s.known, s.order[s.next])
		s.order[s.next] = h
		s.next = (s.next + 1) % maxInvalid
	}
	e.block = &Block{Header: e.block.Header, sealed: true, hash: h}
	s.known[h] = &invalidBlock{entry: e, err: err}
}

// A state holds what its block changed in the trie, which is several times the block itself. So the tree keeps the
// states of the keepStates blocks added last, and of every height that stateStride divides; others are computed again
// from the nearest one below, which only a block on an old parent asks for.
const (
	keepStates  = 256
	stateStride = 128
)

// recentStates is the ring of entries added last; the oldest is at next once it is full.
type recentStates struct {
	ring []*treeEntry
	next int
}

// retireStates notes that e was added and lets go of the state that has become too old.
func (t *Tree) retireStates(e *treeEntry) {
	r := &t.recent
	if len(r.ring) < keepStates {
		r.ring = append(r.ring, e)
		return
	}
	old := r.ring[r.next]
	r.ring[r.next] = e
	r.next = (r.next + 1) % keepStates
	if old != t.head() && old.block.Height%stateStride != 0 {
		old.state = State{}
	}
}

// hasState says whether the entry's state is at hand. A computed state is never the zero State.
func (e *treeEntry) hasState() bool { return e.state.s != nil }

// stateAfter is the state after e's block, computed again if it was let go.
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

// Template is the header of a child of the head, complete but for its nonce, and the transactions it commits to: those
// of txs that apply, in their order. Its time is now, or the earliest that the rules allow if that is later. The error
// wraps ErrSupply.
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

// locatorDense is the number of blocks that a locator names one by one before its steps double.
const locatorDense = 10

// Locator names blocks of the best chain from the head backwards: the last 10 one by one, then in doubling steps, and
// always genesis at the end. It has fewer than 64 hashes.
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

// After is up to max blocks of the best chain, ascending, that follow the first hash of locator that is on it; more
// says that others follow them. A locator of which nothing is on the best chain, not even genesis, gets nothing.
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
