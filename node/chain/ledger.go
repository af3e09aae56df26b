package chain

import (
	"fmt"
	"math/bits"
)

// Ledger is the rules of one network's ledger, with what they need of its genesis computed once. It may be used by many
// goroutines.
type Ledger struct {
	subsidy Amount
	genesis *Block
	state   State
	memo    *Memo
}

// NewLedger validates g and computes the genesis block. memo may be nil: nothing is remembered. Ledgers that share a memo
// share the state at genesis.
func NewLedger(g *Genesis, memo *Memo) (*Ledger, error) {
	if l := memo.ledgerOf(g); l != nil {
		return l, nil
	}
	if err := g.Validate(); err != nil {
		return nil, err
	}
	s := g.State()
	l := &Ledger{subsidy: g.Subsidy, genesis: g.block(s), state: s, memo: memo}
	memo.keepLedger(g, l)
	return l, nil
}

// Genesis is the genesis block.
func (l *Ledger) Genesis() *Block { return l.genesis }

// State is the state at genesis.
func (l *Ledger) State() State { return l.state }

// CheckTx checks what does not depend on a state: the amounts and the signature. Errors wrap ErrAmount, ErrOverflow or
// ErrSignature.
func (l *Ledger) CheckTx(t *Tx) error {
	if t.Amount == 0 {
		return ErrAmount
	}
	if _, ok := t.Cost(); !ok {
		return ErrOverflow
	}
	if !l.memo.Verify(l.genesis.Hash(), t) {
		return ErrSignature
	}
	return nil
}

// Cost is what the transfer takes from its sender, amount and fee; ok is false if the sum overflows.
func (t *Tx) Cost() (cost Amount, ok bool) {
	sum, carry := bits.Add64(uint64(t.Amount), uint64(t.Fee), 0)
	return Amount(sum), carry == 0
}

// overlay is a state with the uncommitted changes of one block on top.
type overlay struct {
	base    State
	changed map[Address]Account
	fees    Amount
}

func newOverlay(base State) *overlay {
	return &overlay{base: base, changed: make(map[Address]Account)}
}

func (o *overlay) get(a Address) Account {
	if acct, ok := o.changed[a]; ok {
		return acct
	}
	acct, _ := o.base.Get(a)
	return acct
}

// apply moves the money of a transfer that CheckTx has passed. On an error, which wraps ErrNonce or ErrFunds, nothing
// has changed. No sum can overflow: balances and fees together are never more than the supply.
func (o *overlay) apply(t *Tx) error {
	from := o.get(t.From)
	if t.Nonce != from.Nonce {
		return fmt.Errorf("%w: want %d, got %d", ErrNonce, from.Nonce, t.Nonce)
	}
	cost, ok := t.Cost()
	if !ok {
		return ErrOverflow
	}
	if from.Balance < cost {
		return fmt.Errorf("%w: has %d, needs %d", ErrFunds, from.Balance, cost)
	}
	from.Balance -= cost
	from.Nonce++
	o.changed[t.From] = from
	// Read after the write: From and To may be the same account.
	to := o.get(t.To)
	to.Balance += t.Amount
	o.changed[t.To] = to
	o.fees += t.Fee
	return nil
}

// commit pays the miner and gives the state after the block.
func (o *overlay) commit(miner Address, subsidy Amount) (State, error) {
	if _, carry := bits.Add64(uint64(o.base.Total()), uint64(subsidy), 0); carry != 0 {
		return State{}, ErrSupply
	}
	acct := o.get(miner)
	acct.Balance += subsidy + o.fees
	o.changed[miner] = acct
	changes := make([]entry, 0, len(o.changed))
	for a, acct := range o.changed { // State.with sorts
		changes = append(changes, entry{a, acct})
	}
	return o.base.with(changes), nil
}
