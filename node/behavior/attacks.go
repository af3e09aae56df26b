package behavior

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"time"

	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// What an honest node must do with the sender of an attack, beside accepting nothing of it.
const (
	WantBan        = "ban"        // disconnect and ban
	WantDisconnect = "disconnect" // refuse the connection
	WantNothing    = ""           // an honest node need not know that it is an attack
)

// attack is a kind of attack: either hello changes the handshake of a new connection, or send sends something on one that is
// up.
type attack struct {
	kind  string
	want  string
	late  bool // it may get the adversary banned, and comes after those that do not
	hello func(a *Adversary, t *target, x *attack, m *wire.Hello)
	send  func(a *Adversary, t *target, x *attack)
}

// attacks are the kinds, in the order of the documentation.
var attacks = []attack{
	{kind: "bad_signature", want: WantBan, send: (*Adversary).sendBadSignature},
	{kind: "bad_amount", want: WantBan, send: (*Adversary).sendBadAmount},
	{kind: "overspend", want: WantNothing, send: (*Adversary).sendOverspend},
	{kind: "invalid_block", want: WantBan, send: (*Adversary).sendInvalidBlock},
	{kind: "invalid_side_block", want: WantBan, send: (*Adversary).sendSideBranch},
	{kind: "forged_block", want: WantBan, send: (*Adversary).sendForgedBlock},
	{kind: "old_block", want: WantBan, send: (*Adversary).sendOldBlock},
	{kind: "future_block", want: WantNothing, send: (*Adversary).sendFutureBlock},
	{kind: "mutated_block", want: WantNothing, late: true, send: (*Adversary).armMutation},
	{kind: "low_work", want: WantBan, send: (*Adversary).sendLowWork},
	{kind: "invalid_history", want: WantBan, hello: (*Adversary).promiseHistory},
	{kind: "replay", want: WantNothing, send: (*Adversary).sendReplay},
	{kind: "wrong_genesis", want: WantDisconnect, hello: (*Adversary).mixNetworks},
	{kind: "garbage", want: WantBan, send: (*Adversary).sendGarbage},
	{kind: "oversized", want: WantBan, send: (*Adversary).sendOversized},
	{kind: "flood", want: WantBan, send: (*Adversary).sendFlood},
}

// transfer is a signed transfer of the adversary's own account.
func (a *Adversary) transfer(amount, fee chain.Amount, nonce uint64, network chain.Hash) chain.Tx {
	tx := chain.Tx{To: a.tree.Head().Miner, Amount: amount, Fee: fee, Nonce: nonce}
	a.key.Sign(network, &tx)
	return tx
}

func (a *Adversary) account() chain.Account { return a.Account(a.ID()) }

func (a *Adversary) sendTx(t *target, x *attack, tx chain.Tx) {
	m := wire.NewTx(tx)
	id := m.ID()
	a.report(t, x, &id)
	a.sendTo(t, m)
}

// sendBadSignature sends a transfer that nobody has signed, or one that was signed for another network.
func (a *Adversary) sendBadSignature(t *target, x *attack) {
	network := a.genesis
	if a.sent%2 == 1 {
		network[0]++
	}
	// A nonce that no other transfer has: what is used or taken is refused before its signature is checked.
	tx := a.transfer(1, 1, a.account().Nonce+4, network)
	if a.sent%2 == 0 {
		tx.Sig[a.rng.IntN(len(tx.Sig))] ^= 1
	}
	a.sendTx(t, x, tx)
}

// sendBadAmount sends a transfer of nothing, or one whose amount and fee overflow.
func (a *Adversary) sendBadAmount(t *target, x *attack) {
	amount, fee := chain.Amount(0), chain.Amount(1)
	if a.sent%2 == 1 {
		amount, fee = math.MaxUint64, 2
	}
	a.sendTx(t, x, a.transfer(amount, fee, a.account().Nonce, a.genesis))
}

