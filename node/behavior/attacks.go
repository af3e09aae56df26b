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
	WantIgnore     = "ignore"     // do nothing about what it was sent, for it came before the handshake
	WantAccept     = "accept"     // accept the block: it is valid
	WantNothing    = ""           // an honest node need not know that it is an attack
)

// attack is a kind of attack: either hello changes the handshake of a new connection, or send sends something on one that is
// up. back and WantAccept are apart from these. What cannot be sent yet is not reported, and is tried again.
type attack struct {
	kind string
	want string
	late bool // it may get the adversary banned, and comes after those that do not
	// variants is how many there are; 0 is one.
	variants int
	// back marks those that are for nodes that come back.
	back bool
	// hello is what is sent in the place of a handshake, which it may change.
	hello func(a *Adversary, t *target, x *attack, m *wire.Hello) wire.Message
	send  func(a *Adversary, t *target, x *attack)
	// history answers the request for blocks of a peer to which hello has promised some.
	history func(a *Adversary, t *target, x *attack, request *wire.GetBlocks)
}

// maxVariants is the most variants of a kind.
const maxVariants = 3

// attacks are the kinds, in the order of the documentation.
var attacks = []attack{
	{kind: "bad_signature", want: WantBan, variants: 2, send: (*Adversary).sendBadSignature},
	{kind: "bad_amount", want: WantBan, variants: 2, send: (*Adversary).sendBadAmount},
	{kind: "overspend", want: WantNothing, send: (*Adversary).sendOverspend},
	{kind: "invalid_block", want: WantBan, variants: 3, send: (*Adversary).sendInvalidBlock},
	{kind: "invalid_side_block", want: WantBan, send: (*Adversary).sendSideBranch},
	{kind: "forged_block", want: WantBan, send: (*Adversary).sendForgedBlock},
	{kind: "resigned_block", want: WantBan, variants: 2, send: (*Adversary).sendResignedBlock},
	{kind: "replay_block", want: WantBan, variants: 2, send: (*Adversary).sendReplayBlock},
	{kind: "double_spend_block", want: WantBan, send: (*Adversary).sendDoubleSpendBlock},
	{kind: "overspend_block", want: WantBan, variants: 3, send: (*Adversary).sendOverspendBlock},
	{kind: "mismatched_block", want: WantBan, variants: 3, send: (*Adversary).sendMismatchedBlock},
	{kind: "old_block", want: WantBan, send: (*Adversary).sendOldBlock},
	{kind: "future_block", want: WantNothing, variants: 2, send: (*Adversary).sendFutureBlock},
	{kind: "mutated_block", want: WantNothing, late: true, variants: 2, send: (*Adversary).armMutation},
	{kind: "low_work", want: WantBan, variants: 2, send: (*Adversary).sendLowWork},
	{kind: "invalid_history", want: WantBan, hello: (*Adversary).promiseHistory, history: (*Adversary).sendHistory},
	{kind: "old_history", want: WantBan, variants: 2, hello: (*Adversary).promiseHistory, history: (*Adversary).sendOldHistory},
	{kind: "silent_history", want: WantNothing, back: true, hello: (*Adversary).promiseMost, history: (*Adversary).sayNothing},
	{kind: "empty_history", want: WantNothing, back: true, hello: (*Adversary).promiseMost, history: (*Adversary).sendEmpty},
	{kind: "broken_history", want: WantNothing, back: true, hello: (*Adversary).promiseMost, history: (*Adversary).hangUp},
	{kind: "edge_block", want: WantAccept},
	{kind: "replay", want: WantNothing, send: (*Adversary).sendReplay},
	{kind: "wrong_genesis", want: WantDisconnect, hello: (*Adversary).mixNetworks},
	{kind: "early_message", want: WantIgnore, hello: (*Adversary).sendEarly},
	{kind: "garbage", want: WantBan, variants: 2, send: (*Adversary).sendGarbage},
	{kind: "oversized", want: WantBan, send: (*Adversary).sendOversized},
	{kind: "flood", want: WantBan, send: (*Adversary).sendFlood},
}

// Reasons of refusals that are no errors.
const (
	reasonGenesis = "genesis differs"
	reasonFlood   = "flood of ping"
)

