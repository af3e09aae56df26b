package external

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"slices"

	"github.com/btcsuite/btcd/btcutil"
	"github.com/btcsuite/btcd/btcutil/base58"
	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"golang.org/x/crypto/sha3"
)

// The kinds of key in a chain file.
const (
	kindEd25519   = "ed25519"
	kindSecp256k1 = "secp256k1"
	kindRandom    = "random"
)

// Key is a key of one node as templates see it. The same seed, node and name give the same key.
type Key struct {
	kind string
	// Private is seed and public key (64 bytes) of ed25519, the scalar (32 bytes) of secp256k1, or 32 random bytes.
	Private []byte
	// Public is 32 bytes of ed25519, 64 bytes (both coordinates, without a prefix) of secp256k1, nil where the key is random.
	Public []byte
}

// newKey derives a node's key.
func newKey(kind string, seed uint64, node, name string) (Key, error) {
	switch kind {
	case kindEd25519:
		b := derive(seed, node, name, 0)
		private := ed25519.NewKeyFromSeed(b[:])
		return Key{kind, private, private.Public().(ed25519.PublicKey)}, nil
	case kindSecp256k1:
		return newSecp256k1(func(try uint32) [32]byte { return derive(seed, node, name, try) }), nil
	case kindRandom:
		b := derive(seed, node, name, 0)
		return Key{kind: kind, Private: b[:]}, nil
	}
	return Key{}, fmt.Errorf("key %s: unknown kind %q", name, kind)
}

// newSecp256k1 takes the first of the drawn numbers that is a valid scalar; practically always that is the first.
func newSecp256k1(draw func(try uint32) [32]byte) Key {
	for try := uint32(0); ; try++ {
		b := draw(try)
		var scalar secp256k1.ModNScalar
		if overflow := scalar.SetBytes(&b); overflow != 0 || scalar.IsZero() {
			continue
		}
		public := secp256k1.NewPrivateKey(&scalar).PubKey().SerializeUncompressed()
		return Key{kindSecp256k1, b[:], public[1:]}
	}
}

// derive returns 32 bytes that depend on the seed, the node, the key's name and the try alone.
func derive(seed uint64, node, name string, try uint32) [32]byte {
	b := binary.BigEndian.AppendUint64([]byte("netsplit/chainfile/key/"), seed)
	for _, s := range []string{node, name} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	return sha256.Sum256(binary.BigEndian.AppendUint32(b, try))
}

// PrivateHex is the private key in hex.
func (k Key) PrivateHex() string { return hex.EncodeToString(k.Private) }

// PrivateBase64 is the private key in standard base64.
func (k Key) PrivateBase64() string { return base64.StdEncoding.EncodeToString(k.Private) }

// PublicHex is the public key in hex; random keys have none.
func (k Key) PublicHex() (string, error) { return k.public(hex.EncodeToString) }

// PublicBase64 is the public key in standard base64; random keys have none.
func (k Key) PublicBase64() (string, error) { return k.public(base64.StdEncoding.EncodeToString) }

func (k Key) public(encode func([]byte) string) (string, error) {
	if k.Public == nil {
		return "", fmt.Errorf("a key of kind %s has no public half", k.kind)
	}
	return encode(k.Public), nil
}

// Address is the 20 bytes by which a chain names the key: for ed25519 the first of SHA-256 of the public key (as
// CometBFT), for secp256k1 the last of Keccak-256 (as Ethereum). Random keys have none.
func (k Key) Address() ([]byte, error) {
	switch k.kind {
	case kindEd25519:
		sum := sha256.Sum256(k.Public)
		return sum[:20], nil
	case kindSecp256k1:
		h := sha3.NewLegacyKeccak256()
		h.Write(k.Public)
		return h.Sum(nil)[12:], nil
	}
	return nil, fmt.Errorf("a key of kind %s has no address", k.kind)
}

// AddressHex is the address in lower-case hex, without a prefix.
func (k Key) AddressHex() (string, error) {
	a, err := k.Address()
	return hex.EncodeToString(a), err
}

// P2PKH is the address by which Bitcoin and its relatives pay a secp256k1 key: Base58Check of a version (a byte, which names the
// networks apart) and HASH160 of the compressed public key.
func (k Key) P2PKH(version int) (string, error) {
	hash, err := k.hash160()
	if err != nil {
		return "", err
	}
	return base58Check("P2PKH", version, hash)
}

// WIF is a secp256k1 key's private half in Bitcoin's wallet import format with a version, for a compressed public key.
func (k Key) WIF(version int) (string, error) {
	if k.kind != kindSecp256k1 {
		return "", fmt.Errorf("a key of kind %s has no WIF", k.kind)
	}
	return base58Check("WIF", version, append(slices.Clone(k.Private), 1))
}

func base58Check(what string, version int, b []byte) (string, error) {
	if version < 0 || version > math.MaxUint8 {
		return "", fmt.Errorf("%s %d: a version is 0 to 255", what, version)
	}
	return base58.CheckEncode(b, byte(version)), nil
}

// hash160 is RIPEMD-160 of SHA-256 of the compressed public key.
func (k Key) hash160() ([]byte, error) {
	if k.kind != kindSecp256k1 {
		return nil, fmt.Errorf("a key of kind %s has no P2PKH address", k.kind)
	}
	return btcutil.Hash160(secp256k1.PrivKeyFromBytes(k.Private).PubKey().SerializeCompressed()), nil
}

// String keeps a private key out of whatever prints the value.
func (k Key) String() string { return k.kind + " key" }

// GoString is String.
func (k Key) GoString() string { return k.String() }
