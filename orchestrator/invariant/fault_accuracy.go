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

var accuracyDefinition = Definition{
	Name:  "fault_accuracy",
	Title: "Every fault did what was planned, as measured",
	Doc: `Judged for every fault. It must hold from late after the planned time at the latest, end no later than late after its
planned end, and hold for at least half of the planned time; a node that shuts down or starts by itself has 10s more for
each. A fault on links must have been measured before, during and after: whole links reachable; cut links without a packet;
delayed links without loss, and late by what all faults that hold on the link add up to, relative to the same link without
a fault. The median error of links with a constant delay is at most delay_error or 10 % of the delay, and each delays by half
of it in any case. Where the delay varies, each packet is a draw from Delay ± Jitter, evenly distributed (delays and jitters
of overlapping faults add): the median error of all packets of a measurement may be 4.9 standard errors more, their
distribution may differ from the even one by what chance allows (Kolmogorov-Smirnov, from a jitter of delay_error on), and
no link may have all its packets at one end. Each of these three fails one good measurement in a million. What a measurement
expects must be what the recorded faults add up to. A fault on nodes must have changed the state of each of its nodes; while
a node is not up it must not answer polls or report blocks, and it must answer once it is up again.
Links of nodes that are not up, or that came up less than 5s before, are left out.
VACUOUS when the run had no fault, when other faults kept the ends of all links of a fault from being measured while it held,
or when a cut dropped or a delay held up no packet of the testnet's own traffic, which shows that no live connection used
those links. UNKNOWN when a fault was too short to be measured, when the run ended before
it did, when packets were lost because another testnet on the host ended, and when only times or delays are wrong and the
machine was late or a node's clock is.`,
	Class: Infrastructure, Always: true, Reports: ReportsNone,
	Params: []Param{
		{Name: "delay_error", Type: TypeDuration, Default: "5ms", Doc: "how far the median one-way delay may be off; 10 % of the delay if that is more"},
		{Name: "late", Type: TypeDuration, Default: "2s", Doc: "how late a fault may hold everywhere, and be gone everywhere"},
	},
	New: func(p Values) Checker {
		return &accuracy{
			tolerance: p.Duration("delay_error"), late: p.Duration("late"),
			faults: make(map[string]*measured), base: make(map[[2]trace.NodeID]time.Duration),
			reported: make(map[replay.NodeIndex]bool),
		}
	},
}

const (
	// warmUp is how long a node must have been up for its links to be judged.
	warmUp = 5 * time.Second
	// reportDelay is how long after a node went down what it did just before may be recorded.
	reportDelay = time.Second
	// ownTime is what a node may need to shut down or to start by itself; it is killed then.
	ownTime = 10 * time.Second
	// unknownBase is more than a packet takes between two nodes without a fault, where that was never measured.
	unknownBase = time.Millisecond
)

type accuracy struct {
	tolerance time.Duration
	late      time.Duration

	faults   map[string]*measured
	base     map[[2]trace.NodeID]time.Duration // median delay of each link, when it was measured last without a delay
	reported map[replay.NodeIndex]bool         // nodes that were active while they were down: a violation is counted once
	evidence []Evidence
	timed    []Evidence // what a late machine or a wrong clock may have caused
	failures int
	worst    delayError
	varying  bool // some delay was measured that should vary
}

// measured is what is known of one fault beside its window.
type measured struct {
	probed  map[trace.ProbePhase]bool
	links   map[trace.ProbePhase]*linkFigures
	changed map[replay.NodeIndex]bool // nodes whose state it changed
	lost    []Evidence                // delayed links that lost packets
	answers AnswerSummary
	failed  bool
	absent  trace.NodeID // that no link could be measured without
	vacuous string       // why the fault is not judged
}

// linkFigures sum up the measurements of one phase; Links and CutLinks are those of the largest measurement.
type linkFigures struct {
	LinkSummary
	medians []time.Duration // of links that should be whole
	extra   []time.Duration // measured on delayed links, above base
	errors  []time.Duration // measured minus expected, on links with a constant delay
	spread  []time.Duration // half the range that the middle half of the delays suggests, of each measurement
}

