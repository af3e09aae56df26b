package chain

import (
	"errors"
	"fmt"
	"testing"
	"unsafe"

	"github.com/netsplit/netsplit/ci/must"
)

// anyHeader is an Engine that accepts every header, so that tests need no proof of work.
type anyHeader struct{}

func (anyHeader) CheckHeader(*Header, Branch, Millis) error { return nil }
func (anyHeader) NextBits(Branch) uint32                    { return MaxBits }
func (anyHeader) MinTime(b Branch) Millis                   { return b.Ancestor(0).Time + 1 }

func testTree(t *testing.T) (*Tree, Key) {
	t.Helper()
	k := must.Get(KeyFromSeed(fmt.Sprintf("%064x", 1)))(t)
	g := &Genesis{Network: "n", Bits: MaxBits, Interval: 1, HalfLife: 1, Subsidy: 5,
		Alloc: []Alloc{{Address: k.Address(), Amount: 1 << 40}}}
	tree := must.Get(NewTree(g, anyHeader{}, nil))(t)
	return tree, k
}

// sibling is a child of parent that differs from others by miner. before is the state after parent.
func sibling(t *testing.T, tree *Tree, parent *Block, before State, miner Address) *Block {
	t.Helper()
	_, after, err := tree.ledger.Assemble(before, nil, miner)
	if err != nil {
		t.Fatal(err)
	}
	return NewBlock(Header{Version: 1, Height: parent.Height + 1, Parent: parent.Hash(), TxRoot: TxRoot(nil),
		StateRoot: after.Root(), Miner: miner, Bits: MaxBits}, nil)
}

func TestTree_DropsAndReplaysStates(t *testing.T) {
	tree, k := testTree(t)
	const length = keepStates + 2*stateStride + 10
	states := []State{tree.HeadState()}
	genesis := tree.Genesis().Hash()
	for range length {
		tx := Tx{To: Address{byte(len(states))}, Amount: 3, Fee: 1, Nonce: uint64(len(states)) - 1}
		k.Sign(genesis, &tx)
		h, txs, err := tree.Template(Address{0xee}, []Tx{tx}, 0)
		if err != nil || len(txs) != 1 {
			t.Fatal(err, len(txs))
		}
		if added, err := tree.Add(NewBlock(h, txs), 0); err != nil || !added.NewHead {
			t.Fatal(added, err)
		}
		states = append(states, tree.HeadState())
	}
	for height, e := range tree.canonical {
		want := height > length-keepStates || height%stateStride == 0
		if e.hasState() != want {
			t.Errorf("height %d: state kept: %v, want %v", height, e.hasState(), want)
		}
		s, err := tree.stateAfter(e)
		if err != nil || s.Root() != states[height].Root() {
			t.Errorf("height %d: state after it: root %s, %v; want %s", height, s.Root(), err, states[height].Root())
		}
	}
	// A block on an old parent is validated like any other.
	parent, _ := tree.AtHeight(stateStride - 1)
	side := sibling(t, tree, parent, states[parent.Height], Address{0xdd})
	if added, err := tree.Add(side, 0); err != nil || added.NewHead || !tree.Has(side.Hash()) {
		t.Errorf("side branch: %+v, %v", added, err)
	}
	wrong := sibling(t, tree, parent, states[parent.Height+1], Address{0xdc})
	if _, err := tree.Add(wrong, 0); !errors.Is(err, ErrStateRoot) {
		t.Errorf("side branch with a wrong state: %v", err)
	}
}

// Side blocks never evict the state of the head.
func TestTree_KeepsHeadState(t *testing.T) {
	tree, _ := testTree(t)
	head := sibling(t, tree, tree.Genesis(), tree.HeadState(), Address{1})
	genesisState := tree.HeadState()
	for i := range 2 * keepStates {
		b := head
		if i > 0 {
			b = sibling(t, tree, tree.Genesis(), genesisState, Address{2, byte(i), byte(i >> 8)})
		}
		must.Get(tree.Add(b, 0))(t)
	}
	if tree.Head() != head || !tree.head().hasState() {
		t.Error("the state of the head was dropped")
	}
	kept := 0
	for _, e := range tree.entries {
		if e.hasState() {
			kept++
		}
	}
	if want := keepStates + 2; kept != want { // and genesis and the head
		t.Errorf("%d states kept, want %d", kept, want)
	}
}

// A state that cannot be recomputed is an error of the node; the block is not invalid.
func TestTree_ReplayFailureIsNotInvalid(t *testing.T) {
	tree, k := testTree(t)
	tx := Tx{To: Address{1}, Amount: 3}
	k.Sign(tree.Genesis().Hash(), &tx)
	h, txs, err := tree.Template(Address{1}, []Tx{tx}, 0)
	if err != nil {
		t.Fatal(err)
	}
	b := NewBlock(h, txs)
	must.Get(tree.Add(b, 0))(t)
	child := sibling(t, tree, b, tree.HeadState(), Address{2})
	tree.head().state = State{}
	tree.canonical[0].state = State{}.with([]entry{{Address{9}, Account{Balance: 1}}}) // corrupted memory
	if _, err := tree.Add(child, 0); err == nil || errors.Is(err, ErrInvalid) {
		t.Errorf("got %v, want an error that does not wrap ErrInvalid", err)
	}
}

func TestInvalidSet_EvictsOldest(t *testing.T) {
	var s invalidSet
	hash := func(i int) Hash { return Hash{byte(i), byte(i >> 8)} }
	const extra = 10
	for i := range maxInvalid + extra {
		e := &treeEntry{block: &Block{Txs: make([]Tx, 1)}}
		s.put(hash(i), e, ErrFunds)
		if e.block.Txs != nil || e.block.Hash() != hash(i) {
			t.Fatal("an invalid block's body is kept")
		}
	}
	if len(s.known) != maxInvalid || len(s.order.items) != maxInvalid {
		t.Errorf("%d known, want %d", len(s.known), maxInvalid)
	}
	if s.get(hash(extra-1)) != nil || s.get(hash(extra)) == nil {
		t.Error("the evicted ones are not the oldest")
	}
}

// Each of thousands of simulated nodes has an entry for every block, besides the slots in the map and the slice.
func TestTreeEntry_Size(t *testing.T) {
	if size := unsafe.Sizeof(treeEntry{}); size > 64 {
		t.Errorf("a tree entry has %d bytes, want at most 64", size)
	}
}
