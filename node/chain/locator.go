package chain

// locatorDense is the number of blocks that a locator names one by one before its steps double.
const locatorDense = 10

// Locator names blocks of the best chain from the head backwards: the last 10 one by one, then in doubling steps, and
// always genesis at the end. It has fewer than 64 hashes.
func (t *Tree) Locator() []Hash {
	var hashes []Hash
	step := 1
	for h := len(t.best) - 1; h > 0; h -= step {
		hashes = append(hashes, t.best[h].block.Hash())
		if len(hashes) >= locatorDense {
			step *= 2
		}
	}
	return append(hashes, t.Genesis().Hash())
}

// After is up to max blocks of the best chain, ascending, that follow the first hash of locator that is on it; more
// says that others follow them. A locator of which nothing is on the best chain, not even genesis, gets nothing.
func (t *Tree) After(locator []Hash, max int) (blocks []*Block, more bool) {
	for _, h := range locator {
		e := t.entries[h]
		if e == nil || !t.onBest(e) {
			continue
		}
		rest := t.best[e.block.Height+1:]
		n := min(len(rest), max)
		blocks = make([]*Block, n)
		for i := range blocks {
			blocks[i] = rest[i].block
		}
		return blocks, n < len(rest)
	}
	return nil, false
}
