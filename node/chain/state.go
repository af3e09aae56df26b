package chain

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// Account is the state of an address. An address that was never used has the zero Account.
type Account struct {
	Balance Amount `json:"balance"`
	Nonce   uint64 `json:"nonce"` // transfers sent so far
}

// State is the ledger after some block: a set of accounts with a Merkle root. A State is immutable, and successive states
// share what did not change. The zero State has no accounts.
type State struct{ s *summary }

type summary struct {
	root  *trieNode
	count int
	total Amount
}

// trieNode is a leaf (one account) or a branch over at least two accounts; an empty subtree is nil. Its hash is
// computed when it is made, so that it can be shared without a lock.
type trieNode struct {
	hash        Hash
	left, right *trieNode
	leaf        *entry
}

// entry is an account with its address.
type entry struct {
	addr Address
	acct Account
}

// Get returns the account of a; ok is false if there is none.
func (s State) Get(a Address) (acct Account, ok bool) {
	n := s.trie()
	for depth := 0; n != nil; depth++ {
		if n.leaf != nil {
			if n.leaf.addr != a {
				return Account{}, false
			}
			return n.leaf.acct, true
		}
		if bit(a, depth) == 0 {
			n = n.left
		} else {
			n = n.right
		}
	}
	return Account{}, false
}

// Root is the Merkle root of the accounts. The root of no accounts is 32 zero bytes; the root of one account is
// sha256(0x00 || address || balance || nonce), numbers in 8 bytes big-endian; the root of more is sha256(0x01 || root of
// those whose next address bit is 0 || root of those whose next address bit is 1), from the most significant bit on.
func (s State) Root() Hash { return s.trie().sum() }

// Len is the number of accounts.
func (s State) Len() int {
	if s.s == nil {
		return 0
	}
	return s.s.count
}

// Total is the sum of all balances.
func (s State) Total() Amount {
	if s.s == nil {
		return 0
	}
	return s.s.total
}

// equal says whether both have the same accounts in tries of the same form. It is fast where both share most of their nodes.
func (s State) equal(o State) bool {
	return s.Len() == o.Len() && s.Total() == o.Total() && s.trie().equal(o.trie())
}

func (n *trieNode) equal(o *trieNode) bool {
	switch {
	case n == o:
		return true
	case n == nil || o == nil || n.hash != o.hash || (n.leaf == nil) != (o.leaf == nil):
		return false
	case n.leaf != nil:
		return *n.leaf == *o.leaf
	}
	return n.left.equal(o.left) && n.right.equal(o.right)
}

func (s State) trie() *trieNode {
	if s.s == nil {
		return nil
	}
	return s.s.root
}

// with returns s with the given accounts set. Addresses are unique; changes is reordered. The sum of all balances must
// not overflow. A zero account is the same as none, and no account ever returns to zero.
func (s State) with(changes []entry) State {
	next := summary{root: s.trie(), count: s.Len(), total: s.Total()}
	changes = slices.DeleteFunc(changes, func(e entry) bool { return e.acct == Account{} })
	for _, c := range changes {
		old, ok := s.Get(c.addr)
		if !ok {
			next.count++
		}
		next.total += c.acct.Balance - old.Balance // may wrap around and back
	}
	slices.SortFunc(changes, func(a, b entry) int { return a.addr.Cmp(b.addr) })
	next.root = next.root.update(0, changes)
	return State{&next}
}

func (n *trieNode) sum() Hash {
	if n == nil {
		return Hash{}
	}
	return n.hash
}

// update returns the subtree n, whose root is at depth, with the sorted changes applied.
func (n *trieNode) update(depth int, changes []entry) *trieNode {
	switch {
	case len(changes) == 0:
		return n
	case n == nil:
		return build(depth, changes)
	case n.leaf != nil:
		i, found := slices.BinarySearchFunc(changes, n.leaf.addr, func(e entry, a Address) int { return e.addr.Cmp(a) })
		if !found {
			changes = slices.Insert(slices.Clone(changes), i, *n.leaf)
		}
		return build(depth, changes)
	}
	low, high := split(depth, changes)
	return branch(n.left.update(depth+1, low), n.right.update(depth+1, high))
}

// build makes the subtree at depth of sorted accounts that agree in all bits above it.
func build(depth int, accounts []entry) *trieNode {
	switch len(accounts) {
	case 0:
		return nil
	case 1:
		e := accounts[0]
		return &trieNode{hash: leafHash(&e), leaf: &e}
	}
	low, high := split(depth, accounts)
	return branch(build(depth+1, low), build(depth+1, high))
}

func split(depth int, sorted []entry) (low, high []entry) {
	i, _ := slices.BinarySearchFunc(sorted, 1, func(e entry, want int) int { return bit(e.addr, depth) - want })
	return sorted[:i], sorted[i:]
}

func branch(left, right *trieNode) *trieNode {
	var buf [1 + 2*32]byte
	buf[0] = 1
	l, r := left.sum(), right.sum()
	copy(buf[1:], l[:])
	copy(buf[33:], r[:])
	return &trieNode{hash: sha256.Sum256(buf[:]), left: left, right: right}
}

func leafHash(e *entry) Hash {
	var buf [1 + 32 + 8 + 8]byte
	copy(buf[1:], e.addr[:])
	binary.BigEndian.PutUint64(buf[33:], uint64(e.acct.Balance))
	binary.BigEndian.PutUint64(buf[41:], e.acct.Nonce)
	return sha256.Sum256(buf[:])
}

// bit is bit i of the address, the most significant first.
func bit(a Address, i int) int { return int(a[i/8]>>(7-i%8)) & 1 }