// sendOverspend sends a transfer of more than the account holds, one that a block cannot take for want of those before, and two of
// which the account can pay either. The first of the two is valid. It pays the sender itself, so that only its fee is gone and the
// second is too large ever after.
func (a *Adversary) sendOverspend(t *target, x *attack) {
	acct := a.account()
	a.sendTx(t, x, a.transfer(acct.Balance+1, 1, acct.Nonce, a.genesis))
	a.sendTx(t, x, a.transfer(1, 1, acct.Nonce+1000, a.genesis))
	for nonce := acct.Nonce; nonce < acct.Nonce+2; nonce++ {
		tx := chain.Tx{To: a.ID(), Amount: acct.Balance - 1, Fee: 1, Nonce: nonce}
		a.key.Sign(a.genesis, &tx)
		if nonce == acct.Nonce {
			a.sendTo(t, wire.NewTx(tx))
		} else {
			a.sendTx(t, x, tx)
		}
	}
}

// The purse is a second account of the adversary. It is new, gets purseFund, and gives all of it away again. Other new accounts get
// as much and keep it. All that is valid, but nothing that a scenario's load does.
const (
	purseFund   = 10
	purseHeight = 8  // of the chain, when it is funded
	purseEvery  = 2  // blocks between two transfers
	purseSpent  = 12 // number of transfers in all
)

// purseSeed is the seed of the purse's key.
func purseSeed(key chain.Key) string {
	seed := sha256.Sum256(append([]byte("purse"), key.Seed()...))
	return hex.EncodeToString(seed[:])
}

// usePurse sends the next transfer from the purse or to a new account, if it is time for one.
func (a *Adversary) usePurse() {
	head := a.tree.Head().Height
	if a.purseUsed >= purseSpent || head < a.purseNext {
		return
	}
	funds, _ := a.tree.HeadState().Get(a.purse.Address())
	// A fee that is higher than that of what may be pending.
	tx, key := chain.Tx{To: a.purse.Address(), Amount: purseFund, Fee: 2, Nonce: a.account().Nonce}, a.key
	switch {
	case funds.Balance == purseFund:
		tx, key = chain.Tx{To: a.ID(), Amount: purseFund - 1, Fee: 1}, a.purse
	case a.purseUsed > 0:
		tx.To = chain.Address(a.randomHash())
	}
	a.purseUsed, a.purseNext = a.purseUsed+1, head+purseEvery
	key.Sign(a.genesis, &tx)
	for _, t := range a.targets {
		if t.up {
			a.sendTo(t, wire.NewTx(tx))
		}
	}
}

// maxAttempts bounds the search for a proof of work: half a second at most.
const maxAttempts = 1 << 21

// prove finds the nonce of a header. It returns false where that would take too long.
func (a *Adversary) prove(h *chain.Header) bool {
	h.Nonce = a.rng.Uint64()
	_, found := a.engine.Search(h, maxAttempts)
	return found
}

// onHead is the header of a valid block on the head with the transactions that it commits to, as its miner would make it,
// without a proof of work.
func (a *Adversary) onHead(txs ...chain.Tx) (chain.Header, []chain.Tx, bool) {
	h, kept, err := a.tree.Template(a.ID(), txs, a.millis())
	return h, kept, err == nil
}

// sendBlock sends a block of a header that is not valid.
func (a *Adversary) sendBlock(t *target, x *attack, h chain.Header, txs []chain.Tx) {
	b := chain.NewBlock(h, txs)
	hash := b.Hash()
	a.report(t, x, &hash)
	a.sendTo(t, &wire.Block{Block: b})
}

// sendInvalidBlock sends a block on the head whose state root, version or height is wrong.
func (a *Adversary) sendInvalidBlock(t *target, x *attack) {
	h, _, ok := a.onHead()
	switch a.sent % 3 {
	case 0:
		h.StateRoot[a.rng.IntN(len(h.StateRoot))] ^= 1
	case 1:
		h.Version++
	default:
		h.Height++
	}
	if ok && a.prove(&h) {
		a.sendBlock(t, x, h, nil)
	}
}

// sendForgedBlock sends a block on the head that is valid but for the signature of a transfer in it, which takes the coins of
// another account.
func (a *Adversary) sendForgedBlock(t *target, x *attack) {
	victim := a.cfg.Genesis.Alloc[a.rng.IntN(len(a.cfg.Genesis.Alloc))].Address
	acct, _ := a.tree.HeadState().Get(victim)
	tx := chain.Tx{From: victim, To: a.ID(), Amount: 1, Fee: 1, Nonce: acct.Nonce}
	for i := range tx.Sig {
		tx.Sig[i] = byte(a.rng.Uint32())
	}
	h, txs, ok := a.onHead(tx)
	if ok && len(txs) == 1 && a.prove(&h) {
		a.sendBlock(t, x, h, txs)
	}
}

