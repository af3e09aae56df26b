package mempool

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

func addr(i int) chain.Address { return chain.Address{byte(i >> 8), byte(i)} }

func tx(from int, nonce uint64, fee chain.Amount) *wire.Tx {
	return wire.NewTx(chain.Tx{From: addr(from), To: addr(999), Amount: 1, Fee: fee, Nonce: nonce})
}

// rich is an account that can pay.
func rich(nonce uint64) chain.Account { return chain.Account{Balance: 1e9, Nonce: nonce} }

func newPool() *Pool { return New(func(m *wire.Tx) bool { return m.Tx.Sig[0] == 0 }) }

func (p *Pool) must(t *testing.T, ms ...*wire.Tx) {
	t.Helper()
	for _, m := range ms {
		must.Do(t, p.Add(m, rich(0)))
	}
}

func names(ms []*wire.Tx) (out []string) {
	for _, m := range ms {
		out = append(out, fmt.Sprintf("%d/%d", m.Tx.From[1], m.Tx.Nonce))
	}
	return out
}

func TestPool_AddErrors(t *testing.T) {
	p := newPool()
	p.must(t, tx(1, 0, 5))
	forged := tx(2, 0, 1)
	forged = wire.NewTx(func() chain.Tx { c := forged.Tx; c.Sig[0] = 1; return c }())
	free := wire.NewTx(chain.Tx{From: addr(2), Fee: 1})
	huge := wire.NewTx(chain.Tx{From: addr(2), Amount: 2, Fee: ^chain.Amount(0)})
	for _, tt := range []struct {
		name    string
		m       *wire.Tx
		account chain.Account
		want    error
		never   bool
	}{
		{"known", tx(1, 0, 5), rich(0), ErrKnown, false},
		{"same fee", wire.NewTx(chain.Tx{From: addr(1), Amount: 2, Fee: 5}), rich(0), ErrUnderpriced, false},
		{"used", tx(2, 3, 1), rich(4), ErrUsed, false},
		{"gap", tx(2, MaxGap+1, 1), rich(0), ErrGap, false},
		{"gap after pending", tx(1, MaxGap+2, 1), rich(0), ErrGap, false},
		{"poor", tx(2, 0, 10), chain.Account{Balance: 10}, chain.ErrFunds, false},
		{"forged", forged, rich(0), chain.ErrSignature, true},
		{"amount", free, rich(0), chain.ErrAmount, true},
		{"overflow", huge, rich(0), chain.ErrOverflow, true},
	} {
		version := p.Version()
		if err := p.Add(tt.m, tt.account); !errors.Is(err, tt.want) || NeverValid(err) != tt.never {
			t.Errorf("%s: %v", tt.name, err)
		}
		if p.Len() != 1 || p.Version() != version {
			t.Errorf("%s: the pool changed", tt.name)
		}
	}
	p.must(t, tx(1, MaxGap+1, 1), tx(2, MaxGap, 1))
}

func TestPool_ReplaceByFee(t *testing.T) {
	p := newPool()
	old, better := tx(1, 0, 5), tx(1, 0, 6)
	p.must(t, old, better)
	if p.Has(old.ID()) || !p.Has(better.ID()) || p.Len() != 1 {
		t.Error("a higher fee does not replace")
	}
	if m, ok := p.Get(better.ID()); !ok || m != better {
		t.Error("Get")
	}
	if _, ok := p.Get(old.ID()); ok {
		t.Error("Get returns a removed transaction")
	}
}

func TestPool_SenderLimit(t *testing.T) {
	p := newPool()
	for i := range uint64(MaxPerSender) {
		p.must(t, tx(1, i+1, 1)) // nonce 0 is missing
		if i+1 == MaxGap {
			break
		}
	}
	if err := p.Add(tx(1, MaxGap+1, 1), rich(0)); !errors.Is(err, ErrGap) {
		t.Fatal(err)
	}
	p = newPool()
	for i := range uint64(MaxPerSender) {
		p.must(t, tx(1, i, 1))
	}
	if err := p.Add(tx(1, MaxPerSender, 9), rich(0)); !errors.Is(err, ErrSenderFull) {
		t.Fatal(err)
	}
	// The account's nonce goes back in a reorganisation: a lower nonce evicts the highest.
	p = newPool()
	for i := range uint64(MaxPerSender) {
		must.Do(t, p.Add(tx(1, i+1, 1), rich(1)))
	}
	p.must(t, tx(1, 0, 1))
	if p.Len() != MaxPerSender || p.Next(addr(1), 0) != MaxPerSender {
		t.Errorf("%d pending, next %d", p.Len(), p.Next(addr(1), 0))
	}
}

func TestPool_FullEvictsLowestFee(t *testing.T) {
	p := newPool()
	for i := range MaxTxs {
		p.must(t, tx(i, 0, chain.Amount(10+i%2)))
	}
	if err := p.Add(tx(MaxTxs, 0, 10), rich(0)); !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	last := tx(MaxTxs-2, 0, 10) // the lowest fee, arrived last
	p.must(t, tx(MaxTxs, 0, 11))
	if p.Len() != MaxTxs || p.Has(last.ID()) {
		t.Errorf("%d pending; the latest with the lowest fee is still pending: %t", p.Len(), p.Has(last.ID()))
	}
}

func TestPool_Order(t *testing.T) {
	p := newPool()
	p.must(t, tx(1, 1, 9), tx(1, 0, 1), tx(2, 0, 5), tx(3, 0, 5), tx(4, 2, 8), tx(1, 3, 50))
	nonce := func(chain.Address) uint64 { return 0 }
	if diff := cmp.Diff([]string{"2/0", "3/0", "1/0", "1/1"}, names(p.Ready(10, nonce))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"2/0", "3/0"}, names(p.Ready(2, nonce))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"4/2", "2/0", "3/0", "1/0", "1/1", "1/3"}, names(p.All(10))); diff != "" {
		t.Error(diff)
	}
	if p.Ready(0, nonce) != nil || newPool().All(5) != nil {
		t.Error("an empty result is not nil")
	}
	if p.Next(addr(1), 0) != 2 || p.Next(addr(4), 0) != 0 || p.Next(addr(9), 7) != 7 {
		t.Error("Next")
	}
}

func TestPool_Update(t *testing.T) {
	p := newPool()
	p.must(t, tx(1, 0, 1), tx(1, 1, 1), tx(1, 2, 100), tx(2, 0, 1))
	p.Update(addr(1), chain.Account{Balance: 50, Nonce: 1})
	if diff := cmp.Diff([]string{"1/1", "2/0"}, names(p.All(9))); diff != "" {
		t.Error(diff)
	}
	p.Update(addr(1), chain.Account{Nonce: 9})
	p.Update(addr(3), chain.Account{})
	if p.Len() != 1 || len(p.senders) != 1 {
		t.Errorf("%d pending of %d senders", p.Len(), len(p.senders))
	}
}

func TestPool_Before(t *testing.T) {
	p := newPool()
	p.must(t, tx(1, 0, 1), tx(2, 1, 9))
	mark := p.Arrivals()
	p.must(t, tx(3, 0, 5), tx(1, 1, 1))
	if d := cmp.Diff([]string{"2/1", "1/0"}, names(p.Before(mark, 10))); d != "" {
		t.Error(d)
	}
	if got := names(p.Before(mark, 1)); len(got) != 1 || got[0] != "2/1" {
		t.Errorf("at most one: %v", got)
	}
	if got := p.Before(0, 10); got != nil {
		t.Errorf("none had arrived: %v", names(got))
	}
}
