package invariant

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/netsplit/netsplit/orchestrator/invariant/replay"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

var connectivityDefinition = Definition{
	Name:  "connectivity",
	Title: "Nodes that can reach each other stay connected and pass blocks on",
	Doc: `Judged between honest nodes, where nodes log their connections:
1. Nobody bans or refuses an honest peer.
2. Two nodes that the topology connects are connected again within the bound after each time at which they could not be: a cut
between them, a restart or a pause of one, or the start.
3. A node does not close a connection without cause: time-outs within 30s after a fault on the link or on one of the two nodes
have one, and so have the management of double connections, and of surplus ones that the node itself made; up to three time-outs of a node are tolerated, since a
host may be overloaded.
4. A node passes on what it accepts: of the blocks that a node had before a peer of it did, by the log of both, the peer must
have received an announcement or the block itself from that node, by the peer's own counter, for at least three of four. An
honest node does for all of them. It is judged for nodes with at least 8 such blocks; history that a node catches up with does not
count, nor does what was passed on during a fault on the link. Where it is all of its peers that seem not to pass anything on to
one node, that node is named: it does not take it.
5. A node requests what is announced to it from one peer at a time: where nodes announce blocks and transactions before they send
them, at most 10 % of what a node receives may be what it has already. It is judged for nodes that received 100 while no fault
held or had ended less than 30s before, in runs without adversaries. An honest node receives nothing twice unless a peer takes 3s
to answer.
Where nodes are polled, a node that is up and can reach others must not be without any peer, in every answer, for longer than the
bound and at least 90s.
Nothing is random: a violation is certain. Nodes whose log has gaps are not judged.
UNKNOWN when nodes that log their connections logged none. NOT APPLICABLE where polled nodes do not say how many peers they have.
VACUOUS with fewer than two nodes.`,
	Class: Safety, Always: true,
	Params: []Param{{Name: "within", Type: TypeDuration, Default: "20s", Doc: "longest time until nodes that can reach each other are connected"}},
	Needs:  []Observation{ObservePeers},
	New:    func(p Values) Checker { return &connectivity{within: p.Duration("within")} },
}

const (
	// faultEcho is how long after a fault connections may break because of it: TCP gives up after that time.
	faultEcho = 30 * time.Second
	// slowLink is the added one-way delay from which on time-outs of a connection are no surprise.
	slowLink = 500 * time.Millisecond
	// toleratedTimeouts is how many connections a node may close by time-outs without a fault.
	toleratedTimeouts = 3
	// minForwarded is how many blocks a node must have had before its peers to be judged by what it passed on, and
	// forwardShare the least share that it must have passed on.
	minForwarded = 8
	forwardShare = .75
	// minReceived is how much a node must have received to be judged by what it has received twice, and duplicateShare the
	// largest share of it.
	minReceived    = 100
	duplicateShare = .1
	// forwardWindow is how many of the latest blocks are followed.
	forwardWindow = 64
	// notAccepted stands for a block that a node does not have, asHistory for one that it got while it caught up.
	notAccepted = time.Duration(math.MinInt64)
	asHistory   = notAccepted + 1
	// forwardDelay is how long a peer may take to get what a node passes on.
	forwardDelay = 5 * time.Second
	// closeMatch is how far apart the two ends of a connection may report that it was closed.
	closeMatch = 10 * time.Second
	// polledWithin is the least time that a polled node may be without a peer.
	polledWithin = 90 * time.Second
)

type connectivity struct {
	within time.Duration

	shown     bool // connections were shown
	edges     []edge
	edgesOf   [][]int32 // by node: indices of edges
	nodes     []peering
	faults    []disturbance
	refusals  map[[2]replay.NodeIndex]*refusals
	open      []unexplained                         // that the other end may still explain
	closes    map[replay.NodeIndex]*closings        // by the node that closed them
	recent    map[replay.BlockIndex][]time.Duration // by node: when it accepted the block, or notAccepted
	order     []replay.BlockIndex                   // of recent
	passed    map[[2]replay.NodeIndex]passing       // by who had the blocks, and who got them later
	reconnect int                                   // times at which two nodes had to connect
	slowest   time.Duration
	late      []lateEdge
	hostile   bool // there are adversaries
}

