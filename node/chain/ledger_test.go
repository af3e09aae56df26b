package chain_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/node/chain"
)

// Random blocks: the supply grows by the subsidy only, the accounts are those of a plain map, and executing all blocks on
// a second state leads to the same roots.
func TestLedger_ConservesSupply(t *testing.T) {
	for seed := range uint64(4) {
		k := newKit(t, 6)
		tree := k.tree()
		rng := rand.New(rand.NewPCG(seed, 0))
		accounts := map[chain.Address]chain.Account{}
		for _, a := range k.g.Alloc {
			accounts[a.Address] = chain.Account{Balance: a.Amount}
		}
		plain := must.Get(chain.NewLedger(k.g, nil))(t)
		state := plain.State()
		for height := range 40 {
			var offered []chain.Tx
			nonces := map[int]uint64{}
			for range rng.IntN(12) {
				from := rng.IntN(len(k.keys))
				nonce := accounts[k.addr(from)].Nonce + nonces[from]
				if rng.IntN(4) > 0 {
					nonces[from]++ // else the next one repeats the nonce, and one of the two fails
				}
				offered = append(offered, k.pay(from, rng.IntN(len(k.keys)), chain.Amount(rng.IntN(600)), chain.Amount(rng.IntN(5)), nonce))
			}
			miner := rng.IntN(len(k.keys))
			b := k.mine(k.draft(tree, miner, offered...))
			k.add(tree, b)
			fees := chain.Amount(0)
			for _, tx := range b.Txs {
				from := accounts[tx.From]
				from.Balance -= tx.Amount + tx.Fee
				from.Nonce++
				accounts[tx.From] = from
				to := accounts[tx.To]
				to.Balance += tx.Amount
				accounts[tx.To] = to
				fees += tx.Fee
			}
			m := accounts[b.Miner]
			m.Balance += subsidy + fees
			accounts[b.Miner] = m

			state = must.Get(plain.Execute(state, b))(t)
			head := tree.HeadState()
			want := chain.Amount(len(k.keys))*funds + chain.Amount(height+1)*subsidy
			var sum chain.Amount
			for a := range accounts {
				acct, _ := head.Get(a)
				sum += acct.Balance
				if acct != accounts[a] {
					t.Fatalf("seed %d height %d: %s has %+v, want %+v", seed, height+1, a, acct, accounts[a])
				}
			}
			if sum != want || head.Total() != want || head.Root() != state.Root() || head.Len() != len(accounts) {
				t.Fatalf("seed %d height %d: sum %d, total %d, want %d", seed, height+1, sum, head.Total(), want)
			}
		}
	}
}

func TestAssemble_SkipsInvalid(t *testing.T) {
	k := newKit(t, 3)
	l := k.tree().Ledger()
	forged := k.pay(0, 1, 7, 0, 0)
	forged.Sig[0]++
	good := []chain.Tx{k.pay(0, 1, 10, 1, 0), k.pay(1, 2, funds+10, 0, 0), k.pay(0, 2, 10, 1, 1)}
	kept, after, err := l.Assemble(l.State(), []chain.Tx{
		forged, good[0], k.pay(0, 1, 99, 1, 0), k.pay(2, 1, funds+1, 0, 0), good[1], k.pay(2, 0, 0, 0, 0), good[2],
	}, k.addr(2))
	if err != nil {
		t.Fatal(err)
	}
	if chain.TxRoot(kept) != chain.TxRoot(good) {
		t.Errorf("kept %d transactions, want the %d good ones", len(kept), len(good))
	}
	if want := 3*funds + subsidy; after.Total() != want {
		t.Errorf("total %d, want %d", after.Total(), want)
	}
}

func TestAssemble_BlockLimit(t *testing.T) {
	k := newKit(t, 1)
	k.g.Alloc[0].Amount = 1 << 30
	memo := chain.NewMemo()
	l := must.Get(chain.NewLedger(k.g, memo))(t)
	txs := make([]chain.Tx, chain.MaxBlockTxs+5)
	genesis := l.Genesis().Hash()
	for i := range txs {
		txs[i] = chain.Tx{To: k.addr(0), Amount: 1, Nonce: uint64(i)}
		k.keys[0].Sign(genesis, &txs[i])
	}
	kept, after, err := l.Assemble(l.State(), txs, k.addr(0))
	if err != nil || len(kept) != chain.MaxBlockTxs {
		t.Fatalf("kept %d, %v; want %d", len(kept), err, chain.MaxBlockTxs)
	}
	b := chain.NewBlock(chain.Header{TxRoot: chain.TxRoot(kept), StateRoot: after.Root(), Miner: k.addr(0)}, kept)
	if _, err := l.Execute(l.State(), b); err != nil {
		t.Errorf("a full block: %v", err)
	}
}

