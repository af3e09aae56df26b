package ledger

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/consensus/pow"
)

// maker makes blocks with the node's own code, against which this package is checked.
type maker struct {
	t       *testing.T
	genesis chain.Genesis
	engine  *pow.Engine
	tree    *chain.Tree
	keys    []chain.Key
	nonces  []uint64
	now     chain.Millis
}

const easy = 0x2100ffff

func newMaker(t *testing.T, bits uint32) *maker {
	t.Helper()
	m := &maker{t: t, now: 1_700_000_000_000}
	m.genesis = chain.Genesis{Network: "test", Time: m.now, Bits: bits, Interval: 1000, HalfLife: 10_000, Subsidy: 50}
	for _, seed := range []byte{1, 2, 3, 4, 5} {
		k := must.Get(chain.KeyFromSeed(strings.Repeat("0"+string('0'+rune(seed)), 32)))(t)
		m.keys = append(m.keys, k)
	}
	for _, k := range m.keys[:4] {
		m.genesis.Alloc = append(m.genesis.Alloc, chain.Alloc{Address: k.Address(), Amount: 1000})
	}
	for i := range m.genesis.Alloc {
		for j := range i {
			if m.genesis.Alloc[i].Address.Cmp(m.genesis.Alloc[j].Address) < 0 {
				m.genesis.Alloc[i], m.genesis.Alloc[j] = m.genesis.Alloc[j], m.genesis.Alloc[i]
			}
		}
	}
	m.nonces = make([]uint64, len(m.keys))
	m.engine = pow.New(&m.genesis)
	m.tree = must.Get(chain.NewTree(&m.genesis, m.engine, nil))(t)
	return m
}

func (m *maker) ledger() *Ledger {
	m.t.Helper()
	data := must.Get(json.Marshal(&m.genesis))(m.t)
	return must.Get(New(data))(m.t)
}

func (m *maker) pay(from, to int, amount, fee chain.Amount) chain.Tx {
	t := chain.Tx{To: m.keys[to].Address(), Amount: amount, Fee: fee, Nonce: m.nonces[from]}
	m.nonces[from]++
	m.keys[from].Sign(m.tree.Genesis().Hash(), &t)
	return t
}

// draft is a header for the next block, without its proof of work.
func (m *maker) draft(step chain.Millis, txs ...chain.Tx) (chain.Header, []chain.Tx) {
	m.t.Helper()
	m.now += step
	h, kept, err := m.tree.Template(m.keys[0].Address(), txs, m.now)
	must.Do(m.t, err)
	if len(kept) != len(txs) {
		m.t.Fatalf("%d of %d transactions apply", len(kept), len(txs))
	}
	return h, kept
}

// seal proves the work and gives the encoding.
func (m *maker) seal(h chain.Header, txs []chain.Tx) []byte {
	m.t.Helper()
	if _, found := m.engine.Search(&h, 1<<22); !found {
		m.t.Fatal("no proof of work found")
	}
	return chain.NewBlock(h, txs).Append(nil)
}

// next makes a block and adds it to the node's own tree.
func (m *maker) next(step chain.Millis, txs ...chain.Tx) []byte {
	m.t.Helper()
	h, kept := m.draft(step, txs...)
	raw := m.seal(h, kept)
	b := must.Get(chain.DecodeBlock(raw))(m.t)
	if _, err := m.tree.Add(b, m.now); err != nil {
		m.t.Fatal(err)
	}
	return raw
}

