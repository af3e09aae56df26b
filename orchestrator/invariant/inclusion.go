package invariant

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/netsplit/netsplit/orchestrator/invariant/replay"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// defaultRelay is RelayTime where the chain does not say how long relaying takes.
const defaultRelay = 10 * time.Second

// RelayTime is how long before its node went down a transaction must have been submitted to be expected to reach others.
func RelayTime(f *trace.Facts) time.Duration {
	if f.RelayWithin > 0 {
		return f.RelayWithin
	}
	return defaultRelay
}

var inclusionDefinition = Definition{
	Name:  "inclusion",
	Title: "Submitted transactions come onto the final chain in time",
	Doc: `Judged for every transaction that a node accepted. It is included when a block of the chain that all nodes share at the
end holds it. The time runs from its submission to the first time that a node had such a block; where some nodes are
separated meanwhile, or nobody that is up makes blocks, the longest stretch counts in which all nodes that are up had
converged. One that is on the chain
nowhere after the time allowed, 10s and 15 block intervals is lost, as is one with the id of another, and none may be: the run goes on until these are over
for what is missing. Where the chain states how long relaying takes (facts.relay_within), that takes the place of the 10s here and
below, and is added to the 15 block intervals. Later than allowed may be a share of all, and of each sender's (of the node that it was submitted
to): that of a sender violates it where chance would put so many of all late ones on one sender with a probability of at
most 1e-5. Submissions that a node refused although it was up are counted; more than max_refused of all, or five and more
than that share of a sender's, violate it. Not judged, but counted, are those on no chain
that were submitted to a node that went down less than 10s later, or before it was connected for 10s, those submitted to a node that had not caught up since it was down (its
earlier transactions, which others may have, can have used the nonce), and those that were separated until the end.
VACUOUS without transactions. NOT APPLICABLE where the chain file does not say how to submit them or what blocks hold.
UNKNOWN when all were refused, when polled nodes showed no transaction in any block, and when the run ended before the
time allowed was over for one that is missing.`,
	Class: Liveness,
	Needs: []Observation{ObserveBlocks, ObserveSubmit, ObserveTxs},
	Params: []Param{
		{Name: "within", Type: TypeDuration, Doc: "longest time to inclusion; by default 10 block intervals, and relay_within of a chain that states it"},
		{Name: "min_share", Type: TypeShare, Default: "0.95", Doc: "least share of transactions included in time"},
		{Name: "max_refused", Type: TypeShare, Default: "0.05", Doc: "most submissions that nodes may refuse"},
	},
	New: func(p Values) Checker {
		return &inclusion{
			within: p.Duration("within"), given: p.Has("within"), minShare: p.Share("min_share"), maxRefused: p.Share("max_refused"),
			byTx: make(map[trace.Hash]int), in: make(map[trace.Hash][]replay.BlockIndex), returned: make(map[replay.NodeIndex]bool),
		}
	},
}

// senderFalseAlarm is the probability with which inclusion may fail a run because of one sender's late transactions, when they
// are late no more often than others'.
const senderFalseAlarm = 1e-5

type inclusion struct {
	within     time.Duration
	given      bool
	minShare   float64
	maxRefused float64

	txs      []submitted
	byTx     map[trace.Hash]int
	in       map[trace.Hash][]replay.BlockIndex // blocks that hold a transaction
	returned map[replay.NodeIndex]bool          // nodes that were down and share no chain with another node since
	why      string                             // of the first refusal
	bodies   bool                               // some block is recorded with transactions
	whole    []stretch                          // times in which all nodes that are up had converged, the last one may go on
	senders  []senderCount                      // by node
	counts   TxSummary
	version  int32 // of the reconciled groups
	changing bool  // the state of a node changed at this time or just before
}

type submitted struct {
	tx     trace.Hash
	node   replay.NodeIndex
	at     time.Duration
	apart  bool // the network was not whole
	exempt bool // its node went down soon after, or had not caught up since it was down
	twice  bool // another that was submitted before has the same id
}

// stretch is a time in which the network was whole; to is negative while it goes on.
type stretch struct{ from, to time.Duration }

// senderCount counts the transactions that were submitted to one node.
type senderCount struct {
	node                          replay.NodeIndex
	refused, judged, inTime, lost int
}

