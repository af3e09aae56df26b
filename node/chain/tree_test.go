package chain_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/node/chain"
)

func TestTree_ExtendsHead(t *testing.T) {
	k := newKit(t, 2)
	tree := k.tree()
	if tree.Head() != tree.Genesis() || tree.HeadWork() != (chain.Work{}) || tree.HeadState().Total() != 2*funds {
		t.Error("a new tree does not stand at genesis")
	}
	b := k.mine(k.draft(tree, 1, k.pay(0, 1, 10, 3, 0)))
	old := tree.Head().Hash()
	got := k.add(tree, b)
	want := chain.Added{NewHead: true, OldHead: old, Applied: []*chain.Block{b}}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(chain.Block{})); d != "" {
		t.Errorf("Added (-want +got):\n%s", d)
	}
	if tree.Head() != b || tree.HeadWork() != chain.WorkOf(b.Bits) || tree.Len() != 2 {
		t.Error("the head did not move to the block")
	}
	payer, _ := tree.HeadState().Get(k.addr(0))
	payee, _ := tree.HeadState().Get(k.addr(1))
	if payer != (chain.Account{Balance: funds - 13, Nonce: 1}) || payee != (chain.Account{Balance: funds + 10 + 3 + subsidy}) {
		t.Errorf("accounts: payer %+v, payee and miner %+v", payer, payee)
	}
	if got := k.add(tree, b); !got.Known || got.NewHead {
		t.Errorf("again: got %+v, want Known", got)
	}
	if g, ok := tree.Get(b.Hash()); !ok || g != b || !tree.Has(b.Hash()) || !tree.IsCanonical(b.Hash()) {
		t.Error("the block is not found by its hash")
	}
	if _, ok := tree.Get(chain.Hash{}); ok || tree.IsCanonical(chain.Hash{}) {
		t.Error("an unknown hash is found")
	}
	if g, ok := tree.AtHeight(1); !ok || g != b {
		t.Error("the block is not found by its height")
	}
	if _, ok := tree.AtHeight(2); ok {
		t.Error("a block is found above the head")
	}
}

func TestTree_FirstSeenWinsTies(t *testing.T) {
	k := newKit(t, 2)
	one, two := k.tree(), k.tree()
	a, b := k.extend(one, 1, 0)[0], k.extend(two, 1, 1)[0]
	if got := k.add(one, b); got.NewHead || one.Head() != a {
		t.Error("a block of equal work displaced the one seen first")
	}
	if got := k.add(two, a); got.NewHead || two.Head() != b {
		t.Error("a block of equal work displaced the one seen first")
	}
	if one.IsCanonical(b.Hash()) || !one.Has(b.Hash()) {
		t.Error("the other block is not on a side branch")
	}
}

func TestTree_Reorganises(t *testing.T) {
	k := newKit(t, 2)
	mine, theirs := k.tree(), k.tree()
	k.add(theirs, k.extend(mine, 2, 0)...)
	short, long := k.extend(mine, 3, 0), k.extend(theirs, 4, 1)
	if got := k.add(mine, long[:3]...); got.NewHead {
		t.Error("equal work displaced the head")
	}
	got := k.add(mine, long[3])
	want := chain.Added{NewHead: true, OldHead: short[2].Hash(), Dropped: short, Applied: long}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(chain.Block{})); d != "" {
		t.Errorf("Added (-want +got):\n%s", d)
	}
	if mine.HeadState().Root() != theirs.HeadState().Root() || mine.HeadWork() != theirs.HeadWork() {
		t.Error("trees with one head differ in state or work")
	}
	for i, b := range long {
		if g, ok := mine.AtHeight(chain.Height(3 + i)); !ok || g != b {
			t.Errorf("height %d is not on the adopted chain", 3+i)
		}
	}
}

