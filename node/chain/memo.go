package chain

import (
	"slices"
	"sync"
)

// Sizes of one generation of a Memo's caches, in entries; there are two generations.
const (
	memoSigs  = 1 << 16
	memoExecs = 1 << 12
)

// Memo caches the results of expensive pure functions: signature checks, block executions and the state at genesis. The
// nodes of one process may share it; it is safe for concurrent use. It is bounded, and what it evicts is computed again.
// A nil *Memo caches nothing.
type Memo struct {
	verify func(genesis Hash, t *Tx) bool // nil: Tx.Verify

	mu    sync.Mutex
	sigs  cache[sigKey, bool]
	execs cache[Hash, execution]

	// The ledger stored last and a copy of its genesis.
	genesis Genesis
	ledger  *Ledger
}

type sigKey struct{ genesis, tx Hash }

type execution struct {
	state State
	err   error
}

// NewMemo makes an empty Memo.
func NewMemo() *Memo {
	return &Memo{sigs: cache[sigKey, bool]{limit: memoSigs}, execs: cache[Hash, execution]{limit: memoExecs}}
}

// NewMemoVerifying is NewMemo with another signature check in place of Tx.Verify, for tests of networks whose nodes check
// signatures wrongly. verify must be safe for concurrent use.
func NewMemoVerifying(verify func(genesis Hash, t *Tx) bool) *Memo {
	m := NewMemo()
	m.verify = verify
	return m
}

// newSigMemo caches signature checks only: a single node executes a block only once.
func newSigMemo() *Memo { return &Memo{sigs: cache[sigKey, bool]{limit: memoSigs}} }

// Verify is t.Verify(genesis).
func (m *Memo) Verify(genesis Hash, t *Tx) bool {
	if m == nil {
		return t.Verify(genesis)
	}
	return memoized(m, &m.sigs, sigKey{genesis, t.ID()}, func() bool {
		if m.verify != nil {
			return m.verify(genesis, t)
		}
		return t.Verify(genesis)
	})
}

// execute returns run(), cached by the block's hash. The hash must commit to everything that run reads.
func (m *Memo) execute(block Hash, run func() (State, error)) (State, error) {
	if m == nil || m.execs.limit == 0 {
		return run()
	}
	r := memoized(m, &m.execs, block, func() (r execution) {
		r.state, r.err = run()
		return r
	})
	return r.state, r.err
}

// memoized returns the value of k in a cache of m, or computes and stores it. Two goroutines may both compute it, which is
// cheaper than waiting for each other.
func memoized[K comparable, V any](m *Memo, c *cache[K, V], k K, compute func() V) V {
	m.mu.Lock()
	v, known := c.get(k)
	m.mu.Unlock()
	if !known {
		v = compute()
		m.mu.Lock()
		c.put(k, v)
		m.mu.Unlock()
	}
	return v
}

// cachedLedger is the ledger stored for an equal genesis, or nil.
func (m *Memo) cachedLedger(g *Genesis) *Ledger {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ledger == nil || !m.genesis.equal(g) {
		return nil
	}
	return m.ledger
}

func (m *Memo) storeLedger(g *Genesis, l *Ledger) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.genesis, m.ledger = *g, l
	m.genesis.Alloc = slices.Clone(g.Alloc)
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
