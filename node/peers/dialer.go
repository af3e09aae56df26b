package peers

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// Timing of dials.
const (
	firstRetry = time.Second
	maxRetry   = 2 * time.Second
	// minUptime is how long a connection must have lasted for the peer to be dialled again at once: a peer that accepts
	// and closes must not be dialled in a tight loop.
	minUptime = 2 * time.Second
	// dialTimeout is the time after which a dial without a result counts as failed.
	dialTimeout = 20 * time.Second
)

// Dialer decides when to dial whom: the configured peers for ever, and one other address at a time.
type Dialer struct {
	targets []target
	other   target // not configured; dialling, or the zero target
	rng     *rand.Rand
}

type target struct {
	addr    wire.Addr
	up      bool
	dialing bool
	at      int64 // while dialling: since when; otherwise the time of the next dial
	fails   int
}

// NewDialer returns a dialer for the configured peers. rng adds jitter to the retries.
func NewDialer(configured []wire.Addr, rng *rand.Rand) *Dialer {
	d := &Dialer{rng: rng, targets: make([]target, len(configured))}
	for i, a := range configured {
		d.targets[i].addr = a
	}
	return d
}

func (d *Dialer) find(id chain.PeerID) *target {
	for i := range d.targets {
		if d.targets[i].addr.ID == id {
			return &d.targets[i]
		}
	}
	return nil
}

// Configured reports whether a peer is configured.
func (d *Dialer) Configured(id chain.PeerID) bool { return d.find(id) != nil }

// AllUp reports whether every configured peer is connected.
func (d *Dialer) AllUp() bool {
	return !slices.ContainsFunc(d.targets, func(t target) bool { return !t.up })
}

// Dialing reports whether the peer is being dialled.
func (d *Dialer) Dialing(id chain.PeerID) bool {
	if d.other.dialing && d.other.addr.ID == id {
		return true
	}
	t := d.find(id)
	return t != nil && t.dialing
}

// Due appends to out the configured peers to dial now, at most max, and marks them as being dialled.
func (d *Dialer) Due(now int64, max int, out []wire.Addr) []wire.Addr {
	if d.other.dialing && now-d.other.at >= int64(dialTimeout) {
		d.other = target{}
	}
	for i := range d.targets {
		t := &d.targets[i]
		if t.dialing && now-t.at >= int64(dialTimeout) {
			t.dialing, t.at = false, now
		}
		if max > 0 && !t.up && !t.dialing && t.at <= now && !(d.other.dialing && d.other.addr.ID == t.addr.ID) {
			t.dialing, t.at = true, now
			out = append(out, t.addr)
			max--
		}
	}
	return out
}

// Next is the time of the next dial, or 0.
func (d *Dialer) Next() int64 {
	var next int64
	for i := range d.targets {
		if t := &d.targets[i]; !t.up && !t.dialing && (next == 0 || t.at < next) {
			next = t.at
		}
	}
	return next
}

// DialOther marks an address that is not configured as being dialled. It returns false while another one is.
func (d *Dialer) DialOther(a wire.Addr, now int64) bool {
	if d.other.dialing {
		return false
	}
	d.other = target{addr: a, dialing: true, at: now}
	return true
}

// Up notes that the peer is connected, whoever dialled.
func (d *Dialer) Up(id chain.PeerID) {
	if d.other.addr.ID == id {
		d.other = target{}
	}
	if t := d.find(id); t != nil {
		t.up, t.dialing, t.fails = true, false, 0
	}
}

// Down notes that a connection ended after it lasted for some time. notBefore is the earliest time of the next dial, or 0.
func (d *Dialer) Down(id chain.PeerID, now int64, lasted time.Duration, notBefore int64) {
	t := d.find(id)
	if t == nil {
		return
	}
	t.up, t.at = false, now
	if lasted < minUptime {
		t.at = now + d.delay(1)
	}
	t.at = max(t.at, notBefore)
}

// Failed notes that a dial failed.
func (d *Dialer) Failed(id chain.PeerID, now int64) {
	if d.other.addr.ID == id {
		d.other = target{}
	}
	if t := d.find(id); t != nil && t.dialing && !t.up {
		t.dialing = false
		t.fails++
		t.at = now + d.delay(t.fails)
	}
}

// delay is between one and two seconds: short first, so that nodes reconnect soon after a heal, and with jitter, so that
// nodes that were cut off at one moment do not all dial at one moment.
func (d *Dialer) delay(fails int) int64 {
	spread := int64(maxRetry-firstRetry) / 2
	low := int64(firstRetry)
	if fails > 1 {
		low += spread
	}
	return low + d.rng.Int64N(spread)
}
