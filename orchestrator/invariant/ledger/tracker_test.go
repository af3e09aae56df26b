package ledger

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/node/chain"
)

// TestTracker_AgreesWithTheNode compares a Tracker with the node's own tree after each block, and again when the blocks came in the
// opposite order.
func TestTracker_AgreesWithTheNode(t *testing.T) {
	m := newMaker(t, 0x2000ffff)
	genesis := must.Get(json.Marshal(&m.genesis))(t)
	tracker, backwards := must.Get(NewTracker(genesis))(t), must.Get(NewTracker(genesis))(t)
	rng := rand.New(rand.NewPCG(3, 4))
	var raws [][]byte
	var ids, blocks []string
	var heights []uint64
	check := func(tr *Tracker) {
		t.Helper()
		head := m.tree.Head().Hash().String()
		must.Equal(t, fmt.Sprintf("%064x", tr.TotalWork(head)), m.tree.HeadWork().String())
		must.Equal(t, tr.Transactions(head), len(ids))
		for _, k := range m.keys {
			want, _ := m.tree.HeadState().Get(k.Address())
			balance, nonce, known := tr.Account(head, k.Address().String())
			if !known || balance != uint64(want.Balance) || nonce != want.Nonce {
				t.Fatalf("account %s has %d, nonce %d (known: %v), the node says %d, %d", k.Address(), balance, nonce, known, want.Balance, want.Nonce)
			}
		}
		for i, id := range ids {
			if block, height, found := tr.Included(head, id); !found || block != blocks[i] || height != heights[i] {
				t.Fatalf("transaction %d is in %s at height %d (found: %v), want %s at %d", i, block, height, found, blocks[i], heights[i])
			}
		}
	}
	for i := range 60 {
		var txs []chain.Tx
		for range rng.IntN(4) {
			txs = append(txs, m.pay(rng.IntN(4), rng.IntN(5), chain.Amount(1+rng.IntN(3)), chain.Amount(rng.IntN(2))))
		}
		raw := m.next(1000, txs...)
		raws = append(raws, raw)
		info := must.Get(Decode(raw))(t)
		must.Equal(t, info.Hash, m.tree.Head().Hash().String())
		for _, id := range info.Txs {
			ids, blocks, heights = append(ids, id), append(blocks, info.Hash), append(heights, uint64(i+1))
		}
		tracker.Add(raw)
		tracker.Add(raw)
		check(tracker)
	}
	for i := range raws {
		if backwards.Has(m.tree.Head().Hash().String()) {
			t.Fatalf("the head is known although block %d is missing", len(raws)-i)
		}
		backwards.Add(raws[len(raws)-1-i])
	}
	check(backwards)
}

func TestTracker_Forks(t *testing.T) {
	m := newMaker(t, easy)
	tr := must.Get(NewTracker(must.Get(json.Marshal(&m.genesis))(t)))(t)
	tr.Add(m.next(1000))
	fork, kept := m.draft(500)
	side := m.seal(fork, kept)
	tr.Add(m.next(1000, m.pay(0, 1, 5, 1)))
	tr.Add(side)
	tr.Add([]byte("no block"))
	head, other := m.tree.Head(), must.Get(Decode(side))(t).Hash
	tx := head.Txs[0].ID().String()
	if _, _, found := tr.Included(head.Hash().String(), tx); !found {
		t.Error("not found on the chain that has it")
	}
	if _, _, found := tr.Included(other, tx); found || !tr.Has(other) {
		t.Error("found on the chain that has it not")
	}
	address := m.keys[0].Address().String()
	if _, nonce, known := tr.Account(other, address); !known || nonce != 0 {
		t.Errorf("nonce %d (known: %v), want 0", nonce, known)
	}
	if _, nonce, _ := tr.Account(head.Hash().String(), address); nonce != 1 {
		t.Errorf("nonce %d, want 1", nonce)
	}
}

func TestTracker_Window(t *testing.T) {
	m := newMaker(t, easy)
	tr := must.Get(NewTracker(must.Get(json.Marshal(&m.genesis))(t)))(t)
	address := m.keys[0].Address().String()
	var first string
	for i := range Window + 2 {
		tr.Add(m.next(1000))
		if i == 0 {
			first = m.tree.Head().Hash().String()
		}
	}
	if _, _, known := tr.Account(first, address); known || tr.TotalWork(first) == nil {
		t.Error("the accounts of a block below the window are known, or its work is not")
	}
	if _, _, known := tr.Account(m.tree.Head().Hash().String(), address); !known {
		t.Error("the accounts of the head are not known")
	}
	must.Equal(t, len(tr.recent), Window+1)
}
