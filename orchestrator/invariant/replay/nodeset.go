package replay

// NodeSet is a set of nodes, or of other small numbers.
type NodeSet []uint64

// NewNodeSet makes an empty set for the numbers 0..n-1.
func NewNodeSet(n int) NodeSet { return make(NodeSet, (n+63)/64) }

// Has says whether i is in the set.
func (s NodeSet) Has(i NodeIndex) bool { return s[i/64]>>(uint(i)%64)&1 != 0 }

// Add puts i into the set.
func (s NodeSet) Add(i NodeIndex) { s[i/64] |= 1 << (uint(i) % 64) }

// Remove takes i out of the set.
func (s NodeSet) Remove(i NodeIndex) { s[i/64] &^= 1 << (uint(i) % 64) }

func (s NodeSet) intersects(o NodeSet) bool {
	for i := range s {
		if s[i]&o[i] != 0 {
			return true
		}
	}
	return false
}
