package chain

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"slices"
)

// signDomain separates the signatures of transfers from signatures for other purposes.
const signDomain = "netsplit/tx/1"

// Key is an account's private key.
type Key struct{ priv ed25519.PrivateKey }

// KeyFromSeed makes the key of a 32-byte ed25519 seed in hex.
func KeyFromSeed(hexSeed string) (Key, error) {
	seed, err := hex.DecodeString(hexSeed)
	if err != nil || len(seed) != ed25519.SeedSize {
		// The seed is a secret: the message must not contain any of it.
		return Key{}, fmt.Errorf("want a seed of %d hex digits, got %d characters", 2*ed25519.SeedSize, len(hexSeed))
	}
	return Key{ed25519.NewKeyFromSeed(seed)}, nil
}

// Address is the key's account.
func (k Key) Address() Address {
	var a Address
	copy(a[:], k.priv.Public().(ed25519.PublicKey))
	return a
}

// Seed is the 32-byte seed that the key was made from.
func (k Key) Seed() []byte { return k.priv.Seed() }

// Sign sets the transaction's From and Sig. genesis is the hash of the network's genesis block.
func (k Key) Sign(genesis Hash, t *Tx) {
	t.From = k.Address()
	copy(t.Sig[:], ed25519.Sign(k.priv, t.signedMessage(genesis)))
}

// Verify reports whether Sig is From's signature of the transaction on the network whose genesis block has this hash.
// Verification follows RFC 8032 without the cofactor (S below the group's order, R compared byte by byte). It refuses
// keys that are not in canonical form or of small order, because anybody can sign for those.
func (t *Tx) Verify(genesis Hash) bool {
	return strictKey(t.From) && ed25519.Verify(t.From[:], t.signedMessage(genesis), t.Sig[:])
}

// signedMessage is signDomain || genesis || the encoding up to the signature.
func (t *Tx) signedMessage(genesis Hash) []byte {
	msg := make([]byte, 0, len(signDomain)+len(genesis)+TxSize)
	msg = append(msg, signDomain...)
	msg = append(msg, genesis[:]...)
	return t.appendUnsigned(msg)
}

// smallOrder holds the y coordinates, little-endian, of the curve's eight points whose order divides 8.
var smallOrder = [...]Address{
	{},  // order 4
	{1}, // order 1
	mustAddress("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), // order 8
	mustAddress("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), // order 8
	mustAddress("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"), // order 2
}

func mustAddress(s string) Address {
	a, err := ParseAddress(s)
	if err != nil {
		panic(err)
	}
	return a
}

// strictKey reports whether the public key's y coordinate is below 2^255-19 and the point is not of small order.
func strictKey(a Address) bool {
	y := a
	y[31] &= 0x7f // the sign of x
	if slices.Contains(smallOrder[:], y) {
		return false
	}
	return y[0] < 0xed || y[31] != 0x7f || bytes.Count(y[1:31], []byte{0xff}) < 30
}
