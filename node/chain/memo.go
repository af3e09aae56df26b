package chain

import (
	"slices"
	"sync"
)

// Sizes of one generation of a Memo's caches, in entries; there are two generations.
const (
	memoSigs   = 1 << 16
	memoBlocks = 1 << 12
)

// ownResults is how many times something is computed by those who need it before the result is shared. Up to so many nodes
// compute everything by themselves, like nodes in processes of their own. After that every sampledBlock-th execution of a block
// is still computed, so that each node executes some.
const (
	ownResults   = 64
	sampledBlock = 16
)

// Memo lets the nodes of one process share what is equal: the states after blocks and at genesis, to save memory, and, in
// networks of more than ownResults nodes, the results of signature checks and executions, to save time. A result is shared only
// after others have computed an equal one, and not at all if they differ, so that a node that computes wrongly, or not always
// the same, is on its own with the result, as it is in a process of its own. A Memo is safe for concurrent use. It is bounded,
// and what it evicts is computed again. A nil *Memo shares nothing.
type Memo struct {
	verify func(genesis Hash, t *Tx) bool // nil: Tx.Verify

	mu     sync.Mutex
	sigs   cache[sigKey, *result[bool]]
	blocks cache[Hash, *executed]

	genesis  Genesis // a copy of that of origin
	origin   *result[*Ledger]
	computed func() // called, if not nil, for every result that is computed, by tests
}

type sigKey struct{ genesis, tx Hash }

// result is a value, and by how many it was computed.
type result[V any] struct {
	value   V
	equal   int  // times that it was computed
	differs bool // another value was computed too
}

func (r *result[V]) shared() bool { return r != nil && r.equal >= ownResults && !r.differs }

// executed is the state after a block, given the state after its parent.
type executed struct {
	result[State]
	parent  State
	queries int
}

// NewMemo makes an empty Memo.
func NewMemo() *Memo {
	return &Memo{sigs: cache[sigKey, *result[bool]]{limit: memoSigs}, blocks: cache[Hash, *executed]{limit: memoBlocks}}
}

// NewMemoVerifying is NewMemo with another signature check in place of Tx.Verify, for tests of networks whose nodes check
// signatures wrongly. verify must be safe for concurrent use.
func NewMemoVerifying(verify func(genesis Hash, t *Tx) bool) *Memo {
	m := NewMemo()
	m.verify = verify
	return m
}

// Verify is t.Verify(genesis). own is false for a result that others have computed.
func (m *Memo) Verify(genesis Hash, t *Tx) (valid, own bool) {
	if m == nil {
		return t.Verify(genesis), true
	}
	k := sigKey{genesis, t.ID()}
	m.mu.Lock()
	r, _ := m.sigs.get(k)
	if r.shared() {
		defer m.mu.Unlock()
		return r.value, false
	}
	m.mu.Unlock()
	if m.computed != nil {
		m.computed()
	}
	if m.verify != nil {
		valid = m.verify(genesis, t)
	} else {
		valid = t.Verify(genesis)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if r, _ = m.sigs.get(k); r == nil {
		r = &result[bool]{value: valid}
		m.sigs.put(k, r)
	}
	r.equal++
	r.differs = r.differs || r.value != valid
	return valid, true
}

// execute returns run(), the state after a block that is executed on the state parent. Where it is equal to what others have
// computed, it is theirs, so that it takes memory once.
func (m *Memo) execute(block Hash, parent State, run func() (State, error)) (State, error) {
	if m == nil {
		return run()
	}
	m.mu.Lock()
	x, ok := m.blocks.get(block)
	if ok {
		x.queries++
		if x.shared() && x.parent.s == parent.s && x.queries%sampledBlock != 0 {
			defer m.mu.Unlock()
			return x.value, nil
		}
	}
	m.mu.Unlock()
	if m.computed != nil {
		m.computed()
	}
	s, err := run()
	m.mu.Lock()
	defer m.mu.Unlock()
	x, ok = m.blocks.get(block)
	switch {
	case err != nil:
		if ok {
			x.differs = true
		}
		return State{}, err
	case !ok:
		m.blocks.put(block, &executed{result: result[State]{value: s, equal: 1}, parent: parent})
	case x.value.equal(s):
		x.equal++
		return x.value, nil
	default:
		x.differs = true
	}
	return s, nil
}

// ledger returns the ledger of a genesis, which compute makes, to take its genesis block and state from.
func (m *Memo) ledger(g *Genesis, compute func() (*Ledger, error)) (*Ledger, error) {
	if m == nil {
		return compute()
	}
	m.mu.Lock()
	known := m.origin != nil && m.genesis.equal(g)
	if known && m.origin.shared() {
		defer m.mu.Unlock()
		return m.origin.value, nil
	}
	m.mu.Unlock()
	l, err := compute()
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.origin == nil || !m.genesis.equal(g) {
		m.genesis, m.origin = *g, &result[*Ledger]{value: l}
		m.genesis.Alloc = slices.Clone(g.Alloc)
	}
	first := m.origin.value
	m.origin.equal++
	if first.genesis.Hash() != l.genesis.Hash() || !first.state.equal(l.state) {
		m.origin.differs = true
		return l, nil
	}
	return first, nil
}

// cache is a map with two generations of limit entries each: when the young one is full it becomes the old one, and the
// entries of the old one that were not used meanwhile are evicted.
type cache[K comparable, V any] struct {
	limit      int
	young, old map[K]V
}

func (c *cache[K, V]) get(k K) (V, bool) {
	if v, ok := c.young[k]; ok {
		return v, true
	}
	v, ok := c.old[k]
	if ok {
		c.put(k, v)
	}
	return v, ok
}

func (c *cache[K, V]) put(k K, v V) {
	if len(c.young) >= c.limit {
		c.old, c.young = c.young, nil
	}
	if c.young == nil {
		c.young = make(map[K]V)
	}
	c.young[k] = v
}
