package peers

import (
	"math/rand/v2"
	"time"

	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// How a Dialer paces itself.
const (
	firstRetry = time.Second
	maxRetry   = 2 * time.Second
	// steady is how long a connection must have lasted for its loss to be answered by a dial at once: a peer that
	// accepts and closes must not be dialled in a tight loop.
	steady = 2 * time.Second
	// lostDial is when a dial that was never answered is given up.
	lostDial = 20 * time.Second
)

// Dialer knows when to dial whom: the configured peers for ever, and one further address at a time.
type Dialer struct {
	targets []target
	extra   target // dialling, or the zero target
	rng     *rand.Rand
}

type target struct {
	addr    wire.Addr
	up      bool
	dialing bool
	at      int64 // when dialling: since when; else the time of the next dial
	fails   int
}

// NewDialer makes a dialer for the configured peers. rng jitters the retries.
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

// Configured says whether a peer is one of the configured.
func (d *Dialer) Configured(id chain.PeerID) bool { return d.find(id) != nil }

// AllUp says whether every configured peer is connected.
func (d *Dialer) AllUp() bool {
	for i := range d.targets {
		if !d.targets[i].up {
			return false
		}
	}
	return true
}

// Dialing says whether a dial to the peer is under way.
func (d *Dialer) Dialing(id chain.PeerID) bool {
	if d.extra.dialing && d.extra.addr.ID == id {
		return true
	}
	t := d.find(id)
	return t != nil && t.dialing
}

// Due appends to out the configured peers to dial now, at most max, and counts them as being dialled.
func (d *Dialer) Due(now int64, max int, out []wire.Addr) []wire.Addr {
	if d.extra.dialing && now-d.extra.at >= int64(lostDial) {
		d.extra = target{}
	}
	for i := range d.targets {
		t := &d.targets[i]
		if t.dialing && now-t.at >= int64(lostDial) {
			t.dialing, t.at = false, now
		}
		if max > 0 && !t.up && !t.dialing && t.at <= now && !(d.extra.dialing && d.extra.addr.ID == t.addr.ID) {
			t.dialing, t.at = true, now
			out = append(out, t.addr)
			max--
		}
	}
	return out
}

// Next is the time of the next dial that is due, or 0.
func (d *Dialer) Next() int64 {
	var next int64
	for i := range d.targets {
		if t := &d.targets[i]; !t.up && !t.dialing && (next == 0 || t.at < next) {
			next = t.at
		}
	}
	return next
}

// Extra counts an address that is not configured as being dialled; it says false when another one is already.
func (d *Dialer) Extra(a wire.Addr, now int64) bool {
	if d.extra.dialing {
		return false
	}
	d.extra = target{addr: a, dialing: true, at: now}
	return true
}

// Up says that a connection to the peer is there, whoever dialled.
func (d *Dialer) Up(id chain.PeerID) {
	if d.extra.addr.ID == id {
		d.extra = target{}
	}
	if t := d.find(id); t != nil {
		t.up, t.dialing, t.fails = true, false, 0
	}
}

// Down says that the connection is gone after it lasted for some time. notBefore is the earliest time of the next dial,
// or 0.
func (d *Dialer) Down(id chain.PeerID, now int64, lasted time.Duration, notBefore int64) {
	t := d.find(id)
	if t == nil {
		return
	}
	t.up, t.at = false, now
	if lasted < steady {
		t.at = now + d.delay(1)
	}
	t.at = max(t.at, notBefore)
}

// Failed says that a dial failed.
func (d *Dialer) Failed(id chain.PeerID, now int64) {
	if d.extra.addr.ID == id {
		d.extra = target{}
	}
	if t := d.find(id); t != nil && t.dialing && !t.up {
		t.dialing = false
		t.fails++
		t.at = now + d.delay(t.fails)
	}
}

// delay is between one and two seconds: short first, so that a heal is noticed quickly, and jittered, so that nodes that
// lost each other at one moment do not dial at one moment.
func (d *Dialer) delay(fails int) int64 {
	spread := int64(maxRetry-firstRetry) / 2
	low := int64(firstRetry)
	if fails > 1 {
		low += spread
	}
	return low + d.rng.Int64N(spread)
}