func (c *accuracy) of(id string) *measured {
	m := c.faults[id]
	if m == nil {
		m = &measured{
			probed: make(map[trace.ProbePhase]bool), links: make(map[trace.ProbePhase]*linkFigures),
			changed: make(map[replay.NodeIndex]bool),
		}
		c.faults[id] = m
	}
	return m
}

func (c *accuracy) Observe(s *replay.State, e *trace.Event) {
	switch e.Kind {
	case trace.KindFault:
		c.begin(s, e.Fault)
	case trace.KindProbe:
		c.probe(s, e.Probe)
	case trace.KindNode:
		if s.Node != replay.NoNode && e.Lifecycle.Fault != "" {
			c.of(e.Lifecycle.Fault).changed[s.Node] = true
		}
	case trace.KindSeen, trace.KindHead:
		c.active(s, "reported a block", c.failTimed)
	case trace.KindStatus:
		c.polled(s, e)
		switch {
		case s.Node == replay.NoNode || s.Stopping:
		case e.Status.Error == "":
			c.active(s, "answered a poll", c.fail)
		case s.Nodes.Up(s.Node) && !e.Status.Final:
			if f := s.Faults.LatestOn(s.Node); f != nil {
				c.failTimed(s, c.of(f.ID), fmt.Sprintf("%s: node %s does not answer polls although it is up: %s", f.ID, e.Node, e.Status.Error), e.Node)
			}
		}
	}
}

// begin counts how many of a fault's nodes are up when it begins.
func (c *accuracy) begin(s *replay.State, f *trace.Fault) {
	m := c.of(f.ID)
	if f.Phase != trace.FaultBegin {
		return
	}
	for _, id := range f.Nodes {
		if n, ok := s.Nodes.Index(id); ok && s.Nodes.At(n).State == trace.StateUp {
			m.answers.UpBefore++
		}
	}
}

// polled counts a poll, answered or not, for the latest fault on the node.
func (c *accuracy) polled(s *replay.State, e *trace.Event) {
	x := e.Status
	n, ok := s.Nodes.Index(e.Node) // an adversary is polled too
	if !ok || x.Final {
		return
	}
	f := s.Faults.LatestOn(n)
	if f == nil {
		return
	}
	a := &c.of(f.ID).answers
	polls, answers := &a.PolledDuring, &a.AnsweredDuring
	if f.Has(trace.FaultHealing) {
		polls, answers = &a.PolledAfter, &a.AnsweredAfter
	}
	*polls++
	if x.Error == "" {
		*answers++
	}
}

// active notes that a node did something; one that is down or paused cannot.
func (c *accuracy) active(s *replay.State, what string, fail failure) {
	if s.Node == replay.NoNode || s.Stopping || !s.Net.Started() {
		return
	}
	n := s.Nodes.At(s.Node)
	if n.State != trace.StateDown && n.State != trace.StatePaused || s.Since-n.StateSince <= reportDelay || c.reported[s.Node] {
		return
	}
	f := s.Faults.LatestOn(s.Node)
	// A node that is being brought back may be active before the call that does it has returned and its state is recorded.
	if f == nil || !f.Has(trace.FaultActive) || f.Has(trace.FaultHealing) {
		return
	}
	c.reported[s.Node] = true
	fail(s, c.of(f.ID), fmt.Sprintf("%s: node %s %s although it is %s", f.ID, n.ID, what, n.State), n.ID)
}

// failure records that a fault did not do what was planned.
type failure func(s *replay.State, m *measured, text string, nodes ...trace.NodeID)

func (c *accuracy) fail(s *replay.State, m *measured, text string, nodes ...trace.NodeID) {
	c.failures++
	m.failed = true
	c.evidence = appendEvidence(c.evidence, Evidence{At: s.Now, Nodes: nodes, Windows: s.Faults.Windows(s.Now), Text: text})
}

// failTimed is fail for what a late machine or a wrong clock can cause as well.
func (c *accuracy) failTimed(s *replay.State, m *measured, text string, nodes ...trace.NodeID) {
	c.failures++
	m.failed = true
	c.timed = appendEvidence(c.timed, Evidence{At: s.Now, Nodes: nodes, Windows: s.Faults.Windows(s.Now), Text: text})
}

