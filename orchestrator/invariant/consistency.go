package invariant

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/netsplit/netsplit/orchestrator/invariant/replay"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

var consistencyDefinition = Definition{
	Name:  "consistency",
	Title: "What a node logs, what it answers and what others get from it agree",
	Doc: `Every few seconds each node is queried for its head, for the blocks at two heights of its chain, an account, a transaction and
its peers. Where nodes log what happens to them, each answer is compared with the log, by the node's own clock, which both
state: head, height, the blocks below it, and which peers are connected must be those of the log at that moment. The log itself
must agree with what others see: a node accepts a block once in the life of its process; its head is a block that it has
accepted, at that block's height, and replaces the head before; a connection comes up once before it goes down; a
reorganisation drops as many blocks as it says; no line states a time after its arrival; a block that others got from it is one
that it accepted; and a block that it makes names its own account and has the time of its own clock, to within 2s (or the least
that the rules allow), 30s where it was late. Its clock must advance as that of the run does, to within 5s, from one answer to
the next.
Nodes count the blocks and transactions that they send and receive, in all and on each connection. The totals must grow by what
the connections count, as long as no connection of the node begins or ends; the receiving end of a connection must not count more
than the sending end counts later, nor, while no fault holds and none ended in the last 30s, less than what had been sent 10s
before; and a node must not log more blocks as history than it counts as received as history, nor more as relayed than it received.
In its first 10s a node that starts must not receive history that it has, but for what others send at the same time, unless a cut, a
delay or a pause held in the last 30s.
What nodes state of the chain of their head must be what the blocks' encodings say: its total work; the balance and nonce of an
account, which is another one each time; and of a transaction that was submitted, in which block it is, and that it is in none.
A mempool must not be empty while a transaction is on no block of the node's chain that the node accepted since it was first
started, nor hold more than were submitted and are on no block of its chain (where nobody else makes transactions). A node without
block-making power must not state that it mines, another one must state so while it has a peer and does not sync; and none may
state in all answers of 15s, later than 25s after the last fault, that it syncs, without receiving history.
Polled nodes: a head must stand at the height that the node states, and the block that it gives for a height must be on the chain
of the head that it states before and after.
Nothing is random: a violation is certain. Answers are not compared around a gap in the node's log.
UNKNOWN when no answer could be compared although blocks were made, or a node that was up failed to answer five times in a row.
VACUOUS without blocks.`,
	Class: Safety, Always: true,
	Needs: []Observation{ObserveBlocks},
	New: func(Values) Checker {
		return &consistency{contradictions: make(map[replay.NodeIndex]int), unlogged: make(map[sentBlock]time.Duration)}
	},
}

const (
	// answerLag is how long an answer waits for the lines of the log that belong to it, which may come late.
	answerLag = 10 * time.Second
	// clockStep is by how much a node's clock may differ from that of the run between two answers.
	clockStep = 5 * time.Second
	// stampAhead and stampBehind are how far the time that a maker states for its block may be from its clock.
	stampAhead  = 2 * time.Second
	stampBehind = 30 * time.Second
	// sentGrace is how long before a process ends, or the run does, the log of what it sent may be lost.
	sentGrace = 5 * time.Second
	// maxUnanswered is how many answers in a row a node that is up may fail to give, less one.
	maxUnanswered = 5
)

type consistency struct {
	logs           []nodeLog
	compared       int           // answers
	unanswered     failedAnswers // the most of any node
	unlogged       map[sentBlock]time.Duration
	contradictions map[replay.NodeIndex]int
	found          []Evidence // the first of every node and kind
	named          map[string]bool
	times          map[replay.BlockIndex]time.Duration // of blocks that were made, at the maker's clock, until their content is known
	stated         map[replay.BlockIndex]time.Time     // what blocks state
	traffic        *traffic
	ledger         *ledgerAnswers
	returned       *returnedHistory
}

// sentBlock is a block that a node got from another.
type sentBlock struct {
	from, to replay.NodeIndex
	block    replay.BlockIndex
}

