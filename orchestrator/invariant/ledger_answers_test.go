package invariant

import (
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/consensus/pow"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// ledgerRun is a history of a miner a and a node b with a real chain, and transfers of a's account.
type ledgerRun struct {
	*history
	chain *realChain
	key   chain.Key
	txs   []chain.Tx // of the account, by nonce
	hide  bool       // contents of blocks are not recorded
}

// newLedgerRun makes a chain of two blocks, of which the second has the first of two transfers that were submitted to a.
func newLedgerRun(t *testing.T) *ledgerRun {
	x := &ledgerRun{history: newHistory(t, "a", "b"), chain: newRealChain(t)}
	x.key = must.Get(chain.KeyFromSeed(strings.Repeat("01", 32)))(t)
	x.chain.g.Alloc = []chain.Alloc{{Address: x.key.Address(), Amount: 1000}}
	x.chain.pow = pow.New(&x.chain.g)
	x.chain.tree = must.Get(chain.NewTree(&x.chain.g, x.chain.pow, nil))(t)
	x.chain.use(x.history)
	x.run.Started = time.UnixMilli(int64(x.chain.g.Time))
	x.run.Nodes[0].Account, x.run.Nodes[1].Mine = x.key.Address().String(), 0
	return x
}

// two lets a accept two transfers, and makes two blocks, of which the second has the first.
func (x *ledgerRun) two() {
	x.next()
	x.pay(10)
	x.next(x.txs[0])
	x.sleep(ms)
	x.pay(20)
	x.sleep(ms)
}

// pay submits a transfer to a.
func (x *ledgerRun) pay(amount chain.Amount) {
	tx := chain.Tx{From: x.key.Address(), To: chain.Address{7}, Amount: amount, Fee: 1, Nonce: uint64(len(x.txs))}
	x.key.Sign(x.chain.tree.Genesis().Hash(), &tx)
	x.txs = append(x.txs, tx)
	x.submit("a", trace.Hash(tx.ID().String()))
}

// next makes a block with transfers, which a makes and b gets.
func (x *ledgerRun) next(txs ...chain.Tx) {
	x.t.Helper()
	x.chain.now += 1000
	head, kept, err := x.chain.tree.Template(x.key.Address(), txs, x.chain.now)
	must.Do(x.t, err)
	must.Equal(x.t, len(kept), len(txs))
	if _, found := x.chain.pow.Search(&head, 1<<20); !found {
		x.t.Fatal("no work found")
	}
	b := chain.NewBlock(head, txs)
	must.Get(x.chain.tree.Add(b, x.chain.now))(x.t)
	out := trace.Block{
		Hash: trace.Hash(b.Hash().String()), Parent: trace.Hash(b.Parent.String()), Height: uint64(b.Height), Raw: b.Append(nil),
		Time: time.UnixMilli(int64(b.Time)).UTC(), Producer: b.Miner.String(),
	}
	for i := range txs {
		out.Txs = append(out.Txs, trace.Hash(txs[i].ID().String()))
	}
	x.record(out, !x.hide)
}

// says records a node's true answer, changed as wanted.
func (x *ledgerRun) says(n trace.NodeID, change func(*trace.Answer)) {
	tree, addr := x.chain.tree, x.key.Address()
	own, _ := tree.HeadState().Get(addr)
	head := trace.Hash(tree.Head().Hash().String())
	a := trace.Answer{
		Clock: x.run.Started.Add(x.now), Head: head, Height: uint64(tree.Head().Height), PeerCount: 1, Counters: &trace.Counters{},
		Mode:    &trace.ModeAnswer{Work: tree.HeadWork().String(), Pending: len(x.txs) - int(own.Nonce), Mining: n == "a"},
		Account: &trace.AccountAnswer{Address: addr.String(), Balance: uint64(own.Balance), Nonce: own.Nonce},
		Tx: &trace.TxAnswer{
			Tx: trace.Hash(x.txs[0].ID().String()), Status: "included", Block: head, Height: uint64(tree.Head().Height), Confirmations: 1,
		},
	}
	if change != nil {
		change(&a)
	}
	x.answer(n, a)
}

// syncs lets b state in each of its answers that it syncs, for some time.
func (x *ledgerRun) syncs(d time.Duration, change func(*trace.Answer)) {
	for end := x.now + d; x.now <= end; x.sleep(3 * time.Second) {
		x.says("b", func(a *trace.Answer) {
			a.Mode.Syncing = true
			if change != nil {
				change(a)
			}
		})
	}
}

func TestConsistency_Ledger(t *testing.T) {
	with := func(n trace.NodeID, change func(a *trace.Answer)) func(x *ledgerRun) {
		return func(x *ledgerRun) {
			x.two()
			x.says(n, change)
		}
	}
	none := func(a *trace.Answer) { a.Mode.Pending = 0 }
	nine := func(a *trace.Answer) { a.Mode.Pending = 9 }
	for _, c := range []struct {
		name    string
		do      func(x *ledgerRun)
		verdict Verdict
		says    string
	}{
		{"true answers", func(x *ledgerRun) {
			x.two()
			x.says("a", nil)
			x.says("b", nil)
		}, Pass, ""},
		{"the work of the parent", with("b", func(a *trace.Answer) { a.Mode.Work = "10001" }), Fail, "b answered that the total work of its head"},
		{"no number", with("b", func(a *trace.Answer) { a.Mode.Work = "x" }), Fail, "total work"},
		{"the work is not shown", with("b", func(a *trace.Answer) { a.Mode.Work = "" }), Pass, ""},
		{"content that is not in the trace", func(x *ledgerRun) {
			x.hide = true
			with("b", func(a *trace.Answer) { a.Mode.Work, a.Account.Balance, a.Tx.Status = "1", 1, "unknown" })(x)
		}, Pass, ""},
		{"an empty mempool", with("a", none), Fail, "0 transactions are pending, while it accepted 2 from its users and its chain has 1 of its account"},
		{"a mempool of a node that accepted nothing", with("b", none), Pass, ""},
		{"an empty mempool when all are included", func(x *ledgerRun) {
			x.two()
			x.next(x.txs[1])
			x.says("a", func(a *trace.Answer) { a.Tx = nil })
		}, Pass, ""},
		{"a transfer that arrives at that moment", func(x *ledgerRun) {
			x.next()
			x.pay(10)
			x.next(x.txs[0])
			x.sleep(ms)
			x.pay(20)
			x.says("a", none)
		}, Pass, ""},
		{"a mempool that was lost in a restart", func(x *ledgerRun) {
			x.two()
			x.state("a", trace.StateDown, "kill-1")
			x.sleep(time.Second)
			x.state("a", trace.StateUp, "kill-1")
			x.sleep(time.Second)
			x.says("a", none)
		}, Pass, ""},
		{"a mempool that is paused", func(x *ledgerRun) {
			x.two()
			x.state("a", trace.StatePaused, "pause-1")
			x.sleep(time.Second)
			x.state("a", trace.StateUp, "pause-1")
			x.sleep(time.Second)
			x.says("a", none)
		}, Fail, "0 transactions are pending"},
		{"more pending than submitted", with("b", nine), Fail, "9 transactions are pending, while 2 were submitted and its chain has 1 of them"},
		{"a refused transfer that is pending", func(x *ledgerRun) {
			x.two()
			x.add("b", &trace.Event{Kind: trace.KindSubmit, Submit: &trace.Submit{Error: "timeout"}})
			x.says("b", func(a *trace.Answer) { a.Mode.Pending = 2 })
		}, Pass, ""},
		{"transfers of others", func(x *ledgerRun) {
			x.two()
			x.txs = append(x.txs, chain.Tx{From: x.key.Address(), To: chain.Address{7}, Amount: 1, Fee: 1, Nonce: 2})
			x.key.Sign(x.chain.tree.Genesis().Hash(), &x.txs[2])
			x.next(x.txs[1:]...)
			x.says("b", func(a *trace.Answer) { a.Mode.Pending, a.Tx = 9, nil })
		}, Pass, ""},
		{"a full node that mines", with("b", func(a *trace.Answer) { a.Mode.Mining = true }), Fail, "b answered that it mines"},
		{"a miner that does not", with("a", func(a *trace.Answer) { a.Mode.Mining = false }), Fail, "a answered that it does not mine"},
		{"a miner that syncs", with("a", func(a *trace.Answer) { a.Mode.Mining, a.Mode.Syncing = false, true }), Pass, ""},
		{"a miner without peers", with("a", func(a *trace.Answer) { a.Mode.Mining, a.PeerCount = false, 0 }), Pass, ""},
		{"syncing for 15s", func(x *ledgerRun) {
			x.two()
			x.syncs(15*time.Second, nil)
		}, Fail, "b answered for 15s that it syncs, and received no history"},
		{"syncing for 12s", func(x *ledgerRun) {
			x.two()
			x.syncs(12*time.Second, nil)
		}, Pass, ""},
		{"syncing with history", func(x *ledgerRun) {
			x.two()
			x.syncs(30*time.Second, func(a *trace.Answer) { a.Counters.History = uint64(x.now / time.Second) })
		}, Pass, ""},
		{"syncing while cut off and just after it", func(x *ledgerRun) {
			x.two()
			x.cut("p", ids("a"), ids("b"))
			x.syncs(20*time.Second, nil)
			x.heal("p")
			x.syncs(24*time.Second, nil)
			x.says("b", nil)
		}, Pass, ""},
		{"a wrong balance", with("b", func(a *trace.Answer) { a.Account.Balance /= 10 }), Fail,
			"has the balance 100 and nonce 1, and after its head"},
		{"a wrong nonce", with("b", func(a *trace.Answer) { a.Account.Nonce++ }), Fail, "and nonce 2, and after its head"},
		{"a wrong balance of a node that is killed meanwhile", func(x *ledgerRun) {
			with("b", func(a *trace.Answer) { a.Account.Balance, a.Took = 1, time.Second })(x)
			x.sleep(ms)
			x.state("b", trace.StateDown, "kill-1")
			x.sleep(time.Second)
			x.state("b", trace.StateUp, "kill-1")
		}, Pass, ""},
		{"an included transaction that is unknown", with("b", func(a *trace.Answer) { a.Tx.Status = "unknown" }), Fail, "is unknown, while block"},
		{"an included transaction that is pending", with("b", func(a *trace.Answer) { a.Tx.Status = "pending" }), Fail, "is pending, while block"},
		{"in another block", with("b", func(a *trace.Answer) { a.Tx.Block = "x" }), Fail, "at height 2 with 1 confirmations; it is in"},
		{"at another height", with("b", func(a *trace.Answer) { a.Tx.Height = 1 }), Fail, "at height 1 with 1 confirmations; it is in"},
		{"another number of confirmations", with("b", func(a *trace.Answer) { a.Tx.Confirmations = 0 }), Fail, "with 0 confirmations"},
		{"a pending transaction that is included", func(x *ledgerRun) {
			x.two()
			x.says("b", func(a *trace.Answer) { a.Tx.Tx = trace.Hash(x.txs[1].ID().String()) })
		}, Fail, "while no block of the chain of its head"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newLedgerRun(t)
			c.do(x)
			x.sleep(12 * time.Second)
			x.stop()
			r := x.result("consistency")
			if r.Verdict != c.verdict || !strings.Contains(r.Reason, c.says) {
				t.Errorf("%s: %s %s, want %s: %s", c.name, r.Verdict, r.Reason, c.verdict, c.says)
			}
		})
	}
}
