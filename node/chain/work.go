package chain

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/big"
	"math/bits"
)

// Target is the largest hash that is a valid proof of work, a 256-bit big-endian number.
type Target [32]byte

// MaxBits is the compact form of the easiest target, 0xffff * 2^240: all but one hash in 65536 meet it.
const MaxBits uint32 = 0x2100ffff

// maxTarget is the target of MaxBits.
var maxTarget = Target{0xff, 0xff}

// MaxTarget is the easiest target, that of MaxBits.
func MaxTarget() Target { return maxTarget }

// TargetFromBits expands a compact target: bits = exponent (8 bits) and mantissa (24 bits, the highest must be 0),
// target = mantissa * 256^(exponent-3). It refuses zero, targets above MaxTarget, and forms other than that of Target.Bits.
func TargetFromBits(bits uint32) (Target, error) {
	exp, mant := int(bits>>24), bits&0xffffff
	var t Target
	switch {
	case mant&0x800000 != 0:
		return t, fmt.Errorf("compact target %08x: negative", bits)
	case mant == 0:
		return t, fmt.Errorf("compact target %08x: zero", bits)
	}
	for i := range 3 { // byte i of the mantissa has the weight 256^(i+exp-3)
		digit, pos := byte(mant>>(8*i)), i+exp-3
		if digit == 0 {
			continue
		}
		if pos < 0 || pos > 31 {
			return Target{}, fmt.Errorf("compact target %08x: out of range", bits)
		}
		t[31-pos] = digit
	}
	if t.Cmp(maxTarget) > 0 {
		return Target{}, fmt.Errorf("compact target %08x: above the limit %08x", bits, MaxBits)
	}
	if t.Bits() != bits {
		return Target{}, fmt.Errorf("compact target %08x: the canonical form is %08x", bits, t.Bits())
	}
	return t, nil
}

// Bits is the compact form: the 16 to 23 most significant bits of the target, rounded down.
func (t Target) Bits() uint32 {
	size := 32
	for size > 0 && t[32-size] == 0 {
		size--
	}
	var mant uint32
	for i := range 3 {
		mant <<= 8
		if p := 32 - size + i; p < 32 {
			mant |= uint32(t[p])
		}
	}
	if mant&0x800000 != 0 { // the mantissa's sign bit must stay clear
		mant >>= 8
		size++
	}
	return uint32(size)<<24 | mant
}

// Int is the target as a new number.
func (t Target) Int() *big.Int { return new(big.Int).SetBytes(t[:]) }

// TargetFromInt is n, clamped to the range from 1 to MaxTarget.
func TargetFromInt(n *big.Int) Target {
	if n.Sign() <= 0 {
		return Target{31: 1}
	}
	if n.BitLen() > 256 {
		return maxTarget
	}
	var t Target
	n.FillBytes(t[:])
	if t.Cmp(maxTarget) > 0 {
		return maxTarget
	}
	return t
}

// Cmp compares as numbers: -1, 0 or 1.
func (t Target) Cmp(o Target) int { return Hash(t).Cmp(Hash(o)) }

// Met reports whether h is at most t.
func (t Target) Met(h Hash) bool { return h.Cmp(Hash(t)) <= 0 }

// Work is a number of expected hash attempts, a 256-bit big-endian number.
type Work [32]byte

// WorkOf is the work of a block with these bits: 2^256 / (target + 1), rounded down. It is zero for bits that
// TargetFromBits refuses.
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

// Add is w plus o, at most the largest value.
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
