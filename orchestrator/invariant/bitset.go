package invariant

// bitset is a set of node numbers.
type bitset []uint64

func newBitset(n int) bitset { return make(bitset, (n+63)/64) }

func (s bitset) has(i nodeID) bool { return s[i/64]>>(uint(i)%64)&1 != 0 }

func (s bitset) add(i nodeID) { s[i/64] |= 1 << (uint(i) % 64) }

func (s bitset) remove(i nodeID) { s[i/64] &^= 1 << (uint(i) % 64) }

func (s bitset) meets(o bitset) bool {
	for i := range s {
		if s[i]&o[i] != 0 {
			return true
		}
	}
	return false
}
