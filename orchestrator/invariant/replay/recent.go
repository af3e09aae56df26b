package replay

// recentBlocks knows which nodes accepted the latest blocks, and which nodes others received them from. Its memory depends on
// the number of nodes alone.
type recentBlocks struct {
	slots []recentBlock // a block stands in the slot of its number, until a later one takes that
	nodes int
	// evicted is the block that the last call of add removed.
	evicted BlockIndex
}

type recentBlock struct {
	block         BlockIndex // 0: none
	have, senders NodeSet
}

const (
	// maxRecentBlocks is how many blocks are known at most; a power of two. maxRecentBytes is how much memory they may take,
	// if that allows for minRecentBlocks.
	maxRecentBlocks = 1024
	minRecentBlocks = 16
	maxRecentBytes  = 32 << 20
)

func newRecentBlocks(nodes int) recentBlocks {
	n := maxRecentBlocks
	for n > minRecentBlocks && n*(nodes+63)/64*16 > maxRecentBytes {
		n /= 2
	}
	return recentBlocks{slots: make([]recentBlock, n), nodes: nodes}
}

func (r *recentBlocks) slot(b BlockIndex) *recentBlock { return &r.slots[int(b)&(len(r.slots)-1)] }

// add notes that a node accepted a block from a sender, which may be NoNode. When the block takes the place of another, and a
// sender of that never had it, it returns that sender, else NoNode.
func (r *recentBlocks) add(b BlockIndex, n, sender NodeIndex) (missing NodeIndex) {
	x := r.slot(b)
	missing = NoNode
	switch {
	case b <= 0 || x.block > b:
		return NoNode
	case x.block == 0:
		x.have, x.senders = NewNodeSet(r.nodes), NewNodeSet(r.nodes)
		x.block = b
	case x.block < b:
		missing, r.evicted = x.missing(), x.block
		clear(x.have)
		clear(x.senders)
		x.block = b
	}
	x.have.Add(n)
	if sender != NoNode {
		x.senders.Add(sender)
	}
	return missing
}

// lacks says whether a node surely did not accept a block.
func (r *recentBlocks) lacks(b BlockIndex, n NodeIndex) bool {
	x := r.slot(b)
	return b > 0 && (x.block < b || x.block == b && !x.have.Has(n))
}

// missing is a sender of the block that never had it, NoNode if there is none.
func (x *recentBlock) missing() NodeIndex {
	for i := range x.senders {
		if w := x.senders[i] &^ x.have[i]; w != 0 {
			for n := NodeIndex(i * 64); ; n++ {
				if w>>(uint(n)%64)&1 != 0 {
					return n
				}
			}
		}
	}
	return NoNode
}

// each calls f with every block that some sender never had, and that sender.
func (r *recentBlocks) each(f func(BlockIndex, NodeIndex)) {
	for i := range r.slots {
		if x := &r.slots[i]; x.block > 0 {
			if n := x.missing(); n != NoNode {
				f(x.block, n)
			}
		}
	}
}
