package mempool

import (
	"container/heap"

	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// Ready returns at most max transactions in the order in which a block should take them: the highest fee first, then
// the first to arrive, but a sender's always by nonce without a gap. nonce tells an account's nonce at the head.
func (p *Pool) Ready(max int, nonce func(chain.Address) uint64) []*wire.Tx {
	return p.order(max, nonce)
}

// All returns at most max pending transactions in the same order, those behind a gap included.
func (p *Pool) All(max int) []*wire.Tx { return p.order(max, nil) }

func (p *Pool) order(max int, nonce func(chain.Address) uint64) []*wire.Tx {
	if max <= 0 || len(p.byID) == 0 {
		return nil
	}
	// The heap's order is total (arrival numbers differ), so what it yields does not depend on the map's order.
	h := make(runs, 0, len(p.senders))
	for addr, list := range p.senders {
		if nonce == nil || list[0].msg.Tx.Nonce == nonce(addr) {
			h = append(h, list)
		}
	}
	heap.Init(&h)
	out := make([]*wire.Tx, 0, min(max, len(p.byID)))
	for len(h) > 0 && len(out) < max {
		run := h[0]
		out = append(out, run[0].msg)
		if len(run) > 1 && (nonce == nil || run[1].msg.Tx.Nonce == run[0].msg.Tx.Nonce+1) {
			h[0] = run[1:]
			heap.Fix(&h, 0)
		} else {
			heap.Pop(&h)
		}
	}
	return out
}

// runs is a heap of the senders' remaining transactions.
type runs [][]*entry

func (h runs) Len() int { return len(h) }

func (h runs) Less(i, j int) bool {
	a, b := h[i][0], h[j][0]
	if a.msg.Tx.Fee != b.msg.Tx.Fee {
		return a.msg.Tx.Fee > b.msg.Tx.Fee
	}
	return a.seq < b.seq
}

func (h runs) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

func (h *runs) Push(x any) { *h = append(*h, x.([]*entry)) }

func (h *runs) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