// nodeLog is what a node logged, as far as answers may still be compared with it.
type nodeLog struct {
	has     []uint64 // blocks that it accepted, in any life; a bit each
	partial bool     // has is not all: it started with blocks that it had before the run
	life    []uint64 // blocks that it accepted since its process started
	heads   []headAt // the last is current; empty while it is not known
	peers   map[trace.NodeID]bool
	linked  map[trace.NodeID]bool // by the last line about the connection in the life of its process
	changes []peerChange          // those that are not in peers yet
	peered  bool                  // peers is known
	waiting []pendingAnswer
	last    *pendingAnswer // the one before, of the same process
	latest  time.Duration  // of the line that it logged last, by its clock
	ended   time.Duration  // when its process ended last
	paused  time.Duration  // when it was resumed last
	failed  failedAnswers  // since its last answer
}

// failedAnswers are polls in a row to which a node gave no answer.
type failedAnswers struct {
	node        replay.NodeIndex
	count       int
	from, until time.Duration
	why         string // of the last
}

type headAt struct {
	at    time.Duration // by the node's clock
	block replay.BlockIndex
}

type peerChange struct {
	at   time.Duration
	peer trace.NodeID // empty: the process started, without peers
	up   bool
}

type pendingAnswer struct {
	polled       time.Duration // by the clock of the run
	clock, peers time.Duration // by the node's clock
	took         time.Duration
	answer       *trace.Answer
}

func (c *consistency) Observe(s *replay.State, e *trace.Event) {
	if e.Kind == trace.KindRun {
		c.logs = make([]nodeLog, s.Nodes.Len())
		c.named, c.times = make(map[string]bool), make(map[replay.BlockIndex]time.Duration)
		c.stated = make(map[replay.BlockIndex]time.Time)
		c.traffic = newTraffic(s.Nodes.Len(), c.violated)
		c.ledger = newLedgerAnswers(s, c.violated)
		c.returned = &returnedHistory{
			lives: make([]startedLife, s.Nodes.Len()), slow: make(map[string]bool), calm: -faultEcho, report: c.violated,
		}
	}
	if e.Kind == trace.KindFault {
		c.traffic.fault(s, e.Fault.Phase)
		c.returned.fault(s, e.Fault)
	}
	if e.Kind == trace.KindBlock {
		c.body(s, e.Block)
		c.ledger.block(e.Block)
	}
	if e.Kind == trace.KindGap {
		for i := range c.logs {
			if s.Node == replay.NoNode || s.Node == replay.NodeIndex(i) {
				l := &c.logs[i]
				*l = nodeLog{has: l.has, partial: true, ended: s.Now, paused: l.paused}
				c.traffic.forget(s, replay.NodeIndex(i))
				c.ledger.forget(replay.NodeIndex(i))
				c.returned.forget(replay.NodeIndex(i))
			}
		}
	}
	if s.Node == replay.NoNode || s.Stopping {
		return
	}
	l := &c.logs[s.Node]
	if e.Kind != trace.KindAnswer && e.Kind != trace.KindStatus && e.Kind != trace.KindNode {
		l.latest = max(l.latest, e.At)
	}
	if e.Ahead > clockStep {
		c.violated(s, s.Node, e.At, "ahead", "logged a time %s after the line arrived, by the clock with which it answers", trace.Round(e.Ahead))
	}
	switch e.Kind {
	case trace.KindSeen:
		c.seen(s, l, e)
	case trace.KindHead:
		c.head(s, l, e)
	case trace.KindPeer:
		c.peer(s, l, e)
		c.traffic.peer(s, s.Node, e)
	case trace.KindNode:
		switch e.Lifecycle.State {
		case trace.StateDown, trace.StateDied:
			l.ended, l.last = s.Now, nil
			c.traffic.forget(s, s.Node)
			c.ledger.forget(s.Node)
			c.returned.forget(s.Node)
		case trace.StateUp:
			l.paused, l.last = s.Now, nil
		}
		l.failed = failedAnswers{}
	case trace.KindSubmit:
		c.ledger.submit(s, e)
	case trace.KindAnswer:
		c.answer(s, l, e)
	}
	for len(l.waiting) > 0 && s.Now-max(l.waiting[0].polled, l.waiting[0].clock, l.waiting[0].peers) > answerLag {
		c.compare(s, s.Node, l)
	}
}

