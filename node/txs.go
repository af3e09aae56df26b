package node

import (
	"encoding/binary"
	"fmt"

	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/mempool"
	"github.com/netsplit/netsplit/node/wire"
)

// Submit adds a transaction of the node's user to the mempool and relays it. If it is refused there are no effects; the
// error wraps one of package mempool's or chain's.
func (n *Node) Submit(now Time, tx chain.Tx) ([]Effect, error) {
	n.begin(now)
	if !n.running {
		return nil, fmt.Errorf("submit transaction: node is not running")
	}
	m := wire.NewTx(tx)
	err := mempool.ErrKnown
	if id := m.ID(); !n.included.has(&id) {
		err = n.pool.Add(m, n.Account(tx.From))
	}
	if err != nil {
		return nil, fmt.Errorf("submit transaction %s: %w", m.ID(), err)
	}
	n.relay(wire.ItemTx, m.ID(), m, nil, nil)
	return n.end(), nil
}

// receiveTx handles a relayed transaction.
func (n *Node) receiveTx(p *peer, m *wire.Tx) {
	n.counters.Received++
	p.received++
	id := m.ID()
	n.markKnown(p, &id)
	n.requests.Done(id)
	if n.pool.Has(id) || n.included.has(&id) {
		n.counters.Duplicates++
		return
	}
	n.newTx(p, m, id)
}

// newTx handles a relayed transaction that the node does not have. It is separate from receiveTx because id escapes to
// the heap here, and duplicates must not cost an allocation.
func (n *Node) newTx(p *peer, m *wire.Tx, id chain.Hash) {
	err := n.pool.Add(m, n.Account(m.Tx.From))
	switch {
	case err == nil:
		n.relay(wire.ItemTx, id, m, p, nil)
	case mempool.NeverValid(err):
		n.misbehaved(p, &id, "invalid transaction: "+err.Error())
	case !p.refused.take(n.now, 1, refusedBurst, refusedRate):
		// Honest nodes whose heads differ refuse some of each other's transactions, but not so many.
		n.misbehaved(p, &id, "flood of refused transactions")
	}
}

// returnTxs puts the transactions of reverted blocks back into the mempool and relays them: peers may not have them.
func (n *Node) returnTxs(dropped []*chain.Block) {
	for _, b := range dropped {
		for i := range b.Txs {
			m := wire.NewTx(b.Txs[i])
			id := m.ID()
			if n.included.has(&id) {
				continue
			}
			if n.pool.Add(m, n.Account(m.Tx.From)) == nil {
				n.relay(wire.ItemTx, id, m, nil, nil)
			}
		}
	}
}

// updatePool updates the mempool after a change of the head, for all accounts whose balance or nonce may have changed.
func (n *Node) updatePool(added chain.Added) {
	if n.pool.Len() == 0 {
		return
	}
	update := func(a chain.Address) { n.pool.Update(a, n.Account(a)) }
	for _, b := range added.Applied {
		for i := range b.Txs {
			update(b.Txs[i].From)
		}
	}
	for _, b := range added.Dropped {
		update(b.Miner)
		for i := range b.Txs {
			update(b.Txs[i].From)
			update(b.Txs[i].To)
		}
	}
}

// txIndex maps transactions to heights of the canonical chain. A simulation has one for each of thousands of nodes, so a
// key is only eight bytes of the id. A sender who finds two transactions with the same key (2^32 attempts) only gets the
// second one ignored.
type txIndex struct{ heights map[uint64]uint32 }

func txKey(id *chain.Hash) uint64 { return binary.BigEndian.Uint64(id[:]) }

// has reports whether the transaction is on the canonical chain.
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

// index updates the index after a change of the head.
func (n *Node) index(added chain.Added) {
	for _, b := range added.Dropped {
		n.included.drop(b)
	}
	for _, b := range added.Applied {
		n.included.add(b)
	}
}
