package invariant

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/netsplit/netsplit/orchestrator/invariant/replay"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

var adversaryDefinition = Definition{
	Name:  "adversary",
	Title: "Honest nodes accept nothing invalid, and ban who sends it",
	Doc: `Judged in runs with adversaries, from what these say they sent and what honest nodes say they did. No honest node may accept a
block that no honest node may accept, or take a block that holds such a transaction; none may ban another honest node, or
refuse such a block or transaction of one, which would have passed it on. A node that is sent what shows a connected peer to
be an adversary must ban it within the bound, which it may do without a word, and take up no connection with it until the ban
is over (less one second). What it says must name what it was sent: the same block or transaction, and the rule that it
breaks. A ban for what the adversary sent later shows that the node took what came before. An attack is not judged where the
node went down, the connection ended for another reason, or a cut of an adversary or its heal may have held the message up, within
the bound.
Of three handshakes or more that must be refused, not all may be accepted; a single one may be lost with its connection. What came
before a handshake must not be handled, as a refusal of it shows. A valid block at the edge of the rules must not be refused.
Invalid blocks that an honest node makes are for validity, nodes that end for no_crash. There is no statistic, and no false
alarm while a node takes less than the bound for a message.
UNKNOWN when no attack was recorded, or none of those that honest nodes must notice could be judged. VACUOUS, and left out of
the report unless the scenario lists it, without adversaries.`,
	Class: Safety, Always: true, Quiet: true,
	Params: []Param{{Name: "within", Type: TypeDuration, Default: "10s", Doc: "longest time from an attack to its refusal"}},
	Needs:  []Observation{ObserveAttacks},
	New: func(p Values) Checker {
		return &adversary{
			within: p.Duration("within"), kinds: make(map[string]int), bad: make(map[trace.Hash]sentAttack), good: make(map[trace.Hash]sentAttack),
			open: make(map[[2]replay.NodeIndex][]sentAttack), linked: make(map[[2]replay.NodeIndex]bool), banned: make(map[[2]replay.NodeIndex]time.Duration),
		}
	},
}

// adversary follows attacks by the pair of the honest node and its adversary.
type adversary struct {
	within time.Duration
	kinds  map[string]int
	bad    map[trace.Hash]sentAttack             // by block or transaction
	good   map[trace.Hash]sentAttack             // by block that is valid
	open   map[[2]replay.NodeIndex][]sentAttack  // those that were not refused yet, the first of which must be
	banned map[[2]replay.NodeIndex]time.Duration // until when
	linked map[[2]replay.NodeIndex]bool          // connected, by what the honest node said
	// handshakes counts attacks on the handshake, and those that were refused.
	handshakes, declined int
	cuts                 struct {
		hold          bool          // some do
		begin, heldUp time.Duration // when they began, and until when they may hold up what is sent
	}
	due []dueAttack // in the order of their times

	configured, sent, wanted, refused, bans, unjudged int
	violations, late                                  int // late: of them, those of times alone
	evidence                                          []Evidence
}

type sentAttack struct {
	*trace.Attack
	at time.Duration
	by replay.NodeIndex
	no int // counts attacks
}

// dueAttack is an attack that must have been refused by a time.
type dueAttack struct {
	pair [2]replay.NodeIndex
	no   int
	at   time.Duration
}

func (c *adversary) Observe(s *replay.State, e *trace.Event) {
	if e.Kind == trace.KindRun {
		kinds := make(map[string]bool)
		for _, n := range e.Run.Nodes {
			for _, k := range n.Adversary {
				kinds[k] = true
			}
		}
		c.configured = len(kinds)
	}
	if c.configured == 0 || s.Stopping {
		return
	}
	c.expire(s)
	switch e.Kind {
	case trace.KindAttack:
		if s.Node != replay.NoNode && s.Nodes.At(s.Node).Adversary {
			c.attack(s, e.Attack)
		}
	case trace.KindRefuse:
		if s.Node != replay.NoNode {
			c.refuse(s, e.Refuse)
		}
	case trace.KindSeen:
		c.accepted(s, e.Seen.Hash)
	case trace.KindHead:
		c.accepted(s, e.Head.Hash)
	case trace.KindBlock:
		c.body(s, e.Block)
	case trace.KindPeer:
		if s.Node != replay.NoNode {
			c.peer(s, e.Peer)
		}
	case trace.KindNode:
		c.restart(s, e)
	case trace.KindFault:
		c.cut(s)
	}
}