// violated records a contradiction of a node; only the first of a kind becomes evidence.
func (c *consistency) violated(s *replay.State, n replay.NodeIndex, at time.Duration, kind, format string, args ...any) {
	c.contradictions[n]++
	id := s.Nodes.At(n).ID
	if key := string(id) + " " + kind; !c.named[key] {
		c.named[key] = true
		c.found = append(c.found, Evidence{
			At: at, Nodes: []trace.NodeID{id}, Windows: s.Faults.Windows(at), Text: fmt.Sprintf("%s "+format, append([]any{id}, args...)...),
		})
	}
}

// name is how a block is called in evidence.
func (c *consistency) name(s *replay.State, b replay.BlockIndex) string {
	if b == replay.NoBlock {
		return "none"
	}
	x := s.Blocks.At(b)
	return fmt.Sprintf("%s at height %d", short(x.Hash), x.Height)
}

func (c *consistency) seen(s *replay.State, l *nodeLog, e *trace.Event) {
	if s.Facts.Polled() || s.Block == replay.NoBlock {
		return
	}
	if hasBit(l.life, s.Block) {
		c.violated(s, s.Node, e.At, "twice", "accepted block %s twice in the life of its process", c.name(s, s.Block))
	}
	l.has, l.life = setBit(l.has, s.Block), setBit(l.life, s.Block)
	c.traffic.seen(s.Node, e.Seen)
	c.returned.seen(s, e)
	if e.Seen.Made {
		if _, ok := c.times[s.Block]; !ok {
			c.times[s.Block] = e.At
		}
	}
	if len(c.unlogged) > 0 {
		for x := range c.unlogged {
			if x.from == s.Node && x.block == s.Block {
				delete(c.unlogged, x)
			}
		}
	}
	if from, ok := s.Nodes.HonestIndex(e.Seen.From); ok && !c.logs[from].partial && !hasBit(c.logs[from].has, s.Block) {
		c.unlogged[sentBlock{from, s.Node, s.Block}] = e.At
	}
}

func (c *consistency) head(s *replay.State, l *nodeLog, e *trace.Event) {
	if s.Facts.Polled() || s.Block == replay.NoBlock {
		return
	}
	if e.Head.Restored {
		l.life, l.linked = l.life[:0], nil
		l.partial = l.partial || s.Block != 0 && !hasBit(l.has, s.Block)
		l.has = setBit(l.has, s.Block)
		l.changes = append(l.changes, peerChange{at: e.At})
		c.traffic.start(s, s.Node, e.At)
		c.returned.start(s.Node, e.At)
	} else {
		c.returned.head(s)
		if on := s.Blocks.At(s.Block).Height; e.Head.Height != on {
			c.violated(s, s.Node, e.At, "log height", "logged the height %d of its head %s, which is at height %d", e.Head.Height, short(e.Head.Hash), on)
		}
		if n := len(l.heads); n > 0 && e.Head.Old != "" && e.Head.Old != s.Blocks.At(l.heads[n-1].block).Hash {
			c.violated(s, s.Node, e.At, "old", "logged that the head %s replaced %s, and had logged the head %s before",
				c.name(s, s.Block), short(e.Head.Old), c.name(s, l.heads[n-1].block))
		}
		if s.Block != 0 && !hasBit(l.has, s.Block) && !l.partial && len(l.heads) > 0 {
			c.violated(s, s.Node, e.At, "head", "reported the head %s, a block that it has not accepted", c.name(s, s.Block))
		}
		if r := s.Reorg; !r.Unlinked && r.Fork != replay.NoBlock && len(l.heads) > 0 && r.From == l.heads[len(l.heads)-1].block &&
			e.Head.Dropped != r.Depth {
			c.violated(s, s.Node, e.At, "dropped", "reported that the head %s dropped %s, and it dropped %d",
				c.name(s, s.Block), Count(e.Head.Dropped, "block"), r.Depth)
		}
	}
	l.heads = append(l.heads, headAt{e.At, s.Block})
	if len(l.waiting) == 0 {
		l.heads = trimHeads(l.heads, e.At-answerLag)
	}
}