func TestLedger_SupplyOverflow(t *testing.T) {
	k := newKit(t, 1)
	k.g.Alloc[0].Amount = math.MaxUint64 - chain.MinBlocks*subsidy
	rich := must.Get(chain.NewLedger(k.g, nil))(t)
	k.g.Subsidy, k.g.Alloc[0].Amount = math.MaxUint64/chain.MinBlocks, 1
	generous := must.Get(chain.NewLedger(k.g, nil))(t)
	// On the state of another network: no valid genesis overflows in fewer than MinBlocks blocks.
	if _, _, err := generous.Assemble(rich.State(), nil, k.addr(0)); !errors.Is(err, chain.ErrSupply) {
		t.Errorf("Assemble: got %v, want ErrSupply", err)
	}
	b := chain.NewBlock(chain.Header{TxRoot: chain.TxRoot(nil)}, nil)
	if _, err := generous.Execute(rich.State(), b); !errors.Is(err, chain.ErrSupply) || !errors.Is(err, chain.ErrInvalid) {
		t.Errorf("Execute: got %v, want ErrSupply", err)
	}
}

// Trees that share a memo, in many goroutines, reach the same state as one without.
func TestMemo_SharedByTrees(t *testing.T) {
	k := newKit(t, 3)
	source := k.tree()
	var blocks []*chain.Block
	for i := range 10 {
		b := k.mine(k.draft(source, i%3, k.pay(0, 1, 2, 1, uint64(i))))
		k.add(source, b)
		blocks = append(blocks, b)
	}
	h, _ := k.draft(source, 0)
	h.StateRoot[0]++
	bad := k.mine(h, nil)

	memo := chain.NewMemo()
	states := make([]chain.State, 8)
	errs := make([]error, len(states))
	var wg sync.WaitGroup
	for i := range states {
		tree := must.Get(chain.NewTree(k.g, k.engine, memo))(t)
		wg.Go(func() {
			for _, b := range blocks {
				if _, err := tree.Add(b, farOff); err != nil {
					errs[i] = err
					return
				}
			}
			states[i] = tree.HeadState()
			if _, err := tree.Add(bad, farOff); !errors.Is(err, chain.ErrStateRoot) {
				errs[i] = err
			}
		})
	}
	wg.Wait()
	for i, s := range states {
		if errs[i] != nil || s.Root() != source.HeadState().Root() {
			t.Errorf("tree %d: %v, root %s", i, errs[i], s.Root())
		}
	}
}

func TestLedger_Unchecked(t *testing.T) {
	k := newKit(t, 3)
	l := must.Get(chain.NewLedger(k.g, nil))(t)
	valid := []chain.Tx{k.pay(0, 1, 5, 1, 0), k.pay(0, 0, 7, 2, 1), k.pay(1, 2, funds, 3, 0)}
	kept, want, err := l.Assemble(l.State(), valid, k.addr(2))
	must.Do(t, err)
	must.Equal(t, len(kept), len(valid))
	got, err := l.Unchecked(l.State(), valid, k.addr(2))
	must.Do(t, err)
	must.Equal(t, got.Root(), want.Root())

	unsigned := k.pay(0, 1, 5, 1, 0)
	unsigned.Sig[0]++
	for name, txs := range map[string][]chain.Tx{
		"signature": {unsigned},
		"nonce":     {k.pay(0, 1, 5, 1, 9)},
		"repeated":  {k.pay(0, 1, 5, 1, 0), k.pay(0, 1, 5, 1, 0)},
		"funds":     {k.pay(0, 1, 2*funds, 1, 0)},
	} {
		after, err := l.Unchecked(l.State(), txs, k.addr(2))
		must.Do(t, err)
		from, _ := after.Get(k.addr(0))
		spent := chain.Amount(len(txs)) * (txs[0].Amount + txs[0].Fee)
		if from.Nonce != uint64(len(txs)) || from.Balance != funds-spent || after.Total() != l.State().Total()+subsidy {
			t.Errorf("%s: %+v, total %d", name, from, after.Total())
		}
		b := chain.NewBlock(chain.Header{TxRoot: chain.TxRoot(txs), StateRoot: after.Root(), Miner: k.addr(2)}, txs)
		if _, err := l.Execute(l.State(), b); !errors.Is(err, chain.ErrInvalid) || errors.Is(err, chain.ErrStateRoot) {
			t.Errorf("%s: a block with it: %v", name, err)
		}
	}
}

func TestTree_StateAfter(t *testing.T) {
	k := newKit(t, 2)
	tree := k.tree()
	blocks := k.extend(tree, 3, 1)
	state := must.Get(tree.StateAfter(blocks[0].Hash()))(t)
	must.Equal(t, state.Root(), blocks[0].StateRoot)
	if _, err := tree.StateAfter(chain.Hash{1}); err == nil {
		t.Error("an unknown block has a state")
	}
}