// InclusionTime is how long a run must go on for a transaction that is missing, before it is lost; false where no transaction is
// judged. expect are the invariants that are expected of the run.
func InclusionTime(expect []trace.Expectation, facts *trace.Facts) (time.Duration, bool) {
	for _, x := range expect {
		if x.Name != inclusionDefinition.Name {
			continue
		}
		p, errs := inclusionDefinition.parse(x.Params)
		if len(errs) > 0 {
			return 0, false
		}
		return lostAfter(p.Duration("within"), p.Has("within"), facts), true
	}
	return 0, false
}

func lostAfter(within time.Duration, given bool, facts *trace.Facts) time.Duration {
	if !given {
		within = defaultWithin(facts)
	}
	return max(within, RelayTime(facts), 15*facts.BlockInterval+facts.RelayWithin)
}

func defaultWithin(facts *trace.Facts) time.Duration {
	return 10*facts.BlockInterval + facts.RelayWithin
}

func (c *inclusion) Observe(s *replay.State, e *trace.Event) {
	if e.Kind == trace.KindRun {
		c.senders = make([]senderCount, s.Nodes.Len())
		for i := range c.senders {
			c.senders[i].node = replay.NodeIndex(i)
		}
		if !c.given {
			c.within = defaultWithin(&s.Facts.Facts)
		}
	}
	if c.version != s.Net.Version() || c.changing || c.whole == nil && s.Net.Started() {
		c.version, c.changing = s.Net.Version(), false
		c.follow(s)
	}
	switch e.Kind {
	case trace.KindBlock:
		if s.Block == replay.NoBlock {
			return
		}
		for _, tx := range e.Block.Txs {
			c.bodies = true
			c.in[tx] = append(c.in[tx], s.Block)
		}
	case trace.KindSubmit:
		c.submit(s, e.Submit)
	case trace.KindNode:
		c.changing = true
		if s.Node != replay.NoNode && e.Lifecycle.State == trace.StateUp && s.Net.Started() {
			c.returned[s.Node] = true
		}
		if s.Node != replay.NoNode && e.Lifecycle.State != trace.StateUp && !s.Stopping {
			c.wentDown(s)
		}
	}
}

// follow begins or ends a stretch in which the network is whole, and takes note of who has caught up.
func (c *inclusion) follow(s *replay.State) {
	if s.Stopping {
		return
	}
	for n := range c.returned {
		for i := range s.Nodes.All() {
			if i != n && s.Nodes.Up(i) && s.Net.Group(i) == s.Net.Group(n) {
				delete(c.returned, n)
				break
			}
		}
	}
	last := len(c.whole) - 1
	goesOn := last >= 0 && c.whole[last].to < 0
	switch whole := reconciledWithQuorum(s); {
	case whole && !goesOn:
		c.whole = append(c.whole, stretch{s.Now, -1})
	case !whole && goesOn:
		c.whole[last].to = s.Now
	case !whole && last < 0:
		c.whole = append(c.whole, stretch{})
	}
}

// apart says whether the network is not whole now, or was not at the end.
func (c *inclusion) apart() bool { return len(c.whole) == 0 || c.whole[len(c.whole)-1].to >= 0 }

// longest is the longest stretch between two times in which the network was whole.
func (c *inclusion) longest(from, to time.Duration) (d time.Duration) {
	for i := len(c.whole) - 1; i >= 0; i-- {
		x := c.whole[i]
		if x.to < 0 {
			x.to = to
		} else if x.to < from {
			break
		}
		d = max(d, min(x.to, to)-max(x.from, from))
	}
	return d
}

func (c *inclusion) submit(s *replay.State, x *trace.Submit) {
	if s.Node == replay.NoNode {
		return
	}
	if x.Error != "" {
		if !s.Nodes.Up(s.Node) {
			return
		}
		c.senders[s.Node].refused++
		if c.counts.Refused++; c.why == "" {
			c.why = x.Error
		}
		return
	}
	_, twice := c.byTx[x.Tx]
	if !twice {
		c.byTx[x.Tx] = len(c.txs)
	}
	c.txs = append(c.txs, submitted{tx: x.Tx, node: s.Node, at: s.Now, apart: c.apart(), exempt: c.returned[s.Node], twice: twice})
}

