package chain

import (
	"bytes"
	"encoding/binary"
	"math/big"
	"math/bits"
)

// Work is a number of expected hash attempts, a 256-bit big-endian number.
type Work [32]byte

// WorkOf is the work that a block with these bits stands for: 2^256 / (target + 1), rounded down. It is zero for bits
// that TargetFromBits refuses.
func WorkOf(compact uint32) Work {
	target, err := TargetFromBits(compact)
	if err != nil {
		return Work{}
	}
	d := target.Int()
	d.Add(d, big.NewInt(1))
	var w Work
	// A target is at least 1, so the quotient fits 256 bits.
	new(big.Int).Quo(new(big.Int).Lsh(big.NewInt(1), 256), d).FillBytes(w[:])
	return w
}

// Add is w plus o; it stops at the largest value.
func (w Work) Add(o Work) Work {
	var sum Work
	var carry uint64
	for i := 24; i >= 0; i -= 8 {
		var s uint64
		s, carry = bits.Add64(binary.BigEndian.Uint64(w[i:]), binary.BigEndian.Uint64(o[i:]), carry)
		binary.BigEndian.PutUint64(sum[i:], s)
	}
	if carry != 0 {
		for i := range sum {
			sum[i] = 0xff
		}
	}
	return sum
}

// Cmp compares as numbers: -1, 0 or 1.
func (w Work) Cmp(o Work) int { return bytes.Compare(w[:], o[:]) }
