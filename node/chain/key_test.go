package chain

import (
	"crypto/ed25519"
	"slices"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
)

func TestKey_Sign(t *testing.T) {
	_, k := testTree(t)
	genesis := Hash{1}
	tx := Tx{To: Address{2}, Amount: 3, Fee: 4, Nonce: 5}
	k.Sign(genesis, &tx)
	if tx.From != k.Address() || !tx.Verify(genesis) {
		t.Fatal("the signature does not verify")
	}
	if tx.Verify(Hash{2}) {
		t.Error("verifies on another network")
	}
	for i := range TxSize {
		b := tx.Append(nil)
		b[i] ^= 1
		changed := must.Get(DecodeTx(b))(t)
		if changed.Verify(genesis) {
			t.Errorf("verifies with byte %d changed", i)
		}
	}
	if string(k.Seed()) != strings.Repeat("\x00", 31)+"\x01" {
		t.Errorf("seed: got %x", k.Seed())
	}
}

// S plus the order of the group is another form of the same signature.
func TestVerify_MalleableSignature(t *testing.T) {
	_, k := testTree(t)
	tx := Tx{To: Address{2}, Amount: 3}
	k.Sign(Hash{}, &tx)
	order := []byte{0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 31: 0x10}
	carry := 0
	for i, o := range order {
		sum := int(tx.Sig[32+i]) + int(o) + carry
		tx.Sig[32+i], carry = byte(sum), sum>>8
	}
	if tx.Verify(Hash{}) {
		t.Error("the malleable form verifies")
	}
}

// With a key of small order at least one forged signature in eight verifies by ed25519.Verify. Tx.Verify must refuse it.
func TestVerify_SmallOrderKeys(t *testing.T) {
	for _, y := range smallOrder {
		for _, sign := range []byte{0, 0x80} {
			tx := Tx{From: y, Amount: 1}
			tx.From[31] |= sign
			tx.Sig[0] = 1 // R = the neutral point, S = 0
			accepted := 0
			for ; tx.Nonce < 200; tx.Nonce++ {
				if ed25519.Verify(tx.From[:], tx.signedMessage(Hash{}), tx.Sig[:]) {
					accepted++
				}
				if tx.Verify(Hash{}) {
					t.Fatalf("key %s: forged signature accepted", tx.From)
				}
			}
			// Not every library takes x = 0 with the sign set for a point: count only the others.
			if sign == 0 && accepted == 0 {
				t.Errorf("key %s is not of small order", tx.From)
			}
		}
	}
}

func TestStrictKey(t *testing.T) {
	const ff = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
	for hexKey, want := range map[string]bool{
		"ec" + ff + "ff7f": false, // p-1: order 2
		"eb" + ff + "ff7f": true,  // p-2
		"ed" + ff + "ff7f": false, // p
		"ff" + ff + "ffff": false, // 2^255-1 and the sign
		"ff" + ff + "fe7f": true,
		"ff" + ff + "ff7e": true,
	} {
		if got := strictKey(mustAddress(hexKey)); got != want {
			t.Errorf("%s: got %v, want %v", hexKey, got, want)
		}
	}
}

func TestKeyFromSeed_Invalid(t *testing.T) {
	for _, seed := range []string{"", "00", strings.Repeat("z", 64), strings.Repeat("0", 66)} {
		_, err := KeyFromSeed(seed)
		if err == nil {
			t.Errorf("%q: accepted", seed)
		} else if seed != "" && slices.Contains(strings.Fields(err.Error()), seed) {
			t.Errorf("the error shows the secret: %v", err)
		}
	}
}
