package peers

import (
	"math/rand/v2"
	"slices"

	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// MaxBook is the most addresses in a Book.
const MaxBook = 256

// Book is a bounded list of addresses in a fixed order. The zero Book is empty and ready for use.
type Book struct {
	addrs []wire.Addr
	fixed int // the first addresses are never replaced
}

// AddFixed adds an address that is never replaced. It must be called before Add.
func (b *Book) AddFixed(a wire.Addr) {
	if len(b.addrs) < MaxBook && b.find(a.ID) < 0 {
		b.addrs = append(b.addrs, a)
		b.fixed = len(b.addrs)
	}
}

// Add adds an address. A full book replaces a random address; a peer's new address replaces its old one.
func (b *Book) Add(a wire.Addr, rng *rand.Rand) {
	if a.Addr == "" {
		return
	}
	if i := b.find(a.ID); i >= 0 {
		if i >= b.fixed {
			b.addrs[i] = a
		}
		return
	}
	switch {
	case len(b.addrs) < MaxBook:
		b.addrs = append(b.addrs, a)
	case b.fixed < MaxBook:
		b.addrs[b.fixed+rng.IntN(MaxBook-b.fixed)] = a
	}
}

// Remove removes an address, unless it is fixed.
func (b *Book) Remove(id chain.PeerID) {
	if i := b.find(id); i >= b.fixed {
		b.addrs = slices.Delete(b.addrs, i, i+1)
	}
}

func (b *Book) find(id chain.PeerID) int {
	return slices.IndexFunc(b.addrs, func(a wire.Addr) bool { return a.ID == id })
}

// Len is the number of addresses.
func (b *Book) Len() int { return len(b.addrs) }

// Sample returns at most n different addresses for which keep is true, in random order.
func (b *Book) Sample(n int, rng *rand.Rand, keep func(*wire.Addr) bool) []wire.Addr {
	var out []wire.Addr
	if len(b.addrs) == 0 {
		return nil
	}
	// A random start and a random step that is coprime to the length visit every place once without a copy.
	at, step := rng.IntN(len(b.addrs)), 1+rng.IntN(len(b.addrs))
	for gcd(step, len(b.addrs)) != 1 {
		step++
	}
	for i := 0; i < len(b.addrs) && len(out) < n; i++ {
		if a := &b.addrs[at]; keep(a) {
			out = append(out, *a)
		}
		at = (at + step) % len(b.addrs)
	}
	return out
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
