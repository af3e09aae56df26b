package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/node/chain"
)

// rule is one rule for blocks and transactions of docs/protocol.md, with a block that breaks it and no other.
type rule struct {
	name string
	// block makes it, on a chain of three blocks.
	block func(m *maker) []byte
	node  error  // what the node refuses it for
	check string // what the ledger refuses it for: InvalidError.Rule
	// nodeEdit and ledgerEdit drop the rule from the source of the node and of the ledger; see TestRules_Dropped.
	nodeEdit, ledgerEdit edit
}

// edit replaces a text of a file, once.
type edit struct{ file, from, to string }

const (
	nodeLedger = "node/chain/ledger.go"
	nodeEngine = "node/consensus/pow/engine.go"
	nodeTree   = "node/chain/tree.go"
	nodeBlock  = "node/chain/block.go"
	ownLedger  = "orchestrator/invariant/ledger/ledger.go"
)

// withHeader makes a block whose header is changed, with the roots and the state as they were before the change.
func withHeader(change func(m *maker, h *chain.Header)) func(m *maker) []byte {
	return func(m *maker) []byte {
		h, txs := m.draft(1000)
		change(m, &h)
		return m.seal(h, txs)
	}
}

// spends makes a block with transfers that need not apply. Its state root is that which a node would compute that dropped the
// rule: effects gives each account's change of balance and nonce.
func spends(txs func(m *maker) []chain.Tx, after func(m *maker, s map[int]*chain.Account)) func(m *maker) []byte {
	return func(m *maker) []byte {
		h, _ := m.draft(1000)
		list := txs(m)
		accounts := make(map[int]*chain.Account)
		var fees chain.Amount
		for i := range m.keys {
			a, _ := m.tree.HeadState().Get(m.keys[i].Address())
			accounts[i] = &a
		}
		for _, t := range list {
			fees += t.Fee
		}
		after(m, accounts)
		accounts[0].Balance += m.genesis.Subsidy + fees
		h.TxRoot, h.StateRoot = chain.TxRoot(list), rootOf(m, accounts)
		return m.seal(h, list)
	}
}

func rootOf(m *maker, accounts map[int]*chain.Account) chain.Hash {
	var t *trie
	for i, a := range accounts {
		if (*a != chain.Account{}) {
			t = t.put(m.keys[i].Address(), account{uint64(a.Balance), a.Nonce})
		}
	}
	return t.root()
}

// transfer is a signed transfer of 5 with a fee of 1 from account 1 to account 2, changed before it is signed.
func transfer(m *maker, change func(*chain.Tx)) chain.Tx {
	x := chain.Tx{To: m.keys[2].Address(), Amount: 5, Fee: 1}
	if change != nil {
		change(&x)
	}
	m.keys[1].Sign(m.tree.Genesis().Hash(), &x)
	return x
}

