package invariant

import (
	"fmt"
	"slices"
	"time"

	"github.com/netsplit/netsplit/orchestrator/invariant/replay"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

var accuracyDefinition = Definition{
	Name:  "fault_accuracy",
	Title: "Every fault did what was planned, as measured",
	Doc: `Judged for every fault. It must have become active and must have ended, each no later than late after the planned time.
A fault on links must have been measured before, during and after: whole links reachable; cut links without a packet;
delayed links late by what all faults together should add, give or take delay_error or 10 % (and the jitter), relative to
the measurement before, and in any case by half of it, without loss. A fault on nodes must have changed the state of each
of its nodes; while a node is not up it must not answer polls or report blocks, and it must answer once it is up again.
Links of nodes that are not up, or that came up less than 5s before, are left out.
VACUOUS when the run had no fault, or when a cut dropped or a delay held up no packet of the testnet's own traffic, which
shows that no live connection used those links. UNKNOWN when a fault was too short to be measured, or the run ended before
it did.`,
	Class: Infrastructure, Always: true,
	Params: []Param{
		{Name: "delay_error", Type: TypeDuration, Default: "5ms", Doc: "how far the median one-way delay may be off; 10 % of the delay if that is more"},
		{Name: "late", Type: TypeDuration, Default: "2s", Doc: "how late a fault may begin or begin to end"},
	},
	New: func(p Values) Checker {
		return &accuracy{
			tolerance: p.Duration("delay_error"), late: p.Duration("late"),
			faults: make(map[string]*measured), reported: make(map[replay.NodeIndex]bool),
		}
	},
}

const (
	// warmUp is how long a node must have been up for its links to be judged.
	warmUp = 5 * time.Second
	// reportDelay is how long after a node went down what it did just before may be recorded.
	reportDelay = time.Second
)

type accuracy struct {
	tolerance time.Duration
	late      time.Duration

	faults   map[string]*measured
	reported map[replay.NodeIndex]bool // nodes that were active while they were down: a violation is counted once
	evidence []Evidence
	failures int
}

// measured is what is known of one fault beside its window.
type measured struct {
	probed  map[trace.ProbePhase]bool
	links   map[trace.ProbePhase]*linkFigures
	base    map[[2]trace.NodeID]time.Duration // median delay without any fault, from the measurement before
	changed map[replay.NodeIndex]bool         // nodes whose state it changed
	answers AnswerSummary
	failed  bool
}

// linkFigures sum up the measurements of one phase; Links and CutLinks are those of the largest measurement.
type linkFigures struct {
	LinkSummary
	medians []time.Duration // of links that should be whole
	extra   []time.Duration // measured on delayed links, above base
	errors  []time.Duration // measured minus expected, on links with a base
}

func (c *accuracy) of(id string) *measured {
	m := c.faults[id]
	if m == nil {
		m = &measured{
			probed: make(map[trace.ProbePhase]bool), links: make(map[trace.ProbePhase]*linkFigures),
			base: make(map[[2]trace.NodeID]time.Duration), changed: make(map[replay.NodeIndex]bool),
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
		c.active(s, "reported a block")
	case trace.KindStatus:
		c.polled(s, e.Status)
		switch {
		case s.Node == replay.NoNode || s.Stopping:
		case e.Status.Error == "":
			c.active(s, "answered a poll")
		case s.Nodes.Up(s.Node) && !e.Status.Final:
			if f := s.Faults.LatestOn(s.Node); f != nil {
				c.fail(s, c.of(f.ID), fmt.Sprintf("%s: node %s does not answer polls although it is up: %s", f.ID, e.Node, e.Status.Error), e.Node)
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
		if n, ok := s.Nodes.Index(id); ok && s.Nodes.Up(n) {
			m.answers.UpBefore++
		}
	}
}

// polled counts a poll, answered or not, for the latest fault on the node.
func (c *accuracy) polled(s *replay.State, x *trace.Status) {
	if s.Node == replay.NoNode || x.Final {
		return
	}
	f := s.Faults.LatestOn(s.Node)
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
func (c *accuracy) active(s *replay.State, what string) {
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
	c.fail(s, c.of(f.ID), fmt.Sprintf("%s: node %s %s although it is %s", f.ID, n.ID, what, n.State), n.ID)
}

func (c *accuracy) fail(s *replay.State, m *measured, text string, nodes ...trace.NodeID) {
	c.failures++
	m.failed = true
	c.evidence = appendEvidence(c.evidence, Evidence{At: s.Now, Nodes: nodes, Windows: s.Faults.Windows(s.Now), Text: text})
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
	var links, cut int
	for i := range p.Links {
		if l := &p.Links[i]; warm(s, l.From) && warm(s, l.To) {
			if text := m.link(p, f, l); text != "" {
				c.fail(s, m, p.Fault+": "+text, l.From, l.To)
			}
			links++
			if l.ExpectedCut {
				cut++
			}
		}
	}
	f.Links, f.CutLinks = max(f.Links, links), max(f.CutLinks, cut)
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

// link counts one measured link and says what is wrong with it, if anything.
func (m *measured) link(p *trace.Probe, f *linkFigures, l *trace.LinkProbe) string {
	if l.ExpectedCut {
		f.CutSent += int64(l.Sent)
		f.Leaked += int64(l.Received)
		if l.Received > 0 {
			return fmt.Sprintf("%d of %d packets from %s reached %s over a cut link", l.Received, l.Sent, l.From, l.To)
		}
		return ""
	}
	f.Sent += int64(l.Sent)
	f.Received += int64(l.Received)
	f.ExpectedDelay = max(f.ExpectedDelay, l.ExpectedDelay)
	if l.Received == 0 {
		return fmt.Sprintf("none of %d packets from %s reached %s %s the fault, over a link that is not cut", l.Sent, l.From, l.To, p.Phase)
	}
	f.medians = append(f.medians, l.Median)
	key := [2]trace.NodeID{l.From, l.To}
	if p.Phase == trace.ProbeBefore {
		m.base[key] = max(0, l.Median-l.ExpectedDelay)
		if l.ExpectedDelay > 0 { // another fault's; there is no measurement without it to compare with
			f.extra = append(f.extra, l.Median)
		}
		return ""
	}
	base, known := m.base[key]
	if known {
		f.errors = append(f.errors, l.Median-base-l.ExpectedDelay)
	}
	if l.ExpectedDelay == 0 {
		return ""
	}
	f.extra = append(f.extra, l.Median-base)
	switch {
	case l.Received < l.Sent:
		return fmt.Sprintf("the delayed link from %s to %s lost %d of %d packets", l.From, l.To, l.Sent-l.Received, l.Sent)
	case l.Median-base < (l.ExpectedDelay-l.ExpectedJitter)/2:
		return fmt.Sprintf("the delay from %s to %s is %s, expected are %s", l.From, l.To, trace.Round(l.Median-base), l.ExpectedDelay)
	}
	return ""
}

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
	var worst time.Duration
	for _, f := range all {
		m := c.of(f.ID)
		if why := c.finishFault(s, f, m); why != "" && unknown == "" {
			unknown = f.ID + ": " + why
		}
		for _, p := range []trace.ProbePhase{trace.ProbeDuring, trace.ProbeAfter} {
			if x := m.links[p]; x != nil && len(x.errors) > 0 {
				worst = max(worst, median(x.errors).Abs())
			}
		}
	}
	r.Figure = fmt.Sprintf("%s, largest delay error %s", Count(len(all), "fault"), trace.Round(worst))
	r.Metrics["worst_delay_error_seconds"], r.Metrics["failures"] = worst.Seconds(), float64(c.failures)
	r.Evidence = c.evidence
	switch {
	case len(c.evidence) > 0:
		return r.fail(c.evidence[0].Text)
	case unknown != "":
		return r.unknown(unknown)
	}
	for _, f := range all {
		switch {
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
	if late := f.Begin - f.PlannedAt; late > c.late {
		fail("it began %s late, at most %s is allowed", trace.Round(late), c.late)
	}
	if f.Has(trace.FaultHealing) && f.PlannedFor != 0 {
		if late := f.Healing - (f.PlannedAt + f.PlannedFor); late > c.late {
			fail("it began to end %s late, at most %s is allowed", trace.Round(late), c.late)
		} else if -late > c.late {
			fail("it began to end %s early, at most %s is allowed", trace.Round(-late), c.late)
		}
	}
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
		case p == trace.ProbeDuring && !m.failed && (x == nil || x.Links == 0):
			unknown = "no link could be measured while the fault held"
		case x != nil && len(x.errors) > 0:
			if off, allowed := median(x.errors), c.allowedError(f, x); off.Abs() > allowed {
				fail("the delay %s the fault is off by %s, at most %s is allowed", p, trace.Round(off), allowed)
			}
		}
	}
	return unknown
}

// allowedError is how far the median error of all links of a phase may be from zero.
func (c *accuracy) allowedError(f *replay.FaultWindow, x *linkFigures) time.Duration {
	allowed := max(c.tolerance, x.ExpectedDelay/10)
	for _, rule := range f.Rules {
		allowed += rule.Jitter
	}
	return allowed
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
	if f == nil {
		return nil
	}
	x := f.LinkSummary
	x.Delay, x.Median = median(slices.Clone(f.extra)), median(slices.Clone(f.medians))
	return &x
}