// pairWith is the pair of an honest node and the adversary with a name; ok is false where it is none.
func pairWith(s *replay.State, honest replay.NodeIndex, name trace.NodeID) (pair [2]replay.NodeIndex, ok bool) {
	i, known := s.Nodes.Index(name)
	return [2]replay.NodeIndex{honest, i}, known && s.Nodes.At(i).Adversary && !s.Nodes.At(honest).Adversary
}

func (c *adversary) attack(s *replay.State, e *trace.Attack) {
	to, ok := s.Nodes.Index(e.Peer)
	if !ok || s.Nodes.At(to).Adversary {
		return
	}
	c.sent++
	c.kinds[e.Kind]++
	x := sentAttack{e, s.Now, s.Node, c.sent}
	if e.Want == wantAccept {
		c.good[e.Hash] = x
		return
	}
	if _, known := c.bad[e.Hash]; e.Hash != "" && !known {
		c.bad[e.Hash] = x
		// A node whose clock is ahead may have reported it before.
		if b, ok := s.Blocks.Lookup(e.Hash); ok && s.Blocks.At(b).FirstBy != replay.NoNode {
			c.acceptedBy(s, s.Blocks.At(b).FirstBy, x)
		}
	}
	pair := [2]replay.NodeIndex{to, s.Node}
	if e.Want == wantDisconnect && s.Nodes.Up(to) && !c.cuts.hold && s.Now > c.cuts.heldUp {
		c.handshakes++
	}
	if e.Want != wantBan || !c.linked[pair] {
		return
	}
	if !s.Nodes.Up(to) { // it is paused, and reads the message when it goes on
		c.unjudged++
		return
	}
	if len(c.open[pair]) == 0 {
		c.wanted++
		c.due = append(c.due, dueAttack{pair, x.no, s.Now + c.within})
	}
	if len(c.open[pair]) < maxOpen {
		c.open[pair] = append(c.open[pair], x)
	}
}

// maxOpen bounds the attacks on one node by one adversary that are remembered while none was refused.
const maxOpen = 64

// expire judges the attacks that should have been refused by now.
func (c *adversary) expire(s *replay.State) {
	for len(c.due) > 0 && c.due[0].at < s.Now {
		d := c.due[0]
		c.due = c.due[1:]
		open := c.open[d.pair]
		if len(open) == 0 || open[0].no != d.no {
			continue
		}
		x := open[0]
		delete(c.open, d.pair)
		if x.at <= c.cuts.heldUp || c.cuts.hold {
			c.unjudged++
			continue
		}
		victim, by := s.Nodes.At(d.pair[0]).ID, s.Nodes.At(d.pair[1]).ID
		c.late++
		c.violated(s, d.at, fmt.Sprintf("%s did not ban %s, which sent it %s at %s, within %s",
			victim, by, attackText(x.Attack), trace.Round(x.at), c.within), x.Hash, victim, by)
	}
}

// cut follows cuts of links of adversaries. TCP retransmits in growing intervals: what was sent over a cut link, and what is sent after the heal, may
// wait for as long again as the cut held.
func (c *adversary) cut(s *replay.State) {
	hold := s.CutsPossibleAt(func(n replay.NodeIndex) bool { return s.Nodes.At(n).Adversary })
	switch {
	case hold && !c.cuts.hold:
		c.cuts.begin = s.Now
	case !hold && c.cuts.hold:
		c.cuts.heldUp = s.Now + (s.Now - c.cuts.begin) + time.Second
	}
	c.cuts.hold = hold
}

// Values of Attack.Want: the sender must be banned, or its handshake refused; what came before a handshake must not be handled; the
// block is valid.
const (
	wantBan        = "ban"
	wantDisconnect = "disconnect"
	wantIgnore     = "ignore"
	wantAccept     = "accept"
)