// edge is a planned connection.
type edge struct {
	a, b    replay.NodeIndex
	since   time.Duration // from when on the two had to connect; meaningful if missing
	missing bool          // they should be connected, and are not
}

type lateEdge struct {
	a, b replay.NodeIndex
	at   time.Duration
	took time.Duration
	open bool // at the end
}

// peering is one node's connections as it logged them.
type peering struct {
	unknown bool          // its log has a gap
	changed time.Duration // when its state changed last, by a fault or otherwise
	peers   map[replay.NodeIndex]*connection
	downs   []down        // that it reported and that may explain what others report
	none    time.Duration // of a polled node: since when it has had no peer; -1: it has one

	counters *trace.Counters // of its last answer; nil: none that the next one can be compared with
	counted  time.Duration   // when that was
	received trace.Counters  // while no fault held
}

// passing is how many blocks one node had before another, and how many of them the other got notice of from it.
type passing struct{ had, passed int }

func (p passing) tooLittle() bool { return float64(p.passed) < forwardShare*float64(p.had) }

// connection is one node's end of a connection.
type connection struct {
	since    time.Duration
	outbound bool // the node made it
	// earlier counts the blocks that the peer had before the node, counted those of them at the last answer, and relayed what
	// the peer had sent by then.
	earlier, counted, due int
	relayed               uint64
	lacked                map[replay.BlockIndex]bool // blocks that were counted although the node did not get them at all
}

type down struct {
	peer replay.NodeIndex
	at   time.Duration
}

// disturbance is a fault after which connections may break.
type disturbance struct {
	window   *replay.FaultWindow
	from, to []replay.NodeSet // of each rule
	nodes    replay.NodeSet   // of a fault on nodes
}

// closings are the connections that one node closed without a fault.
type closings struct {
	count, timeouts int
	first           unexplained
}

type refusals struct {
	count int
	at    time.Duration
	text  string
	hash  trace.Hash
}

// unexplained is the end of a connection for which no fault is known.
type unexplained struct {
	by, peer replay.NodeIndex
	at       time.Duration
	reason   string
	local    bool // by closed it; else by reports that the other did
}

func (c *connectivity) Observe(s *replay.State, e *trace.Event) {
	switch e.Kind {
	case trace.KindRun:
		c.start(s)
	case trace.KindFault:
		c.fault(s, e.Fault)
	case trace.KindGap:
		for i := range c.nodes {
			if s.Node == replay.NoNode || s.Node == replay.NodeIndex(i) {
				c.nodes[i].unknown = true
			}
		}
	}
	if s.Node == replay.NoNode || s.Stopping {
		return
	}
	switch e.Kind {
	case trace.KindNode:
		c.lifecycle(s, e.Lifecycle)
	case trace.KindHead:
		if e.Head.Restored { // a new process has no connections
			c.nodes[s.Node].peers = make(map[replay.NodeIndex]*connection)
		}
	case trace.KindPeer:
		c.peer(s, e)
	case trace.KindRefuse:
		c.refuse(s, e)
	case trace.KindSeen:
		c.seen(s, e)
	case trace.KindAnswer:
		c.answer(s, e)
	}
}

