package ledger

import (
	"crypto/ed25519"
	"math/big"
	"slices"
)

// verify checks a transfer's signature over "netsplit/tx/1", the genesis hash and the encoding up to the signature.
func verify(genesis [32]byte, t *tx) bool {
	if !goodKey(t.from) {
		return false
	}
	msg := make([]byte, 0, 13+32+signedSize)
	msg = append(msg, "netsplit/tx/1"...)
	msg = append(msg, genesis[:]...)
	msg = append(msg, t.raw[:signedSize]...)
	return ed25519.Verify(t.from[:], msg, t.raw[signedSize:])
}

// fieldPrime is 2^255 - 19.
var fieldPrime = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))

// smallOrderY are the y coordinates of the points whose order divides 8: 0, 1, -1, and one of order 8 with its negative.
var smallOrderY = smallOrders()

func smallOrders() []*big.Int {
	y8, ok := new(big.Int).SetString("7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd83d3d706a17c7", 16)
	if !ok {
		panic("ledger: malformed constant")
	}
	return []*big.Int{
		big.NewInt(0), big.NewInt(1), new(big.Int).Sub(fieldPrime, bigOne), y8, new(big.Int).Sub(fieldPrime, y8),
	}
}

// goodKey says whether a public key is in canonical form and not of small order.
func goodKey(key [32]byte) bool {
	key[31] &= 0x7f
	slices.Reverse(key[:])
	y := new(big.Int).SetBytes(key[:])
	if y.Cmp(fieldPrime) >= 0 {
		return false
	}
	for _, s := range smallOrderY {
		if y.Cmp(s) == 0 {
			return false
		}
	}
	return true
}
