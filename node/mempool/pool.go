package mempool

import (
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
	MaxPerSender = 1024 // transactions of one sender: what it may send during a long partition comes back at the heal
	MaxGap       = 16   // how far a nonce may be ahead of the first that is missing
)

// Why Add refuses a transaction. chain.ErrAmount, chain.ErrOverflow and chain.ErrSignature are the other reasons, which
// say that it can never be valid, and chain.ErrFunds.
var (
	ErrKnown       = errors.New("transaction is known")
	ErrUsed        = errors.New("nonce is used")
	ErrGap         = errors.New("nonce is too far ahead")
	ErrSenderFull  = errors.New("too many pending transactions of the sender")
	ErrFull        = errors.New("mempool is full and the fee too low")
	ErrUnderpriced = errors.New("a pending transaction with this nonce has the same fee or more")
)

// NeverValid says whether an error of Add means that the transaction can be valid at no node and at no time.
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

// New makes an empty pool. verify checks a transaction's signature; it is called last, for transactions that pass every
// cheaper check.
func New(verify func(*wire.Tx) bool) *Pool { return &Pool{verify: verify} }

// Len is the number of pending transactions.
func (p *Pool) Len() int { return len(p.byID) }

// Version changes whenever the pool's content does.
func (p *Pool) Version() uint64 { return p.version }

// Has says whether the transaction is pending.
func (p *Pool) Has(id chain.Hash) bool {
	_, ok := p.byID[id]
	return ok
}

// Get returns a pending transaction as a message, to be sent as it is.
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

// Add takes a transaction in; account is its sender's at the head. The pool keeps m. A transaction with the nonce of a
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

func byNonce(e *entry, nonce uint64) int {
	switch n := e.msg.Tx.Nonce; {
	case n < nonce:
		return -1
	case n > nonce:
		return 1
	}
	return 0
}

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

// Update tells the pool of an account that may have changed with the head: used nonces and transactions that the
// balance no longer covers are dropped.
func (p *Pool) Update(sender chain.Address, account chain.Account) {
	list := p.senders[sender]
	for i := len(list) - 1; i >= 0; i-- {
		if check(&list[i].msg.Tx, account) != nil {
			p.remove(list[i])
			list = p.senders[sender]
		}
	}
}