// wentDown exempts the transactions that the node got last, or while others could not be reached: it may not have relayed them.
func (c *inclusion) wentDown(s *replay.State) {
	relay := RelayTime(&s.Facts.Facts)
	since := s.Now - relay
	if last := len(c.whole) - 1; last >= 0 {
		// Before the network was whole for long enough, there may have been nobody to relay them to.
		switch x := c.whole[last]; {
		case x.to >= 0:
			since = min(since, x.to-relay)
		case x.from > since && last > 0:
			since = min(since, c.whole[last-1].to-relay)
		}
	}
	for i := len(c.txs) - 1; i >= 0 && c.txs[i].at > since; i-- {
		if c.txs[i].node == s.Node {
			c.txs[i].exempt = true
		}
	}
}

// reconciledWithQuorum says whether all nodes that are up have converged since they were last separated, and together have
// the quorum that the chain needs, or some block-making power.
func reconciledWithQuorum(s *replay.State) bool {
	group := int32(-1)
	power := 0.0
	for i, n := range s.Nodes.All() {
		if n.State != trace.StateUp {
			continue
		}
		power += n.Power
		if g := s.Net.Group(i); group == -1 {
			group = g
		} else if g != group {
			return false
		}
	}
	if !s.Facts.NeedsQuorum() {
		return s.Facts.Power == 0 || power > 0
	}
	return s.Facts.Power == 0 || s.Facts.HasQuorum(power/s.Facts.Power)
}

// finalChain holds the blocks of the chain that all nodes which are up and can reach the main one share. Nodes whose last reports
// are missing are left out.
func finalChain(s *replay.State) map[replay.BlockIndex]bool {
	shared, who := s.MainHead()
	if shared == replay.NoBlock {
		return nil
	}
	for i, n := range s.Nodes.All() {
		if n.State == trace.StateUp && s.Net.Component(i) == s.Net.Component(who) && s.ReadAtEnd(i) {
			if shared = s.Blocks.Fork(shared, n.Head); shared == replay.NoBlock {
				return nil
			}
		}
	}
	final := make(map[replay.BlockIndex]bool)
	for ; shared != replay.NoBlock; shared = s.Blocks.At(shared).Parent {
		final[shared] = true
	}
	return final
}