var protocolRules = []rule{
	{
		name: "1 version", node: chain.ErrVersion, check: "version",
		block:      withHeader(func(_ *maker, h *chain.Header) { h.Version = 2 }),
		nodeEdit:   edit{nodeTree, "b.Version != HeaderVersion", "false"},
		ledgerEdit: edit{ownLedger, "h.version != 1", "false"},
	},
	{
		name: "1 height", node: chain.ErrHeight, check: "height",
		block:      withHeader(func(_ *maker, h *chain.Header) { h.Height++ }),
		nodeEdit:   edit{nodeTree, "b.Height != parent.block.Height+1", "false"},
		ledgerEdit: edit{ownLedger, "h.height != parent.height+1", "false"},
	},
	{
		name: "2 bits", node: chain.ErrBits, check: "difficulty",
		block:      withHeader(func(_ *maker, h *chain.Header) { h.Bits = 0x2000ffff }),
		nodeEdit:   edit{nodeEngine, "h.Bits != want", "h.Bits != want && false"},
		ledgerEdit: edit{ownLedger, "h.bits != want", "h.bits != want && false"},
	},
	{
		name: "2 proof of work", node: chain.ErrProof, check: "proof of work",
		block: func(m *maker) []byte {
			h, _ := m.draft(1000)
			target := must.Get(chain.TargetFromBits(h.Bits))(m.t)
			for ; target.Met(h.Hash()); h.Nonce++ {
			}
			return chain.NewBlock(h, nil).Append(nil)
		},
		nodeEdit:   edit{nodeEngine, "!target.Met(hash)", "!target.Met(hash) && false"},
		ledgerEdit: edit{ownLedger, ".Cmp(target) > 0", ".Cmp(target) > 1"},
	},
	{
		name: "3 median time", node: chain.ErrTimeOld, check: "time",
		block:      withHeader(func(m *maker, h *chain.Header) { h.Time = m.genesis.Time + 2000 }), // the median of 0, 1, 2, 3 s
		nodeEdit:   edit{nodeEngine, "h.Time < least", "h.Time < least-1"},
		ledgerEdit: edit{ownLedger, "h.time <= median", "h.time < median"},
	},
	{
		name: "3 at most 120 s ahead", node: chain.ErrFuture, check: "clock",
		block:      withHeader(func(m *maker, h *chain.Header) { h.Time = m.now + 120_001 }),
		nodeEdit:   edit{nodeEngine, "h.Time-now > MaxAhead", "h.Time-now > MaxAhead+1"},
		ledgerEdit: edit{ownLedger, "ahead > MaxAhead", "ahead > MaxAhead+time.Millisecond"},
	},
	{
		name: "4 tx root", node: chain.ErrTxRoot, check: "transaction root",
		block:      withHeader(func(_ *maker, h *chain.Header) { h.TxRoot[0] ^= 1 }),
		nodeEdit:   edit{nodeLedger, "!b.txsMatchRoot()", "false"},
		ledgerEdit: edit{ownLedger, "root != h.txRoot", "root != h.txRoot && false"},
	},
	{
		name: "5 amount of at least 1", node: chain.ErrAmount, check: "amount",
		block: spends(func(m *maker) []chain.Tx { return []chain.Tx{transfer(m, func(x *chain.Tx) { x.Amount = 0 })} },
			func(_ *maker, a map[int]*chain.Account) { a[1].Balance -= 1; a[1].Nonce++ }),
		nodeEdit:   edit{nodeLedger, "t.Amount == 0", "false"},
		ledgerEdit: edit{ownLedger, "t.amount == 0", "false"},
	},
	{
		name: "5 signature", node: chain.ErrSignature, check: "signature",
		block: spends(func(m *maker) []chain.Tx {
			x := transfer(m, nil)
			x.Sig[0] ^= 1
			return []chain.Tx{x}
		}, func(_ *maker, a map[int]*chain.Account) { a[1].Balance -= 6; a[1].Nonce++; a[2].Balance += 5 }),
		nodeEdit:   edit{nodeLedger, "!l.verify(t)", "false"},
		ledgerEdit: edit{ownLedger, "!verify(l.genesis, t)", "false"},
	},
	{
		name: "5 signature covers the network", node: chain.ErrSignature, check: "signature",
		block: spends(func(m *maker) []chain.Tx {
			x := transfer(m, nil)
			m.keys[1].Sign(chain.Hash{}, &x)
			return []chain.Tx{x}
		}, func(_ *maker, a map[int]*chain.Account) { a[1].Balance -= 6; a[1].Nonce++; a[2].Balance += 5 }),
		nodeEdit:   edit{nodeLedger, "l.memo.Verify(l.genesis.Hash(), t)", "l.memo.Verify(Hash{}, t)"},
		ledgerEdit: edit{ownLedger, "!verify(l.genesis, t)", "!verify([32]byte{}, t)"},
	},
	{
		name: "5 nonce too high", node: chain.ErrNonce, check: "nonce",
		block: spends(func(m *maker) []chain.Tx { return []chain.Tx{transfer(m, func(x *chain.Tx) { x.Nonce = 1 })} },
			func(_ *maker, a map[int]*chain.Account) { a[1].Balance -= 6; a[1].Nonce++; a[2].Balance += 5 }),
		nodeEdit:   edit{nodeLedger, "t.Nonce != from.Nonce", "false"},
		ledgerEdit: edit{ownLedger, "t.nonce != from.nonce", "false"},
	},
	{
		name: "5 a transfer twice", node: chain.ErrNonce, check: "nonce",
		block: spends(func(m *maker) []chain.Tx { x := transfer(m, nil); return []chain.Tx{x, x} },
			func(_ *maker, a map[int]*chain.Account) { a[1].Balance -= 12; a[1].Nonce += 2; a[2].Balance += 10 }),
		nodeEdit:   edit{nodeLedger, "t.Nonce != from.Nonce", "t.Nonce > from.Nonce"},
		ledgerEdit: edit{ownLedger, "t.nonce != from.nonce", "t.nonce > from.nonce"},
	},
	{
		name: "5 balance", node: chain.ErrFunds, check: "balance",
		block: spends(func(m *maker) []chain.Tx { return []chain.Tx{transfer(m, func(x *chain.Tx) { x.Amount = 1000 })} },
			func(_ *maker, a map[int]*chain.Account) { a[1].Balance -= 1001; a[1].Nonce++; a[2].Balance += 1000 }),
		nodeEdit:   edit{nodeLedger, "from.Balance < cost", "false"},
		ledgerEdit: edit{ownLedger, "from.balance < cost", "false"},
	},
	{
		name: "5 the miner cannot spend its reward in its own block", node: chain.ErrFunds, check: "balance",
		block: func(m *maker) []byte {
			// Account 4 has nothing, and mines the block.
			h, _ := m.draft(1000)
			x := chain.Tx{To: m.keys[2].Address(), Amount: 10}
			m.keys[4].Sign(m.tree.Genesis().Hash(), &x)
			h.Miner, h.TxRoot = m.keys[4].Address(), chain.TxRoot([]chain.Tx{x})
			return m.seal(h, []chain.Tx{x})
		},
	},
	{
		name: "7 state root", node: chain.ErrStateRoot, check: "state root",
		block:      withHeader(func(_ *maker, h *chain.Header) { h.StateRoot[0] ^= 1 }),
		nodeEdit:   edit{nodeLedger, "root != b.StateRoot", "root != b.StateRoot && false"},
		ledgerEdit: edit{ownLedger, "root != h.stateRoot", "root != h.stateRoot && false"},
	},
	{
		name: "6 the subsidy is paid once", node: chain.ErrStateRoot, check: "state root",
		block: spends(func(*maker) []chain.Tx { return nil },
			func(m *maker, a map[int]*chain.Account) { a[0].Balance += m.genesis.Subsidy }),
		nodeEdit:   edit{nodeLedger, "acct.Balance += subsidy + o.fees", "acct.Balance += 2*subsidy + o.fees"},
		ledgerEdit: edit{ownLedger, "miner.balance + reward", "miner.balance + reward + l.rules.subsidy"},
	},
	{
		name: "6 the fees go to the miner", node: chain.ErrStateRoot, check: "state root",
		block: spends(func(m *maker) []chain.Tx { return []chain.Tx{transfer(m, nil)} },
			func(_ *maker, a map[int]*chain.Account) {
				a[1].Balance -= 6
				a[1].Nonce++
				a[2].Balance += 5
				a[0].Balance -= 1 // the fee is lost
			}),
		nodeEdit:   edit{nodeLedger, "acct.Balance += subsidy + o.fees", "acct.Balance += subsidy"},
		ledgerEdit: edit{ownLedger, "l.rules.subsidy + fees;", "l.rules.subsidy + fees*0;"},
	},
}

