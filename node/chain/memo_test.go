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

// counted is a memo that counts the results that are computed.
func counted() (m *Memo, computed *int) {
	m, computed = NewMemo(), new(int)
	m.computed = func() { *computed++ }
	return m, computed
}

func TestMemo_SignaturesAreSharedOnceManyAgree(t *testing.T) {
	_, k := testTree(t)
	tx := Tx{To: Address{1}, Amount: 1}
	k.Sign(Hash{1}, &tx)
	m, computed := counted()
	for range ownResults + 10 {
		if valid, _ := m.Verify(Hash{1}, &tx); !valid {
			t.Error("a good signature is refused")
		}
		if valid, _ := m.Verify(Hash{2}, &tx); valid {
			t.Error("a result of another network was used")
		}
	}
	if *computed != 2*ownResults {
		t.Errorf("computed %d times, want %d", *computed, 2*ownResults)
	}
}

func TestMemo_ResultsThatDifferAreNotShared(t *testing.T) {
	calls := 0
	m := NewMemoVerifying(func(Hash, *Tx) bool { calls++; return calls != 7 })
	tx := Tx{Amount: 1} // not signed
	refused := 0
	for range 3 * ownResults {
		if valid, own := m.Verify(Hash{1}, &tx); !valid {
			refused++
		} else if !own {
			t.Fatal("a result was shared")
		}
	}
	if calls != 3*ownResults || refused != 1 {
		t.Errorf("%d calls, %d refused", calls, refused)
	}
}

// Each ledger checks a signature once, whatever others have found.
func TestLedger_VerifiesByItself(t *testing.T) {
	m, computed := counted()
	_, k := testTree(t)
	tx := Tx{To: Address{1}, Amount: 1}
	k.Sign(sampleGenesis().Block().Hash(), &tx)
	for range 5 {
		l := must.Get(NewLedger(sampleGenesis(), m))(t)
		for range 3 {
			must.Do(t, l.CheckTx(&tx))
		}
	}
	if *computed != 5 {
		t.Errorf("computed %d times, want 5", *computed)
	}
}

func TestMemo_SharesEqualStatesOnly(t *testing.T) {
	of := func(nonce uint64) State {
		return State{}.with([]entry{{Address{1}, Account{Nonce: 1}}, {Address{2}, Account{Nonce: nonce}}})
	}
	execute := func(m *Memo, s State) State {
		return must.Get(m.execute(Hash{1}, State{}, func() (State, error) { return s, nil }))(t)
	}
	m := NewMemo()
	first := of(1)
	if execute(m, first).s != first.s {
		t.Error("the first state was replaced")
	}
	if execute(m, of(1)).s != first.s {
		t.Error("an equal state is not shared")
	}
	if other := of(2); execute(m, other).s != other.s {
		t.Error("another state of the same block was replaced")
	}
	// A node whose states have the right root by mistake keeps its own.
	wrong := of(2)
	wrong.s.root.hash = first.s.root.hash
	if execute(m, wrong).s != wrong.s {
		t.Error("a state with a wrong root was replaced")
	}
	if execute(nil, wrong).s != wrong.s {
		t.Error("no memo")
	}
}

func TestMemo_ExecutesUntilManyAgree(t *testing.T) {
	s := State{}.with([]entry{{Address{1}, Account{Nonce: 1}}})
	const calls = ownResults + 10*sampledBlock
	for _, c := range []struct {
		name   string
		run    func(call int) (State, error)
		parent func(call int) State
		want   int
	}{
		{"all equal", nil, nil, ownResults + 10},
		{"one fails", func(call int) (State, error) {
			if call == 9 {
				return State{}, ErrFunds
			}
			return s, nil
		}, nil, calls},
		{"one differs", func(call int) (State, error) {
			if call == 9 {
				return State{}.with([]entry{{Address{1}, Account{Nonce: 2}}}), nil
			}
			return s, nil
		}, nil, calls},
		{"on states of their own", nil, func(int) State { return State{&summary{}} }, calls},
	} {
		m, computed := counted()
		for call := range calls {
			parent := State{}
			if c.parent != nil {
				parent = c.parent(call)
			}
			_, _ = m.execute(Hash{1}, parent, func() (State, error) {
				if c.run == nil {
					return s, nil
				}
				return c.run(call)
			})
		}
		if *computed != c.want {
			t.Errorf("%s: computed %d times, want %d", c.name, *computed, c.want)
		}
	}
}

func TestMemo_SharesLedgerOfEqualGenesis(t *testing.T) {
	m := NewMemo()
	first := must.Get(NewLedger(sampleGenesis(), m))(t)
	if again, err := NewLedger(sampleGenesis(), m); err != nil || again == first || again.state.s != first.state.s {
		t.Errorf("an equal genesis does not share the state, %v", err)
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
