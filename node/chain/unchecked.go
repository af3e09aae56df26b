package chain

import "fmt"

// Unchecked returns the state after transfers that nobody checks and the reward of miner: each transfer moves its amount and its
// fee and counts its sender's nonce up, whatever its signature and nonce and the balance say. Sums wrap around. A node that fails to
// check one of these computes the same state, so adversaries make blocks with it. The error wraps ErrSupply.
func (l *Ledger) Unchecked(parent State, txs []Tx, miner Address) (State, error) {
	o := newOverlay(parent)
	for i := range txs {
		t := &txs[i]
		from := o.get(t.From)
		from.Balance -= t.Amount + t.Fee
		from.Nonce++
		o.changed[t.From] = from
		to := o.get(t.To)
		to.Balance += t.Amount
		o.changed[t.To] = to
		o.fees += t.Fee
	}
	return o.commit(miner, l.subsidy)
}

// StateAfter returns the ledger after a block of the tree, on any branch. It computes states that were dropped; the error says that
// the block is not in the tree, or that this failed.
func (t *Tree) StateAfter(h Hash) (State, error) {
	e := t.entries[h]
	if e == nil {
		return State{}, fmt.Errorf("state after block %s: it is unknown", h)
	}
	return t.stateAfter(e)
}
