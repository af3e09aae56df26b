package external

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
)

// TestKey_Ed25519AsCometBFT uses what `cometbft init` of v1.0.1 wrote.
func TestKey_Ed25519AsCometBFT(t *testing.T) {
	const private = "1bgpLgQDl7dfwOjGASyHcQpTQ9X855xp4t9OowVo5aVtYI7WQBQ7uFa1p/JmI9WhQHIi0IM3QVel0Ig5NQPxXw=="
	b := must.Get(base64.StdEncoding.DecodeString(private))(t)
	k := Key{kindEd25519, b, ed25519.NewKeyFromSeed(b[:32])[32:]}
	public, err := k.PublicBase64()
	if err != nil || public != "bWCO1kAUO7hWtafyZiPVoUByItCDN0FXpdCIOTUD8V8=" {
		t.Errorf("public key %s, %v", public, err)
	}
	address, err := k.AddressHex()
	if err != nil || strings.ToUpper(address) != "0B6D4FE41353D7BC13A7AF364CD3929D47CC654F" {
		t.Errorf("address %s, %v", address, err)
	}
	if k.PrivateBase64() != private {
		t.Errorf("private key %s", k.PrivateBase64())
	}
}

// TestKey_Secp256k1AsEthereum uses the best-known keys there are: 1, and the first of the test mnemonic.
func TestKey_Secp256k1AsEthereum(t *testing.T) {
	for private, want := range map[string]string{
		"0000000000000000000000000000000000000000000000000000000000000001": "7e5f4552091a69125d5dfcb7b8c2659029395bdf",
		"ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80": "f39fd6e51aad88f6f4ce6ab8827279cfffb92266",
	} {
		b := must.Get(hex.DecodeString(private))(t)
		k := newSecp256k1(func(uint32) [32]byte { return [32]byte(b) })
		if a, err := k.AddressHex(); err != nil || a != want {
			t.Errorf("address of %s...: %s, %v", private[:4], a, err)
		}
		if public, err := k.PublicHex(); err != nil || len(public) != 128 || k.PrivateHex() != private {
			t.Errorf("keys %s %s, %v", public, k.PrivateHex(), err)
		}
	}
}

func TestKey_Secp256k1SkipsInvalidScalars(t *testing.T) {
	var drawn []uint32
	k := newSecp256k1(func(try uint32) (b [32]byte) {
		drawn = append(drawn, try)
		switch try {
		case 0: // zero
		case 1: // above the order
			for i := range b {
				b[i] = 0xff
			}
		default:
			b[31] = 1
		}
		return b
	})
	if len(drawn) != 3 || k.Private[31] != 1 {
		t.Errorf("drew %v", drawn)
	}
}

func TestKey_DependsOnSeedNodeAndName(t *testing.T) {
	for _, kind := range []string{kindEd25519, kindSecp256k1, kindRandom} {
		get := func(seed uint64, node, name string) string {
			k := must.Get(newKey(kind, seed, node, name))(t)
			return k.PrivateHex()
		}
		first := get(1, "a", "bc")
		if first != get(1, "a", "bc") {
			t.Errorf("%s: not repeatable", kind)
		}
		for _, other := range []string{get(2, "a", "bc"), get(1, "b", "bc"), get(1, "a", "c"), get(1, "ab", "c")} {
			if other == first {
				t.Errorf("%s: one key for two", kind)
			}
		}
	}
	// What a seed gives must not change from one release to the next.
	k, err := newKey(kindRandom, 7, "miner-1", "rpc")
	if err != nil || k.PrivateHex() != goldenRandom {
		t.Errorf("%s, %v", k.PrivateHex(), err)
	}
}

const goldenRandom = "cac1fb5fd908e11acf1da5c1e080de0e4916f92a8b5deab28ef81e74185b5ab6"

func TestKey_RandomHasNoPublicHalf(t *testing.T) {
	k, err := newKey(kindRandom, 1, "a", "x")
	if err != nil || len(k.Private) != 32 {
		t.Fatalf("%v %v", k, err)
	}
	for what, f := range map[string]func() (string, error){"hex": k.PublicHex, "base64": k.PublicBase64, "address": k.AddressHex} {
		if s, err := f(); err == nil || s != "" {
			t.Errorf("%s: %q, %v", what, s, err)
		}
	}
	must.Fail(t, `unknown kind "rsa"`)(newKey("rsa", 1, "a", "x"))
}

func TestKey_DoesNotPrintItself(t *testing.T) {
	k := must.Get(newKey(kindSecp256k1, 1, "a", "x"))(t)
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(format, k); s != "secp256k1 key" {
			t.Errorf("%s prints %s", format, s)
		}
	}
}