func attackText(a *trace.Attack) string {
	if a.Hash == "" {
		return a.Kind
	}
	return fmt.Sprintf("%s (%s)", a.Kind, short(a.Hash))
}

// refuse takes in that an honest node refused what a peer sent.
func (c *adversary) refuse(s *replay.State, e *trace.Refuse) {
	pair, ok := pairWith(s, s.Node, e.Peer)
	id := s.Nodes.At(s.Node).ID
	// Another adversary may send the block with another body, which is not valid.
	if x, good := c.good[e.Hash]; good && (!ok || pair[1] == x.by) {
		c.violated(s, s.Now, fmt.Sprintf("%s refused %s of %s, which is valid: %s", id, attackText(x.Attack), s.Nodes.At(x.by).ID, e.Reason),
			e.Hash, id, e.Peer)
		return
	}
	if x, bad := c.bad[e.Hash]; bad && ok && x.Want == wantIgnore {
		c.violated(s, s.Now, fmt.Sprintf("%s handled %s of %s, which came before the handshake: %s", id, attackText(x.Attack), e.Peer, e.Reason),
			e.Hash, id, e.Peer)
	}
	if !ok {
		if x, bad := c.bad[e.Hash]; bad && e.Hash != "" {
			c.violated(s, s.Now, fmt.Sprintf("%s passed on %s of %s, which %s refused", e.Peer, attackText(x.Attack), s.Nodes.At(x.by).ID, id),
				e.Hash, e.Peer, id)
		} else if _, known := s.Nodes.Index(e.Peer); known && e.Banned {
			c.violated(s, s.Now, fmt.Sprintf("%s banned %s, which is honest: %s", id, e.Peer, e.Reason), e.Hash, id, e.Peer)
		}
		return
	}
	if len(c.open[pair]) > 0 {
		c.answered(s, e, pair)
	} else if !c.linked[pair] {
		c.declined++
	}
	if e.Banned {
		c.bans++
		c.banned[pair] = s.Now + s.Facts.BanTime - banSlack
	}
}

// answered judges what a node says of the attacks of an adversary that it has not refused yet. The messages of a connection arrive
// in order, and the first of these that arrives ends it.
func (c *adversary) answered(s *replay.State, e *trace.Refuse, pair [2]replay.NodeIndex) {
	id, open := s.Nodes.At(pair[0]).ID, c.open[pair]
	x := open[0]
	at := slices.IndexFunc(open, func(o sentAttack) bool { return o.Hash == e.Hash })
	switch {
	case at < 0 && !e.Banned:
		return // of something that it need not have noticed
	case at < 0:
		c.unjudged++ // likewise
	case open[at].at != x.at: // a branch or a history has several blocks at once
		c.violated(s, s.Now, fmt.Sprintf("%s banned %s for %s and not for %s, which it had sent at %s, before",
			id, e.Peer, attackText(open[at].Attack), attackText(x.Attack), trace.Round(x.at)), x.Hash, id, e.Peer)
	case !e.Banned:
		c.violated(s, s.Now, fmt.Sprintf("%s refused %s of %s without a ban: %s", id, attackText(x.Attack), e.Peer, e.Reason), x.Hash, id, e.Peer)
	case !strings.Contains(e.Reason, open[at].Reason):
		c.violated(s, s.Now, fmt.Sprintf("%s refused %s of %s for another reason than %q: %s",
			id, attackText(open[at].Attack), e.Peer, open[at].Reason, e.Reason), open[at].Hash, id, e.Peer)
	default:
		c.refused++
	}
	delete(c.open, pair)
}

// ownDecision is how soon after an attack a connection ends that the attacked node ends because of it: it must have banned the
// sender, whether it says so or not.
const ownDecision = time.Second

// banSlack is how much earlier a ban may end, by the clocks of the node and of those that record.
const banSlack = time.Second

