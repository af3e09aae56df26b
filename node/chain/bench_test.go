package chain_test

import (
	"testing"

	"github.com/netsplit/netsplit/node/chain"
)

// BenchmarkTreeAdd is what one more simulated node pays for a block that another one has executed.
func BenchmarkTreeAdd(b *testing.B) {
	k := newKit(b, 50)
	memo := chain.NewMemo()
	source, err := chain.NewTree(k.g, k.engine, memo)
	if err != nil {
		b.Fatal(err)
	}
	var blocks []*chain.Block
	for i := range 100 {
		var txs []chain.Tx
		for from := range 40 {
			txs = append(txs, k.pay(from, 41, 1, 1, uint64(i)))
		}
		block := k.mine(k.draft(source, 0, txs...))
		k.add(source, block)
		blocks = append(blocks, block)
	}
	b.ReportAllocs()
	for b.Loop() {
		tree, err := chain.NewTree(k.g, k.engine, memo)
		if err != nil {
			b.Fatal(err)
		}
		k.add(tree, blocks...)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(blocks)), "ns/block")
}
