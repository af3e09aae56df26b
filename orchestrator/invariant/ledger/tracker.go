package ledger

import (
	"encoding/hex"
	"math/big"
	"time"
)

// Tracker holds what the encodings of blocks say of the chain that ends with each: its total work, its accounts, and where a
// transaction is. It checks no rule, so that it is cheap, and means something for valid blocks alone. It is not safe for
// concurrent use. Like a Ledger, it has no accounts of blocks more than Window below the highest.
type Tracker struct {
	blocks  map[[32]byte]*tracked
	waiting map[[32]byte][][]byte   // encodings by the parent that is missing
	holders map[[32]byte][]*tracked // by transaction
	recent  map[uint64][]*tracked   // by height, those that hold a state
	highest uint64
	lowest  uint64 // the lowest height in recent
	subsidy uint64
}

// tracked is a block of which all blocks below are known.
type tracked struct {
	parent *tracked // nil at genesis
	hash   [32]byte
	height uint64
	work   *big.Int // in all
	txs    int      // in all
	state  *trie
	known  bool // state is known
}

// NewTracker makes a Tracker that holds the genesis block. genesis is the JSON form of Facts.Genesis.
func NewTracker(genesis []byte) (*Tracker, error) {
	r, state, h, err := parseGenesis(genesis)
	if err != nil {
		return nil, err
	}
	root := &tracked{hash: sha256d(h.encode()), work: new(big.Int), state: state, known: true}
	return &Tracker{
		subsidy: r.subsidy,
		blocks:  map[[32]byte]*tracked{root.hash: root}, recent: map[uint64][]*tracked{0: {root}},
		waiting: make(map[[32]byte][][]byte), holders: make(map[[32]byte][]*tracked),
	}, nil
}

// Decode returns what an encoding says of its block, whether that is valid or not.
func Decode(raw []byte) (Info, error) {
	h, txs, err := decodeBlock(raw)
	if err != nil {
		return Info{}, err
	}
	hash := sha256d(raw[:headerSize])
	return Info{
		Hash: hex.EncodeToString(hash[:]), Parent: hex.EncodeToString(h.parent[:]), Height: h.height,
		Time: time.UnixMilli(h.time), Miner: hex.EncodeToString(h.miner[:]), Txs: idsOf(txs),
	}, nil
}

// Add takes in a block in its canonical encoding, as soon as its parent is there. What is no encoding is left out.
func (t *Tracker) Add(raw []byte) {
	todo := [][]byte{raw}
	for len(todo) > 0 {
		raw, todo = todo[len(todo)-1], todo[:len(todo)-1]
		h, txs, err := decodeBlock(raw)
		if err != nil {
			continue
		}
		hash := sha256d(raw[:headerSize])
		if t.blocks[hash] != nil {
			continue
		}
		parent := t.blocks[h.parent]
		if parent == nil {
			t.waiting[h.parent] = append(t.waiting[h.parent], raw)
			continue
		}
		work, err := Work(raw)
		if err != nil || h.height != parent.height+1 {
			continue
		}
		b := &tracked{parent: parent, hash: hash, height: h.height, work: work.Add(work, parent.work), txs: parent.txs + len(txs)}
		b.state, b.known = t.apply(parent, &h, txs)
		for i := range txs {
			id := sha256d(txs[i].raw)
			t.holders[id] = append(t.holders[id], b)
		}
		t.store(b)
		todo = append(todo, t.waiting[hash]...)
		delete(t.waiting, hash)
	}
}

// apply returns the accounts after a block; false where those before it are not known, or it cannot be valid.
func (t *Tracker) apply(parent *tracked, h *header, txs []tx) (*trie, bool) {
	if !parent.known {
		return nil, false
	}
	state, reward := parent.state, t.subsidy
	for i := range txs {
		x := &txs[i]
		from := state.get(x.from)
		cost := x.amount + x.fee
		if cost < x.amount || from.balance < cost || from.nonce != x.nonce {
			return nil, false
		}
		state = state.put(x.from, account{from.balance - cost, from.nonce + 1})
		to := state.get(x.to)
		state = state.put(x.to, account{to.balance + x.amount, to.nonce})
		reward += x.fee
	}
	if reward > 0 {
		miner := state.get(h.miner)
		state = state.put(h.miner, account{miner.balance + reward, miner.nonce})
	}
	return state, true
}

// store adds a block and drops states that are too deep by now.
func (t *Tracker) store(b *tracked) {
	t.blocks[b.hash] = b
	t.recent[b.height] = append(t.recent[b.height], b)
	t.highest = max(t.highest, b.height)
	for t.lowest+Window < t.highest {
		for _, old := range t.recent[t.lowest] {
			old.state, old.known = nil, false
		}
		delete(t.recent, t.lowest)
		t.lowest++
	}
}

// find returns a block by its hash in hex, nil while it, or one below, is missing.
func (t *Tracker) find(hash string) *tracked {
	h, err := parse32(hash)
	if err != nil {
		return nil
	}
	return t.blocks[h]
}

// Has says whether a block and all below it are known.
func (t *Tracker) Has(hash string) bool { return t.find(hash) != nil }

// TotalWork is the work of all blocks after genesis up to one; nil while it, or one below, is missing. The caller must not change it.
func (t *Tracker) TotalWork(hash string) *big.Int {
	if b := t.find(hash); b != nil {
		return b.work
	}
	return nil
}

// Transactions is the number of transactions in all blocks up to one; 0 while it, or one below, is missing.
func (t *Tracker) Transactions(hash string) int {
	if b := t.find(hash); b != nil {
		return b.txs
	}
	return 0
}

// Account is an account, by its address in hex, after a block; false where it is not known.
func (t *Tracker) Account(hash, address string) (balance, nonce uint64, known bool) {
	b := t.find(hash)
	addr, err := parse32(address)
	if b == nil || !b.known || err != nil {
		return 0, 0, false
	}
	a := b.state.get(addr)
	return a.balance, a.nonce, true
}

// Included returns the block of the chain that ends with head which holds a transaction, and its height; false where none does, or
// where Has(head) is false.
func (t *Tracker) Included(head, tx string) (block string, height uint64, found bool) {
	top := t.find(head)
	id, err := parse32(tx)
	if top == nil || err != nil {
		return "", 0, false
	}
	for _, b := range t.holders[id] {
		x := top
		for x != nil && x.height > b.height {
			x = x.parent
		}
		if x == b {
			return hex.EncodeToString(b.hash[:]), b.height, true
		}
	}
	return "", 0, false
}
