package peers

import (
	"time"

	"github.com/netsplit/netsplit/node/chain"
)

// Limits of Bans.
const (
	BanTime = 60 * time.Second
	MaxBans = 256
)

// Bans is a bounded table of banned peers. When it is full, a new ban replaces the one that ends first. The zero Bans is
// empty and ready for use.
type Bans struct{ list []ban }

type ban struct {
	id     chain.PeerID
	until  int64
	reason string
}

// Add bans a peer for BanTime from now.
func (b *Bans) Add(id chain.PeerID, now int64, reason string) {
	until := now + int64(BanTime)
	first := -1
	for i := range b.list {
		if b.list[i].id == id {
			b.list[i].until, b.list[i].reason = until, reason
			return
		}
		if first < 0 || b.list[i].until < b.list[first].until {
			first = i
		}
	}
	if len(b.list) < MaxBans {
		b.list = append(b.list, ban{id, until, reason})
		return
	}
	b.list[first] = ban{id, until, reason}
}

// Each calls fn for every peer that is banned now.
func (b *Bans) Each(now int64, fn func(id chain.PeerID, until int64, reason string)) {
	for _, x := range b.list {
		if x.until > now {
			fn(x.id, x.until, x.reason)
		}
	}
}

// Until returns the time at which a peer's ban ends, and whether it is banned now.
func (b *Bans) Until(id chain.PeerID, now int64) (int64, bool) {
	for i := range b.list {
		if b.list[i].id == id {
			return b.list[i].until, b.list[i].until > now
		}
	}
	return 0, false
}

// Len is the number of entries, including bans that have ended.
func (b *Bans) Len() int { return len(b.list) }