func (c *inclusion) Finish(s *replay.State) Result {
	r := Result{Bound: fmt.Sprintf("at least %.4g%% within %s, none lost, at most %.4g%% refused", 100*c.minShare, c.within, 100*c.maxRefused),
		Metrics: map[string]float64{}}
	final, end, apart := finalChain(s), s.Horizon(), c.apart()
	limit := lostAfter(c.within, true, &s.Facts.Facts)
	n := &c.counts
	n.Submitted = len(c.txs)
	var inTime, undecided, whileApart, ofThemIncluded int
	var delays histogram
	var lost, late worst
	for _, t := range c.txs {
		by := &c.senders[t.node]
		if t.twice {
			n.Lost++
			by.judged++
			by.lost++
			lost.add(float64(end), func() Evidence { return c.evidence(s, t, "was lost: its id is that of one submitted before") })
			continue
		}
		at, found := c.included(s, final, t.tx)
		if t.apart {
			whileApart++
		}
		if found && t.apart {
			ofThemIncluded++
		}
		if found {
			took := c.longest(t.at, at)
			n.Included++
			delays.add(took)
			if by.judged++; took <= c.within {
				inTime++
				by.inTime++
				continue
			}
			n.Late++
			late.add(float64(took), func() Evidence { return c.evidence(s, t, "was included only %s after it could be", trace.Round(took)) })
			continue
		}
		switch took := c.longest(t.at, end); {
		case t.exempt:
			n.Open++
			n.Unpromised++
		case apart && took < limit:
			n.Open++
		case took >= limit:
			n.Lost++
			by.judged++
			by.lost++
			lost.add(float64(took), func() Evidence {
				return c.evidence(s, t, "was lost: it was on no chain %s after it could be", trace.Round(took))
			})
		case took > c.within:
			n.Late++
			by.judged++
			late.add(float64(took), func() Evidence {
				return c.evidence(s, t, "was not included within %s after it could be", trace.Round(took))
			})
		default:
			n.Open++
			undecided++
		}
	}
	judged := inTime + n.Late + n.Lost
	r.Metrics["submitted"], r.Metrics["refused"], r.Metrics["judged"] = float64(n.Submitted), float64(n.Refused), float64(judged)
	r.Metrics["included"], r.Metrics["late"], r.Metrics["lost"] = float64(n.Included), float64(n.Late), float64(n.Lost)
	r.Metrics["undecided"], r.Metrics["unpromised"] = float64(undecided), float64(n.Unpromised)
	r.Metrics["submitted_while_separated"], r.Metrics["of_them_included"] = float64(whileApart), float64(ofThemIncluded)
	r.Metrics["p50_seconds"], r.Metrics["p95_seconds"] = delays.quantile(.5).Seconds(), delays.quantile(.95).Seconds()
	switch {
	case n.Submitted == 0 && n.Refused > 0:
		r.Figure = fmt.Sprintf("%s refused", Count(n.Refused, "transaction"))
		return r.unknown(fmt.Sprintf("all %d transactions were refused: %s", n.Refused, c.why))
	case n.Submitted == 0:
		r.Figure = "no transactions"
		return r.vacuous("no transaction was submitted: there was no load, or the chain has no way to submit one")
	case !c.bodies && len(s.Facts.Genesis) == 0 && s.Blocks.Len() > 1 && s.Facts.Polled():
		r.Figure = fmt.Sprintf("%s submitted", Count(n.Submitted, "transaction"))
		return r.unknown("no block is recorded with transactions: the chain does not show them, or none took any in")
	}
	share := 1.0
	if judged > 0 {
		share = float64(inTime) / float64(judged)
	}
	r.Metrics["share"] = share
	r.Figure = fmt.Sprintf("%.2f%% in time, p95 %s; %d of %d judged", 100*share, trace.Round(delays.quantile(.95)), judged, n.Submitted)
	if n.Refused > 0 {
		r.Figure += fmt.Sprintf(", %d refused", n.Refused)
	}
	if n.Unpromised > 0 {
		r.Figure += fmt.Sprintf(", %d not: their node went down", n.Unpromised)
	}
	if n.Lost > 0 {
		r.Figure += fmt.Sprintf(", %d lost", n.Lost)
	}
	if n.Lost+n.Late > 0 && s.Unreadable() != "" {
		return r.unknown(s.Unreadable())
	}
	return c.verdict(s, r, verdictCount{judged: judged, inTime: inTime, undecided: undecided}, lost.evidence, late.evidence)
}

type verdictCount struct{ judged, inTime, undecided int }

func (c *inclusion) verdict(s *replay.State, r Result, x verdictCount, lost, late []Evidence) Result {
	n := &c.counts
	refused, bySender := c.refused(s)
	if c.maxRefused < 1 && (refused > c.maxRefused || bySender != nil) {
		if bySender == nil {
			bySender = &Evidence{At: s.Horizon(), Text: fmt.Sprintf("nodes refused %d of %d submissions, at most %.4g%% are allowed: %s",
				n.Refused, n.Refused+n.Submitted, 100*c.maxRefused, c.why)}
		}
		r.Evidence = append(r.Evidence, *bySender)
	}
	sender := c.lateSender(s, x)
	switch {
	case len(lost) > 0:
		r.Evidence = slices.Concat(lost, r.Evidence, late)
		reason := fmt.Sprintf("%d of %d transactions were lost, %d were late", n.Lost, x.judged, n.Late)
		if by := c.mostLost(); by.lost == n.Lost || by.lost > 1 && 2*by.lost > n.Lost {
			reason += fmt.Sprintf("; %d of the lost ones were submitted to %s", by.lost, s.Nodes.At(by.node).ID)
		}
		r.Evidence = r.Evidence[:min(len(r.Evidence), MaxEvidence)]
		return r.fail(reason)
	case x.judged > 0 && float64(x.inTime) < c.minShare*float64(x.judged):
		r.Evidence = slices.Concat(late, r.Evidence)
		r.Evidence = r.Evidence[:min(len(r.Evidence), MaxEvidence)]
		return r.fail(fmt.Sprintf("%d of %d transactions were late, %d were lost", n.Late, x.judged, n.Lost))
	case sender != nil:
		r.Evidence = append([]Evidence{*sender}, r.Evidence...)
		return r.fail(sender.Text)
	case len(r.Evidence) > 0:
		return r.fail(r.Evidence[0].Text)
	case x.undecided > 0:
		return r.unknown(fmt.Sprintf("%d of %d transactions were on no chain when the run ended, and the time allowed was not over for them",
			x.undecided, n.Submitted))
	case x.judged == 0:
		return r.unknown("no transaction could be judged: nodes went down, or were separated until the end")
	}
	r.Verdict = Pass
	return r
}