// branch is the chain that ends with a block.
func (a *Adversary) branch(tip *chain.Block) chain.Headers {
	hs := make(chain.Headers, tip.Height+1)
	for b := tip; ; {
		hs[b.Height] = &b.Header
		parent, ok := a.tree.Get(b.Parent)
		if !ok || b.Height == 0 {
			return hs
		}
		b = parent
	}
}

// extend is an invalid block on a branch, which it is added to: all is right but for the state root.
func (a *Adversary) extend(branch *chain.Headers) (*chain.Block, bool) {
	tip := branch.Ancestor(0)
	h := chain.Header{
		Version: chain.HeaderVersion, Height: tip.Height + 1, Parent: tip.Hash(), TxRoot: chain.TxRoot(nil), Miner: a.ID(),
		Time: max(a.millis(), a.engine.MinTime(*branch)), Bits: a.engine.NextBits(*branch),
	}
	for i := range h.StateRoot {
		h.StateRoot[i] = byte(a.rng.Uint32())
	}
	if !a.prove(&h) {
		return nil, false
	}
	*branch = append(*branch, &h)
	return chain.NewBlock(h, nil), true
}

// sideDepth is how far below the head a side branch begins, and sideLength how long it is: with more work than the chain.
const (
	sideDepth  = 2
	sideLength = 4
)

// sendSideBranch sends a branch of invalid blocks that begins below the head and ends above it.
func (a *Adversary) sendSideBranch(t *target, x *attack) {
	from, ok := a.tree.AtHeight(a.tree.Head().Height - sideDepth)
	if !ok {
		return
	}
	branch := a.branch(from)
	for range sideLength {
		b, ok := a.extend(&branch)
		if !ok {
			return
		}
		hash := b.Hash()
		a.report(t, x, &hash)
		a.sendTo(t, &wire.Block{Block: b})
	}
}

// The bounds of a block's time, from docs/protocol.md: not those of package pow, because a bug there must not move what is
// sent along with what is accepted.
const (
	medianSpan = 11
	maxAhead   = 2 * time.Minute
)

// medianTime is the median time of a branch's last medianSpan blocks, or of all if there are fewer: a block may not state it.
func medianTime(branch chain.Headers) chain.Millis {
	var times []chain.Millis
	for _, h := range branch[max(0, len(branch)-medianSpan):] {
		times = append(times, h.Time)
	}
	slices.Sort(times)
	return times[len(times)/2]
}

// sendOldBlock sends a block whose time is the latest that is too old.
func (a *Adversary) sendOldBlock(t *target, x *attack) {
	h, _, ok := a.onHead()
	h.Time = medianTime(a.branch(a.tree.Head()))
	if ok && a.prove(&h) {
		a.sendBlock(t, x, h, nil)
	}
}

// futureMargin is how much further ahead than allowed a block is at least, so that none is valid when it arrives.
const futureMargin = 30 * time.Second

// sendFutureBlock sends a block whose time is a little too far ahead of the clock, or a day.
func (a *Adversary) sendFutureBlock(t *target, x *attack) {
	h, _, ok := a.onHead()
	ahead := maxAhead + futureMargin
	if a.sent%2 == 1 {
		ahead += 24 * time.Hour
	}
	h.Time = a.millis() + chain.Millis(ahead/time.Millisecond)
	if ok && a.prove(&h) {
		a.sendBlock(t, x, h, nil)
	}
}

// sendLowWork sends a block without a proof of work, or one that states an easier difficulty than it must.
func (a *Adversary) sendLowWork(t *target, x *attack) {
	h, _, ok := a.onHead()
	if !ok {
		return
	}
	target, err := chain.TargetFromBits(h.Bits)
	if err != nil {
		return
	}
	if a.sent%2 == 1 {
		h.Bits = chain.MaxBits
		if a.prove(&h) {
			a.sendBlock(t, x, h, nil)
		}
		return
	}
	for h.Nonce = a.rng.Uint64(); target.Met(h.Hash()); h.Nonce++ { // a proof by chance
	}
	a.sendBlock(t, x, h, nil)
}

// armMutation waits for the next block that others do not have yet.
func (a *Adversary) armMutation(t *target, x *attack) { t.armed = x }

