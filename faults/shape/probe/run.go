package probe

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/netsplit/netsplit/faults"
)

// Host is where a node runs: its address, and the path of its network namespace (empty while the node does not run).
// Probes are sent and received inside that namespace, whatever program runs there.
type Host struct {
	Node  faults.NodeID `json:"node"`
	Addr  netip.Addr    `json:"addr"`
	Netns string        `json:"netns,omitempty"`
}

// run collects the arrivals of one probe. Its methods may be called from several goroutines.
type run struct {
	id    uint64
	from  []netip.Addr // by link
	to    []netip.Addr
	count int

	mu      sync.Mutex
	seen    []bool // by link and sequence number
	arrived [][]arrival
	sent    []int           // by link
	late    []time.Duration // by link: the most by which a packet was sent too late
	pending int             // packets sent and not arrived
	allSent bool
	sentAt  time.Time     // when all were; zero: not yet
	done    chan struct{} // closed when all are sent and arrived
}

// arrival is a packet that arrived: its delay, and the part of that which is due to an engine's being late.
type arrival struct{ delay, overdue time.Duration }

// newRun prepares to measure links with count packets each.
func newRun(id uint64, from, to []netip.Addr, count int) *run {
	return &run{
		id: id, from: from, to: to, count: count,
		seen:    make([]bool, len(from)*count),
		arrived: make([][]arrival, len(from)),
		sent:    make([]int, len(from)),
		late:    make([]time.Duration, len(from)),
		done:    make(chan struct{}),
	}
}

// arrive takes in a datagram from src to dst. It ignores datagrams of other runs, with addresses other than their link's,
// and duplicates.
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
	a := arrival{delay: time.Duration(max(0, at-p.sent)), overdue: notHeld}
	if p.overdue != notHeld {
		a.overdue = time.Duration(min(max(0, p.overdue), int64(a.delay)))
	}
	r.arrived[p.link] = append(r.arrived[p.link], a)
	r.pending--
	r.check()
}

// countSent notes that a packet of a link is sent, so much later than planned.
func (r *run) countSent(link int, late time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent[link]++
	r.late[link] = max(r.late[link], late)
	r.pending++
}

// finish notes that all packets are sent.
func (r *run) finish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.allSent, r.sentAt = true, time.Now()
	r.check()
}

// check closes done when no packet is pending any more. r.mu is held.
func (r *run) check() {
	if r.allSent && r.pending == 0 {
		r.allSent = false // closed once
		close(r.done)
	}
}

// result returns the measurements. links are those that the run was made for.
func (r *run) result(links []faults.Link) []faults.Measurement {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]faults.Measurement, len(links))
	var waited time.Duration
	if !r.sentAt.IsZero() {
		waited = time.Since(r.sentAt)
	}
	for i, l := range links {
		all := slices.Clone(r.arrived[i])
		m := &out[i]
		*m = faults.Measurement{Link: l, Sent: r.sent[i], Received: len(all), Late: r.late[i], Waited: waited}
		if len(all) == 0 {
			continue
		}
		slices.SortFunc(all, func(a, b arrival) int {
			return cmp.Or(cmp.Compare(a.delay, b.delay), cmp.Compare(a.overdue, b.overdue))
		})
		held := !slices.ContainsFunc(all, func(a arrival) bool { return a.overdue == notHeld })
		for _, a := range all {
			m.Delays = append(m.Delays, a.delay)
			if held {
				m.Overdue = append(m.Overdue, a.overdue)
			}
		}
		m.Min, m.Median, m.Max = m.Delays[0], m.Delays[(len(all)-1)/2], m.Delays[len(all)-1]
	}
	return out
}

const (
	// spacing is the least time between two packets of one probe: 20,000 packets/s do not disturb the delays that they
	// measure.
	spacing = 50 * time.Microsecond
	// settle is the least time between the warm-up packets and the first that are measured.
	settle = 5 * time.Millisecond
	// maxSpread is the longest part of a round in which the packets of few links are sent.
	maxSpread = 100 * time.Millisecond
)

// timetable says when the packets of a probe are sent: in rounds, one packet a link in each, spread evenly over the round
// or its first part, so that no engine has to release them all at one moment.
type timetable struct {
	links  int
	rounds int
	warmUp time.Duration // from the start of the first round to the start of the second
	spread time.Duration // the part of any other round in which packets are sent
	round  time.Duration // from the start of any other round to the start of the next
}

// newTimetable makes the timetable of a plan for a number of links, at least 1. Round 0 is the warm-up.
func newTimetable(links int, plan faults.ProbePlan) timetable {
	return timetable{
		links:  links,
		rounds: plan.Count + 1,
		warmUp: max(settle, time.Duration(links)*spacing),
		spread: max(min(max(plan.Interval, settle), maxSpread), time.Duration(links)*spacing),
		round:  max(plan.Interval, settle, time.Duration(links)*spacing),
	}
}

// at is when a link's packet of a round is sent, after the start.
func (t timetable) at(round, link int) time.Duration {
	share := func(of time.Duration) time.Duration { return of * time.Duration(link) / time.Duration(t.links) }
	if round == 0 {
		return share(t.warmUp)
	}
	return t.warmUp + time.Duration(round-1)*t.round + share(t.spread)
}
