package peers

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

func id(i int) chain.PeerID { return chain.PeerID{byte(i >> 8), byte(i)} }

func at(i int) wire.Addr { return wire.Addr{ID: id(i), Addr: fmt.Sprint("h:", i)} }

func rng() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

func all(*wire.Addr) bool { return true }

func TestBook(t *testing.T) {
	var b Book
	r := rng()
	if b.Sample(3, r, all) != nil {
		t.Error("an empty book returns addresses")
	}
	b.AddFixed(at(1))
	b.AddFixed(at(1))
	b.Add(wire.Addr{ID: id(1), Addr: "evil:1"}, r)
	b.Add(wire.Addr{ID: id(9)}, r)
	b.Remove(id(1))
	if b.Len() != 1 || b.addrs[0] != at(1) {
		t.Fatalf("%v", b.addrs)
	}
	b.Add(at(2), r)
	b.Add(wire.Addr{ID: id(2), Addr: "moved:1"}, r)
	if b.Len() != 2 || b.addrs[1].Addr != "moved:1" {
		t.Fatalf("%v", b.addrs)
	}
	b.Remove(id(2))
	for i := range 10 * MaxBook {
		b.Add(at(i+2), r)
	}
	if b.Len() != MaxBook || b.addrs[0] != at(1) {
		t.Errorf("%d addresses, the fixed one is %v", b.Len(), b.addrs[0])
	}
	for _, n := range []int{1, 7, MaxBook, 2 * MaxBook} {
		seen := map[chain.PeerID]bool{}
		for _, a := range b.Sample(n, r, all) {
			seen[a.ID] = true
		}
		if len(seen) != min(n, MaxBook) {
			t.Errorf("sample of %d has %d different addresses", n, len(seen))
		}
	}
	if got := b.Sample(5, r, func(a *wire.Addr) bool { return a.ID == id(1) }); len(got) != 1 || got[0] != at(1) {
		t.Errorf("filtered sample: %v", got)
	}
	var full Book
	for i := range MaxBook + 1 {
		full.AddFixed(at(i))
	}
	full.Add(at(999), r)
	if full.Len() != MaxBook || full.find(id(999)) >= 0 {
		t.Error("fixed addresses are not bounded, or were replaced")
	}
}

func TestBans(t *testing.T) {
	var b Bans
	const second = int64(time.Second)
	b.Add(id(1), 0, "invalid block")
	if until, banned := b.Until(id(1), 59*second); !banned || until != 60*second {
		t.Error("not banned")
	}
	if _, banned := b.Until(id(1), 60*second); banned {
		t.Error("banned for ever")
	}
	b.Add(id(1), 100*second, "invalid block")
	if until, _ := b.Until(id(1), 0); until != 160*second || b.Len() != 1 {
		t.Error("a ban is not renewed")
	}
	for i := range 2 * MaxBans {
		b.Add(id(i+2), 200*second+int64(i), "invalid block")
	}
	if _, banned := b.Until(id(2*MaxBans+1), 210*second); b.Len() != MaxBans || !banned {
		t.Errorf("%d bans", b.Len())
	}
	if _, banned := b.Until(id(2), 210*second); banned {
		t.Error("the ban that ends first was not replaced")
	}
}

func TestDialer(t *testing.T) {
	d := NewDialer([]wire.Addr{at(1), at(2)}, rng())
	if got := d.Due(0, 9, nil); len(got) != 2 {
		t.Fatalf("due at the start: %v", got)
	}
	if got := d.Due(0, 9, nil); len(got) != 0 || d.Next() != 0 || !d.Dialing(id(1)) {
		t.Fatalf("dialled twice: %v", got)
	}
	d.Up(id(1))
	d.Failed(id(2), 0)
	if d.AllUp() || d.Dialing(id(1)) || !d.Configured(id(2)) || d.Configured(id(3)) {
		t.Error("state")
	}
	next := d.Next()
	if next < int64(firstRetry) || next > int64(maxRetry) {
		t.Errorf("first retry after %v", time.Duration(next))
	}
	if got := d.Due(next, 0, nil); len(got) != 0 {
		t.Error("no room, but dialled")
	}
	if got := d.Due(next-1, 9, nil); len(got) != 0 {
		t.Error("dialled too soon")
	}
	if got := d.Due(next, 9, nil); len(got) != 1 || got[0] != at(2) {
		t.Errorf("due: %v", got)
	}
	d.Up(id(2))
	d.Failed(id(2), next) // one of two dials that crossed
	if !d.AllUp() {
		t.Error("not all are up")
	}
	now := int64(time.Hour)
	d.Down(id(1), now, time.Minute, 0)
	if d.Next() != now {
		t.Error("a peer that was connected for long is not dialled at once")
	}
	d.Down(id(1), now, time.Second, 0)
	if d.Next() < now+int64(firstRetry) {
		t.Error("a peer that disconnects is dialled in a loop")
	}
	d.Down(id(1), now, time.Minute, now+int64(BanTime))
	if d.Next() != now+int64(BanTime) {
		t.Error("a banned peer is dialled")
	}
	d.Down(id(9), now, 0, 0)
}

func TestDialer_DialOther(t *testing.T) {
	d := NewDialer([]wire.Addr{at(1)}, rng())
	if !d.DialOther(at(5), 0) || d.DialOther(at(6), 0) || !d.Dialing(id(5)) {
		t.Fatal("more than one other address is dialled")
	}
	d.Failed(id(5), 0)
	if !d.DialOther(at(6), 0) {
		t.Fatal("a failed dial blocks the next")
	}
	d.Up(id(6))
	if !d.DialOther(at(7), 0) {
		t.Fatal("a successful dial blocks the next")
	}
	d.Due(0, 9, nil)
	if got := d.Due(int64(dialTimeout), 9, nil); len(got) != 1 || d.Dialing(id(7)) {
		t.Errorf("dials without a result do not time out: %v", got)
	}
}