func (c *accuracy) probe(s *replay.State, p *trace.Probe) {
	m := c.of(p.Fault)
	m.probed[p.Phase] = true
	if p.Error != "" {
		c.fail(s, m, fmt.Sprintf("%s: the measurement %s the fault failed: %s", p.Fault, p.Phase, p.Error))
		return
	}
	f := m.links[p.Phase]
	if f == nil {
		f = &linkFigures{}
		m.links[p.Phase] = f
	}
	x := probed{accuracy: c, s: s, p: p, m: m, f: f}
	var links, cut int
	for i := range p.Links {
		l := &p.Links[i]
		if l.Sent <= 0 || !warm(s, l.From) || !warm(s, l.To) {
			continue
		}
		x.link(l)
		links++
		if l.ExpectedCut {
			cut++
		}
	}
	x.finish()
	f.Links, f.CutLinks = max(f.Links, links), max(f.CutLinks, cut)
	if links == 0 && p.Phase == trace.ProbeDuring {
		m.absent = cmp.Or(absent(s, s.Faults.Get(p.Fault)), m.absent)
	}
}

// absent names a node that another fault keeps from being measured, where no link of f has both its ends up; else it is empty.
func absent(s *replay.State, f *replay.FaultWindow) trace.NodeID {
	var missing trace.NodeID
	up := func(ids []trace.NodeID) (out []trace.NodeID) {
		for _, id := range ids {
			if warm(s, id) {
				out = append(out, id)
			} else if i, ok := s.Nodes.Index(id); ok && s.Faults.LatestOn(i) != nil {
				missing = id
			}
		}
		return out
	}
	for _, r := range f.Rules {
		from, to := up(r.From), up(r.To)
		if len(from) > 0 && slices.ContainsFunc(to, func(id trace.NodeID) bool { return len(from) > 1 || id != from[0] }) {
			return ""
		}
	}
	return missing
}

// warm says whether a node was up long enough for its links to be judged.
func warm(s *replay.State, id trace.NodeID) bool {
	i, ok := s.Nodes.Index(id)
	if !ok {
		return false
	}
	n := s.Nodes.At(i)
	return n.State == trace.StateUp && (n.StateSince <= 0 || s.Now-n.StateSince >= warmUp)
}

// probed is one measurement that is being judged.
type probed struct {
	*accuracy
	s    *replay.State
	p    *trace.Probe
	m    *measured
	f    *linkFigures
	vary []*trace.LinkProbe // links whose delay should vary
	all  varyingDelays      // of these
}

func (x *probed) fails(fail failure, l *trace.LinkProbe, format string, args ...any) {
	fail(x.s, x.m, x.p.Fault+": "+fmt.Sprintf(format, args...), l.From, l.To)
}

// link counts one measured link and judges what it shows by itself.
func (x *probed) link(l *trace.LinkProbe) {
	if cut, delay, jitter, sure := x.s.Faults.Expected(l.From, l.To); sure &&
		(cut != l.ExpectedCut || delay != l.ExpectedDelay || jitter != l.ExpectedJitter) {
		x.fails(x.fail, l, "the measurement expects the link from %s to %s to be %s, the faults add up to %s", l.From, l.To,
			linkState(l.ExpectedCut, l.ExpectedDelay, l.ExpectedJitter), linkState(cut, delay, jitter))
		return
	}
	f := x.f
	if l.ExpectedCut {
		f.CutSent += int64(l.Sent)
		f.Leaked += int64(l.Received)
		if l.Received > 0 {
			x.fails(x.fail, l, "%d of %d packets from %s reached %s over a cut link", l.Received, l.Sent, l.From, l.To)
		}
		return
	}
	f.Sent += int64(l.Sent)
	f.Received += int64(l.Received)
	f.ExpectedDelay, f.ExpectedJitter = max(f.ExpectedDelay, l.ExpectedDelay), max(f.ExpectedJitter, l.ExpectedJitter)
	if l.Received == 0 {
		fail := x.fail
		if x.s.Machine.Worst >= replay.LateTimer { // they may have come, and late
			fail = x.failTimed
		}
		x.fails(fail, l, "none of %d packets from %s reached %s %s the fault, over a link that is not cut", l.Sent, l.From, l.To, x.p.Phase)
		return
	}
	f.medians = append(f.medians, l.Median)
	key := [2]trace.NodeID{l.From, l.To}
	base, known := x.base[key]
	if l.ExpectedDelay == 0 {
		x.base[key] = l.Median
		if known && x.p.Phase != trace.ProbeBefore {
			f.errors = append(f.errors, l.Median-base)
		}
		return
	}
	if l.Received < l.Sent {
		x.m.lost = appendEvidence(x.m.lost, Evidence{
			At: x.s.Now, Nodes: []trace.NodeID{l.From, l.To}, Windows: x.s.Faults.Windows(x.s.Now), Text: fmt.Sprintf(
				"%s: the delayed link from %s to %s lost %d of %d packets", x.p.Fault, l.From, l.To, l.Sent-l.Received, l.Sent),
		})
	}
	if l.ExpectedJitter > 0 {
		f.extra = append(f.extra, l.Median-base)
		x.vary = append(x.vary, l)
		return
	}
	off := l.Median - base - l.ExpectedDelay
	switch {
	case !known && x.p.Phase == trace.ProbeBefore:
		x.base[key] = max(0, off) // another fault's delay holds, and the link was not measured without it
		off = min(off, 0)
	case !known && off > 0:
		off = max(0, off-unknownBase)
	}
	f.extra = append(f.extra, l.ExpectedDelay+off)
	f.errors = append(f.errors, off)
	if l.ExpectedDelay+off < l.ExpectedDelay/2 {
		x.fails(x.failTimed, l, "the delay from %s to %s is %s, expected are %s", l.From, l.To, trace.Round(l.ExpectedDelay+off), l.ExpectedDelay)
	}
}

