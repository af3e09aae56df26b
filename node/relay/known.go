package relay

import (
	"encoding/binary"
	"slices"

	"github.com/netsplit/netsplit/node/chain"
)

// Known remembers which items a peer has, in at most 2 KiB. It forgets old ones, which costs one needless announcement. The
// zero Known is empty and ready for use.
type Known struct {
	slots []uint64
	turn  uint8
}

const (
	knownSets = 64
	knownWays = 4
)

// key is part of a hash. A block's hash begins with zeros, so the last bytes are used. Two items that share a key cost
// one announcement to the peer that made them up.
func key(h *chain.Hash) uint64 { return binary.BigEndian.Uint64(h[24:]) | 1 }

func (k *Known) set(key uint64) []uint64 {
	at := int(key>>8%knownSets) * knownWays
	return k.slots[at : at+knownWays]
}

// Has reports whether the item is remembered.
func (k *Known) Has(h *chain.Hash) bool {
	if k.slots == nil {
		return false
	}
	want := key(h)
	return slices.Contains(k.set(want), want)
}

// Add remembers an item.
func (k *Known) Add(h *chain.Hash) {
	if k.slots == nil {
		k.slots = make([]uint64, knownSets*knownWays)
	}
	if k.Has(h) {
		return
	}
	want := key(h)
	k.set(want)[k.turn%knownWays] = want
	k.turn++
}
