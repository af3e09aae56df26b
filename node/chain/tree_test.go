package chain_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/node/chain"
)

func TestTreeExtends(t *testing.T) {
	k := newKit(t, 2)
	tree := k.tree()
	if tree.Head() != tree.Genesis() || tree.HeadWork() != (chain.Work{}) || tree.HeadState().Total() != 2*funds {
		t.Error("a new tree does not stand at genesis")
	}
	b := k.mine(k.draft(tree, 1, k.pay(0, 1, 10, 3, 0)))
	old := tree.Head().Hash()
	got := k.add(tree, b)
	want := chain.Added{NewHead: true, Old: old, Adopted: []*chain.Block{b}}
	if d := cmp.Diff(want, got); d != "" {
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
	if g, ok := tree.Get(b.Hash()); !ok || g != b || !tree.Has(b.Hash()) || !tree.OnBest(b.Hash()) {
		t.Error("the block is not found by its hash")
	}
	if _, ok := tree.Get(chain.Hash{}); ok || tree.OnBest(chain.Hash{}) {
		t.Error("an unknown hash is found")
	}
	if g, ok := tree.AtHeight(1); !ok || g != b {
		t.Error("the block is not found by its height")
	}
	if _, ok := tree.AtHeight(2); ok {
		t.Error("a block is found above the head")
	}
}

func TestTreeFirstSeenWinsTies(t *testing.T) {
	k := newKit(t, 2)
	one, two := k.tree(), k.tree()
	a, b := k.extend(one, 1, 0)[0], k.extend(two, 1, 1)[0]
	if got := k.add(one, b); got.NewHead || one.Head() != a {
		t.Error("a block of equal work displaced the one seen first")
	}
	if got := k.add(two, a); got.NewHead || two.Head() != b {
		t.Error("a block of equal work displaced the one seen first")
	}
	if one.OnBest(b.Hash()) || !one.Has(b.Hash()) {
		t.Error("the loser is not on a side branch")
	}
}

func TestTreeReorgs(t *testing.T) {
	k := newKit(t, 2)
	mine, theirs := k.tree(), k.tree()
	k.add(theirs, k.extend(mine, 2, 0)...)
	short, long := k.extend(mine, 3, 0), k.extend(theirs, 4, 1)
	if got := k.add(mine, long[:3]...); got.NewHead {
		t.Error("equal work displaced the head")
	}
	got := k.add(mine, long[3])
	want := chain.Added{NewHead: true, Old: short[2].Hash(), Dropped: short, Adopted: long}
	if d := cmp.Diff(want, got); d != "" {
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

// A shorter chain wins if its blocks were harder.
func TestTreeMostWorkWinsNotLength(t *testing.T) {
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
	easy := stretch(slow, 8, 0, 2*k.g.HalfLife) // ever easier
	hard := stretch(fast, 7, 1, 1)              // ever harder
	got := k.add(slow, hard...)
	if !got.NewHead || slow.Head() != hard[6] || len(slow.Locator()) != 8 {
		t.Fatal("the chain with more work did not win")
	}
	if _, ok := slow.AtHeight(8); ok {
		t.Error("a height above the new head is still there")
	}
	if slow.OnBest(easy[7].Hash()) {
		t.Error("a dropped block is still on the best chain")
	}
}

func TestTreeReportsOrphans(t *testing.T) {
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

func TestTreeLocatorAndAfter(t *testing.T) {
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
		{"nothing asked for", []chain.Hash{at(0)}, 0, nil, true},
	} {
		got, more := tree.After(c.locator, c.max)
		if !slices.Equal(got, c.want) || more != c.more {
			t.Errorf("%s: got %d blocks, more %v; want %d, %v", c.name, len(got), more, len(c.want), c.more)
		}
	}
}

// A side branch's block in a locator is passed over.
func TestTreeAfterFromASideBranch(t *testing.T) {
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