func (c *connectivity) start(s *replay.State) {
	c.nodes, c.edgesOf = make([]peering, s.Nodes.Len()), make([][]int32, s.Nodes.Len())
	c.refusals, c.recent = make(map[[2]replay.NodeIndex]*refusals), make(map[replay.BlockIndex][]time.Duration)
	c.closes, c.passed = make(map[replay.NodeIndex]*closings), make(map[[2]replay.NodeIndex]passing)
	for i := range c.nodes {
		c.nodes[i] = peering{peers: make(map[replay.NodeIndex]*connection), none: -1}
	}
	for i := range s.Nodes.Len() {
		c.hostile = c.hostile || s.Nodes.At(replay.NodeIndex(i)).Adversary
	}
	for _, pair := range s.Run.Edges {
		a, okA := s.Nodes.HonestIndex(pair[0])
		b, okB := s.Nodes.HonestIndex(pair[1])
		if okA && okB && a != b {
			c.edgesOf[a], c.edgesOf[b] = append(c.edgesOf[a], int32(len(c.edges))), append(c.edgesOf[b], int32(len(c.edges)))
			c.edges = append(c.edges, edge{a: a, b: b})
		}
	}
}

// fault takes in a phase of a fault.
func (c *connectivity) fault(s *replay.State, f *trace.Fault) {
	all := s.Faults.All()
	at := slices.IndexFunc(all, func(w *replay.FaultWindow) bool { return w.ID == f.ID })
	if f.Phase == trace.FaultBegin && at >= 0 {
		d := disturbance{window: all[at], nodes: nodeSet(s, f.Nodes)}
		for _, r := range f.Rules {
			if r.Cut || r.Delay+r.Jitter >= slowLink {
				d.from, d.to = append(d.from, nodeSet(s, r.From)), append(d.to, nodeSet(s, r.To))
			}
		}
		c.faults = append(c.faults, d)
	}
	if f.Phase == trace.FaultBegin || f.Phase == trace.FaultHealed {
		for i := range c.edges {
			c.update(s, &c.edges[i], s.Now, false)
		}
	}
}

func nodeSet(s *replay.State, names []trace.NodeID) replay.NodeSet {
	set := replay.NewNodeSet(s.Nodes.Len())
	for _, id := range names {
		if n, ok := s.Nodes.Index(id); ok {
			set.Add(n)
		}
	}
	return set
}

// disturbed says whether a fault on the link or on one of the two nodes holds or ended less than echo ago.
func (c *connectivity) disturbed(s *replay.State, a, b replay.NodeIndex, at, echo time.Duration) bool {
	if at-c.nodes[a].changed < echo || at-c.nodes[b].changed < echo || !s.Nodes.Up(a) || !s.Nodes.Up(b) {
		return true
	}
	for i := range c.faults {
		f := &c.faults[i]
		if f.window.Has(trace.FaultHealed) && at-f.window.Healed >= echo {
			continue
		}
		if f.nodes.Has(a) || f.nodes.Has(b) {
			return true
		}
		for j := range f.from {
			if f.from[j].Has(a) && f.to[j].Has(b) || f.from[j].Has(b) && f.to[j].Has(a) {
				return true
			}
		}
	}
	return false
}

// connected says whether both nodes report the connection.
func (c *connectivity) connected(a, b replay.NodeIndex) bool {
	return c.nodes[a].peers[b] != nil && c.nodes[b].peers[a] != nil
}

// update begins or ends the time in which two nodes must connect. Polled nodes do not say to whom they are connected.
func (c *connectivity) update(s *replay.State, x *edge, now time.Duration, restart bool) {
	if s.Facts.Polled() {
		return
	}
	should := s.Net.Started() && !c.disturbed(s, x.a, x.b, now, 0)
	is := c.connected(x.a, x.b)
	switch {
	case !should:
		x.missing = false
	case is && x.missing:
		x.missing = false
		c.judgeEdge(s, x, now, false)
	case !is && (!x.missing || restart):
		x.missing, x.since = true, now
	}
}

// judgeEdge judges how long two nodes took to connect, or have not connected until now.
func (c *connectivity) judgeEdge(s *replay.State, x *edge, now time.Duration, open bool) {
	took := now - x.since
	if c.nodes[x.a].unknown || c.nodes[x.b].unknown || took <= 0 || open && took <= c.within {
		return
	}
	c.reconnect++
	c.slowest = max(c.slowest, took)
	if took > c.within {
		c.late = append(c.late, lateEdge{x.a, x.b, x.since, took, open})
	}
}

