package chain

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
)

// naiveRoot implements the definition of State.Root literally.
func naiveRoot(accounts map[Address]Account, depth int) Hash {
	if len(accounts) == 0 {
		return Hash{}
	}
	if len(accounts) == 1 {
		for a, acct := range accounts {
			b := append([]byte{0}, a[:]...)
			b = binary.BigEndian.AppendUint64(b, uint64(acct.Balance))
			return sha256.Sum256(binary.BigEndian.AppendUint64(b, acct.Nonce))
		}
	}
	var side [2]map[Address]Account
	for i := range side {
		side[i] = map[Address]Account{}
	}
	for a, acct := range accounts {
		side[a[depth/8]>>(7-depth%8)&1][a] = acct
	}
	zero, one := naiveRoot(side[0], depth+1), naiveRoot(side[1], depth+1)
	return sha256.Sum256(slices.Concat([]byte{1}, zero[:], one[:]))
}

func TestState_MatchesDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	addrs := make([]Address, 60)
	for i := range addrs {
		for j := range addrs[i] {
			addrs[i][j] = byte(rng.Uint32())
		}
		if i%3 == 1 { // long common prefixes, down to the last bit
			addrs[i] = addrs[i-1]
			addrs[i][31] ^= 1 << (i % 8)
		}
	}
	model := map[Address]Account{}
	var s State
	type version struct {
		s    State
		root Hash
	}
	var versions []version
	for range 80 {
		var changes []entry
		for _, i := range rng.Perm(len(addrs))[:1+rng.IntN(8)] {
			e := entry{addrs[i], Account{Balance: Amount(1 + rng.IntN(100)), Nonce: rng.Uint64N(9)}}
			changes = append(changes, e)
			model[e.addr] = e.acct
		}
		s = s.with(changes)
		versions = append(versions, version{s, naiveRoot(model, 0)})

		if s.Len() != len(model) {
			t.Fatalf("%d accounts, want %d", s.Len(), len(model))
		}
		var total Amount
		for a, acct := range model {
			total += acct.Balance
			if g, ok := s.Get(a); !ok || g != acct {
				t.Fatalf("Get(%s): %+v, want %+v", a, g, acct)
			}
		}
		if s.Total() != total {
			t.Fatalf("total %d, want %d", s.Total(), total)
		}
	}
	for i, v := range versions {
		if v.s.Root() != v.root {
			t.Errorf("version %d: root %s, want %s; later changes must not touch it", i, v.s.Root(), v.root)
		}
	}
	// The root does not depend on the order of changes.
	var all []entry
	for a, acct := range model {
		all = append(all, entry{a, acct})
	}
	if (State{}).with(all).Root() != s.Root() {
		t.Error("the same accounts set at once have another root")
	}
	if _, ok := s.Get(Address{1, 2, 3}); ok {
		t.Error("an unknown address has an account")
	}
}

func TestState_Empty(t *testing.T) {
	var s State
	if _, ok := s.Get(Address{}); ok || s.Root() != (Hash{}) || s.Len() != 0 || s.Total() != 0 {
		t.Error("the zero State is not empty")
	}
	// A miner without a reward gets no account.
	s = s.with([]entry{{addr: Address{1}}})
	if s.Len() != 0 || s.Root() != (Hash{}) {
		t.Error("a zero account was stored")
	}
}
