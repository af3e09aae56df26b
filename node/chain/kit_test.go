package chain_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/consensus/pow"
)

const (
	start   = chain.Millis(1_700_000_000_000)
	farOff  = start + 1_000_000_000 // later than all blocks of the tests
	funds   = chain.Amount(1000)
	subsidy = chain.Amount(50)
)

// kit is a network with some keys that have funds at genesis, in order of address.
type kit struct {
	t      testing.TB
	g      *chain.Genesis
	engine *pow.Engine
	keys   []chain.Key
}

func key(t testing.TB, n int) chain.Key {
	t.Helper()
	k := must.Get(chain.KeyFromSeed(fmt.Sprintf("%064x", n+1)))(t)
	return k
}

func newKit(t testing.TB, accounts int) *kit {
	t.Helper()
	k := &kit{t: t, g: &chain.Genesis{
		Network: "kit", Time: start, Bits: pow.InitialBits(4, 1000), Interval: 1000, HalfLife: 60_000, Subsidy: subsidy,
	}}
	for i := range accounts {
		k.keys = append(k.keys, key(t, i))
	}
	slices.SortFunc(k.keys, func(a, b chain.Key) int { return a.Address().Cmp(b.Address()) })
	for _, key := range k.keys {
		k.g.Alloc = append(k.g.Alloc, chain.Alloc{Address: key.Address(), Amount: funds})
	}
	k.engine = pow.New(k.g)
	return k
}

func (k *kit) tree() *chain.Tree {
	k.t.Helper()
	tree := must.Get(chain.NewTree(k.g, k.engine, nil))(k.t)
	return tree
}

func (k *kit) addr(i int) chain.Address { return k.keys[i].Address() }

func (k *kit) pay(from, to int, amount, fee chain.Amount, nonce uint64) chain.Tx {
	tx := chain.Tx{To: k.addr(to), Amount: amount, Fee: fee, Nonce: nonce}
	k.keys[from].Sign(k.g.Block().Hash(), &tx)
	return tx
}

// draft is the header and transactions of a child of tree's head, one interval after it.
func (k *kit) draft(tree *chain.Tree, miner int, txs ...chain.Tx) (chain.Header, []chain.Tx) {
	k.t.Helper()
	h, kept, err := tree.Template(k.addr(miner), txs, tree.Head().Time+k.g.Interval)
	if err != nil {
		k.t.Fatal(err)
	}
	return h, kept
}

func (k *kit) mine(h chain.Header, txs []chain.Tx) *chain.Block {
	k.t.Helper()
	if _, ok := k.engine.Search(&h, 1<<20); !ok {
		k.t.Fatal("no proof found")
	}
	return chain.NewBlock(h, txs)
}

// extend mines n blocks on tree's head, adds them and returns them.
func (k *kit) extend(tree *chain.Tree, n, miner int) []*chain.Block {
	k.t.Helper()
	var blocks []*chain.Block
	for range n {
		b := k.mine(k.draft(tree, miner))
		k.add(tree, b)
		blocks = append(blocks, b)
	}
	return blocks
}

func (k *kit) add(tree *chain.Tree, blocks ...*chain.Block) (last chain.Added) {
	k.t.Helper()
	for _, b := range blocks {
		last = must.Get(tree.Add(b, farOff))(k.t)
	}
	return last
}