// peer takes in that a connection came up or went down. A connection comes up once before it goes down.
func (c *consistency) peer(s *replay.State, l *nodeLog, e *trace.Event) {
	l.changes = append(l.changes, peerChange{e.At, e.Peer.Peer, e.Peer.Up})
	if up, known := l.linked[e.Peer.Peer]; known && up == e.Peer.Up {
		text := "logged twice that its connection with %s went down"
		if up {
			text = "logged twice that it is connected to %s"
		}
		c.violated(s, s.Node, e.At, "link", text, e.Peer.Peer)
	}
	if l.linked == nil {
		l.linked = make(map[trace.NodeID]bool)
	}
	l.linked[e.Peer.Peer] = e.Peer.Up
}

// trimHeads drops the heads that were replaced before a time.
func trimHeads(h []headAt, before time.Duration) []headAt {
	i := 0
	for i+1 < len(h) && h[i+1].at < before {
		i++
	}
	return slices.Delete(h, 0, i)
}

// body compares the time that a block states with the clock of the node that made it.
func (c *consistency) body(s *replay.State, b *trace.Block) {
	if len(b.Raw) > 0 {
		c.stated[s.Block] = b.Time
	}
	made, ok := c.times[s.Block]
	if !ok || len(b.Raw) == 0 || b.Time.IsZero() || s.Run.Started.IsZero() {
		return
	}
	delete(c.times, s.Block)
	maker := s.Blocks.At(s.Block).Maker
	if maker == replay.NoNode {
		return
	}
	if own := s.Run.Nodes[maker].Account; own != "" && b.Producer != own {
		c.violated(s, maker, made, "producer", "made block %s for the account %.64q, and its own is %s", c.name(s, s.Block), b.Producer, short(trace.Hash(own)))
	}
	ahead := b.Time.Sub(s.OwnTime(maker, made))
	switch {
	case ahead > stampAhead && b.Time.Sub(c.latest(s, s.Block)) > time.Millisecond:
		c.violated(s, maker, made, "time", "made block %s, whose time is %s ahead of its own clock; at most %s are allowed",
			c.name(s, s.Block), trace.Round(ahead), stampAhead)
	case -ahead > stampBehind && made-c.logs[maker].paused > stampBehind:
		c.violated(s, maker, made, "time", "made block %s, whose time is %s behind its own clock; at most %s are allowed",
			c.name(s, s.Block), trace.Round(-ahead), stampBehind)
	}
}

// latest is the latest time that one of the last blocks up to b's parent states: no median of them is above it.
func (c *consistency) latest(s *replay.State, b replay.BlockIndex) time.Time {
	var latest time.Time
	for range 11 {
		if b = s.Blocks.At(b).Parent; b == replay.NoBlock {
			break
		}
		if t := c.stated[b]; t.After(latest) {
			latest = t
		}
	}
	return latest
}

// answer takes in an answer, to be compared when the log is complete up to its time.
func (c *consistency) answer(s *replay.State, l *nodeLog, e *trace.Event) {
	a := e.Answer
	if a.Error != "" || a.Took < 0 {
		c.failed(s, l, e)
		return
	}
	l.failed = failedAnswers{}
	x := pendingAnswer{polled: e.At, clock: e.At, peers: e.At, took: a.Took, answer: a}
	if !a.Clock.IsZero() {
		x.clock = s.LogTime(s.Node, a.Clock)
		if l.last != nil {
			step, passed := a.Clock.Sub(l.last.answer.Clock), x.polled-l.last.polled
			if off := (step - passed).Abs(); off > clockStep+a.Took+l.last.took {
				c.violated(s, s.Node, e.At, "clock", "answered twice, %s apart, and its clock advanced by %s: its answers are not those of the moment",
					trace.Round(passed), trace.Round(step))
			}
		}
		l.last = &x
	}
	if !a.PeersClock.IsZero() {
		x.peers = s.LogTime(s.Node, a.PeersClock)
	}
	c.traffic.logged(s, s.Node, e.At, a)
	c.ledger.mode(s, s.Node, e.At, a, c.traffic)
	l.waiting = append(l.waiting, x)
}

// failed counts the answers in a row that a node that is up failed to give.
func (c *consistency) failed(s *replay.State, l *nodeLog, e *trace.Event) {
	if e.Answer.Error == "" || !s.Nodes.Up(s.Node) {
		return
	}
	f := &l.failed
	if f.count == 0 {
		f.node, f.from = s.Node, e.At
	}
	f.count++
	f.until, f.why = e.At, e.Answer.Error
	if f.count > c.unanswered.count {
		c.unanswered = *f
	}
}

