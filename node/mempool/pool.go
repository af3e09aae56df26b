package mempool

import (
	"cmp"
	"container/heap"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// Limits of a Pool.
const (
	MaxTxs       = 5000 // transactions in all
	MaxPerSender = 1024 // transactions of one sender: after a long partition all that it sent meanwhile arrives at once
	MaxGap       = 16   // how far a nonce may be ahead of the first that is missing
)

// Errors of Add. It also returns chain.ErrFunds and, for transactions that can never be valid, chain.ErrAmount,
// chain.ErrOverflow and chain.ErrSignature.
var (
	ErrKnown       = errors.New("transaction is known")
	ErrUsed        = errors.New("nonce is used")
	ErrGap         = errors.New("nonce is too far ahead")
	ErrSenderFull  = errors.New("too many pending transactions of the sender")
	ErrFull        = errors.New("mempool is full and the fee too low")
	ErrUnderpriced = errors.New("a pending transaction with this nonce has the same fee or more")
)

// NeverValid reports whether an error of Add means that the transaction cannot be valid at any node or time.
func NeverValid(err error) bool {
	return errors.Is(err, chain.ErrAmount) || errors.Is(err, chain.ErrOverflow) || errors.Is(err, chain.ErrSignature)
}

// Pool is a set of pending transactions. The zero Pool is not usable; see New.
type Pool struct {
	verify  func(*wire.Tx) bool
	byID    map[chain.Hash]*entry
	senders map[chain.Address][]*entry // by nonce, ascending
	seq     uint64                     // arrivals so far
	version uint64
}

type entry struct {
	msg *wire.Tx
	id  chain.Hash
	seq uint64
}

// New returns an empty pool. verify checks a transaction's signature; it is called last, for transactions that pass every
// cheaper check.
func New(verify func(*wire.Tx) bool) *Pool { return &Pool{verify: verify} }

// Len is the number of pending transactions.
func (p *Pool) Len() int { return len(p.byID) }

// Version changes with every change of the pool's content.
func (p *Pool) Version() uint64 { return p.version }

// Has reports whether the transaction is pending.
func (p *Pool) Has(id chain.Hash) bool {
	_, ok := p.byID[id]
	return ok
}

// Get returns a pending transaction as the message to send.
func (p *Pool) Get(id chain.Hash) (*wire.Tx, bool) {
	e, ok := p.byID[id]
	if !ok {
		return nil, false
	}
	return e.msg, true
}

// Next is the nonce that follows the sender's pending transactions without a gap, from its account's nonce on.
func (p *Pool) Next(sender chain.Address, nonce uint64) uint64 {
	for _, e := range p.senders[sender] {
		if n := e.msg.Tx.Nonce; n == nonce {
			nonce++
		} else if n > nonce {
			break
		}
	}
	return nonce
}

// Add adds a transaction; account is its sender's at the head. The pool keeps m. A transaction with the nonce of a
// pending one replaces it if its fee is higher.
func (p *Pool) Add(m *wire.Tx, account chain.Account) error {
	id := m.ID()
	if p.Has(id) {
		return ErrKnown
	}
	tx := &m.Tx
	if err := check(tx, account); err != nil {
		return err
	}
	list := p.senders[tx.From]
	at, taken := slices.BinarySearchFunc(list, tx.Nonce, byNonce)
	if taken && list[at].msg.Tx.Fee >= tx.Fee {
		return ErrUnderpriced
	}
	if next := p.Next(tx.From, account.Nonce); tx.Nonce > next && tx.Nonce-next > MaxGap {
		return fmt.Errorf("%w: nonce %d, the next is %d", ErrGap, tx.Nonce, next)
	}
	if !taken && len(list) >= MaxPerSender && at == len(list) {
		return ErrSenderFull
	}
	var victim *entry
	if !taken && len(p.byID) >= MaxTxs {
		if victim = p.victim(); tx.Fee <= victim.msg.Tx.Fee {
			return ErrFull
		}
	}
	if !p.verify(m) {
		return chain.ErrSignature
	}
	switch {
	case taken:
		p.remove(list[at])
	case len(list) >= MaxPerSender:
		p.remove(list[len(list)-1]) // a lower nonce is worth more than the highest
	case victim != nil:
		p.remove(victim)
	}
	p.insert(&entry{msg: m, id: id})
	return nil
}

func check(tx *chain.Tx, account chain.Account) error {
	switch {
	case tx.Amount == 0:
		return chain.ErrAmount
	case tx.Fee > math.MaxUint64-tx.Amount:
		return chain.ErrOverflow
	case tx.Nonce < account.Nonce:
		return fmt.Errorf("%w: nonce %d, the account is at %d", ErrUsed, tx.Nonce, account.Nonce)
	case tx.Amount+tx.Fee > account.Balance:
		return fmt.Errorf("%w: %d needed, the account has %d", chain.ErrFunds, tx.Amount+tx.Fee, account.Balance)
	}
	return nil
}

func byNonce(e *entry, nonce uint64) int { return cmp.Compare(e.msg.Tx.Nonce, nonce) }

func (p *Pool) insert(e *entry) {
	if p.byID == nil { // most nodes of a large simulation never see a transaction
		p.byID = make(map[chain.Hash]*entry)
		p.senders = make(map[chain.Address][]*entry)
	}
	tx := &e.msg.Tx
	e.seq = p.seq
	p.seq++
	p.version++
	p.byID[e.id] = e
	list := p.senders[tx.From]
	at, _ := slices.BinarySearchFunc(list, tx.Nonce, byNonce)
	p.senders[tx.From] = slices.Insert(list, at, e)
}

func (p *Pool) remove(e *entry) {
	p.version++
	delete(p.byID, e.id)
	from := e.msg.Tx.From
	list := p.senders[from]
	at := slices.Index(list, e)
	if list = slices.Delete(list, at, at+1); len(list) == 0 {
		delete(p.senders, from)
		return
	}
	p.senders[from] = list
}

// Update drops a sender's transactions that its account, which may have changed with the head, no longer allows: those
// with used nonces, and those that the balance does not cover.
func (p *Pool) Update(sender chain.Address, account chain.Account) {
	list := p.senders[sender]
	for i := len(list) - 1; i >= 0; i-- {
		if check(&list[i].msg.Tx, account) != nil {
			p.remove(list[i])
			list = p.senders[sender]
		}
	}
}

// victim is the transaction to evict: the one with the lowest fee and, among those, the latest arrival; nil if the pool is
// empty. The order is total, so the map's own order does not matter.
func (p *Pool) victim() *entry {
	var worst *entry
	for _, e := range p.byID {
		if worst == nil || e.msg.Tx.Fee < worst.msg.Tx.Fee ||
			e.msg.Tx.Fee == worst.msg.Tx.Fee && e.seq > worst.seq {
			worst = e
		}
	}
	return worst
}

// Ready returns at most max transactions in the order for a block: the highest fee first, then the first to arrive, but
// those of one sender by nonce without a gap. nonce returns an account's nonce at the head.
func (p *Pool) Ready(max int, nonce func(chain.Address) uint64) []*wire.Tx {
	return p.order(max, nonce)
}

// All returns at most max pending transactions in the same order, including those after a nonce gap.
func (p *Pool) All(max int) []*wire.Tx { return p.order(max, nil) }

// Arrivals counts the transactions that were ever added.
func (p *Pool) Arrivals() uint64 { return p.seq }

// Before returns at most max of the transactions that All returns, of those that were among the first arrivals.
func (p *Pool) Before(arrivals uint64, max int) []*wire.Tx {
	var old []*wire.Tx
	for _, m := range p.order(len(p.byID), nil) {
		if p.byID[m.ID()].seq < arrivals && len(old) < max {
			old = append(old, m)
		}
	}
	return old
}

func (p *Pool) order(max int, nonce func(chain.Address) uint64) []*wire.Tx {
	if max <= 0 || len(p.byID) == 0 {
		return nil
	}
	// The heap's order is total (arrival numbers differ), so the result does not depend on the map's order.
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