func (c *connectivity) updateEdges(s *replay.State, n replay.NodeIndex, restart bool) {
	for _, i := range c.edgesOf[n] {
		c.update(s, &c.edges[i], s.Now, restart)
	}
}

func (c *connectivity) lifecycle(s *replay.State, l *trace.Lifecycle) {
	n := &c.nodes[s.Node]
	n.none = -1
	if s.Net.Started() {
		n.changed = s.Now
	} else {
		n.changed = -faultEcho
	}
	if l.State == trace.StateDown || l.State == trace.StateDied {
		for p := range n.peers {
			c.closed(s.Node, p)
		}
		n.peers = make(map[replay.NodeIndex]*connection)
	}
	c.updateEdges(s, s.Node, true)
}

func (c *connectivity) peer(s *replay.State, e *trace.Event) {
	c.shown = true
	n := &c.nodes[s.Node]
	p, ok := s.Nodes.HonestIndex(e.Peer.Peer)
	if !ok {
		return
	}
	if e.Peer.Up {
		n.peers[p] = &connection{since: e.At, outbound: e.Peer.Outbound}
		c.updateEdges(s, s.Node, false)
		return
	}
	c.closed(s.Node, p)
	inbound := n.peers[p] != nil && !n.peers[p].outbound
	delete(n.peers, p)
	n.downs = append(slices.DeleteFunc(n.downs, func(d down) bool { return s.Now-d.at > 3*closeMatch }), down{p, s.Now})
	c.settle(s)
	if s.Net.Started() && (!managed(e.Peer.Reason) || inbound && e.Peer.Local && e.Peer.Reason == surplus) && !c.disturbed(s, s.Node, p, e.At, faultEcho) {
		c.open = append(c.open, unexplained{s.Node, p, s.Now, e.Peer.Reason, e.Peer.Local})
	}
	c.updateEdges(s, s.Node, false)
}

// settle goes through the ends of connections that the other end had time to report too. What one end reports of the other counts
// when that did not report it. At the end of the run, ends that had less time are left out.
func (c *connectivity) settle(s *replay.State) {
	for len(c.open) > 0 && s.Now-c.open[0].at > closeMatch {
		x := c.open[0]
		c.open = c.open[1:]
		who := x.by
		if !x.local {
			who = x.peer
			if slices.ContainsFunc(c.nodes[x.peer].downs, func(d down) bool {
				return d.peer == x.by && (d.at-x.at).Abs() <= closeMatch
			}) {
				continue
			}
		}
		if c.nodes[x.by].unknown || c.nodes[x.peer].unknown || !x.local && c.disturbed(s, x.by, x.peer, x.at+closeMatch, faultEcho) {
			continue
		}
		t := c.closes[who]
		if t == nil {
			t = &closings{first: x}
			c.closes[who] = t
		}
		t.count++
		if timedOut(x.reason) || !x.local {
			t.timeouts++
		}
	}
}

// surplus is why a node closes connections that it made beyond those that it was given. Others' are not its to close.
const surplus = "surplus connection"

// managed says whether a reason is about the number of connections, not about the peer.
func managed(reason string) bool {
	return slices.Contains([]string{
		surplus, "duplicate connection", "replaced by a new connection", "reset by a new connection", "stopping",
	}, reason)
}

func timedOut(reason string) bool {
	return reason == "ping timeout" || reason == "handshake timeout" || strings.HasPrefix(reason, "slow peer")
}

func (c *connectivity) refuse(s *replay.State, e *trace.Event) {
	p, ok := s.Nodes.HonestIndex(e.Refuse.Peer)
	if !ok || !e.Refuse.Banned && e.Refuse.Hash != "" { // a block of the future is refused without blame
		return
	}
	k := [2]replay.NodeIndex{s.Node, p}
	if c.refusals[k] == nil {
		c.refusals[k] = &refusals{at: e.At, text: e.Refuse.Reason, hash: e.Refuse.Hash}
	}
	c.refusals[k].count++
}