// compare compares the oldest answer of a node with its log.
func (c *consistency) compare(s *replay.State, n replay.NodeIndex, l *nodeLog) {
	x := l.waiting[0]
	l.waiting = slices.Delete(l.waiting, 0, 1)
	a := x.answer
	head, known := s.Blocks.Lookup(a.Head)
	if known && a.Head != "" && s.Blocks.At(head).Height != a.Height {
		c.violated(s, n, x.polled, "height", "answered that its head is block %s and its height %d", c.name(s, head), a.Height)
	}
	c.compareBlocks(s, n, x, head, known)
	if l.ended <= x.polled { // else it may have been started again meanwhile, and had other heads
		c.ledger.compare(s, n, x)
	}
	if !a.Clock.IsZero() && !s.Facts.Polled() && c.complete(s, x, l) {
		l.heads = trimHeads(l.heads, x.clock)
		c.compareHead(s, n, x, l.heads)
		c.comparePeers(s, n, x, l)
		c.traffic.compare(s, n, x)
		c.returned.compare(s, n, x, c.traffic)
	}
	c.compared++
}

// complete says whether the log has all lines up to the time of an answer. At the end of a run lines that come late are lost, and
// those by a clock that is ahead are not recorded.
func (c *consistency) complete(s *replay.State, x pendingAnswer, l *nodeLog) bool {
	return l.latest >= max(x.clock, x.peers) || s.Horizon()-x.polled > answerLag+max(0, x.clock-x.polled)
}

// compareHead compares the head that a node answered with those that it logged until and at that moment.
func (c *consistency) compareHead(s *replay.State, n replay.NodeIndex, x pendingAnswer, logged []headAt) {
	last := replay.NoBlock
	for _, h := range logged {
		if h.at > x.clock {
			break
		}
		if last = h.block; s.Blocks.At(last).Hash == x.answer.Head {
			return
		}
	}
	if last != replay.NoBlock {
		c.violated(s, n, x.polled, "answer", "answered that its head is %s at height %d, while its log says %s",
			short(x.answer.Head), x.answer.Height, c.name(s, last))
	}
}

// compareBlocks compares the blocks that a node gave by their heights with the chain of the head that it stated.
func (c *consistency) compareBlocks(s *replay.State, n replay.NodeIndex, x pendingAnswer, head replay.BlockIndex, known bool) {
	for _, b := range x.answer.Blocks {
		want := trace.Hash("")
		switch {
		case b.Height == x.answer.Height:
			want = x.answer.Head
		case known:
			if on := s.Blocks.Ancestor(head, b.Height); on != replay.NoBlock {
				want = s.Blocks.At(on).Hash
			}
		}
		if want == "" || want == b.Hash {
			continue
		}
		got := short(b.Hash)
		if got == "" {
			got = "no block"
		}
		c.violated(s, n, x.polled, "blocks", "answered that its head is %s at height %d, and gave %s at height %d, where that chain has %s",
			short(x.answer.Head), x.answer.Height, got, b.Height, short(want))
	}
}

