package pow

import (
	"math"
	"math/big"

	"github.com/netsplit/netsplit/node/chain"
)

// radixBits is the number of fraction bits of the exponent.
const radixBits = 16

// Coefficients of the cubic that approximates 2^x - 1 on 0 <= x < 1, scaled by 2^48 and the radix.
const (
	cubic1 = 195766423245049
	cubic2 = 971821376
	cubic3 = 5127
)

// maxShift bounds the power of two: beyond it every target is the smallest or the largest.
const maxShift = 512

// NextTarget is aserti3-2d, the Bitcoin Cash difficulty rule: ref * 2^((timeDiff - interval*(heightDiff+1)) / halfLife),
// in the integer arithmetic of its specification, limited to the range of targets. ref is the target of a reference
// block; timeDiff is the time from that block's parent to the parent of the block that the target is for, heightDiff
// the number of blocks from the reference block to that parent. The three times have one unit. interval and halfLife are positive;
// every value of timeDiff and heightDiff is allowed.
// Source: https://upgradespecs.bitcoincashnode.org/2020-11-15-asert/
func NextTarget(ref chain.Target, interval, halfLife, timeDiff chain.Millis, heightDiff int64) chain.Target {
	exponent := asertExponent(interval, halfLife, timeDiff, heightDiff)
	shifts := new(big.Int).Rsh(exponent, radixBits) // rounds down, so that the fraction is not negative
	if shifts.Cmp(big.NewInt(maxShift)) > 0 {
		return chain.MaxTarget()
	}
	if shifts.Cmp(big.NewInt(-maxShift)) < 0 {
		return chain.TargetFromInt(new(big.Int))
	}
	shift := shifts.Int64()
	fraction := new(big.Int).Sub(exponent, shifts.Lsh(shifts, radixBits)).Uint64()
	// The sum stays below 2^64 for every fraction below 2^16.
	factor := (cubic1*fraction+cubic2*fraction*fraction+cubic3*fraction*fraction*fraction+1<<47)>>48 + 1<<radixBits

	target := ref.Int()
	target.Mul(target, new(big.Int).SetUint64(factor))
	if shift < 0 {
		target.Rsh(target, uint(-shift))
	} else {
		target.Lsh(target, uint(shift))
	}
	return chain.TargetFromInt(target.Rsh(target, radixBits))
}

// asertExponent is (timeDiff - interval*(heightDiff+1)) * 2^16 / halfLife, rounded towards zero.
func asertExponent(interval, halfLife, timeDiff chain.Millis, heightDiff int64) *big.Int {
	late := big.NewInt(heightDiff)
	late.Add(late, big.NewInt(1))
	late.Mul(late, big.NewInt(int64(interval)))
	late.Sub(big.NewInt(int64(timeDiff)), late)
	late.Lsh(late, radixBits)
	return late.Quo(late, big.NewInt(int64(halfLife)))
}

// InitialBits is the compact target at which attemptsPerSecond attempts a second find one block per interval on average,
// as near as the compact form allows. With less than one attempt per interval it is the easiest target.
func InitialBits(attemptsPerSecond float64, interval chain.Millis) uint32 {
	attempts := attemptsPerSecond * float64(interval) / 1000
	if !(attempts > 1) { // also when it is NaN
		return chain.MaxBits
	}
	if math.IsInf(attempts, 1) {
		return chain.TargetFromInt(new(big.Int)).Bits()
	}
	// A hash succeeds with probability (target+1) / 2^256.
	hashes := new(big.Float).SetMantExp(big.NewFloat(1), 256)
	target, _ := hashes.Quo(hashes, big.NewFloat(attempts)).Int(nil)
	return nearestBits(target.Sub(target, big.NewInt(1)))
}

// nearestBits rounds to the nearest compact target. Target.Bits rounds down, by up to 1/32768.
func nearestBits(n *big.Int) uint32 {
	low := chain.TargetFromInt(n)
	bits := low.Bits()
	above, err := chain.TargetFromBits(bits + 1)
	if err != nil {
		return bits
	}
	below, err := chain.TargetFromBits(bits)
	if err != nil {
		return bits
	}
	down := new(big.Int).Sub(n, below.Int())
	up := new(big.Int).Sub(above.Int(), n)
	if up.Cmp(down) < 0 {
		return bits + 1
	}
	return bits
}
