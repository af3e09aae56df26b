package node

import "github.com/netsplit/netsplit/node/chain"

// Limits of the blocks that wait for their parents.
const (
	maxOrphans        = 64
	maxOrphansPerPeer = 8
	maxOrphanBytes    = 8 << 20
)

// orphanPool holds blocks whose parents are not known, oldest first. The oldest make room for new ones: those of the
// same peer first, so that one peer cannot push out what others sent.
type orphanPool struct {
	list  []orphan
	bytes int
}

type orphan struct {
	block *chain.Block
	from  chain.PeerID
}

func (o *orphanPool) has(h chain.Hash) bool {
	for i := range o.list {
		if o.list[i].block.Hash() == h {
			return true
		}
	}
	return false
}

func (o *orphanPool) add(b *chain.Block, from chain.PeerID) {
	count, first := 0, 0
	for i := len(o.list) - 1; i >= 0; i-- {
		if o.list[i].from == from {
			count, first = count+1, i
		}
	}
	if count >= maxOrphansPerPeer {
		o.removeAt(first)
	}
	for len(o.list) >= maxOrphans || len(o.list) > 0 && o.bytes+b.Size() > maxOrphanBytes {
		o.removeAt(0)
	}
	o.list = append(o.list, orphan{b, from})
	o.bytes += b.Size()
}

func (o *orphanPool) removeAt(i int) {
	o.bytes -= o.list[i].block.Size()
	o.list = append(o.list[:i], o.list[i+1:]...)
}

// take removes and returns the orphans with this parent, oldest first.
func (o *orphanPool) take(parent chain.Hash) []orphan {
	var out []orphan
	for i := 0; i < len(o.list); {
		if o.list[i].block.Parent == parent {
			out = append(out, o.list[i])
			o.removeAt(i)
		} else {
			i++
		}
	}
	return out
}