// comparePeers compares the peers that a node listed, and their number, with the connections that it logged.
func (c *consistency) comparePeers(s *replay.State, n replay.NodeIndex, x pendingAnswer, l *nodeLog) {
	first := min(x.clock, x.peers)
	for len(l.changes) > 0 && l.changes[0].at < first {
		l.peered = l.peered || l.changes[0].peer == ""
		l.peers = l.changes[0].apply(l.peers)
		l.changes = l.changes[1:]
	}
	if !l.peered {
		return
	}
	before, after := l.peersAt(x.clock)
	if got := x.answer.PeerCount; got >= 0 && maps.Equal(before, after) && got != len(before) {
		c.violated(s, n, x.polled, "count", "answered that it has %s, while its log says %d", Count(got, "peer"), len(before))
	}
	if x.answer.PeersClock.IsZero() {
		return
	}
	before, after = l.peersAt(x.peers)
	listed := make(map[trace.NodeID]bool, len(x.answer.Peers))
	for _, p := range x.answer.Peers {
		listed[p.Peer] = true
	}
	for _, id := range slices.Sorted(maps.Keys(listed)) {
		if !before[id] && !after[id] {
			c.violated(s, n, x.polled, "peers", "answered that it is connected to %s, while its log says that it is not", id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(before)) {
		if after[id] && !listed[id] {
			c.violated(s, n, x.polled, "peers", "did not list %s among its peers, while its log says that they are connected", id)
		}
	}
}

func (p peerChange) apply(peers map[trace.NodeID]bool) map[trace.NodeID]bool {
	switch {
	case p.peer == "" || peers == nil:
		peers = make(map[trace.NodeID]bool)
	}
	switch {
	case p.peer == "":
	case p.up:
		peers[p.peer] = true
	default:
		delete(peers, p.peer)
	}
	return peers
}

// peersAt are the connections that a node logged before a time, and up to and at it.
func (l *nodeLog) peersAt(at time.Duration) (before, after map[trace.NodeID]bool) {
	before = maps.Clone(l.peers)
	i := 0
	for ; i < len(l.changes) && l.changes[i].at < at; i++ {
		before = l.changes[i].apply(before)
	}
	after = maps.Clone(before)
	for ; i < len(l.changes) && l.changes[i].at == at; i++ {
		after = l.changes[i].apply(after)
	}
	return before, after
}

func (c *consistency) Finish(s *replay.State) Result {
	for i := range c.logs {
		for l := &c.logs[i]; len(l.waiting) > 0; {
			c.compare(s, replay.NodeIndex(i), l)
		}
	}
	c.judgeUnlogged(s)
	total := 0
	for _, n := range c.contradictions {
		total += n
	}
	r := Result{
		Figure: fmt.Sprintf("%s compared, %s", Count(c.compared, "answer"), Count(total, "contradiction")), Bound: "no contradiction",
		Metrics: map[string]float64{"answers": float64(c.compared), "contradictions": float64(total)},
	}
	// Those of the node with the most first.
	slices.SortStableFunc(c.found, func(a, b Evidence) int {
		x, _ := s.Nodes.Index(a.Nodes[0])
		y, _ := s.Nodes.Index(b.Nodes[0])
		return cmp.Or(cmp.Compare(c.contradictions[y], c.contradictions[x]), cmp.Compare(a.At, b.At))
	})
	r.Evidence = c.found[:min(len(c.found), MaxEvidence)]
	switch {
	case len(c.found) > 0:
		r.Timed = total == c.traffic.late
		return r.fail(c.found[0].Text)
	case s.Blocks.Len() < 2:
		return r.vacuous("no block was made")
	case c.compared == 0:
		return r.unknown("no node gave an answer that could be compared")
	case c.unanswered.count >= maxUnanswered:
		x := c.unanswered
		return r.unknown(fmt.Sprintf("%s gave no answer from %s to %s, to %d polls: %s",
			s.Nodes.At(x.node).ID, trace.Round(x.from), trace.Round(x.until), x.count, x.why))
	}
	r.Verdict = Pass
	return r
}

// judgeUnlogged goes through the blocks that nodes got from others that did not log them.
func (c *consistency) judgeUnlogged(s *replay.State) {
	sent := slices.SortedFunc(maps.Keys(c.unlogged), func(a, b sentBlock) int {
		return cmp.Or(cmp.Compare(c.unlogged[a], c.unlogged[b]), cmp.Compare(a.to, b.to), cmp.Compare(a.block, b.block))
	})
	for _, x := range sent {
		at, from := c.unlogged[x], s.Nodes.At(x.from)
		// What it logged last may be lost if its process ended, and is not recorded if its clock is ahead at the end of the run.
		ended := c.logs[x.from].ended
		if c.logs[x.from].partial || at-ended < sentGrace && ended > 0 || s.Horizon()-at < sentGrace+max(0, from.ClockAhead) {
			continue
		}
		c.violated(s, x.from, at, "sent", "sent block %s to %s and did not log that it had it", c.name(s, x.block), s.Nodes.At(x.to).ID)
	}
}

func hasBit(set []uint64, b replay.BlockIndex) bool {
	return int(b)/64 < len(set) && set[b/64]>>(uint(b)%64)&1 != 0
}

func setBit(set []uint64, b replay.BlockIndex) []uint64 {
	for int(b)/64 >= len(set) {
		set = append(set, 0)
	}
	set[b/64] |= 1 << (uint(b) % 64)
	return set
}
