package chain

// choose makes e, a new entry, the head if its chain has more work than the head's. Ties go to the one seen first.
func (t *Tree) choose(e *treeEntry) Added {
	old := t.head()
	if e.work.Cmp(old.work) <= 0 {
		return Added{}
	}
	a := Added{NewHead: true, Old: old.block.Hash()}
	fork := e
	for !t.onBest(fork) {
		fork = fork.parent
	}
	base := int(fork.block.Height) + 1
	for _, d := range t.best[base:] {
		a.Dropped = append(a.Dropped, d.block)
	}
	grown := int(e.block.Height) + 1
	clear(t.best[min(grown, len(t.best)):]) // a heavier chain may be shorter: let go of the rest
	t.best = t.best[:min(grown, len(t.best))]
	for len(t.best) < grown {
		t.best = append(t.best, nil)
	}
	a.Adopted = make([]*Block, grown-base)
	for n := e; n != fork; n = n.parent {
		h := int(n.block.Height)
		t.best[h] = n
		a.Adopted[h-base] = n.block
	}
	return a
}