// refused is the share of all submissions that nodes refused, and evidence of the sender whose share is too large, if one is.
func (c *inclusion) refused(s *replay.State) (share float64, sender *Evidence) {
	sent := make([]int, len(c.senders))
	for _, t := range c.txs {
		sent[t.node]++
	}
	var found worst
	for i, x := range c.senders {
		all := x.refused + sent[i]
		if own := float64(x.refused) / float64(max(1, all)); x.refused >= 5 && own > c.maxRefused {
			found.add(own, func() Evidence {
				id := s.Nodes.At(x.node).ID
				return Evidence{At: s.Horizon(), Nodes: []trace.NodeID{id}, Text: fmt.Sprintf(
					"%s refused %d of %d submissions, at most %.4g%% are allowed; the first refusal of the run: %s", id, x.refused, all, 100*c.maxRefused, c.why)}
			})
		}
	}
	if len(found.evidence) > 0 {
		sender = &found.evidence[0]
	}
	return float64(c.counts.Refused) / float64(max(1, c.counts.Refused+c.counts.Submitted)), sender
}

// mostLost is the sender that lost most transactions.
func (c *inclusion) mostLost() senderCount {
	return slices.MaxFunc(c.senders, func(a, b senderCount) int { return cmp.Compare(a.lost, b.lost) })
}

// lateSender finds a sender whose transactions are late more often than is allowed, and than chance can explain: with so many late
// ones among all, a sender draws at least so many of them with a probability below senderFalseAlarm, for all senders together.
func (c *inclusion) lateSender(s *replay.State, all verdictCount) *Evidence {
	var found worst
	for _, x := range c.senders {
		if x.judged == 0 || float64(x.inTime) >= c.minShare*float64(x.judged) {
			continue
		}
		bad := x.judged - x.inTime
		if chance := drawAtLeast(all.judged, all.judged-all.inTime, x.judged, bad); chance*float64(len(c.senders)) < senderFalseAlarm {
			found.add(float64(bad)/float64(x.judged), func() Evidence {
				id := s.Nodes.At(x.node).ID
				return Evidence{At: s.Horizon(), Nodes: []trace.NodeID{id}, Text: fmt.Sprintf(
					"of %d transactions submitted to %s, %d were not included in time: at least %.4g%% must be, and of all %d it is %.4g%%",
					x.judged, id, bad, 100*c.minShare, all.judged, 100*float64(all.inTime)/float64(all.judged))}
			})
		}
	}
	if len(found.evidence) == 0 {
		return nil
	}
	return &found.evidence[0]
}

// drawAtLeast is the probability with which n draws from a set have at least k of its marked members (hypergeometric).
func drawAtLeast(size, marked, n, k int) float64 {
	sum := 0.0
	for i := max(k, n-(size-marked)); i <= min(n, marked); i++ {
		sum += math.Exp(logChoose(marked, i) + logChoose(size-marked, n-i) - logChoose(size, n))
	}
	return min(1, sum)
}

// included is when a node first had a block of the final chain with the transaction.
func (c *inclusion) included(s *replay.State, final map[replay.BlockIndex]bool, tx trace.Hash) (at time.Duration, found bool) {
	for _, id := range c.in[tx] {
		b := s.Blocks.At(id)
		if b.Preexisting() { // an earlier run on these nodes submitted the same
			continue
		}
		if final[id] && b.FirstBy != replay.NoNode && (!found || b.First < at) {
			at, found = b.First, true
		}
	}
	return at, found
}

func (c *inclusion) evidence(s *replay.State, t submitted, what string, args ...any) Evidence {
	id := s.Nodes.At(t.node).ID
	return Evidence{
		At: t.at, Nodes: []trace.NodeID{id}, Windows: s.Faults.Windows(t.at),
		Text: fmt.Sprintf("transaction %s, submitted to %s at %s, "+what, append([]any{short(t.tx), id, trace.Round(t.at)}, args...)...),
	}
}

func (c *inclusion) summarize(_ *replay.State, into *Summary) { into.Txs = c.counts }