// A shorter chain with more work wins.
func TestTree_MostWorkWins(t *testing.T) {
	k := newKit(t, 2)
	slow, fast := k.tree(), k.tree()
	stretch := func(tree *chain.Tree, n, miner int, step chain.Millis) (blocks []*chain.Block) {
		for range n {
			h, txs, err := tree.Template(k.addr(miner), nil, tree.Head().Time+step)
			if err != nil {
				t.Fatal(err)
			}
			b := k.mine(h, txs)
			k.add(tree, b)
			blocks = append(blocks, b)
		}
		return blocks
	}
	easy := stretch(slow, 8, 0, 2*k.g.HalfLife) // difficulty falls
	hard := stretch(fast, 7, 1, 1)              // difficulty rises
	got := k.add(slow, hard...)
	if !got.NewHead || slow.Head() != hard[6] || len(slow.Locator()) != 8 {
		t.Fatal("the chain with more work did not win")
	}
	if _, ok := slow.AtHeight(8); ok {
		t.Error("a height above the new head is still there")
	}
	if slow.IsCanonical(easy[7].Hash()) {
		t.Error("a dropped block is still canonical")
	}
}

func TestTree_Orphans(t *testing.T) {
	k := newKit(t, 1)
	blocks := k.extend(k.tree(), 2, 0)
	tree := k.tree()
	if got := k.add(tree, blocks[1]); !got.Orphan || tree.Has(blocks[1].Hash()) {
		t.Errorf("got %+v, want an orphan that is not kept", got)
	}
	spoiled := chain.NewBlock(blocks[1].Header, []chain.Tx{{}})
	if _, err := tree.Add(spoiled, farOff); !errors.Is(err, chain.ErrTxRoot) {
		t.Errorf("orphan with another body: got %v", err)
	}
	if got := k.add(tree, blocks...); !got.NewHead || tree.Head() != blocks[1] {
		t.Error("the orphan is not accepted after its parent")
	}
}

func TestTree_LocatorAndAfter(t *testing.T) {
	k := newKit(t, 1)
	tree := k.tree()
	blocks := k.extend(tree, 60, 0)
	at := func(h int) chain.Hash {
		b, _ := tree.AtHeight(chain.Height(h))
		return b.Hash()
	}
	var want []chain.Hash
	for _, h := range []int{60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 49, 45, 37, 21, 0} {
		want = append(want, at(h))
	}
	if d := cmp.Diff(want, tree.Locator()); d != "" {
		t.Errorf("locator (-want +got):\n%s", d)
	}
	if got := k.tree().Locator(); len(got) != 1 || got[0] != at(0) {
		t.Errorf("locator of genesis: got %v", got)
	}

	for _, c := range []struct {
		name    string
		locator []chain.Hash
		max     int
		want    []*chain.Block
		more    bool
	}{
		{"from genesis", []chain.Hash{at(0)}, 5, blocks[:5], true},
		{"exactly all", []chain.Hash{at(50)}, 10, blocks[50:], false},
		{"first known one counts", []chain.Hash{{1}, at(58), at(0)}, 10, blocks[58:], false},
		{"up to date", []chain.Hash{at(60)}, 10, nil, false},
		{"nothing in common", []chain.Hash{{1}}, 10, nil, false},
		{"empty", nil, 10, nil, false},
		{"max is zero", []chain.Hash{at(0)}, 0, nil, true},
	} {
		got, more := tree.After(c.locator, c.max)
		if !slices.Equal(got, c.want) || more != c.more {
			t.Errorf("%s: got %d blocks, more %v; want %d, %v", c.name, len(got), more, len(c.want), c.more)
		}
	}
}

// Blocks of a side branch in a locator are skipped.
func TestTree_AfterFromSideBranch(t *testing.T) {
	k := newKit(t, 2)
	tree, other := k.tree(), k.tree()
	k.add(other, k.extend(tree, 3, 0)...)
	side := k.extend(other, 2, 1)
	main := k.extend(tree, 4, 0)
	k.add(tree, side...)
	got, more := tree.After(other.Locator(), 100)
	if !slices.Equal(got, main) || more {
		t.Errorf("got %d blocks, more %v; want the %d after the fork", len(got), more, len(main))
	}
}