// linkState says what should be true on a link.
func linkState(cut bool, delay, jitter time.Duration) string {
	switch {
	case cut:
		return "cut"
	case jitter > 0:
		return fmt.Sprintf("delayed by %s ± %s", delay, jitter)
	case delay > 0:
		return fmt.Sprintf("delayed by %s", delay)
	}
	return "whole"
}

// finish judges the links whose delay should vary, each by itself and all together.
func (x *probed) finish() {
	for _, l := range x.vary {
		base, known := x.base[[2]trace.NodeID{l.From, l.To}]
		if len(l.Delays) != l.Received {
			x.fails(x.fail, l, "the measurement of the link from %s to %s has %d delays of %d packets", l.From, l.To, len(l.Delays), l.Received)
			return
		}
		low, high := time.Duration(math.MaxInt64), time.Duration(math.MinInt64)
		for _, d := range l.Delays {
			off := d - base - l.ExpectedDelay
			if !known && off > 0 {
				off = max(0, off-unknownBase)
			}
			low, high = min(low, off), max(high, off)
			x.all.add(off, l.ExpectedJitter)
		}
		// All packets of the link at one end of the range: as good as never, also among so many links.
		edge := edgeOfRange(l.ExpectedJitter, len(l.Delays), len(x.vary))
		switch {
		case low < -l.ExpectedJitter-x.tolerance, high < -edge:
			x.fails(x.failTimed, l, "the delays from %s to %s are %s to %s, expected are %s ± %s", l.From, l.To,
				trace.Round(l.ExpectedDelay+low), trace.Round(l.ExpectedDelay+high), l.ExpectedDelay, l.ExpectedJitter)
		case low > edge+x.allowed(l.ExpectedDelay):
			x.fails(x.failTimed, l, "the delays from %s to %s are %s or more, expected are %s ± %s", l.From, l.To,
				trace.Round(l.ExpectedDelay+low), l.ExpectedDelay, l.ExpectedJitter)
		}
	}
	if len(x.all.errors) == 0 {
		return
	}
	x.varying = true
	x.f.spread = append(x.f.spread, x.all.spread(x.f.ExpectedJitter))
	e := x.all.median()
	e.allowed = x.allowed(x.f.ExpectedDelay) + time.Duration(medianZ*float64(e.standard))
	x.note(e)
	text := ""
	switch d, limit := x.all.distance(x.tolerance); {
	case e.off.Abs() > e.allowed:
		text = fmt.Sprintf("the delay %s the fault is off by %s (standard error %s), at most %s is allowed", x.p.Phase,
			trace.Round(e.off), trace.Round(e.standard), trace.Round(e.allowed))
	case d > limit:
		text = fmt.Sprintf("the delays of %d packets %s the fault are not spread evenly over ± %s: half of them are within ± %s; the largest"+
			" difference of the distributions is %.2f, at most %.2f is allowed", len(x.all.errors), x.p.Phase, x.f.ExpectedJitter,
			trace.Round(x.all.spread(x.f.ExpectedJitter)/2), d, limit)
	default:
		return
	}
	x.failTimed(x.s, x.m, x.p.Fault+": "+text)
}