// transfer is a signed transfer of the adversary's own account.
func (a *Adversary) transfer(amount, fee chain.Amount, nonce uint64, network chain.Hash) chain.Tx {
	tx := chain.Tx{To: a.tree.Head().Miner, Amount: amount, Fee: fee, Nonce: nonce}
	a.key.Sign(network, &tx)
	return tx
}

func (a *Adversary) account() chain.Account { return a.Account(a.ID()) }

func (a *Adversary) sendTx(t *target, x *attack, tx chain.Tx, reason error) {
	m := wire.NewTx(tx)
	id := m.ID()
	a.report(t, x, &id, reasonText(reason))
	a.sendTo(t, m)
}

// reasonText is the reason that an honest node gives, empty where it need not give one.
func reasonText(reason error) string {
	if reason == nil {
		return ""
	}
	return reason.Error()
}

// spareNonces is how far ahead of its account's nonce an adversary that has sent valid transfers begins those that nobody signed,
// so that no pending or included one has the same nonce. It is within the gap that a mempool accepts.
const spareNonces = 8

// freeNonce is a nonce with which the adversary has sent no valid transfer.
func (a *Adversary) freeNonce() uint64 {
	nonce := a.account().Nonce
	if a.paid {
		nonce += spareNonces
	}
	return nonce
}

// awaitsAnswer says whether a peer has not answered an attack yet.
func (a *Adversary) awaitsAnswer() bool {
	return slices.ContainsFunc(a.targets, func(t *target) bool { return a.now < t.answer })
}

// pay sends a valid transfer of the adversary, unless a peer has not answered an attack yet: a transfer with the same nonce may be
// under way to it.
func (a *Adversary) pay(t *target, tx chain.Tx) bool {
	if a.awaitsAnswer() {
		return false
	}
	a.paid = true
	a.sendTo(t, wire.NewTx(tx))
	return true
}

// sendBadSignature sends a transfer that nobody has signed, or one that was signed for another network.
func (a *Adversary) sendBadSignature(t *target, x *attack) {
	network, other := a.genesis, a.variant(t) == 1
	if other {
		network[0]++
	}
	tx := a.transfer(1, 2, a.freeNonce(), network)
	if !other {
		tx.Sig[a.rng.IntN(len(tx.Sig))] ^= 1
	}
	a.sendTx(t, x, tx, chain.ErrSignature)
}

// sendBadAmount sends a transfer of nothing, or one whose amount and fee overflow.
func (a *Adversary) sendBadAmount(t *target, x *attack) {
	if nonce := a.account().Nonce; a.variant(t) == 0 {
		a.sendTx(t, x, a.transfer(math.MaxUint64, 2, nonce, a.genesis), chain.ErrOverflow)
	} else {
		a.sendTx(t, x, a.transfer(0, 1, nonce, a.genesis), chain.ErrAmount)
	}
}

