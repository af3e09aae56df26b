package invariant

import (
	"time"

	"github.com/netsplit/netsplit/orchestrator/invariant/replay"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

const (
	// deliveredWithin is how long a message may take between two nodes that no fault affects.
	deliveredWithin = 10 * time.Second
	// connectionMargin is how far apart the two ends of a connection may begin or end to count, by their logs.
	connectionMargin = 2 * time.Second
)

// traffic compares the numbers of messages that a node states: in all with those of each connection, those of a connection with
// what the other end states, and what it logged with what it received. Consistency calls it.
type traffic struct {
	nodes []nodeTraffic
	pairs map[[2]replay.NodeIndex]*pairTraffic // by sender and receiver
	// faults is how many faults hold, calm when the last one ended.
	faults int
	calm   time.Duration
	report func(s *replay.State, n replay.NodeIndex, at time.Duration, kind, format string, args ...any)
	late   int // contradictions that are none if messages took too long
}

// nodeTraffic is what one node logged and stated since its process started.
type nodeTraffic struct {
	started         bool // its start is in the log
	synced, relayed int  // blocks that it logged as history, and as relayed
	changed         time.Duration
	// first, second and last are answers during which its connections were the same.
	first, second, last *pendingAnswer
}

// pairTraffic is what the two ends of a connection stated of the messages in one direction, since their logs showed a change.
type pairTraffic struct {
	changed        time.Duration
	sent, received []statedCount // in the order of time
}

// statedCount is a number of messages at some moment from at to until, by the clock of the run.
type statedCount struct {
	at, until time.Duration
	count     uint64
}

func newTraffic(nodes int, report func(s *replay.State, n replay.NodeIndex, at time.Duration, kind, format string, args ...any)) *traffic {
	return &traffic{
		nodes: make([]nodeTraffic, nodes), pairs: make(map[[2]replay.NodeIndex]*pairTraffic), calm: -faultEcho, report: report,
	}
}

// fault follows whether any fault holds.
func (t *traffic) fault(s *replay.State, p trace.FaultPhase) {
	switch p {
	case trace.FaultBegin:
		t.faults++
	case trace.FaultHealed:
		t.faults, t.calm = max(0, t.faults-1), s.Now
	}
}

// forget drops what is known of a node whose log has a gap, or whose process ended.
func (t *traffic) forget(s *replay.State, n replay.NodeIndex) {
	t.nodes[n] = nodeTraffic{changed: s.Now}
	for i := range s.Nodes.All() {
		t.reset(s.Now, n, i)
	}
}

// start begins the life of a node's process.
func (t *traffic) start(s *replay.State, n replay.NodeIndex, at time.Duration) {
	t.forget(s, n)
	t.nodes[n].started, t.nodes[n].changed = true, at
}

// peer takes in that a connection of a node began or ended.
func (t *traffic) peer(s *replay.State, n replay.NodeIndex, e *trace.Event) {
	t.nodes[n].changed = max(t.nodes[n].changed, e.At)
	if p, ok := s.Nodes.Index(e.Peer.Peer); ok {
		t.reset(s.Now, n, p)
	}
}

func (t *traffic) reset(now time.Duration, a, b replay.NodeIndex) {
	for _, k := range [][2]replay.NodeIndex{{a, b}, {b, a}} {
		if p := t.pairs[k]; p != nil {
			*p = pairTraffic{changed: now}
		}
	}
}

func (t *traffic) seen(n replay.NodeIndex, e *trace.Seen) {
	switch x := &t.nodes[n]; {
	case e.Made || e.From == "":
	case e.Sync:
		x.synced++
	default:
		x.relayed++
	}
}

// logged compares what a node has logged with what it states to have received. Lines that come late do not count yet.
func (t *traffic) logged(s *replay.State, n replay.NodeIndex, at time.Duration, a *trace.Answer) {
	x := &t.nodes[n]
	if a.Counters == nil || !x.started {
		return
	}
	if uint64(x.synced) > a.Counters.History {
		t.report(s, n, at, "history", "logged %s as history, and answered that it received %d as history",
			Count(x.synced, "block"), a.Counters.History)
	}
	if uint64(x.relayed) > a.Counters.Received {
		t.report(s, n, at, "relayed", "logged %s as relayed, and answered that it received %d blocks and transactions",
			Count(x.relayed, "block"), a.Counters.Received)
	}
}

// compare takes in an answer when the log is complete up to its time.
func (t *traffic) compare(s *replay.State, n replay.NodeIndex, x pendingAnswer) {
	a := x.answer
	if a.Counters == nil || a.PeersClock.IsZero() || a.Clock.IsZero() {
		return
	}
	t.compareTotals(s, n, x)
	for _, p := range a.Peers {
		if q, ok := s.Nodes.HonestIndex(p.Peer); ok && q != n {
			t.comparePair(s, n, q, x, p)
		}
	}
}

// compareTotals compares by how much a node's counts of all messages grew with the sum of those of its connections, as long as
// these were the same. It lists its connections before it states the totals, so that those of the answers before and after
// bound them.
func (t *traffic) compareTotals(s *replay.State, n replay.NodeIndex, x pendingAnswer) {
	l := &t.nodes[n]
	// A change after this answer, too, is known by now.
	outdated := l.changed >= x.peers || x.peers > x.clock
	if outdated || l.last != nil && (l.changed >= l.first.peers || !continues(l.last.answer, x.answer)) {
		l.first, l.second, l.last = nil, nil, nil
	}
	switch {
	case outdated:
		return
	case l.first == nil:
		l.first, l.last = &x, &x
		return
	case l.second == nil:
		l.second = &x
	}
	for _, c := range []struct {
		what  string
		total func(*trace.Counters) uint64
		part  func(*trace.PeerAnswer) uint64
	}{
		{"sent", func(c *trace.Counters) uint64 { return c.Sent }, func(p *trace.PeerAnswer) uint64 { return p.Sent }},
		{"received", func(c *trace.Counters) uint64 { return c.Received }, func(p *trace.PeerAnswer) uint64 { return p.Received }},
	} {
		parts := func(a *trace.Answer) (sum uint64) {
			for i := range a.Peers {
				sum += c.part(&a.Peers[i])
			}
			return sum
		}
		total := func(a *trace.Answer) uint64 { return c.total(a.Counters) }
		const text = "stated that it %s %d blocks and transactions in all from %s to %s, and %d on its connections, of which none began or ended"
		if all, most := total(l.last.answer)-total(l.first.answer), parts(x.answer)-parts(l.first.answer); all > most {
			t.report(s, n, x.polled, "total "+c.what, text, c.what, all, trace.Round(l.first.polled), trace.Round(l.last.polled), most)
		}
		if all, least := total(x.answer)-total(l.first.answer), parts(x.answer)-parts(l.second.answer); all < least {
			t.report(s, n, x.polled, "total "+c.what, text, c.what, all, trace.Round(l.first.polled), trace.Round(x.polled), least)
		}
	}
	l.last = &x
}

// continues says whether an answer may be of the same connections as the one before: none is new or gone, and no count fell.
func continues(before, after *trace.Answer) bool {
	if len(before.Peers) != len(after.Peers) || after.Counters.Sent < before.Counters.Sent || after.Counters.Received < before.Counters.Received {
		return false
	}
	old := make(map[trace.NodeID]*trace.PeerAnswer, len(before.Peers))
	for i := range before.Peers {
		old[before.Peers[i].Peer] = &before.Peers[i]
	}
	for _, p := range after.Peers {
		if o := old[p.Peer]; o == nil || p.Sent < o.Sent || p.Received < o.Received {
			return false
		}
	}
	return true
}

// comparePair compares what a node stated about its connection to q with what q stated. A count that was stated before a change
// of the connection, or just after, is left aside.
func (t *traffic) comparePair(s *replay.State, n, q replay.NodeIndex, x pendingAnswer, p trace.PeerAnswer) {
	for _, k := range [][2]replay.NodeIndex{{n, q}, {q, n}} {
		if t.pairs[k] == nil {
			t.pairs[k] = &pairTraffic{changed: max(t.nodes[n].changed, t.nodes[q].changed)}
		}
	}
	out, in := t.pairs[[2]replay.NodeIndex{n, q}], t.pairs[[2]replay.NodeIndex{q, n}]
	if x.polled <= out.changed+connectionMargin {
		return
	}
	// When the answer was given is known by the clock of the run, whatever the node's own shows.
	out.sent = append(out.sent, statedCount{x.polled, x.polled + x.took, p.Sent})
	in.received = append(in.received, statedCount{x.polled, x.polled + x.took, p.Received})
	t.judgePair(s, n, q, out)
	t.judgePair(s, q, n, in)
}

// judgePair compares the counts of both ends: the receiver cannot have more than the sender had sent later, and, while there is no
// fault, must have what had been sent some time before.
func (t *traffic) judgePair(s *replay.State, from, to replay.NodeIndex, p *pairTraffic) {
	if len(p.sent) == 0 || len(p.received) == 0 {
		return
	}
	toID := s.Nodes.At(to).ID
	sent, got := p.sent[len(p.sent)-1], p.received[len(p.received)-1]
	for i := len(p.received) - 1; i >= 0; i-- {
		if r := p.received[i]; r.until < sent.at {
			if r.count > sent.count {
				t.report(s, from, sent.at, "fewer sent", "stated that it had sent %d blocks and transactions to %s, which had stated that it got %d from it",
					sent.count, toID, r.count)
			}
			p.received = p.received[i:]
			break
		}
	}
	for i := len(p.sent) - 1; i >= 0; i-- {
		r := p.sent[i]
		if r.until+deliveredWithin > got.at {
			continue
		}
		if r.count > got.count && t.faults == 0 && r.at > t.calm+faultEcho {
			t.late++
			t.report(s, from, got.at, "more sent", "stated that it had sent %d blocks and transactions to %s, which got %d of them, %s later",
				r.count, toID, got.count, trace.Round(got.at-r.until))
		}
		p.sent = p.sent[i:]
		break
	}
}