// seen counts the blocks that the peers of a node had before it.
func (c *connectivity) seen(s *replay.State, e *trace.Event) {
	n := &c.nodes[s.Node]
	if s.Facts.Polled() || len(n.peers) == 0 || s.Block == replay.NoBlock {
		return
	}
	times := c.recent[s.Block]
	if times == nil {
		if len(c.order) == forwardWindow {
			delete(c.recent, c.order[0])
			c.order = c.order[1:]
		}
		times = slices.Repeat([]time.Duration{notAccepted}, s.Nodes.Len())
		c.recent[s.Block] = times
		c.order = append(c.order, s.Block)
	}
	// All by the clock of the run.
	self := s.Nodes.At(s.Node)
	at := e.At - self.ClockAhead
	times[s.Node] = at
	if e.Seen.Sync {
		times[s.Node] = asHistory
	}
	for p, l := range n.peers {
		margin := time.Millisecond + self.ClockError + s.Nodes.At(p).ClockError
		if times[p]+margin < at && !l.lacked[s.Block] && c.duePass(s, l, p, times[p], margin) {
			l.earlier++
		}
	}
}

// duePass says whether a peer of the current event's node that accepted a block at a time had to pass it on to that node: both
// were connected before, by the log of each, and there was no fault.
func (c *connectivity) duePass(s *replay.State, l *connection, p replay.NodeIndex, had, margin time.Duration) bool {
	back := c.nodes[p].peers[s.Node]
	return had > asHistory && back != nil && l.since-s.Nodes.At(s.Node).ClockAhead+margin < had &&
		back.since-s.Nodes.At(p).ClockAhead+margin < had && !c.disturbed(s, s.Node, p, s.Now, faultEcho)
}

// lacking counts the blocks that a peer has had for a while and the node has not.
func (c *connectivity) lacking(s *replay.State, l *connection, p replay.NodeIndex) {
	margin := time.Millisecond + s.Nodes.At(s.Node).ClockError + s.Nodes.At(p).ClockError
	for _, b := range c.order {
		times := c.recent[b]
		if times[s.Node] != notAccepted || l.lacked[b] || times[p]+forwardDelay+margin > s.Now || !c.duePass(s, l, p, times[p], margin) {
			continue
		}
		if l.lacked == nil {
			l.lacked = make(map[replay.BlockIndex]bool)
		}
		l.lacked[b] = true
		l.earlier++
	}
}

// answer compares how many blocks the peers had earlier with what they sent.
func (c *connectivity) answer(s *replay.State, e *trace.Event) {
	n, a := &c.nodes[s.Node], e.Answer
	if a.Error != "" {
		return
	}
	if a.PeerCount >= 0 && s.Facts.Polled() {
		c.shown = true
		c.lonely(s, n, a.PeerCount)
	}
	c.count(s, n, a.Counters)
	if a.PeersClock.IsZero() {
		return
	}
	for _, x := range a.Peers {
		p, ok := s.Nodes.Index(x.Peer)
		l := n.peers[p]
		if !ok || l == nil || s.LogTime(s.Node, a.PeersClock) < l.since {
			continue
		}
		c.lacking(s, l, p)
		// What was counted by the answer before had time to arrive.
		l.due, l.counted, l.relayed = l.counted, l.earlier, x.Relayed
	}
}

// count adds what a node has received since its last answer, unless a fault may have made its peers late.
func (c *connectivity) count(s *replay.State, n *peering, now *trace.Counters) {
	before, since := n.counters, n.counted
	n.counters, n.counted = now, s.Now
	if before == nil || now == nil || now.Received < before.Received || since-n.changed < faultEcho || c.hostile {
		return
	}
	for i := range c.faults {
		if w := c.faults[i].window; !w.Has(trace.FaultHealed) || since-w.Healed < faultEcho {
			return
		}
	}
	n.received.Received += now.Received - before.Received
	n.received.Duplicates += max(now.Duplicates, before.Duplicates) - before.Duplicates
	n.received.Announced += max(now.Announced, before.Announced) - before.Announced
}

