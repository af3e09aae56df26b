package ledger

import (
	"fmt"
	"math/big"
)

// maxBits is the compact form of the easiest target.
const maxBits = 0x2100ffff

var (
	maxTarget = new(big.Int).Lsh(big.NewInt(0xffff), 240)
	bigOne    = big.NewInt(1)
)

// expandBits returns the target of its compact form: mantissa * 256^(exponent-3).
func expandBits(bits uint32) (*big.Int, error) {
	mantissa := int64(bits & 0x7fffff)
	t := big.NewInt(mantissa)
	if exp := int(bits >> 24); exp >= 3 {
		t.Lsh(t, uint(8*(exp-3)))
	} else {
		t.Rsh(t, uint(8*(3-exp)))
	}
	if bits&0x800000 != 0 || t.Sign() == 0 || t.Cmp(maxTarget) > 0 || compact(t) != bits {
		return nil, fmt.Errorf("compact target %08x is not a canonical target of at most %08x", bits, uint32(maxBits))
	}
	return t, nil
}

// compact returns the compact form of a positive target, rounding down.
func compact(t *big.Int) uint32 {
	size := (t.BitLen() + 7) / 8
	var m uint64
	if size <= 3 {
		m = t.Uint64() << (8 * (3 - size))
	} else {
		m = new(big.Int).Rsh(t, uint(8*(size-3))).Uint64()
	}
	if m&0x800000 != 0 {
		m >>= 8
		size++
	}
	return uint32(size)<<24 | uint32(m)
}

// asert is aserti3-2d of the Bitcoin Cash specification: the target of the child of a block that stands heightDelta
// blocks after the anchor and timeDelta after the anchor's parent. All times have one unit.
// Source: https://upgradespecs.bitcoincashnode.org/2020-11-15-asert/
func asert(anchor *big.Int, spacing, halfLife, timeDelta, heightDelta *big.Int) *big.Int {
	e := new(big.Int).Add(heightDelta, bigOne)
	e.Mul(e, spacing)
	e.Sub(timeDelta, e)
	e.Lsh(e, 16)
	e.Quo(e, halfLife)

	shift := new(big.Int).Rsh(e, 16) // floor
	frac := new(big.Int).Sub(e, new(big.Int).Lsh(shift, 16)).Uint64()
	if shift.CmpAbs(big.NewInt(1024)) > 0 {
		if shift.Sign() > 0 {
			return new(big.Int).Set(maxTarget)
		}
		return big.NewInt(1)
	}
	factor := (195766423245049*frac + 971821376*frac*frac + 5127*frac*frac*frac + 1<<47) >> 48
	t := new(big.Int).Mul(anchor, new(big.Int).SetUint64(65536+factor))
	if s := shift.Int64() - 16; s < 0 {
		t.Rsh(t, uint(-s))
	} else {
		t.Lsh(t, uint(s))
	}
	switch {
	case t.Sign() == 0:
		return big.NewInt(1)
	case t.Cmp(maxTarget) > 0:
		return new(big.Int).Set(maxTarget)
	}
	return t
}
