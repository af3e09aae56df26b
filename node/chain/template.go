package chain

// Template is the header of a child of the head, complete but for its nonce, and the transactions it commits to: those
// of txs that apply, in their order. Its time is now, or the earliest that the rules allow if that is later. The error
// wraps ErrSupply.
func (t *Tree) Template(miner Address, txs []Tx, now Millis) (Header, []Tx, error) {
	head := t.head()
	kept, after, err := t.ledger.Assemble(head.state, txs, miner)
	if err != nil {
		return Header{}, nil, err
	}
	return Header{
		Version:   HeaderVersion,
		Height:    head.block.Height + 1,
		Parent:    head.block.Hash(),
		TxRoot:    TxRoot(kept),
		StateRoot: after.Root(),
		Miner:     miner,
		Time:      max(now, t.engine.MinTime(head)),
		Bits:      t.engine.NextBits(head),
	}, kept, nil
}