// peer takes in that a connection came up or went down.
func (c *adversary) peer(s *replay.State, e *trace.Peer) {
	pair, ok := pairWith(s, s.Node, e.Peer)
	if !ok {
		return
	}
	c.linked[pair] = e.Up
	if !e.Up {
		if open := c.open[pair]; len(open) > 0 {
			x := open[0]
			delete(c.open, pair)
			c.unjudged++
			if s.Now-x.at <= ownDecision && !c.cuts.hold && x.at > c.cuts.heldUp {
				c.banned[pair] = x.at + s.Facts.BanTime - banSlack
			}
		}
		return
	}
	if until, banned := c.banned[pair]; banned && s.Now < until {
		delete(c.banned, pair)
		id := s.Nodes.At(s.Node).ID
		c.violated(s, s.Now, fmt.Sprintf("%s took up a connection with %s %s before its ban was over", id, e.Peer, trace.Round(until-s.Now)),
			"", id, e.Peer)
	}
}

// restart forgets what a node that went down knew.
func (c *adversary) restart(s *replay.State, e *trace.Event) {
	i, ok := s.Nodes.Index(e.Node)
	if !ok || e.Lifecycle.State == trace.StateUp {
		return
	}
	for pair := range c.open {
		if pair[0] == i || pair[1] == i {
			delete(c.open, pair)
			c.unjudged++
		}
	}
	if e.Lifecycle.State == trace.StatePaused {
		return
	}
	for pair := range c.linked {
		if pair[0] == i {
			delete(c.linked, pair)
			delete(c.banned, pair)
		}
	}
}

// accepted takes in that an honest node has a block.
func (c *adversary) accepted(s *replay.State, h trace.Hash) {
	if x, bad := c.bad[h]; bad && s.Node != replay.NoNode {
		c.acceptedBy(s, s.Node, x)
	}
}

func (c *adversary) acceptedBy(s *replay.State, n replay.NodeIndex, x sentAttack) {
	id, by := s.Nodes.At(n).ID, s.Nodes.At(x.by).ID
	c.violated(s, s.Now, fmt.Sprintf("%s accepted %s of %s", id, attackText(x.Attack), by), x.Hash, id, by)
}

// body looks for transactions in a block that no honest node may include.
func (c *adversary) body(s *replay.State, b *trace.Block) {
	for _, tx := range b.Txs {
		if x, bad := c.bad[tx]; bad {
			by := s.Nodes.At(x.by).ID
			c.violated(s, s.Now, fmt.Sprintf("block %s at height %d includes %s of %s", short(b.Hash), b.Height, attackText(x.Attack), by), b.Hash, by)
		}
	}
}

func (c *adversary) violated(s *replay.State, at time.Duration, text string, block trace.Hash, nodes ...trace.NodeID) {
	c.violations++
	e := Evidence{At: at, Nodes: nodes, Windows: s.Faults.Windows(at), Text: text}
	if block != "" {
		e.Blocks = []trace.Hash{block}
	}
	c.evidence = appendEvidence(c.evidence, e)
}

// fewHandshakes is how many handshakes cannot all have been lost with their connections.
const fewHandshakes = 3

func (c *adversary) Finish(s *replay.State) Result {
	if c.configured > 0 && !s.Stopping {
		c.expire(s)
	}
	if c.handshakes >= fewHandshakes && c.declined == 0 {
		c.violated(s, s.Horizon(), fmt.Sprintf("none of %d handshakes that must be refused was", c.handshakes), "")
	}
	r := Result{
		Figure: fmt.Sprintf("%s of %d of %d kinds, %s", Count(c.sent, "attack"), len(c.kinds), c.configured, Count(c.bans, "ban")),
		Bound:  fmt.Sprintf("nothing accepted, refused within %s", c.within), Evidence: c.evidence,
		Metrics: map[string]float64{
			"attacks": float64(c.sent), "kinds": float64(len(c.kinds)), "must_be_refused": float64(c.wanted), "refused": float64(c.refused),
			"bans": float64(c.bans), "not_judged": float64(c.unjudged), "violations": float64(c.violations),
		},
	}
	switch {
	case len(c.evidence) > 0:
		r.Timed = c.late == c.violations
		return r.fail(c.evidence[0].Text)
	case c.configured == 0:
		return r.vacuous("there was no adversary")
	case c.sent == 0:
		return r.unknown("no attack was recorded")
	case c.wanted+c.handshakes > 0 && c.refused+c.declined == 0:
		return r.unknown("none of the attacks that honest nodes must notice could be judged")
	}
	r.Verdict = Pass
	return r
}
