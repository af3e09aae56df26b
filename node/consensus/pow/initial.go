package pow

import (
	"math"
	"math/big"

	"github.com/netsplit/netsplit/node/chain"
)

// InitialBits is the compact target at which attemptsPerSecond attempts a second find one block per interval on
// average, as near as the compact form allows. Where less than one attempt an interval is expected it is the easiest
// target.
func InitialBits(attemptsPerSecond float64, interval chain.Millis) uint32 {
	attempts := attemptsPerSecond * float64(interval) / 1000
	if !(attempts > 1) { // not a number, too
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

// nearestBits rounds to the nearest compact target; the compact form by itself rounds down, by up to 1/32768.
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