// Each case violates one rule.
func TestTree_InvalidBlocks(t *testing.T) {
	k := newKit(t, 3)
	tree := k.tree()
	k.extend(tree, 12, 0)
	now := tree.Head().Time
	pay := func(amount, fee chain.Amount, nonce uint64) []chain.Tx {
		return []chain.Tx{k.pay(2, 1, amount, fee, nonce)}
	}
	forged := pay(5, 1, 0)
	forged[0].Amount++
	stolen := pay(5, 1, 0)
	stolen[0].From = k.addr(0)
	elsewhere := []chain.Tx{{To: k.addr(1), Amount: 5}}
	k.keys[2].Sign(chain.Hash{1}, &elsewhere[0])

	for _, c := range []struct {
		name string
		edit func(h *chain.Header)
		txs  []chain.Tx
		want error
	}{
		{"version", func(h *chain.Header) { h.Version = 2 }, nil, chain.ErrVersion},
		{"height", func(h *chain.Header) { h.Height++ }, nil, chain.ErrHeight},
		{"bits", func(h *chain.Header) { h.Bits = chain.MaxBits }, nil, chain.ErrBits},
		{"time too old", func(h *chain.Header) { h.Time = start }, nil, chain.ErrTimeOld},
		{"time too far ahead", func(h *chain.Header) { h.Time = now + 121_000 }, nil, chain.ErrFuture},
		{"tx root", func(h *chain.Header) { h.TxRoot[0]++ }, nil, chain.ErrTxRoot},
		{"state root", func(h *chain.Header) { h.StateRoot[0]++ }, nil, chain.ErrStateRoot},
		{"other miner", func(h *chain.Header) { h.Miner = k.addr(1) }, nil, chain.ErrStateRoot},
		{"changed after signing", nil, forged, chain.ErrSignature},
		{"signed by another", nil, stolen, chain.ErrSignature},
		{"signed for another network", nil, elsewhere, chain.ErrSignature},
		{"nothing sent", nil, pay(0, 1, 0), chain.ErrAmount},
		{"cost overflows", nil, pay(math.MaxUint64, 1, 0), chain.ErrOverflow},
		{"overspend", nil, pay(funds, 1, 0), chain.ErrFunds},
		{"nonce ahead", nil, pay(5, 1, 1), chain.ErrNonce},
		{"twice the same", nil, append(pay(5, 1, 0), pay(5, 1, 0)...), chain.ErrNonce},
		{"overspend in two steps", nil, append(pay(600, 0, 0), pay(600, 0, 1)...), chain.ErrFunds},
	} {
		h, _ := k.draft(tree, 0)
		h.TxRoot = chain.TxRoot(c.txs)
		if c.edit != nil {
			c.edit(&h)
		}
		b := k.mine(h, c.txs)
		added, err := tree.Add(b, now)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
		if invalid := errors.Is(err, chain.ErrInvalid); invalid == (c.want == chain.ErrFuture) {
			t.Errorf("%s: wraps ErrInvalid: %v", c.name, invalid)
		}
		if added.NewHead || tree.Has(b.Hash()) {
			t.Errorf("%s: the block was added", c.name)
		}
	}
}

func TestTree_ChecksProofBeforeExecution(t *testing.T) {
	k := newKit(t, 1)
	tree := k.tree()
	h, _ := k.draft(tree, 0)
	h.StateRoot[0]++
	target := must.Get(chain.TargetFromBits(h.Bits))(t)
	for target.Met(h.Hash()) {
		h.Nonce++
	}
	if _, err := tree.Add(chain.NewBlock(h, nil), farOff); !errors.Is(err, chain.ErrProof) {
		t.Errorf("got %v, want ErrProof", err)
	}
}

func TestTree_TooManyTransactions(t *testing.T) {
	k := newKit(t, 1)
	tree := k.tree()
	h, _ := k.draft(tree, 0)
	b := k.mine(h, make([]chain.Tx, chain.MaxBlockTxs+1))
	if _, err := tree.Add(b, farOff); !errors.Is(err, chain.ErrTooManyTx) {
		t.Errorf("got %v, want ErrTooManyTx", err)
	}
}