// sendOverspend sends a transfer of more than the account holds, one that a block cannot take for want of those before, and two of
// which the account can pay either. The first of the two is valid. It pays the sender itself, so that only its fee is gone and the
// second is too large ever after: also when the purse, which may hold something, returns it.
func (a *Adversary) sendOverspend(t *target, x *attack) {
	acct := a.account()
	a.sendTx(t, x, a.transfer(acct.Balance+purseFund, 1, acct.Nonce, a.genesis), nil)
	a.sendTx(t, x, a.transfer(1, 1, acct.Nonce+1000, a.genesis), nil)
	both := [2]chain.Tx{}
	for i := range both {
		both[i] = chain.Tx{To: a.ID(), Amount: acct.Balance - purseFund, Fee: purseFund, Nonce: acct.Nonce + uint64(i)}
		a.key.Sign(a.genesis, &both[i])
	}
	if a.pay(t, both[0]) {
		a.sendTx(t, x, both[1], nil)
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
	if a.purseUsed >= purseSpent || head < a.purseNext || a.awaitsAnswer() {
		return
	}
	funds, _ := a.tree.HeadState().Get(a.purse.Address())
	// A fee that is higher than that of what may be pending.
	tx, key := chain.Tx{To: a.purse.Address(), Amount: purseFund, Fee: purseFund + 1, Nonce: a.account().Nonce}, a.key
	switch {
	case funds.Balance == purseFund:
		tx, key = chain.Tx{To: a.ID(), Amount: purseFund - 1, Fee: 1}, a.purse
	case a.purseUsed > 0:
		tx.To = chain.Address(a.randomHash())
	}
	a.purseUsed, a.purseNext = a.purseUsed+1, head+purseEvery
	key.Sign(a.genesis, &tx)
	a.paid = true
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

// sendBlock sends a block of a header that is not valid. reason is why not.
func (a *Adversary) sendBlock(t *target, x *attack, h chain.Header, txs []chain.Tx, reason error) {
	b := chain.NewBlock(h, txs)
	hash := b.Hash()
	a.report(t, x, &hash, reasonText(reason))
	a.sendTo(t, &wire.Block{Block: b})
}

// sendInvalidBlock sends a block on the head whose state root, version or height is wrong.
func (a *Adversary) sendInvalidBlock(t *target, x *attack) {
	h, _, ok := a.onHead()
	var reason error
	switch a.variant(t) {
	case 0:
		h.StateRoot[a.rng.IntN(len(h.StateRoot))] ^= 1
		reason = chain.ErrStateRoot
	case 1:
		h.Version++
		reason = chain.ErrVersion
	default:
		h.Height++
		reason = chain.ErrHeight
	}
	if ok && a.prove(&h) {
		a.sendBlock(t, x, h, nil, reason)
	}
}

// forge is a transfer that takes coins of another account, with its next nonce in a state, which nobody has signed.
func (a *Adversary) forge(s chain.State) chain.Tx {
	victim := a.cfg.Genesis.Alloc[a.rng.IntN(len(a.cfg.Genesis.Alloc))].Address
	acct, _ := s.Get(victim)
	tx := chain.Tx{From: victim, To: a.ID(), Amount: 1, Fee: 1, Nonce: acct.Nonce}
	for i := range tx.Sig {
		tx.Sig[i] = byte(a.rng.Uint32())
	}
	return tx
}

// holding is the header of a block on a branch that holds transfers which nobody checks, given the state after the branch, and the
// state after the block. It has no proof of work.
func (a *Adversary) holding(on chain.Headers, before chain.State, at chain.Millis, txs ...chain.Tx) (h chain.Header, after chain.State, ok bool) {
	after, err := a.tree.Ledger().Unchecked(before, txs, a.ID())
	tip := on.Ancestor(0)
	return chain.Header{
		Version: chain.HeaderVersion, Height: tip.Height + 1, Parent: tip.Hash(), TxRoot: chain.TxRoot(txs), StateRoot: after.Root(),
		Miner: a.ID(), Time: max(at, a.engine.MinTime(on)), Bits: a.engine.NextBits(on),
	}, after, err == nil
}

// sendHolding sends a block on the head that is valid but for its transfers.
func (a *Adversary) sendHolding(t *target, x *attack, reason error, txs ...chain.Tx) {
	h, _, ok := a.holding(a.branch(a.tree.Head()), a.tree.HeadState(), a.millis(), txs...)
	if ok && a.prove(&h) {
		a.sendBlock(t, x, h, txs, reason)
	}
}

// sendForgedBlock sends a block on the head that is valid but for the signature of a transfer in it, which takes the coins of
// another account.
func (a *Adversary) sendForgedBlock(t *target, x *attack) {
	a.sendHolding(t, x, chain.ErrSignature, a.forge(a.tree.HeadState()))
}

// ownTransfer is a valid transfer of the adversary's own account to itself. It is the same one until a block includes it.
func (a *Adversary) ownTransfer() chain.Tx {
	acct, _ := a.tree.HeadState().Get(a.ID())
	tx := chain.Tx{To: a.ID(), Amount: 1, Fee: 1, Nonce: acct.Nonce}
	a.key.Sign(a.genesis, &tx)
	return tx
}

// sendResignedBlock sends a valid transfer, which the peer checks, and a block that holds it with another signature.
func (a *Adversary) sendResignedBlock(t *target, x *attack) {
	tx := a.ownTransfer()
	tx.Fee = purseFund + 2 // more than that of what may be pending, so that the peer takes and checks it
	a.key.Sign(a.genesis, &tx)
	if !a.pay(t, tx) {
		return
	}
	tx.Sig[a.rng.IntN(len(tx.Sig))] ^= 1
	a.sendHolding(t, x, chain.ErrSignature, tx)
}

// replayDepth is how many blocks below the head a transfer that is included again may be.
const replayDepth = 32

// sendReplayBlock sends a block on the head that holds a transfer of the chain again, or one with a nonce to come.
func (a *Adversary) sendReplayBlock(t *target, x *attack) {
	if a.variant(t) == 1 {
		tx := a.ownTransfer()
		tx.Nonce++
		a.key.Sign(a.genesis, &tx)
		a.sendHolding(t, x, chain.ErrNonce, tx)
		return
	}
	state := a.tree.HeadState()
	b := a.tree.Head()
	for range replayDepth {
		for _, tx := range b.Txs {
			if acct, _ := state.Get(tx.From); acct.Balance >= tx.Amount+tx.Fee {
				a.sendHolding(t, x, chain.ErrNonce, tx)
				return
			}
		}
		parent, ok := a.tree.Get(b.Parent)
		if !ok {
			break
		}
		b = parent
	}
	a.pay(t, a.ownTransfer()) // so that there is one next time
}

// sendDoubleSpendBlock sends a block on the head that holds two transfers of the adversary with the same nonce. The first is valid.
func (a *Adversary) sendDoubleSpendBlock(t *target, x *attack) {
	first := a.ownTransfer()
	second := first
	second.Amount++
	a.key.Sign(a.genesis, &second)
	a.sendHolding(t, x, chain.ErrNonce, first, second)
}

// sendOverspendBlock sends a block on the head that holds a transfer of more than the adversary has, of an amount and a fee that
// overflow, or of nothing.
func (a *Adversary) sendOverspendBlock(t *target, x *attack) {
	acct, _ := a.tree.HeadState().Get(a.ID())
	switch a.variant(t) {
	case 0:
		a.sendHolding(t, x, chain.ErrFunds, a.transfer(acct.Balance+purseFund, 1, acct.Nonce, a.genesis))
	case 1:
		a.sendHolding(t, x, chain.ErrOverflow, a.transfer(math.MaxUint64, 2, acct.Nonce, a.genesis))
	default:
		a.sendHolding(t, x, chain.ErrAmount, a.transfer(0, 1, acct.Nonce, a.genesis))
	}
}

// sendMismatchedBlock sends a block on the head whose header commits to other transactions than it holds. Those that it holds are
// valid, and lead to the state that the header states, but for the variant that holds the last one twice.
func (a *Adversary) sendMismatchedBlock(t *target, x *attack) {
	txs := []chain.Tx{a.ownTransfer()}
	h, _, ok := a.holding(a.branch(a.tree.Head()), a.tree.HeadState(), a.millis(), txs...)
	switch a.variant(t) {
	case 0:
		h.TxRoot = chain.TxRoot(nil)
	case 1:
		h.TxRoot = a.randomHash()
	default:
		txs = append(txs, txs[0])
	}
	if ok && a.prove(&h) {
		a.sendBlock(t, x, h, txs, chain.ErrTxRoot)
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
		a.report(t, x, &hash, chain.ErrStateRoot.Error())
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
		a.sendBlock(t, x, h, nil, chain.ErrTimeOld)
	}
}

// sendEdge sends a valid block whose time is the earliest that is allowed, to all peers. Somebody else mines it: the adversary's
// account gets nothing, so that what it may not spend remains so.
func (a *Adversary) sendEdge() {
	id := a.ID()
	if a.edge == nil || a.tree.Head().Height < edgeHeight+chain.Height(id[0]%edgeSpread) || a.awaitsAnswer() {
		return
	}
	h, _, err := a.tree.Template(chain.Address(a.randomHash()), nil, a.millis())
	h.Time = medianTime(a.branch(a.tree.Head())) + 1
	if err != nil || !a.prove(&h) {
		return
	}
	b := chain.NewBlock(h, nil)
	hash := b.Hash()
	for _, t := range a.targets {
		if t.up && !a.holds(t) {
			a.report(t, a.edge, &hash, "")
			a.sendTo(t, &wire.Block{Block: b})
			a.edgeSum = hash
		}
	}
	if !a.edgeSum.IsZero() {
		a.edge = nil
	}
}

// futureMargin is how much further ahead than allowed a block is at least, so that none is valid when it arrives.
const futureMargin = 30 * time.Second

// sendFutureBlock sends a block whose time is a little too far ahead of the clock, or a day.
func (a *Adversary) sendFutureBlock(t *target, x *attack) {
	h, _, ok := a.onHead()
	ahead := maxAhead + futureMargin
	if a.variant(t) == 1 {
		ahead += 24 * time.Hour
	}
	h.Time = a.millis() + chain.Millis(ahead/time.Millisecond)
	if ok && a.prove(&h) {
		a.sendBlock(t, x, h, nil, nil)
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
	if a.variant(t) == 1 {
		h.Bits = chain.MaxBits
		if a.prove(&h) {
			a.sendBlock(t, x, h, nil, chain.ErrBits)
		}
		return
	}
	for h.Nonce = a.rng.Uint64(); target.Met(h.Hash()); h.Nonce++ { // a proof by chance
	}
	a.sendBlock(t, x, h, nil, chain.ErrProof)
}

// armMutation waits for the next blocks that others may not have yet.
func (a *Adversary) armMutation(t *target, x *attack) { t.armed, t.repeat = x, a.variant(t) == 1 }

// mutateNew sends a new block to the targets that wait for it, with transactions that the header does not commit to, before
// they can have it from others: one more, or the last one twice. The block with that hash is valid all the same. A target that has
// the block already ignores this, and gets the next one too, until it bans the adversary or blockTimeout is over.
func (a *Adversary) mutateNew(b *chain.Block) {
	if b.Hash() == a.edgeSum {
		return // sent as it is
	}
	for _, t := range a.targets {
		if t.armed == nil || !t.up || t.repeat && len(b.Txs) == 0 || len(b.Txs) >= chain.MaxBlockTxs {
			continue
		}
		txs := append([]chain.Tx{a.transfer(1, 1, a.account().Nonce, a.genesis)}, b.Txs...)
		if t.repeat {
			txs = append(txs[1:], b.Txs[len(b.Txs)-1])
		}
		a.report(t, t.armed, nil, "")
		a.sendTo(t, &wire.Block{Block: chain.NewBlock(b.Header, txs)})
	}
}

// promised is by how many blocks the history that is promised is longer than the chain. A miner that is further behind stops
// until it has caught up.
const promised = 2

// promiseHistory claims a longer chain, so that the peer requests it.
func (a *Adversary) promiseHistory(t *target, x *attack, m *wire.Hello) wire.Message {
	m.Head = a.randomHash()
	m.Height += promised
	for range promised {
		m.Work = m.Work.Add(chain.WorkOf(a.tree.Head().Bits))
	}
	t.promise, t.history = x, a.now+node.Time(historyTimeout)
	return m
}

// promiseMost claims more work than anybody can have, so that the peer requests it first. It gets nothing for holdTime, but answers
// to its pings.
func (a *Adversary) promiseMost(t *target, x *attack, m *wire.Hello) wire.Message {
	m.Head = a.randomHash()
	m.Height += promised
	m.Work[len(m.Work)/2] |= 0x80
	t.held = x
	a.report(t, x, nil, "")
	return m
}

// sayNothing lets a peer wait for the history that it requests.
func (a *Adversary) sayNothing(*target, *attack, *wire.GetBlocks) {}

// sendEmpty answers a request for history by no block.
func (a *Adversary) sendEmpty(t *target, _ *attack, _ *wire.GetBlocks) { a.sendTo(t, &wire.Blocks{}) }

// hangUp disconnects from a peer that requests history, and does not connect again before holdTime is over.
func (a *Adversary) hangUp(t *target, _ *attack, _ *wire.GetBlocks) {
	a.fx = append(a.fx, node.Effect{Kind: node.EffectDisconnect, Peer: t.id, Reason: "hanging up"})
}

// sendEarly sends a transfer that nobody has signed before the handshake. A peer that says anything of it has handled it.
func (a *Adversary) sendEarly(t *target, x *attack, _ *wire.Hello) wire.Message {
	tx := a.transfer(3, 2, a.freeNonce(), a.genesis)
	tx.Sig[a.rng.IntN(len(tx.Sig))] ^= 1
	m := wire.NewTx(tx)
	id := m.ID()
	a.report(t, x, &id, "")
	return m
}

// sendHistory answers a request for history by a few blocks that are valid, if the peer lacks any, and invalid ones on them.
func (a *Adversary) sendHistory(t *target, x *attack, request *wire.GetBlocks) {
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
	a.sendBlocks(t, x, blocks, invalid, chain.ErrStateRoot)
}

// sendBlocks answers a request for history by valid blocks and invalid ones on them.
func (a *Adversary) sendBlocks(t *target, x *attack, valid, invalid []*chain.Block, reason error) {
	for _, b := range invalid {
		hash := b.Hash()
		a.report(t, x, &hash, reason.Error())
	}
	a.sendTo(t, &wire.Blocks{Blocks: append(valid, invalid...), More: true})
}

// sendOldHistory answers a request for history by a branch that begins in the middle of the chain, or at genesis for a peer that
// has no more, with the times of that place. Its first block holds a transfer that nobody has signed, or states a wrong state, and
// all is right otherwise: a node that takes old blocks for valid accepts it.
func (a *Adversary) sendOldHistory(t *target, x *attack, request *wire.GetBlocks) {
	from, ok := a.tree.AtHeight(a.tree.Head().Height / 2)
	if next, _ := a.tree.After(request.Locator, 1); len(next) > 0 && next[0].Height <= from.Height {
		from, ok = a.tree.Get(next[0].Parent)
	}
	if !ok {
		return
	}
	state, err := a.tree.StateAfter(from.Hash())
	if err != nil {
		return
	}
	branch := a.branch(from)
	txs, reason, wrongState := []chain.Tx{a.forge(state)}, chain.ErrSignature, a.variant(t) == 1
	if wrongState {
		txs, reason = nil, chain.ErrStateRoot
	}
	var blocks []*chain.Block
	for range promised {
		h, after, ok := a.holding(branch, state, branch.Ancestor(0).Time+a.cfg.Genesis.Interval, txs...)
		if wrongState && len(blocks) == 0 {
			h.StateRoot[0] ^= 1
		}
		if !ok || !a.prove(&h) {
			return
		}
		blocks = append(blocks, chain.NewBlock(h, txs))
		branch, state, txs = append(branch, &h), after, nil
	}
	a.sendBlocks(t, x, nil, blocks, reason)
}

func (a *Adversary) randomHash() (h chain.Hash) {
	for i := range h {
		h[i] = byte(a.rng.Uint32())
	}
	return h
}

// sendReplay sends blocks and transactions of the chain again, and announces the blocks.
func (a *Adversary) sendReplay(t *target, x *attack) {
	a.report(t, x, nil, "")
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
func (a *Adversary) mixNetworks(t *target, x *attack, m *wire.Hello) wire.Message {
	m.Genesis = a.randomHash()
	a.report(t, x, nil, reasonGenesis)
	return m
}

// sendGarbage sends a frame that is no message: random bytes, or a block that ends too early.
func (a *Adversary) sendGarbage(t *target, x *attack) {
	payload := make([]byte, 100)
	for i := range payload {
		payload[i] = byte(a.rng.Uint32())
	}
	if a.variant(t) == 1 {
		payload = wire.Encode(&wire.Block{Block: a.tree.Head()})
		payload = payload[:len(payload)-1]
	} else {
		payload[0] |= 0x80 // no type is so high
	}
	a.report(t, x, nil, wire.ErrMalformed.Error())
	a.sendTo(t, &wire.Raw{Payload: payload})
}

// sendOversized sends a frame that claims to be longer than any message may be.
func (a *Adversary) sendOversized(t *target, x *attack) {
	a.report(t, x, nil, wire.ErrFrameSize.Error())
	a.sendTo(t, &wire.Raw{Payload: make([]byte, 1000), Claimed: math.MaxUint32})
}

// floodMessages is more than an honest node takes of a peer at once.
const floodMessages = 2000

// sendFlood sends many small messages that ask for an answer.
func (a *Adversary) sendFlood(t *target, x *attack) {
	a.report(t, x, nil, reasonFlood)
	ping := &wire.Ping{Nonce: a.rng.Uint64()}
	for range floodMessages {
		a.sendTo(t, ping)
	}
}
