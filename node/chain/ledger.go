package chain

import (
	"fmt"
	"math/bits"
	"sync"
)

// Ledger executes blocks and transactions by the rules of one network. It is safe for concurrent use.
type Ledger struct {
	subsidy Amount
	genesis *Block
	state   State
	memo    *Memo // nil: nothing is shared

	mu   sync.Mutex
	sigs cache[Hash, bool] // the signature checks that this ledger made itself, by transaction
}

// NewLedger validates g and computes the genesis block. memo may be nil. Ledgers with one memo share what is equal.
func NewLedger(g *Genesis, memo *Memo) (*Ledger, error) {
	l, err := memo.ledger(g, func() (*Ledger, error) {
		if err := g.Validate(); err != nil {
			return nil, err
		}
		s := g.State()
		return &Ledger{subsidy: g.Subsidy, genesis: g.block(s), state: s}, nil
	})
	if err != nil {
		return nil, err
	}
	return &Ledger{subsidy: l.subsidy, genesis: l.genesis, state: l.state, memo: memo, sigs: cache[Hash, bool]{limit: memoSigs}}, nil
}

// Genesis is the genesis block.
func (l *Ledger) Genesis() *Block { return l.genesis }

// State is the state at genesis.
func (l *Ledger) State() State { return l.state }

// CheckTx checks what does not depend on a state: amounts and signature. Errors wrap ErrAmount, ErrOverflow or
// ErrSignature.
func (l *Ledger) CheckTx(t *Tx) error {
	if t.Amount == 0 {
		return ErrAmount
	}
	if _, ok := t.Cost(); !ok {
		return ErrOverflow
	}
	if !l.verify(t) {
		return ErrSignature
	}
	return nil
}

// verify checks a signature once.
func (l *Ledger) verify(t *Tx) bool {
	id := t.ID()
	l.mu.Lock()
	valid, known := l.sigs.get(id)
	l.mu.Unlock()
	if known {
		return valid
	}
	valid, own := l.memo.Verify(l.genesis.Hash(), t)
	if own {
		l.mu.Lock()
		l.sigs.put(id, valid)
		l.mu.Unlock()
	}
	return valid
}

// Cost is what the sender pays, amount plus fee; ok is false if the sum overflows.
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

// apply executes a transfer that passed CheckTx. On an error, which wraps ErrNonce or ErrFunds, nothing changes. No sum
// can overflow: balances and fees together never exceed the supply.
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

// commit pays the miner and returns the state after the block.
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

// Execute returns the state after b, given the state after its parent. It checks the block's TxRoot, every transaction
// and the StateRoot, but nothing else of the header. Errors wrap ErrInvalid and the reason.
func (l *Ledger) Execute(parent State, b *Block) (State, error) {
	// By everybody: the block's hash does not cover transactions that the header does not commit to, and a peer that sends a
	// valid header with a wrong body must not invalidate the valid block.
	if err := checkBody(b); err != nil {
		return State{}, err
	}
	return l.memo.execute(b.Hash(), parent, func() (State, error) { return l.execute(parent, b) })
}

// checkBody checks that the header commits to b's transactions.
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

// replay returns the state after a block that was executed before. It checks only what apply checks anyway.
func (l *Ledger) replay(parent State, b *Block) (State, error) {
	o := newOverlay(parent)
	for i := range b.Txs {
		if err := o.apply(&b.Txs[i]); err != nil {
			return State{}, err
		}
	}
	return o.commit(b.Miner, l.subsidy)
}

// Assemble selects the transactions for a block of miner on top of parent, in the given order, and returns the state
// after it. It skips those that are invalid or do not apply in that order, and those beyond MaxBlockTxs. The error wraps
// ErrSupply: no block can be made.
func (l *Ledger) Assemble(parent State, txs []Tx, miner Address) (kept []Tx, after State, err error) {
	o := newOverlay(parent)
	for i := range txs {
		if len(kept) == MaxBlockTxs {
			break
		}
		// The cheap check first. CheckTx must pass before apply changes the overlay.
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
