package ledger

import (
	"crypto/sha256"
	"encoding/binary"
)

type account struct {
	balance uint64
	nonce   uint64
}

// trie is an immutable set of accounts, split by the bits of their addresses, most significant first. nil is the empty
// set; a node without children is one account. Hashes are computed when first needed; a trie is used by one goroutine.
type trie struct {
	zero, one *trie
	addr      [32]byte // of a leaf
	acct      account
	hash      [32]byte
	hashed    bool
}

func (t *trie) leaf() bool { return t.zero == nil && t.one == nil }

// get returns an account, the zero account if there is none.
func (t *trie) get(addr [32]byte) account {
	for depth := 0; t != nil; depth++ {
		if t.leaf() && t.addr == addr {
			return t.acct
		}
		if t.leaf() {
			break
		}
		if bitAt(&addr, depth) == 0 {
			t = t.zero
		} else {
			t = t.one
		}
	}
	return account{}
}

// put returns the set with one account changed or added.
func (t *trie) put(addr [32]byte, a account) *trie { return t.putAt(addr, a, 0) }

func (t *trie) putAt(addr [32]byte, a account, depth int) *trie {
	switch {
	case t == nil || t.leaf() && t.addr == addr:
		return &trie{addr: addr, acct: a}
	case t.leaf():
		// Move the account that is here one level down, and insert into the branch in its place.
		parent := &trie{}
		if bitAt(&t.addr, depth) == 0 {
			parent.zero = t
		} else {
			parent.one = t
		}
		t = parent
	}
	n := &trie{zero: t.zero, one: t.one}
	if bitAt(&addr, depth) == 0 {
		n.zero = t.zero.putAt(addr, a, depth+1)
	} else {
		n.one = t.one.putAt(addr, a, depth+1)
	}
	return n
}

// root is 32 zero bytes for no account, sha256(0x00 || address || balance || nonce) for one, and
// sha256(0x01 || root of those with bit 0 || root of those with bit 1) for more.
func (t *trie) root() [32]byte {
	if t == nil {
		return [32]byte{}
	}
	if t.hashed {
		return t.hash
	}
	if t.leaf() {
		var b [49]byte
		copy(b[1:], t.addr[:])
		binary.BigEndian.PutUint64(b[33:], t.acct.balance)
		binary.BigEndian.PutUint64(b[41:], t.acct.nonce)
		t.hash = sha256.Sum256(b[:])
	} else {
		var b [65]byte
		b[0] = 1
		zero, one := t.zero.root(), t.one.root()
		copy(b[1:], zero[:])
		copy(b[33:], one[:])
		t.hash = sha256.Sum256(b[:])
	}
	t.hashed = true
	return t.hash
}

func bitAt(addr *[32]byte, i int) byte { return addr[i/8] >> (7 - i%8) & 1 }
