package ledger

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// Window is how many heights below the highest block Add still has the state: a block that forks off deeper cannot
// be executed any more.
const Window = 1024

// medianSpan is the number of headers whose median time a child must exceed, MaxAhead how far a block's time may be ahead of
// the clock of a node that accepts it.
const (
	medianSpan = 11
	MaxAhead   = 120 * time.Second
)

// Errors of Add that say nothing about the block itself.
var (
	ErrNoParent = errors.New("parent was not executed")
	ErrTooDeep  = errors.New("parent is too deep below the highest block")
)

// InvalidError says which rule a block breaks.
type InvalidError struct {
	Rule   string // in a few words: "state root"
	Detail string
}

// Error implements error.
func (e *InvalidError) Error() string { return e.Rule + ": " + e.Detail }

func invalid(rule, format string, args ...any) error {
	return &InvalidError{Rule: rule, Detail: fmt.Sprintf(format, args...)}
}

// Info is what Add learned of a valid block. Hashes are in lower-case hex.
type Info struct {
	Hash, Parent string
	Height       uint64
	Time         time.Time // the header's
	Miner        string    // its address
	Txs          []string  // the transactions' ids
}

// CheckClock checks the only rule that depends on when a block is accepted: its time is at most MaxAhead after the clock of
// the node that accepts it, in whole milliseconds. The error is an *InvalidError.
func (i *Info) CheckClock(clock time.Time) error {
	if ahead := i.Time.Sub(clock.Truncate(time.Millisecond)); ahead > MaxAhead {
		return invalid("clock", "its time is %v after the clock of the node, at most %v are allowed", ahead, MaxAhead)
	}
	return nil
}

// Ledger executes blocks. It is not safe for concurrent use. Its memory is bounded by Window, not by the chain, but
// for some 150 bytes a block.
type Ledger struct {
	rules   rules
	genesis [32]byte
	blocks  map[[32]byte]*block
	recent  map[uint64][]*block // by height, those that hold a state
	highest uint64
	lowest  uint64 // the lowest height in recent
}

// block is an executed, valid block.
type block struct {
	parent *block // nil at genesis
	height uint64
	time   int64
	bits   uint32
	anchor int64 // time of the block at height 1 of this branch
	supply uint64
	state  *trie
	pruned bool // state was dropped
}

// New makes a ledger that holds the genesis block. genesis is the JSON form of Facts.Genesis.
func New(genesis []byte) (*Ledger, error) {
	r, state, h, err := parseGenesis(genesis)
	if err != nil {
		return nil, err
	}
	hash := sha256d(h.encode())
	root := &block{time: h.time, bits: h.bits, supply: r.supply, state: state}
	return &Ledger{
		rules: r, genesis: hash,
		blocks: map[[32]byte]*block{hash: root},
		recent: map[uint64][]*block{0: {root}},
	}, nil
}

// GenesisHash is the hash of block 0 in lower-case hex.
func (l *Ledger) GenesisHash() string { return hex.EncodeToString(l.genesis[:]) }

// Has says whether the block with a hash was executed and is valid.
func (l *Ledger) Has(hash string) bool {
	h, err := parse32(hash)
	return err == nil && l.blocks[h] != nil
}

// Work is the work that a block's header states, in the block's canonical encoding: 2^256 / (target + 1), rounded down.
func Work(raw []byte) (*big.Int, error) {
	h, _, err := decodeBlock(raw)
	if err != nil {
		return nil, err
	}
	target, err := expandBits(h.bits)
	if err != nil {
		return nil, err
	}
	return new(big.Int).Quo(new(big.Int).Lsh(bigOne, 256), target.Add(target, bigOne)), nil
}

// Add executes a block in its canonical encoding. The error is an *InvalidError when it breaks a rule, and wraps
// ErrNoParent or ErrTooDeep when it cannot be judged (yet). Info's fields are set whenever the
// encoding could be read.
func (l *Ledger) Add(raw []byte) (Info, error) {
	h, txs, err := decodeBlock(raw)
	if err != nil {
		return Info{}, invalid("encoding", "%v", err)
	}
	hash := sha256d(raw[:headerSize])
	info := Info{
		Hash: hex.EncodeToString(hash[:]), Parent: hex.EncodeToString(h.parent[:]), Height: h.height,
		Time: time.UnixMilli(h.time), Miner: hex.EncodeToString(h.miner[:]), Txs: idsOf(txs),
	}
	if _, known := l.blocks[hash]; known {
		return info, nil
	}
	parent := l.blocks[h.parent]
	switch {
	case parent == nil:
		return info, ErrNoParent
	case parent.pruned:
		return info, ErrTooDeep
	}
	if err := l.checkHeader(&h, hash, parent); err != nil {
		return info, err
	}
	if root := txRootOf(txs); root != h.txRoot {
		return info, invalid("transaction root", "computed %x, header has %x", root, h.txRoot)
	}
	b := &block{parent: parent, height: h.height, time: h.time, bits: h.bits, anchor: parent.anchor}
	if h.height == 1 {
		b.anchor = h.time
	}
	if err := l.execute(b, &h, txs); err != nil {
		return info, err
	}
	l.store(hash, b)
	return info, nil
}