// mutateNew sends a new block to the targets that wait for it, with a transaction that the header does not commit to, before
// they can have it from others. The block with that hash is valid all the same.
func (a *Adversary) mutateNew(b *chain.Block) {
	for _, t := range a.targets {
		if t.armed == nil || !t.up {
			continue
		}
		x := t.armed
		t.armed = nil
		txs := append([]chain.Tx{a.transfer(1, 1, a.account().Nonce, a.genesis)}, b.Txs...)
		a.report(t, x, nil)
		a.sendTo(t, &wire.Block{Block: chain.NewBlock(b.Header, txs[:min(len(txs), chain.MaxBlockTxs)])})
	}
}

// promised is by how many blocks the history that is promised is longer than the chain. A miner that is further behind stops
// until it has caught up.
const promised = 2

// promiseHistory claims a longer chain, so that the peer requests it.
func (a *Adversary) promiseHistory(t *target, x *attack, m *wire.Hello) {
	m.Head = a.randomHash()
	m.Height += promised
	for range promised {
		m.Work = m.Work.Add(chain.WorkOf(a.tree.Head().Bits))
	}
	t.promise, t.history = x, a.now+node.Time(historyTimeout)
}

// sendHistory answers a request for history by a few blocks that are valid, if the peer lacks any, and invalid ones on them.
func (a *Adversary) sendHistory(t *target, request *wire.GetBlocks) {
	blocks, _ := a.tree.After(request.Locator, promised)
	tip := a.tree.Head()
	if len(blocks) > 0 {
		tip = blocks[len(blocks)-1]
	}
	branch := a.branch(tip)
	var invalid []*chain.Block
	for range promised {
		b, ok := a.extend(&branch)
		if !ok {
			return
		}
		invalid = append(invalid, b)
	}
	for _, b := range invalid {
		hash := b.Hash()
		a.report(t, t.promise, &hash)
	}
	a.sendTo(t, &wire.Blocks{Blocks: append(blocks, invalid...), More: true})
}

func (a *Adversary) randomHash() (h chain.Hash) {
	for i := range h {
		h[i] = byte(a.rng.Uint32())
	}
	return h
}

// sendReplay sends blocks and transactions of the chain again, and announces the blocks.
func (a *Adversary) sendReplay(t *target, x *attack) {
	a.report(t, x, nil)
	head := a.tree.Head().Height
	inv := &wire.Inv{Item: wire.ItemBlock}
	for h := max(head, replayed) - replayed + 1; h <= head; h++ {
		b, ok := a.tree.AtHeight(h)
		if !ok {
			continue
		}
		inv.Hashes = append(inv.Hashes, b.Hash())
		a.sendTo(t, &wire.Block{Block: b})
		for i := range b.Txs {
			a.sendTo(t, wire.NewTx(b.Txs[i]))
		}
	}
	if inv.Hashes != nil {
		a.sendTo(t, inv)
	}
}

// replayed is the number of blocks that are sent again.
const replayed = 8

// mixNetworks claims another genesis.
func (a *Adversary) mixNetworks(t *target, x *attack, m *wire.Hello) {
	m.Genesis = a.randomHash()
	a.report(t, x, nil)
}

// sendGarbage sends a frame that is no message: random bytes, or a block that ends too early.
func (a *Adversary) sendGarbage(t *target, x *attack) {
	payload := make([]byte, 100)
	for i := range payload {
		payload[i] = byte(a.rng.Uint32())
	}
	if a.sent%2 == 1 {
		payload = wire.Encode(&wire.Block{Block: a.tree.Head()})
		payload = payload[:len(payload)-1]
	} else {
		payload[0] |= 0x80 // no type is so high
	}
	a.report(t, x, nil)
	a.sendTo(t, &wire.Raw{Payload: payload})
}

// sendOversized sends a frame that claims to be longer than any message may be.
func (a *Adversary) sendOversized(t *target, x *attack) {
	a.report(t, x, nil)
	a.sendTo(t, &wire.Raw{Payload: make([]byte, 1000), Claimed: math.MaxUint32})
}

// floodMessages is more than an honest node takes of a peer at once.
const floodMessages = 2000

// sendFlood sends many small messages that ask for an answer.
func (a *Adversary) sendFlood(t *target, x *attack) {
	a.report(t, x, nil)
	ping := &wire.Ping{Nonce: a.rng.Uint64()}
	for range floodMessages {
		a.sendTo(t, ping)
	}
}