func TestAgreesWithTheNode(t *testing.T) {
	m := newMaker(t, 0x2000ffff)
	l := m.ledger()
	if got := l.GenesisHash(); got != m.tree.Genesis().Hash().String() {
		t.Fatalf("genesis %s, the node has %s", got, m.tree.Genesis().Hash())
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 150 {
		var txs []chain.Tx
		for range rng.IntN(4) {
			// Only the first four have money at genesis; the fifth account comes into being on the way.
			txs = append(txs, m.pay(rng.IntN(4), rng.IntN(5), chain.Amount(1+rng.IntN(3)), chain.Amount(rng.IntN(2))))
		}
		raw := m.next(chain.Millis(1+rng.IntN(2500)), txs...)
		info, err := l.Add(raw)
		if err != nil {
			t.Fatalf("block %d: %v", i+1, err)
		}
		if info.Hash != m.tree.Head().Hash().String() || info.Height != uint64(i+1) || len(info.Txs) != len(txs) {
			t.Fatalf("block %d: got %+v", i+1, info)
		}
		if _, err := l.Add(raw); err != nil {
			t.Fatalf("block %d, again: %v", i+1, err)
		}
	}
}

// A new account is not the one beside which it stands in the trie.
func TestAgreesWithTheNode_NewAccounts(t *testing.T) {
	m := newMaker(t, easy)
	l := m.ledger()
	for i := range 32 {
		key := must.Get(chain.KeyFromSeed(fmt.Sprintf("%064x", 100+i)))(t)
		m.keys, m.nonces = append(m.keys, key), append(m.nonces, 0)
		if _, err := l.Add(m.next(1000, m.pay(i%4, len(m.keys)-1, 10, 1))); err != nil {
			t.Fatalf("account %d is new: %v", i, err)
		}
		if _, err := l.Add(m.next(1000, m.pay(len(m.keys)-1, 0, 9, 1))); err != nil {
			t.Fatalf("account %d gives away all it has: %v", i, err)
		}
	}
}

// TestRefuses changes one thing in a good block at a time. The node must refuse the same blocks.
func TestRefuses(t *testing.T) {
	m := newMaker(t, easy)
	l := m.ledger()
	for range 3 {
		if _, err := l.Add(m.next(1000)); err != nil {
			t.Fatal(err)
		}
	}
	good := m.pay(1, 2, 5, 1)
	sign := func(change func(*chain.Tx)) []chain.Tx {
		x := chain.Tx{To: m.keys[2].Address(), Amount: 5, Fee: 1}
		change(&x)
		m.keys[1].Sign(m.tree.Genesis().Hash(), &x)
		return []chain.Tx{x}
	}
	otherNetwork := good
	m.keys[1].Sign(chain.Hash{1}, &otherNetwork)
	base, _ := m.draft(1000, good)
	for _, c := range []struct {
		rule   string
		change func(h *chain.Header)
		txs    []chain.Tx // nil: the good one; TxRoot is set from it
	}{
		{"version", func(h *chain.Header) { h.Version = 2 }, nil},
		{"height", func(h *chain.Header) { h.Height++ }, nil},
		{"difficulty", func(h *chain.Header) { h.Bits = 0x2000ffff }, nil},
		{"time", func(h *chain.Header) { h.Time = m.genesis.Time }, nil},
		{"transaction root", func(h *chain.Header) { h.TxRoot[0] ^= 1 }, nil},
		{"state root", func(h *chain.Header) { h.StateRoot[0] ^= 1 }, nil},
		{"state root", func(h *chain.Header) { h.Miner[0] ^= 1 }, nil},
		{"nonce", nil, sign(func(x *chain.Tx) { x.Nonce = 1 })},
		{"amount", nil, sign(func(x *chain.Tx) { x.Amount = 0 })},
		{"amount", nil, sign(func(x *chain.Tx) { x.Amount, x.Fee = 1, 1<<64-1 })},
		{"balance", nil, sign(func(x *chain.Tx) { x.Amount = 1000 })},
		{"signature", nil, []chain.Tx{otherNetwork}},
		{"nonce", nil, []chain.Tx{good, good}},
	} {
		h := base
		txs := c.txs
		if txs == nil {
			txs = []chain.Tx{good}
		}
		h.TxRoot = chain.TxRoot(txs)
		if c.change != nil {
			c.change(&h)
		}
		raw := m.seal(h, txs)
		_, err := l.Add(raw)
		var bad *InvalidError
		if !errors.As(err, &bad) || bad.Rule != c.rule {
			t.Errorf("%s: got %v", c.rule, err)
		}
		b := must.Get(chain.DecodeBlock(raw))(t)
		if _, err := m.tree.Add(b, m.now); !errors.Is(err, chain.ErrInvalid) {
			t.Errorf("%s: the node says %v", c.rule, err)
		}
	}
	if _, err := l.Add(m.seal(base, []chain.Tx{good})); err != nil {
		t.Errorf("the good block: %v", err)
	}
}

func TestRefusesWeakWork(t *testing.T) {
	m := newMaker(t, 0x2000ffff)
	h, _ := m.draft(1000)
	for l := m.ledger(); ; h.Nonce++ {
		raw := chain.NewBlock(h, nil).Append(nil)
		_, err := l.Add(raw)
		if err == nil {
			continue // it happens to prove its work
		}
		var bad *InvalidError
		if !errors.As(err, &bad) || bad.Rule != "proof of work" {
			t.Errorf("got %v", err)
		}
		return
	}
}

func TestRefusesBadEncodings(t *testing.T) {
	m := newMaker(t, easy)
	l := m.ledger()
	raw := m.next(1000)
	huge := bytes.Clone(raw)
	binary.BigEndian.PutUint32(huge[headerSize:], 1<<31)
	for _, b := range [][]byte{nil, raw[:headerSize], raw[:len(raw)-1], append(bytes.Clone(raw), 0), huge} {
		var bad *InvalidError
		if _, err := l.Add(b); !errors.As(err, &bad) || bad.Rule != "encoding" {
			t.Errorf("%d bytes: got %v", len(b), err)
		}
	}
}

func TestWindow(t *testing.T) {
	m := newMaker(t, easy)
	l := m.ledger()
	if _, err := l.Add(m.seal(chain.Header{Parent: chain.Hash{1}, Bits: easy}, nil)); !errors.Is(err, ErrNoParent) {
		t.Errorf("got %v, want %v", err, ErrNoParent)
	}
	fork, _ := m.draft(500)
	for range Window {
		if _, err := l.Add(m.next(1000)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Add(m.seal(fork, nil)); err != nil {
		t.Errorf("a fork at the edge of the window: %v", err)
	}
	if _, err := l.Add(m.next(1000)); err != nil {
		t.Fatal(err)
	}
	fork.Time++
	if _, err := l.Add(m.seal(fork, nil)); !errors.Is(err, ErrTooDeep) {
		t.Errorf("got %v, want %v", err, ErrTooDeep)
	}
	if len(l.recent) != Window+1 {
		t.Errorf("states at %d heights, want %d", len(l.recent), Window+1)
	}
}

func TestGenesisRefuses(t *testing.T) {
	a := strings.Repeat("ab", 32)
	for _, c := range []struct{ name, json string }{
		{"no JSON", `{`},
		{"no interval", `{"bits":553713663,"half_life_ms":1}`},
		{"no bits", `{"interval_ms":1,"half_life_ms":1}`},
		{"a short address", `{"bits":553713663,"interval_ms":1,"half_life_ms":1,"alloc":[{"address":"ab","amount":1}]}`},
		{"no hex", `{"bits":553713663,"interval_ms":1,"half_life_ms":1,"alloc":[{"address":"` + strings.Repeat("zz", 32) + `","amount":1}]}`},
		{"an address twice", `{"bits":553713663,"interval_ms":1,"half_life_ms":1,"alloc":[{"address":"` + a + `","amount":1},{"address":"` + a + `","amount":1}]}`},
		{"a supply that overflows", `{"bits":553713663,"interval_ms":1,"half_life_ms":1,"alloc":[{"address":"` + a +
			`","amount":18446744073709551615},{"address":"` + strings.Repeat("cd", 32) + `","amount":1}]}`},
		{"a long name", `{"bits":553713663,"interval_ms":1,"half_life_ms":1,"network":"` + strings.Repeat("x", 1<<16) + `"}`},
	} {
		if _, err := New([]byte(c.json)); err == nil {
			t.Errorf("%s: accepted", c.name)
		}
	}
}

// TestAsert checks the sample of the Bitcoin Cash specification, and random values against the node's own code.
func TestAsert(t *testing.T) {
	anchor := must.Get(expandBits(0x1802aee8))(t)
	n := big.NewInt
	if got := compact(asert(anchor, n(600), n(172800), n(1310), n(2))); got != 0x1802ad91 {
		t.Errorf("got %08x, want 1802ad91", got)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for range 5000 {
		bits := uint32(1+rng.IntN(0x20))<<24 | uint32(1+rng.IntN(0x7fffff))
		ref, err := chain.TargetFromBits(bits)
		mine, mineErr := expandBits(bits)
		if (err == nil) != (mineErr == nil) {
			t.Fatalf("bits %08x: the node says %v, this package %v", bits, err, mineErr)
		}
		if err != nil {
			continue
		}
		spacing, half := 1+rng.Int64N(1e6), 1+rng.Int64N(1e8)
		diff, height := rng.Int64N(1<<uint(1+rng.IntN(40)))-1<<uint(rng.IntN(39)), rng.Int64N(1e6)
		want := pow.NextTarget(ref, chain.Millis(spacing), chain.Millis(half), chain.Millis(diff), height)
		got := asert(mine, n(spacing), n(half), n(diff), n(height))
		if got.Cmp(want.Int()) != 0 || compact(got) != want.Bits() {
			t.Fatalf("bits %08x, spacing %d, half-life %d, time %d, height %d: got %x, the node has %x", bits, spacing, half, diff, height, got, want)
		}
	}
}

func TestKeysOfSmallOrderAreRefused(t *testing.T) {
	for _, y := range smallOrderY {
		var key [32]byte
		y.FillBytes(key[:])
		for i := range 16 {
			key[i], key[31-i] = key[31-i], key[i]
		}
		signed := key
		signed[31] |= 0x80
		if goodKey(key) || goodKey(signed) {
			t.Errorf("y = %x is accepted", y)
		}
		tx := chain.Tx{From: chain.Address(key)}
		if tx.Verify(chain.Hash{}) {
			t.Errorf("the node accepts y = %x", y)
		}
	}
	var big [32]byte
	for i := range big {
		big[i] = 0xff
	}
	if goodKey(big) {
		t.Error("a key that is not canonical is accepted")
	}
	key := must.Get(chain.KeyFromSeed(strings.Repeat("07", 32)))(t)
	if !goodKey(key.Address()) {
		t.Error("a good key is refused")
	}
}

func FuzzAdd(f *testing.F) {
	genesis := []byte(`{"network":"x","bits":553713663,"interval_ms":1000,"half_life_ms":1000,"subsidy":1}`)
	f.Add(make([]byte, headerSize+4))
	f.Fuzz(func(t *testing.T, raw []byte) {
		l := must.Get(New(genesis))(t)
		info, err := l.Add(raw)
		if b, nodeErr := chain.DecodeBlock(raw); nodeErr == nil && info.Hash != b.Hash().String() {
			t.Fatalf("hash %s, the node has %s (%v)", info.Hash, b.Hash(), err)
		}
	})
}
