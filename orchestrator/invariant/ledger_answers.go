package invariant

import (
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/netsplit/netsplit/orchestrator/invariant/ledger"
	"github.com/netsplit/netsplit/orchestrator/invariant/replay"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

const (
	// syncStreak is for how long a node may state in each of its answers that it syncs, without receiving history: a peer that no fault
	// affects answers a request for history much sooner.
	syncStreak = 15 * time.Second
	// syncEcho is how long after a fault a request that it affected may still be open: a node gives one up after 24s.
	syncEcho = 25 * time.Second
)

// ledgerAnswers compares what nodes state of their chain's ledger, of their mempool and of what they do with the blocks' encodings
// and with what was submitted to them. Consistency calls it.
type ledgerAnswers struct {
	chain   *ledger.Tracker // nil: the trace has no genesis that it can read
	nodes   []nodeLedger
	ids     map[trace.Hash]bool // of transactions that were submitted
	refused int                 // submissions that failed; the node may have accepted them all the same
	// attacked is true when there is an adversary, which makes transactions too. unknown are those in blocks whose submission is not
	// recorded (yet).
	attacked bool
	unknown  map[trace.Hash]bool
	report   func(s *replay.State, n replay.NodeIndex, at time.Duration, kind, format string, args ...any)
}

// nodeLedger is what is known of one node.
type nodeLedger struct {
	accepted []time.Duration // when it accepted transactions, in its first life
	returned bool            // that is over, or its history has a gap
	// syncing is the time of the first of the answers in a row that state that it syncs, negative: the last one does not; history is how
	// many blocks it had received as history then.
	syncing time.Duration
	history uint64
}

func newLedgerAnswers(s *replay.State, report func(s *replay.State, n replay.NodeIndex, at time.Duration, kind, format string, args ...any)) *ledgerAnswers {
	l := &ledgerAnswers{
		nodes: make([]nodeLedger, s.Nodes.Len()), ids: make(map[trace.Hash]bool), unknown: make(map[trace.Hash]bool),
		attacked: s.Nodes.Honest() < s.Nodes.Len(), report: report,
	}
	for i := range l.nodes {
		l.nodes[i].syncing = -1
	}
	if len(s.Facts.Genesis) > 0 {
		if t, err := ledger.NewTracker(s.Facts.Genesis); err == nil { // else validity says why
			l.chain = t
		}
	}
	return l
}

// block takes in the content of a block.
func (l *ledgerAnswers) block(b *trace.Block) {
	if l.chain == nil || len(b.Raw) == 0 {
		return
	}
	info, err := ledger.Decode(b.Raw)
	if err != nil || info.Hash != string(b.Hash) {
		return
	}
	l.chain.Add(b.Raw)
	for _, tx := range info.Txs {
		if !l.ids[trace.Hash(tx)] {
			l.unknown[trace.Hash(tx)] = true
		}
	}
}

// forget drops what is known of a node whose log has a gap, or whose process ended.
func (l *ledgerAnswers) forget(n replay.NodeIndex) {
	l.nodes[n] = nodeLedger{returned: true, syncing: -1}
}

// submit takes in that a transaction was submitted.
func (l *ledgerAnswers) submit(s *replay.State, e *trace.Event) {
	if e.Submit.Error != "" || e.Submit.Tx == "" {
		l.refused++
		return
	}
	l.ids[e.Submit.Tx] = true
	if x := &l.nodes[s.Node]; !x.returned {
		x.accepted = append(x.accepted, e.At)
	}
}

// mode judges an answer by what the run's plan says of the node.
func (l *ledgerAnswers) mode(s *replay.State, n replay.NodeIndex, at time.Duration, a *trace.Answer, t *traffic) {
	m, x, power := a.Mode, &l.nodes[n], s.Nodes.At(n).Power
	if m == nil {
		return
	}
	switch {
	case m.Mining && power == 0:
		l.report(s, n, at, "mining", "answered that it mines, while it has no block-making power")
	case !m.Mining && power > 0 && !m.Syncing && a.PeerCount > 0:
		l.report(s, n, at, "mining", "answered that it does not mine, while it has a peer, does not sync and has block-making power")
	}
	if !m.Syncing || a.Counters == nil || l.attacked || t.faults > 0 || at-t.calm < syncEcho {
		x.syncing = -1
		return
	}
	if x.syncing < 0 || a.Counters.History != x.history {
		x.syncing, x.history = at, a.Counters.History
	}
	if d := at - x.syncing; d >= syncStreak {
		t.late++ // where messages take that long, it is none
		l.report(s, n, at, "syncing", "answered for %s that it syncs, and received no history", trace.Round(d))
	}
}

// compare compares an answer with the chain of the head that it states, if all blocks of that are known by now.
func (l *ledgerAnswers) compare(s *replay.State, n replay.NodeIndex, x pendingAnswer) {
	a := x.answer
	if l.chain == nil || !l.chain.Has(string(a.Head)) {
		return
	}
	if a.Mode != nil {
		l.compareWork(s, n, x)
		l.comparePending(s, n, x)
	}
	if y := a.Account; y != nil {
		balance, nonce, known := l.chain.Account(string(a.Head), y.Address)
		if known && (balance != y.Balance || nonce != y.Nonce) {
			l.report(s, n, x.polled, "account", "answered that account %s has the balance %d and nonce %d, and after its head %s these are %d and %d",
				short(trace.Hash(y.Address)), y.Balance, y.Nonce, short(a.Head), balance, nonce)
		}
	}
	if a.Tx != nil {
		l.compareTx(s, n, x)
	}
}

func (l *ledgerAnswers) compareWork(s *replay.State, n replay.NodeIndex, x pendingAnswer) {
	stated := x.answer.Mode.Work
	if stated == "" {
		return
	}
	total := l.chain.TotalWork(string(x.answer.Head))
	if got, ok := new(big.Int).SetString(stated, 16); !ok || strings.HasPrefix(stated, "-") || got.Cmp(total) != 0 {
		l.report(s, n, x.polled, "work", "answered that the total work of its head %s is %.80s, and that of the blocks is %x",
			short(x.answer.Head), strings.TrimLeft(stated, "0"), total)
	}
}

// comparePending compares the size of a mempool with what was submitted. In the first life of a node nothing else uses the nonces of
// its account, so that of what it accepted as many are on its chain as the account's nonce there says. It may drop the others for
// want of room alone, and is not empty then.
func (l *ledgerAnswers) comparePending(s *replay.State, n replay.NodeIndex, x pendingAnswer) {
	head, pending, own := string(x.answer.Head), x.answer.Mode.Pending, &l.nodes[n]
	if pending <= 0 && !own.returned {
		accepted, _ := slices.BinarySearch(own.accepted, x.polled)
		_, nonce, known := l.chain.Account(head, s.Run.Nodes[n].Account)
		if known && uint64(accepted) > nonce {
			l.report(s, n, x.polled, "mempool empty", "answered that %s are pending, while it accepted %d from its users and its chain has %d of its account",
				Count(pending, "transaction"), accepted, nonce)
		}
	}
	maps.DeleteFunc(l.unknown, func(tx trace.Hash, _ bool) bool { return l.ids[tx] })
	if l.attacked || len(l.unknown) > l.refused || s.End != nil && s.CutShort() {
		return // others make transactions too, or the last ones are not recorded
	}
	total, included := len(l.ids)+l.refused, l.chain.Transactions(head)
	if pending > total-included {
		l.report(s, n, x.polled, "mempool", "answered that %s are pending, while %d were submitted and its chain has %d of them",
			Count(pending, "transaction"), total, included)
	}
}

func (l *ledgerAnswers) compareTx(s *replay.State, n replay.NodeIndex, x pendingAnswer) {
	a, y := x.answer, x.answer.Tx
	block, height, found := l.chain.Included(string(a.Head), string(y.Tx))
	stated := y.Status
	switch {
	case found && stated != "included":
		l.report(s, n, x.polled, "transaction", "answered that transaction %s is %.20s, while block %s at height %d of its chain has it",
			short(y.Tx), stated, short(trace.Hash(block)), height)
	case !found && stated == "included":
		l.report(s, n, x.polled, "transaction", "answered that transaction %s is included in block %s, while no block of the chain of its head %s has it",
			short(y.Tx), short(y.Block), short(a.Head))
	case found && (string(y.Block) != block || y.Height != height || y.Confirmations != a.Height-height+1):
		l.report(s, n, x.polled, "transaction", "answered that transaction %s is in block %s at height %d with %d confirmations; it is in %s at height %d with %d",
			short(y.Tx), short(y.Block), y.Height, y.Confirmations, short(trace.Hash(block)), height, a.Height-height+1)
	}
}