// delayError is how far a median delay is off.
type delayError struct{ off, standard, allowed time.Duration }

// note keeps the error that is nearest to what is allowed, or furthest beyond.
func (c *accuracy) note(e delayError) {
	if c.worst.allowed == 0 || e.off.Abs().Seconds()*c.worst.allowed.Seconds() > c.worst.off.Abs().Seconds()*e.allowed.Seconds() {
		c.worst = e
	}
}

// allowed is how far the median delay may be off, chance left aside.
func (c *accuracy) allowed(delay time.Duration) time.Duration { return max(c.tolerance, delay/10) }

func (c *accuracy) Finish(s *replay.State) Result {
	all := s.Faults.All()
	r := Result{
		Bound:   fmt.Sprintf("delay error at most %s or 10%%, at most %s late", c.tolerance, c.late),
		Metrics: map[string]float64{"faults": float64(len(all))},
	}
	if len(all) == 0 {
		r.Figure = "no faults"
		return r.vacuous("there was no fault")
	}
	unknown := ""
	for _, f := range all {
		m := c.of(f.ID)
		if why := c.finishFault(s, f, m); why != "" && unknown == "" {
			unknown = f.ID + ": " + why
		}
	}
	r.Figure = fmt.Sprintf("%s, largest delay error %s", Count(len(all), "fault"), trace.Round(c.worst.off.Abs()))
	if c.worst.standard > 0 {
		r.Figure += fmt.Sprintf(" (standard error %s)", trace.Round(c.worst.standard))
	}
	if c.varying {
		r.Bound = fmt.Sprintf("delay error at most %s or 10%%, with jitter %.1f standard errors more, at most %s late", c.tolerance, medianZ, c.late)
	}
	r.Metrics["worst_delay_error_seconds"], r.Metrics["failures"] = c.worst.off.Abs().Seconds(), float64(c.failures)
	r.Evidence = slices.Concat(c.evidence, c.timed)
	r.Evidence = r.Evidence[:min(len(r.Evidence), MaxEvidence)]
	switch {
	case len(r.Evidence) > 0:
		r.Timed = len(c.evidence) == 0
		return r.fail(r.Evidence[0].Text)
	case unknown != "":
		return r.unknown(unknown)
	}
	for _, f := range all {
		switch m := c.of(f.ID); {
		case m.vacuous != "":
			return r.vacuous(f.ID + ": " + m.vacuous)
		case f.IdleCut():
			return r.vacuous(f.ID + ": " + idleCut)
		case f.IdleDelay():
			return r.vacuous(f.ID + ": the delay held up no packet of the testnet's own traffic, so no live connection used its links")
		}
	}
	r.Verdict = Pass
	return r
}

// finishFault judges what only the whole history shows of a fault, and returns why it cannot, if it cannot.
func (c *accuracy) finishFault(s *replay.State, f *replay.FaultWindow, m *measured) (unknown string) {
	fail := func(format string, args ...any) { c.fail(s, m, f.ID+": "+fmt.Sprintf(format, args...)) }
	if !f.Has(trace.FaultActive) {
		if s.CutShort() {
			return "the run ended before the fault was active"
		}
		fail("it never became active")
		return ""
	}
	c.times(s, f, m)
	for _, n := range f.Targets {
		if id := s.Nodes.At(n).ID; !m.changed[n] {
			c.fail(s, m, fmt.Sprintf("%s: the state of node %s never changed", f.ID, id), id)
		}
	}
	if !f.Has(trace.FaultHealed) {
		if s.CutShort() {
			return "the run ended before the fault did"
		}
		fail("it never ended")
		return ""
	}
	for _, e := range m.lost {
		if f.Flushed > 0 {
			return fmt.Sprintf("%d delayed packets were lost when another testnet on this host ended", f.Flushed)
		}
		c.failures++
		m.failed = true
		c.timed = appendEvidence(c.timed, e)
	}
	if len(f.Rules) == 0 {
		return ""
	}
	for _, p := range []trace.ProbePhase{trace.ProbeBefore, trace.ProbeDuring, trace.ProbeAfter} {
		x := m.links[p]
		switch {
		case !m.probed[p] && s.CutShort():
			return fmt.Sprintf("the run ended before its links were measured %s the fault", p)
		case !m.probed[p]:
			fail("its links were not measured %s the fault", p)
		case p == trace.ProbeDuring && !m.failed && (x == nil || x.Links == 0) && m.absent != "":
			m.vacuous = fmt.Sprintf("no link could be measured while it held: other faults stopped or paused nodes at their ends, such as %s", m.absent)
		case p == trace.ProbeDuring && !m.failed && (x == nil || x.Links == 0):
			unknown = "no link could be measured while the fault held"
		case x != nil && len(x.errors) > 0:
			e := delayError{off: median(x.errors), allowed: c.allowed(x.ExpectedDelay)}
			if p != trace.ProbeBefore {
				c.note(e)
			}
			if e.off.Abs() > e.allowed {
				c.failTimed(s, m, fmt.Sprintf("%s: the delay %s the fault is off by %s, at most %s is allowed", f.ID, p, trace.Round(e.off), e.allowed))
			}
		}
	}
	return unknown
}

