package probe

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/netsplit/netsplit/faults"
)

// Host is where a node is: its address and the path of its network namespace, empty while it does not run.
type Host struct {
	Node  faults.NodeID
	Addr  netip.Addr
	Netns string
}

// run collects what arrives of one probe. Its methods may be called from several goroutines.
type run struct {
	id    uint64
	from  []netip.Addr // by link
	to    []netip.Addr
	count int

	mu      sync.Mutex
	seen    []bool // by link and sequence number
	delays  [][]time.Duration
	sent    []int // by link
	balance int   // packets sent less packets arrived
	over    bool  // all are sent
	all     chan struct{}
}

// newRun prepares to measure links with count packets each.
func newRun(id uint64, from, to []netip.Addr, count int) *run {
	return &run{
		id: id, from: from, to: to, count: count,
		seen:   make([]bool, len(from)*count),
		delays: make([][]time.Duration, len(from)),
		sent:   make([]int, len(from)),
		all:    make(chan struct{}),
	}
}

// arrive takes in a datagram that came from src to dst. What is not of this run, came another way than its link's, or
// came before is ignored.
func (r *run) arrive(datagram []byte, src, dst netip.Addr, at int64) {
	p, ok := parse(datagram)
	if !ok || p.run != r.id || int64(p.link) >= int64(len(r.from)) || int64(p.seq) >= int64(r.count) {
		return
	}
	if r.from[p.link] != src || r.to[p.link] != dst {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	slot := int(p.link)*r.count + int(p.seq)
	if r.seen[slot] {
		return
	}
	r.seen[slot] = true
	// Both times are of one clock, but it may be set back while a packet is on its way.
	r.delays[p.link] = append(r.delays[p.link], time.Duration(max(0, at-p.sent)))
	r.balance--
	r.check()
}

// left notes that a packet of a link was sent.
func (r *run) left(link int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent[link]++
	r.balance++
}

// finish notes that all packets are sent.
func (r *run) finish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	r.check()
}

// check closes all when nothing is on its way any more. r.mu is held.
func (r *run) check() {
	if r.over && r.balance == 0 {
		r.over = false // closed once
		close(r.all)
	}
}

// result is what was measured on links, which are those that the run was made for.
func (r *run) result(links []faults.Link) []faults.Measurement {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]faults.Measurement, len(links))
	for i, l := range links {
		d := slices.Clone(r.delays[i])
		out[i] = faults.Measurement{Link: l, Sent: r.sent[i], Received: len(d)}
		if len(d) == 0 {
			continue
		}
		slices.Sort(d)
		out[i].Min, out[i].Median, out[i].Max = d[0], d[(len(d)-1)/2], d[len(d)-1]
	}
	return out
}