// duplicateEvidence names the nodes that received too much twice, the worst first.
func (c *connectivity) duplicateEvidence(s *replay.State) (out []Evidence) {
	share := func(i replay.NodeIndex) float64 {
		x := &c.nodes[i].received
		if x.Received < minReceived || x.Announced < x.Received {
			return 0
		}
		return float64(x.Duplicates) / float64(x.Received)
	}
	var nodes []replay.NodeIndex
	for i := range s.Nodes.All() {
		if share(i) > duplicateShare {
			nodes = append(nodes, i)
		}
	}
	slices.SortStableFunc(nodes, func(a, b replay.NodeIndex) int { return cmp.Compare(share(b), share(a)) })
	for _, i := range nodes {
		x, id := &c.nodes[i].received, s.Nodes.At(i).ID
		out = append(out, Evidence{At: s.Horizon(), Nodes: []trace.NodeID{id}, Text: fmt.Sprintf(
			"%s had %d of the %d blocks and transactions already that it received, %.0f%%: it requested them from several peers; at most %.0f%% is allowed",
			id, x.Duplicates, x.Received, 100*share(i), 100*duplicateShare)})
	}
	return out
}

// closed adds up what a peer passed on over a connection that has ended.
func (c *connectivity) closed(n, p replay.NodeIndex) {
	l := c.nodes[n].peers[p]
	if l == nil || l.due == 0 || c.nodes[n].unknown || c.nodes[p].unknown {
		return
	}
	x := c.passed[[2]replay.NodeIndex{p, n}]
	x.had += l.due
	x.passed += int(min(l.relayed, uint64(l.due)))
	c.passed[[2]replay.NodeIndex{p, n}] = x
	l.due = 0
}

// lonely follows how long a polled node has had no peer although it could reach others.
func (c *connectivity) lonely(s *replay.State, n *peering, peers int) {
	reachable := false
	for i := range s.Nodes.All() {
		reachable = reachable || i != s.Node && s.Nodes.Up(i) && s.Net.Component(i) == s.Net.Component(s.Node)
	}
	switch {
	case peers > 0 || !reachable || !s.Nodes.Up(s.Node):
		n.none = -1
	case n.none < 0:
		n.none = max(s.Now, s.Net.Since())
	case s.Net.Since() > n.none:
		n.none = s.Net.Since()
	case s.Now-n.none > max(c.within, polledWithin):
		c.late = append(c.late, lateEdge{s.Node, replay.NoNode, n.none, s.Now - n.none, true})
		n.none = s.Now
	}
}

func (c *connectivity) Finish(s *replay.State) Result {
	for i := range c.edges {
		if x := &c.edges[i]; x.missing && c.shown {
			c.judgeEdge(s, x, s.Horizon(), true)
		}
	}
	for i := range c.nodes {
		for p := range s.Nodes.All() {
			c.closed(replay.NodeIndex(i), p)
		}
	}
	c.settle(s)
	refused, late, closes, silent := c.refusedEvidence(s), c.lateEvidence(s), c.closeEvidence(s), c.forwardEvidence(s)
	twice := c.duplicateEvidence(s)
	had, passed, closed := 0, 0, 0
	for _, t := range c.closes {
		closed += t.count
	}
	for _, x := range c.passed {
		had, passed = had+x.had, passed+x.passed
	}
	var received trace.Counters
	for i := range c.nodes {
		if x := &c.nodes[i].received; x.Announced >= x.Received {
			received.Received, received.Duplicates = received.Received+x.Received, received.Duplicates+x.Duplicates
		}
	}
	r := Result{
		Figure: slowestOf(c.reconnect, "connection", "connections", "connected in "+trace.Round(c.slowest).String()),
		Bound:  fmt.Sprintf("at most %s", c.within),
		Metrics: map[string]float64{
			"reconnections": float64(c.reconnect), "slowest_seconds": c.slowest.Seconds(), "closed_without_fault": float64(closed),
			"refused_pairs": float64(len(c.refusals)), "due_announcements": float64(had), "announcements": float64(passed),
			"received": float64(received.Received), "received_twice": float64(received.Duplicates),
		},
	}
	if c.reconnect == 0 {
		r.Figure = "no connection was lost"
	}
	if had > 0 {
		r.Figure += fmt.Sprintf(", %d of %d announcements", passed, had)
	}
	all := slices.Concat(refused, silent, closes, late, twice)
	r.Evidence = all[:min(len(all), MaxEvidence)]
	switch {
	case len(all) > 0:
		r.Timed = len(refused)+len(silent) == 0
		return r.fail(all[0].Text)
	case s.Nodes.Len() < 2:
		return r.vacuous("there is no second node")
	case !c.shown && s.Facts.Polled():
		return r.notApplicable("nodes do not show their connections")
	case !c.shown:
		return r.unknown("nodes did not show their connections")
	}
	r.Verdict = Pass
	return r
}