func TestTree_FutureBlockValidLater(t *testing.T) {
	k := newKit(t, 1)
	tree := k.tree()
	h, _ := k.draft(tree, 0)
	h.Time = start + 500_000
	b := k.mine(h, nil)
	if _, err := tree.Add(b, start); !errors.Is(err, chain.ErrFuture) {
		t.Fatalf("got %v, want ErrFuture", err)
	}
	if got := k.add(tree, b); !got.NewHead {
		t.Errorf("later: got %+v, want the head", got)
	}
}

// A valid header with a wrong body must not make the valid block invalid, neither in the tree nor in a memo.
func TestTree_WrongBodyDoesNotInvalidateHash(t *testing.T) {
	k := newKit(t, 2)
	memo := chain.NewMemo()
	tree := must.Get(chain.NewTree(k.g, k.engine, memo))(t)
	good := k.mine(k.draft(tree, 0, k.pay(0, 1, 5, 1, 0)))
	for _, txs := range [][]chain.Tx{nil, append(good.Txs[:1:1], good.Txs[0])} {
		bad := chain.NewBlock(good.Header, txs)
		if bad.Hash() != good.Hash() {
			t.Fatal("the blocks have different headers")
		}
		if _, err := tree.Add(bad, farOff); !errors.Is(err, chain.ErrTxRoot) {
			t.Fatalf("got %v, want ErrTxRoot", err)
		}
	}
	if got := k.add(tree, good); !got.NewHead {
		t.Errorf("the good block: got %+v, want the head", got)
	}
}

func TestTree_RemembersInvalidBlocks(t *testing.T) {
	k := newKit(t, 1)
	tree := k.tree()
	h, _ := k.draft(tree, 0)
	h.StateRoot[0]++
	bad := k.mine(h, nil)
	if got, err := tree.Add(bad, farOff); got.Known || !errors.Is(err, chain.ErrStateRoot) {
		t.Fatalf("got %+v, %v", got, err)
	}
	if got, err := tree.Add(bad, farOff); !got.Known || !errors.Is(err, chain.ErrStateRoot) || !errors.Is(err, chain.ErrInvalid) {
		t.Errorf("again: got %+v, %v; want it known", got, err)
	}
	hs := chain.Headers{&tree.Genesis().Header, &bad.Header}
	for range 3 {
		parent := hs.Ancestor(0)
		child := k.mine(chain.Header{Version: 1, Height: parent.Height + 1, Parent: parent.Hash(),
			Time: parent.Time + 1000, Bits: k.engine.NextBits(hs)}, nil)
		for _, known := range []bool{false, true} {
			if got, err := tree.Add(child, farOff); got.Known != known || got.Orphan || !errors.Is(err, chain.ErrParent) {
				t.Fatalf("descendant at %d: got %+v, %v; want ErrParent, known %v", child.Height, got, err, known)
			}
		}
		hs = append(hs, &child.Header)
	}
	// A descendant without proof of work is not remembered.
	easy := k.mine(chain.Header{Version: 1, Height: 2, Parent: bad.Hash(), Time: start + 5000, Bits: chain.MaxBits}, nil)
	for range 2 {
		if got, err := tree.Add(easy, farOff); got.Known || !errors.Is(err, chain.ErrBits) {
			t.Errorf("descendant without proof: got %+v, %v", got, err)
		}
	}
	if tree.Head() != tree.Genesis() || tree.Len() != 1 {
		t.Error("an invalid block is in the tree")
	}
}

func TestNewTree_InvalidGenesis(t *testing.T) {
	k := newKit(t, 1)
	g := *k.g
	g.Interval = 0
	if _, err := chain.NewTree(&g, k.engine, nil); err == nil {
		t.Error("no error")
	}
	if _, err := chain.NewLedger(&g, nil); err == nil {
		t.Error("NewLedger: no error")
	}
}