// TestRules has a test for each rule of docs/protocol.md and each side: TestRules/RULE/node fails when the node drops the rule,
// TestRules/RULE/ledger when the ledger does.
func TestRules(t *testing.T) {
	for _, r := range protocolRules {
		m := newMaker(t, easy)
		l := m.ledger()
		for range 3 {
			must.Get(l.Add(m.next(1000)))(t)
		}
		raw := r.block(m)
		t.Run(r.name+"/node", func(t *testing.T) {
			_, err := m.tree.Add(must.Get(chain.DecodeBlock(raw))(t), m.now)
			if !errors.Is(err, r.node) || !errors.Is(err, chain.ErrInvalid) && !errors.Is(err, chain.ErrFuture) {
				t.Errorf("the node says %v, want %v", err, r.node)
			}
		})
		t.Run(r.name+"/ledger", func(t *testing.T) {
			info, err := l.Add(raw)
			if err == nil {
				err = info.CheckClock(time.UnixMilli(int64(m.now)))
			}
			var bad *InvalidError
			if !errors.As(err, &bad) || bad.Rule != r.check {
				t.Errorf("the ledger says %v, want %s", err, r.check)
			}
		})
	}
}

// TestRules_Dropped drops each rule from the source of the node and of the ledger, and shows that the test of that rule and side
// fails. It compiles for each, and runs only where NETSPLIT_DROP_RULES is set.
func TestRules_Dropped(t *testing.T) {
	if os.Getenv("NETSPLIT_DROP_RULES") == "" {
		t.Skip("NETSPLIT_DROP_RULES is not set")
	}
	top := must.Get(filepath.Abs("../../.."))(t)
	for i, r := range protocolRules {
		for side, e := range map[string]edit{"node": r.nodeEdit, "ledger": r.ledgerEdit} {
			if e.file == "" {
				continue
			}
			file := filepath.Join(top, e.file)
			src := string(must.Get(os.ReadFile(file))(t))
			if strings.Count(src, e.from) != 1 {
				t.Errorf("%s, %s: %d places in %s have %q", r.name, side, strings.Count(src, e.from), e.file, e.from)
				continue
			}
			dir := t.TempDir()
			changed := filepath.Join(dir, fmt.Sprint(i, side, ".go"))
			must.Do(t, os.WriteFile(changed, []byte(strings.Replace(src, e.from, e.to, 1)), 0o600))
			overlay := filepath.Join(dir, "overlay.json")
			text := must.Get(json.Marshal(map[string]any{"Replace": map[string]string{file: changed}}))(t)
			must.Do(t, os.WriteFile(overlay, text, 0o600))
			cmd := exec.Command("go", "test", "-vet=off", "-overlay", overlay, "-run", "^TestRules$", "-v", ".")
			out, _ := cmd.CombinedOutput() // it fails
			want := strings.ReplaceAll(fmt.Sprintf("--- FAIL: TestRules/%s/%s ", r.name, side), " ", "_")
			var failed []string
			for line := range strings.Lines(string(out)) {
				if line = strings.TrimSpace(line); strings.HasPrefix(line, "--- FAIL: TestRules/") {
					failed = append(failed, line)
				}
			}
			got := strings.ReplaceAll(strings.Join(failed, "\n"), " ", "_")
			if len(failed) == 0 && strings.Contains(string(out), "--- FAIL: TestRules (") {
				// Every block shows it, so that the two disagree on the first.
				failed, got = []string{"TestRules"}, want
			}
			if !strings.Contains(got, want) {
				t.Errorf("%s dropped from the %s: failed are %q\n%s", r.name, side, failed, out)
			}
			t.Logf("%-55s dropped from the %-6s: %s", r.name, side, strings.Join(failed, ", "))
		}
	}
}
