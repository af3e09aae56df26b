package chain

import (
	"testing"

	"github.com/netsplit/netsplit/ci/must"
)

func TestCache_EvictsUnused(t *testing.T) {
	c := cache[int, int]{limit: 4}
	for i := range 100 {
		c.put(i, -i)
		if v, ok := c.get(0); !ok || v != 0 {
			t.Fatalf("after %d: the entry in use was evicted", i)
		}
		if n := len(c.young) + len(c.old); n > 8 {
			t.Fatalf("after %d: %d entries held", i, n)
		}
	}
	if _, ok := c.get(1); ok {
		t.Error("an old entry is still held")
	}
	if v, ok := c.get(99); !ok || v != -99 {
		t.Errorf("the last entry: %d, %v", v, ok)
	}
}

func TestMemo_ExecutesOnce(t *testing.T) {
	for _, c := range []struct {
		name string
		memo *Memo
		want int
	}{{"nil", nil, 3}, {"signatures only", newSigMemo(), 3}, {"full", NewMemo(), 1}} {
		runs := 0
		for range 3 {
			s, err := c.memo.execute(Hash{1}, func() (State, error) {
				runs++
				return State{}.with([]entry{{Address{1}, Account{Nonce: 1}}}), ErrFunds
			})
			if err != ErrFunds || s.Len() != 1 {
				t.Errorf("%s: got %d accounts, %v", c.name, s.Len(), err)
			}
		}
		if runs != c.want {
			t.Errorf("%s: computed %d times, want %d", c.name, runs, c.want)
		}
	}
}

func TestMemo_SeparatesNetworks(t *testing.T) {
	_, k := testTree(t)
	tx := Tx{To: Address{1}, Amount: 1}
	k.Sign(Hash{1}, &tx)
	m := NewMemo()
	for range 2 {
		if !m.Verify(Hash{1}, &tx) || m.Verify(Hash{2}, &tx) {
			t.Error("a result of another network was used")
		}
	}
	if len(m.sigs.young) != 2 {
		t.Errorf("%d results cached, want 2", len(m.sigs.young))
	}
}

func TestMemo_CustomVerify(t *testing.T) {
	calls := 0
	m := NewMemoVerifying(func(genesis Hash, _ *Tx) bool {
		calls++
		return genesis == Hash{1}
	})
	tx := Tx{Amount: 1} // not signed
	for range 2 {
		if !m.Verify(Hash{1}, &tx) || m.Verify(Hash{2}, &tx) {
			t.Error("the custom check was not used")
		}
	}
	if calls != 2 {
		t.Errorf("called %d times, want 2", calls)
	}
}

func TestMemo_SharesLedgerOfEqualGenesis(t *testing.T) {
	m := NewMemo()
	first := must.Get(NewLedger(sampleGenesis(), m))(t)
	if again, err := NewLedger(sampleGenesis(), m); err != nil || again != first {
		t.Errorf("an equal genesis got another ledger, %v", err)
	}
	for i, edit := range genesisEdits {
		g := sampleGenesis()
		must.Get(NewLedger(g, m))(t)
		edit(g) // in place: the memo must have its own copy
		l, err := NewLedger(g, m)
		if err != nil || l.Genesis().Hash() != g.Block().Hash() {
			t.Errorf("edit %d: got another network's ledger, %v", i, err)
		}
	}
}
