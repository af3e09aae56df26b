package node

import (
	"encoding/binary"

	"github.com/netsplit/netsplit/node/chain"
)

// txIndex finds the block of the best chain that holds a transaction. A simulation has one for each of thousands of
// nodes, so it keeps eight bytes of an id: whoever finds two transactions that agree in them (2^32 attempts) has the
// second of his own ignored.
type txIndex struct{ heights map[uint64]uint32 }

func txKey(id *chain.Hash) uint64 { return binary.BigEndian.Uint64(id[:]) }

// has says whether the transaction is on the best chain.
func (x *txIndex) has(id *chain.Hash) bool {
	_, ok := x.heights[txKey(id)]
	return ok
}

func (x *txIndex) height(id *chain.Hash) (chain.Height, bool) {
	h, ok := x.heights[txKey(id)]
	return chain.Height(h), ok
}

func (x *txIndex) add(b *chain.Block) {
	if len(b.Txs) == 0 {
		return
	}
	if x.heights == nil {
		x.heights = make(map[uint64]uint32)
	}
	for i := range b.Txs {
		id := b.Txs[i].ID()
		x.heights[txKey(&id)] = uint32(b.Height)
	}
}

func (x *txIndex) drop(b *chain.Block) {
	for i := range b.Txs {
		id := b.Txs[i].ID()
		delete(x.heights, txKey(&id))
	}
}

// index brings the index in line with a new head.
func (n *Node) index(added chain.Added) {
	for _, b := range added.Dropped {
		n.included.drop(b)
	}
	for _, b := range added.Adopted {
		n.included.add(b)
	}
}
