package chain_test

import (
	"errors"
	"math"
	"testing"

	"github.com/netsplit/netsplit/node/chain"
)

// Each rule has a block that breaks it alone.
func TestTreeRefuses(t *testing.T) {
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
			t.Errorf("%s: the block was taken in", c.name)
		}
	}
}

func TestTreeRefusesWithoutProofBeforeExecuting(t *testing.T) {
	k := newKit(t, 1)
	tree := k.tree()
	h, _ := k.draft(tree, 0)
	h.StateRoot[0]++
	target, err := chain.TargetFromBits(h.Bits)
	if err != nil {
		t.Fatal(err)
	}
	for target.Met(h.Hash()) {
		h.Nonce++
	}
	if _, err := tree.Add(chain.NewBlock(h, nil), farOff); !errors.Is(err, chain.ErrProof) {
		t.Errorf("got %v, want ErrProof", err)
	}
}

func TestTreeRefusesTooManyTransactions(t *testing.T) {
	k := newKit(t, 1)
	tree := k.tree()
	h, _ := k.draft(tree, 0)
	b := k.mine(h, make([]chain.Tx, chain.MaxBlockTxs+1))
	if _, err := tree.Add(b, farOff); !errors.Is(err, chain.ErrTooManyTx) {
		t.Errorf("got %v, want ErrTooManyTx", err)
	}
}

// A block that was too early is accepted later.
func TestTreeFutureBlockIsNotRemembered(t *testing.T) {
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

// Whoever relays a good header with another body must not spoil the good block, neither in the tree nor in a memo.
func TestTreeWrongBodyDoesNotSpoilTheBlock(t *testing.T) {
	k := newKit(t, 2)
	memo := chain.NewMemo()
	tree, err := chain.NewTree(k.g, k.engine, memo)
	if err != nil {
		t.Fatal(err)
	}
	good := k.mine(k.draft(tree, 0, k.pay(0, 1, 5, 1, 0)))
	for _, txs := range [][]chain.Tx{nil, append(good.Txs[:1:1], good.Txs[0])} {
		bad := chain.NewBlock(good.Header, txs)
		if bad.Hash() != good.Hash() {
			t.Fatal("the bodies were to share a header")
		}
		if _, err := tree.Add(bad, farOff); !errors.Is(err, chain.ErrTxRoot) {
			t.Fatalf("got %v, want ErrTxRoot", err)
		}
	}
	if got := k.add(tree, good); !got.NewHead {
		t.Errorf("the good block: got %+v, want the head", got)
	}
}

func TestTreeRemembersInvalidBlocksAndDescendants(t *testing.T) {
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
	// A descendant has to carry its proof to be worth remembering.
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

func TestNewTreeRefusesAnInvalidGenesis(t *testing.T) {
	k := newKit(t, 1)
	g := *k.g
	g.Interval = 0
	if _, err := chain.NewTree(&g, k.engine, nil); err == nil {
		t.Error("no error")
	}
	if _, err := chain.Execute(chain.State{}, k.tree().Genesis(), &g, nil); err == nil {
		t.Error("Execute: no error")
	}
	if _, _, err := chain.Assemble(chain.State{}, nil, chain.Address{}, &g, nil); err == nil {
		t.Error("Assemble: no error")
	}
}