// times judges when a fault held everywhere and when it was gone everywhere.
func (c *accuracy) times(s *replay.State, f *replay.FaultWindow, m *measured) {
	fail := func(at time.Duration, format string, args ...any) {
		c.failures++
		m.failed = true
		c.timed = appendEvidence(c.timed, Evidence{
			At: at, Nodes: f.Nodes, Windows: s.Faults.Windows(at), Text: f.ID + ": " + fmt.Sprintf(format, args...),
		})
	}
	begin, end := c.late, c.late
	if len(f.Rules) == 0 && f.Kind != "kill" && f.Kind != "pause" && f.Kind != "resume" {
		begin += ownTime // it stops
	}
	if len(f.Rules) == 0 && f.Kind != "pause" {
		end += ownTime // it starts
	}
	if late := f.Begin - f.PlannedAt; late > c.late {
		fail(f.Begin, "it began %s late, at most %s is allowed", trace.Round(late), c.late)
	} else if late := f.Active - f.PlannedAt; late > begin {
		fail(f.Active, "it held everywhere %s late, at most %s is allowed", trace.Round(late), begin)
	} else if -late > c.late {
		fail(f.Active, "it held everywhere %s early, at most %s is allowed", trace.Round(-late), c.late)
	}
	if !f.Has(trace.FaultHealing) || f.PlannedFor == 0 {
		return
	}
	planned := f.PlannedAt + f.PlannedFor
	if late := f.Healing - planned; late > c.late {
		fail(f.Healing, "it began to end %s late, at most %s is allowed", trace.Round(late), c.late)
	} else if -late > c.late {
		fail(f.Healing, "it began to end %s early, at most %s is allowed", trace.Round(-late), c.late)
	} else if held := f.Healing - f.Active; held < f.PlannedFor/2 {
		fail(f.Healing, "it held for %s, planned were %s", trace.Round(held), f.PlannedFor)
	}
	if late := f.Healed - planned; f.Has(trace.FaultHealed) && late > end {
		fail(f.Healed, "it was gone %s late, at most %s is allowed", trace.Round(late), end)
	}
}

func (c *accuracy) summarize(s *replay.State, into *Summary) {
	for _, f := range s.Faults.All() {
		m := c.of(f.ID)
		x := FaultSummary{
			Fault: f.Fault, Before: m.links[trace.ProbeBefore].summary(), During: m.links[trace.ProbeDuring].summary(),
			After: m.links[trace.ProbeAfter].summary(), OK: !m.failed,
		}
		if len(f.Targets) > 0 {
			x.Answers = &m.answers
		}
		into.Faults = append(into.Faults, x)
	}
}

func (f *linkFigures) summary() *LinkSummary {
	if f == nil || f.Links == 0 { // nothing was measured in time, as before a fault that holds from the beginning
		return nil
	}
	x := f.LinkSummary
	x.Delay, x.Median, x.Jitter = median(slices.Clone(f.extra)), median(slices.Clone(f.medians)), median(slices.Clone(f.spread))
	return &x
}
