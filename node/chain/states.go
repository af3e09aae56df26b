package chain

import "fmt"

// A state holds what its block changed in the trie, which is several times the block itself. So the tree keeps the
// states of the keepStates blocks added last, and of every height that stateStride divides; others are computed again
// from the nearest one below, which only a block on an old parent asks for.
const (
	keepStates  = 256
	stateStride = 128
)

// recentStates is the ring of entries added last; the oldest is at next once it is full.
type recentStates struct {
	ring []*treeEntry
	next int
}

// keep notes that e was added and lets go of the state that has become too old.
func (t *Tree) keep(e *treeEntry) {
	r := &t.recent
	if len(r.ring) < keepStates {
		r.ring = append(r.ring, e)
		return
	}
	old := r.ring[r.next]
	r.ring[r.next] = e
	r.next = (r.next + 1) % keepStates
	if old != t.head() && old.block.Height%stateStride != 0 {
		old.state = State{}
	}
}

// kept says whether the entry's state is at hand. A computed state is never the zero State.
func (e *treeEntry) kept() bool { return e.state.s != nil }

// stateAfter is the state after e's block, computed again if it was let go.
func (t *Tree) stateAfter(e *treeEntry) (State, error) {
	var path []*treeEntry
	base := e
	for ; !base.kept(); base = base.parent {
		path = append(path, base)
	}
	s := base.state
	for i := len(path) - 1; i >= 0; i-- {
		var err error
		if s, err = t.ledger.replay(s, path[i].block); err != nil {
			return State{}, fmt.Errorf("replay block %s: %w", path[i].block.Hash(), err)
		}
	}
	return s, nil
}