// checkHeader checks version, height, difficulty, proof of work and time.
func (l *Ledger) checkHeader(h *header, hash [32]byte, parent *block) error {
	if h.version != 1 {
		return invalid("version", "want 1, got %d", h.version)
	}
	if h.height != parent.height+1 {
		return invalid("height", "want %d, got %d", parent.height+1, h.height)
	}
	if want := l.bitsAfter(parent); h.bits != want {
		return invalid("difficulty", "want bits %08x, got %08x", want, h.bits)
	}
	target, err := expandBits(h.bits)
	if err != nil {
		return invalid("difficulty", "%v", err)
	}
	if new(big.Int).SetBytes(hash[:]).Cmp(target) > 0 {
		return invalid("proof of work", "%x is above the target of %08x", hash, h.bits)
	}
	if median := medianTime(parent); h.time <= median {
		return invalid("time", "%d ms is not after the median %d ms of the last %d headers", h.time, median, medianSpan)
	}
	return nil
}

// bitsAfter is the difficulty of parent's child. Block 1 carries the genesis' bits and is the anchor; its own parent is
// taken to be one interval older, so that the time before mining began does not count.
func (l *Ledger) bitsAfter(parent *block) uint32 {
	if parent.height == 0 {
		return l.rules.bits
	}
	spacing := big.NewInt(l.rules.interval)
	since := new(big.Int).Sub(big.NewInt(parent.time), big.NewInt(parent.anchor))
	since.Add(since, spacing)
	above := new(big.Int).SetUint64(parent.height - 1)
	return compact(asert(l.rules.target, spacing, big.NewInt(l.rules.halfLife), since, above))
}

// medianTime is the median time of the last medianSpan headers, the upper of two middle ones.
func medianTime(b *block) int64 {
	times := make([]int64, 0, medianSpan)
	for ; b != nil && len(times) < medianSpan; b = b.parent {
		times = append(times, b.time)
	}
	slices.Sort(times)
	return times[len(times)/2]
}

// execute applies the transactions in order, pays the miner, and checks the state root and the supply.
func (l *Ledger) execute(b *block, h *header, txs []tx) error {
	state := b.parent.state
	var fees uint64
	for i := range txs {
		t := &txs[i]
		cost := t.amount + t.fee
		from := state.get(t.from)
		switch {
		case t.amount == 0:
			return invalid("amount", "transaction %d moves nothing", i)
		case cost < t.amount:
			return invalid("amount", "transaction %d: amount and fee overflow", i)
		case t.nonce != from.nonce:
			return invalid("nonce", "transaction %d: want %d, got %d", i, from.nonce, t.nonce)
		case from.balance < cost:
			return invalid("balance", "transaction %d: has %d, needs %d", i, from.balance, cost)
		case !verify(l.genesis, t):
			return invalid("signature", "transaction %d from %x", i, t.from)
		}
		state = state.put(t.from, account{from.balance - cost, from.nonce + 1})
		to := state.get(t.to)
		state = state.put(t.to, account{to.balance + t.amount, to.nonce})
		fees += t.fee
	}
	b.supply = b.parent.supply + l.rules.subsidy
	if b.supply < b.parent.supply {
		return invalid("supply", "overflows at height %d", b.height)
	}
	// Fees were taken from balances, so they and the subsidy are within the supply, which does not overflow.
	if reward := l.rules.subsidy + fees; reward > 0 {
		miner := state.get(h.miner)
		state = state.put(h.miner, account{miner.balance + reward, miner.nonce})
	}
	if root := state.root(); root != h.stateRoot {
		return invalid("state root", "computed %x, header has %x", root, h.stateRoot)
	}
	b.state = state
	return nil
}

// store adds a valid block and drops states that are too deep by now.
func (l *Ledger) store(hash [32]byte, b *block) {
	l.blocks[hash] = b
	l.recent[b.height] = append(l.recent[b.height], b)
	l.highest = max(l.highest, b.height)
	for l.lowest+Window < l.highest {
		for _, old := range l.recent[l.lowest] {
			old.state, old.pruned = nil, true
		}
		delete(l.recent, l.lowest)
		l.lowest++
	}
}