// refusedEvidence names who refused whom: one node that many refuse, or one that refuses many, each once.
func (c *connectivity) refusedEvidence(s *replay.State) (out []Evidence) {
	by, of := make(map[replay.NodeIndex]int), make(map[replay.NodeIndex]int)
	var pairs [][2]replay.NodeIndex
	for k := range c.refusals {
		by[k[0]]++
		of[k[1]]++
		pairs = append(pairs, k)
	}
	// The pairs of the node that is in most of them first.
	weight := func(k [2]replay.NodeIndex) int { return max(by[k[0]], of[k[1]]) }
	slices.SortFunc(pairs, func(a, b [2]replay.NodeIndex) int {
		return cmp.Or(cmp.Compare(weight(b), weight(a)), cmp.Compare(c.refusals[a].at, c.refusals[b].at), cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
	})
	named := replay.NewNodeSet(s.Nodes.Len())
	for _, k := range pairs {
		a, b, x := s.Nodes.At(k[0]).ID, s.Nodes.At(k[1]).ID, c.refusals[k]
		e := Evidence{
			At: x.at, Nodes: []trace.NodeID{a, b}, Windows: s.Faults.Windows(x.at),
			Text: fmt.Sprintf("%s refused %s, an honest peer: %s", a, b, x.text),
		}
		if x.hash != "" {
			e.Blocks = []trace.Hash{x.hash}
		}
		switch {
		case by[k[0]] > 1 && by[k[0]] >= of[k[1]]:
			if named.Has(k[0]) {
				continue
			}
			named.Add(k[0])
			e.Text += fmt.Sprintf("; it refused %s", Count(by[k[0]], "peer"))
		case of[k[1]] > 1:
			if named.Has(k[1]) {
				continue
			}
			named.Add(k[1])
			e.Nodes = []trace.NodeID{b, a}
			e.Text += fmt.Sprintf("; %s refused it", Count(of[k[1]], "node"))
		}
		out = append(out, e)
	}
	return out
}

// lateEvidence names the node with the most missing connections, with all of them, then the next.
func (c *connectivity) lateEvidence(s *replay.State) (out []Evidence) {
	left := slices.Clone(c.late)
	for len(left) > 0 {
		count := make(map[replay.NodeIndex]int)
		worst := left[0].a
		for _, x := range left {
			for _, n := range []replay.NodeIndex{x.a, x.b} {
				if n == replay.NoNode {
					continue
				}
				if count[n]++; count[n] > count[worst] {
					worst = n
				}
			}
		}
		var peers []replay.NodeIndex
		var slow lateEdge
		left = slices.DeleteFunc(left, func(x lateEdge) bool {
			if x.a != worst && x.b != worst {
				return false
			}
			other := x.a
			if x.a == worst {
				other = x.b
			}
			if other != replay.NoNode && !slices.Contains(peers, other) {
				peers = append(peers, other)
			}
			if x.took > slow.took {
				slow = x
			}
			return true
		})
		slices.Sort(peers)
		id, state := s.Nodes.At(worst).ID, "was connected again only"
		if slow.open {
			state = "was not connected again"
		}
		e := Evidence{At: slow.at + slow.took, Nodes: append([]trace.NodeID{id}, s.Nodes.Names(peers)...), Windows: s.Faults.Windows(slow.at)}
		e.Nodes = e.Nodes[:min(len(e.Nodes), MaxEvidence)]
		e.Text = fmt.Sprintf("%s %s to %s after %s, although both were up and could reach each other from %s on; at most %s is allowed",
			id, state, list(s, peers), trace.Round(slow.took), trace.Round(slow.at), c.within)
		if len(peers) == 0 {
			e.Text = fmt.Sprintf("%s had no peer for %s, although it was up and could reach others", id, trace.Round(slow.took))
		}
		out = append(out, e)
	}
	return out
}

// closeEvidence names the nodes that closed connections without a cause.
func (c *connectivity) closeEvidence(s *replay.State) (out []Evidence) {
	for i, n := range s.Nodes.All() {
		t := c.closes[i]
		if t == nil || t.count <= toleratedTimeouts && t.count == t.timeouts {
			continue
		}
		other := t.first.peer
		if other == i {
			other = t.first.by
		}
		out = append(out, Evidence{
			At: t.first.at, Nodes: []trace.NodeID{n.ID, s.Nodes.At(other).ID}, Windows: s.Faults.Windows(t.first.at),
			Text: fmt.Sprintf("%s closed %s without a fault, the first to %s: %s", n.ID, Count(t.count, "connection"),
				s.Nodes.At(other).ID, t.first.reason),
		})
	}
	slices.SortStableFunc(out, func(a, b Evidence) int {
		x, _ := s.Nodes.Index(a.Nodes[0])
		y, _ := s.Nodes.Index(b.Nodes[0])
		return cmp.Compare(c.closes[y].count, c.closes[x].count)
	})
	return out
}

// forwardEvidence names the nodes that did not pass on what they had, or, where all of its peers seem not to pass on anything to one
// node, that node: it does not take it.
func (c *connectivity) forwardEvidence(s *replay.State) (out []Evidence) {
	left := make(map[[2]replay.NodeIndex]passing)
	for pair, x := range c.passed {
		if x.tooLittle() {
			left[pair] = x
		}
	}
	for len(left) > 0 {
		// The node that is in most of the pairs, on one side of them; the sender where both sides are alike.
		var worst replay.NodeIndex
		side, most := 0, 0
		for side0 := range 2 {
			count := make([]int, s.Nodes.Len())
			for pair := range left {
				count[pair[side0]]++
			}
			for i, n := range count {
				if n > most {
					worst, side, most = replay.NodeIndex(i), side0, n
				}
			}
		}
		var sum passing
		var others []replay.NodeIndex
		for pair, x := range left {
			if pair[side] == worst {
				sum.had, sum.passed = sum.had+x.had, sum.passed+x.passed
				others = append(others, pair[1-side])
				delete(left, pair)
			}
		}
		if sum.had < minForwarded {
			continue
		}
		slices.Sort(others)
		id, peers := s.Nodes.At(worst).ID, list(s, others)
		e := Evidence{At: s.Horizon(), Nodes: append([]trace.NodeID{id}, s.Nodes.Names(others)...), Text: fmt.Sprintf(
			"%s had %s before its peers, which got %d announcements of them from it: %s", id, Count(sum.had, "block"), sum.passed, peers)}
		if side == 1 {
			e.Text = fmt.Sprintf("%s took %d announcements of %s that its peers had before it: %s", id, sum.passed, Count(sum.had, "block"), peers)
		}
		e.Nodes = e.Nodes[:min(len(e.Nodes), MaxEvidence)]
		out = append(out, e)
	}
	return out
}
