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
	if l := memo.cachedLedger(g); l != nil {
		return l, nil
	}
	if err := g.Validate(); err != nil {
		return nil, err
	}
	s := g.State()
	l := &Ledger{subsidy: g.Subsidy, genesis: g.block(s), state: s, memo: memo}
	memo.storeLedger(g, l)
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

// Execute gives the state after b, given the state after its parent. It checks the block's TxRoot, every transaction
// and the StateRoot, but nothing else of the header. Errors wrap ErrInvalid and the reason. A Memo that is shared must
// be asked about a block with the state of that block's parent only.
//
// Without a memo it computes the genesis block at each call; callers that execute many blocks keep a Ledger.
func Execute(parent State, b *Block, g *Genesis, memo *Memo) (State, error) {
	l, err := NewLedger(g, memo)
	if err != nil {
		return State{}, err
	}
	return l.Execute(parent, b)
}

// Execute is the function Execute on this ledger's network.
func (l *Ledger) Execute(parent State, b *Block) (State, error) {
	// Outside of the memo: a header's hash says nothing about transactions that the header does not commit to, and
	// whoever sends a good header with a wrong body must not spoil the good block.
	if err := checkBody(b); err != nil {
		return State{}, err
	}
	return l.memo.execute(b.Hash(), func() (State, error) { return l.execute(parent, b) })
}

// checkBody checks that b's transactions are those that its header commits to.
func checkBody(b *Block) error {
	if len(b.Txs) > MaxBlockTxs {
		return Invalid(ErrTooManyTx, "%d, at most %d are allowed", len(b.Txs), MaxBlockTxs)
	}
	if !b.txsMatchRoot() {
		return Invalid(ErrTxRoot, "computed %s, header has %s", TxRoot(b.Txs), b.TxRoot)
	}
	return nil
}

func (l *Ledger) execute(parent State, b *Block) (State, error) {
	o := newOverlay(parent)
	for i := range b.Txs {
		t := &b.Txs[i]
		err := l.CheckTx(t)
		if err == nil {
			err = o.apply(t)
		}
		if err != nil {
			return State{}, Invalid(err, "transaction %d of %d from %s", i+1, len(b.Txs), t.From)
		}
	}
	after, err := o.commit(b.Miner, l.subsidy)
	if err != nil {
		return State{}, Invalid(err, "after %d with subsidy %d", parent.Total(), l.subsidy)
	}
	if root := after.Root(); root != b.StateRoot {
		return State{}, Invalid(ErrStateRoot, "computed %s, header has %s", root, b.StateRoot)
	}
	return after, nil
}

// replay is the state after a block that was executed before: nothing is checked again but what apply checks anyway.
func (l *Ledger) replay(parent State, b *Block) (State, error) {
	o := newOverlay(parent)
	for i := range b.Txs {
		if err := o.apply(&b.Txs[i]); err != nil {
			return State{}, err
		}
	}
	return o.commit(b.Miner, l.subsidy)
}

// Assemble picks the transactions that a block of miner's on top of parent can hold, in the given order, and gives the
// state after it. It leaves out those that are invalid or do not apply where they stand, and those above MaxBlockTxs.
// The error wraps ErrSupply: no block can be made.
func (l *Ledger) Assemble(parent State, txs []Tx, miner Address) (kept []Tx, after State, err error) {
	o := newOverlay(parent)
	for i := range txs {
		if len(kept) == MaxBlockTxs {
			break
		}
		// The cheap check comes first; a bad signature after it must not leave a trace in the overlay.
		if txs[i].Nonce != o.get(txs[i].From).Nonce || l.CheckTx(&txs[i]) != nil {
			continue
		}
		if o.apply(&txs[i]) == nil {
			kept = append(kept, txs[i])
		}
	}
	after, err = o.commit(miner, l.subsidy)
	return kept, after, err
}

// Assemble is Ledger.Assemble on g's network. Without a memo it computes the genesis block at each call.
func Assemble(parent State, txs []Tx, miner Address, g *Genesis, memo *Memo) (kept []Tx, after State, err error) {
	l, err := NewLedger(g, memo)
	if err != nil {
		return nil, State{}, err
	}
	return l.Assemble(parent, txs, miner)
}
