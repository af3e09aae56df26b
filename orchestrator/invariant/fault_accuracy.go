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
no link may have all its packets at one end. Each of these three fails one good measurement in a million. A busy machine releases
packets late: where the engine that delays them measures that, what was measured of each packet is judged without it; the packet's
delay on the wire shows that it was not released early. Of 200 packets with 20ms of jitter, 99 of 100 measurements show that they
come 14ms late, that their range is 45 % narrower or 35 % wider, that they are normally distributed with a standard deviation of 65 %
of the jitter or more, or that half of them do not vary. What a measurement expects must be what the recorded faults add up to. A fault on nodes must have changed the state of each of its nodes; while
a node is not up it must not answer polls or report blocks, and it must answer once it is up again.
Links of nodes that are not up, or that came up less than 5s before, are left out.
VACUOUS when the run had no fault, when other faults kept the ends of all links of a fault from being measured while it held,
or when a cut dropped or a delay held up no packet of the testnet's own traffic, which shows that no live connection used
those links. UNKNOWN when a fault was too short to be measured, when the run ended before
it did, when packets were lost because another testnet on the host ended, when half the packets of a measurement were
released too late by more than the median may be off, when packets of a late machine may have come after the measurement, and when
only times or delays are wrong and the machine was late or a node's clock is.`,
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
	// arriveWithin is half of how long a measurement waits for its packets at least, beside their delays: where something was late
	// by more, packets that are missing may have come later.
	arriveWithin = 250 * time.Millisecond
)

type accuracy struct {
	tolerance time.Duration
	late      time.Duration

	faults   map[string]*measured
	base     map[[2]trace.NodeID]time.Duration // median delay of each link, when it was measured last without a delay
	reported map[replay.NodeIndex]bool         // nodes that were active while they were down: a violation is counted once
	evidence worst
	timed    worst // what a late machine or a wrong clock may have caused
	worst    delayError
	varied   bool          // some delay was measured that should vary
	overdue  time.Duration // the largest median of a measurement by which packets were released too late
}

// measured is what is known of one fault beside its window.
type measured struct {
	probed  map[trace.ProbePhase]bool
	links   map[trace.ProbePhase]*linkFigures
	changed map[replay.NodeIndex]bool // nodes whose state it changed
	lost    worst                     // delayed links that lost packets, which a late machine may explain
	dead    worst                     // whole links that no packet got over, which a late machine may explain
	late    time.Duration             // the most by which a packet of its measurements was sent or released too late
	overdue string                    // why its delays cannot be judged: packets were released too late
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
		c.active(s, "reported a block", &c.timed)
	case trace.KindStatus:
		c.polled(s, e)
		switch {
		case s.Node == replay.NoNode || s.Stopping:
		case e.Status.Error == "":
			c.active(s, "answered a poll", &c.evidence)
		case s.Nodes.Up(s.Node) && !e.Status.Final:
			if f := s.Faults.LatestOn(s.Node); f != nil {
				c.fail(s, &c.timed, c.of(f.ID), notAtAll, fmt.Sprintf("%s: node %s does not answer polls although it is up: %s", f.ID, e.Node, e.Status.Error), e.Node)
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
func (c *accuracy) active(s *replay.State, what string, in *worst) {
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
	c.fail(s, in, c.of(f.ID), notAtAll, fmt.Sprintf("%s: node %s %s although it is %s", f.ID, n.ID, what, n.State), n.ID)
}

// notAtAll is how bad it is when a fault did nothing of what was planned, or did it to the wrong node. Packets that crossed a cut
// or were lost are as bad as their share is large, what is wrong by a time as bad as the time is longer than allowed.
const notAtAll = 1e6

// fail records among evidence that a fault did not do what was planned, and how bad that is.
func (c *accuracy) fail(s *replay.State, in *worst, m *measured, weight float64, text string, nodes ...trace.NodeID) {
	m.failed = true
	in.add(weight, func() Evidence {
		return Evidence{At: s.Now, Nodes: nodes, Windows: s.Faults.Windows(s.Now), Text: text}
	})
}

func (c *accuracy) probe(s *replay.State, p *trace.Probe) {
	m := c.of(p.Fault)
	m.probed[p.Phase] = true
	if p.Error != "" {
		c.fail(s, &c.evidence, m, notAtAll, fmt.Sprintf("%s: the measurement %s the fault failed: %s", p.Fault, p.Phase, p.Error))
		return
	}
	f := m.links[p.Phase]
	if f == nil {
		f = &linkFigures{}
		m.links[p.Phase] = f
	}
	m.late = max(m.late, p.Late)
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
	all  varyingDelays      // of these, without what was released too late
	wire varyingDelays      // of these, as measured

	overdue []time.Duration // of all packets on delayed links, where it is known
}

func (x *probed) fails(in *worst, weight float64, l *trace.LinkProbe, format string, args ...any) {
	x.fail(x.s, in, x.m, weight, x.p.Fault+": "+fmt.Sprintf(format, args...), l.From, l.To)
}

// link counts one measured link and judges what it shows by itself.
func (x *probed) link(l *trace.LinkProbe) {
	if cut, delay, jitter, sure := x.s.Faults.Expected(l.From, l.To); sure &&
		(cut != l.ExpectedCut || delay != l.ExpectedDelay || jitter != l.ExpectedJitter) {
		x.fails(&x.evidence, notAtAll, l, "the measurement expects the link from %s to %s to be %s, the faults add up to %s", l.From, l.To,
			linkState(l.ExpectedCut, l.ExpectedDelay, l.ExpectedJitter), linkState(cut, delay, jitter))
		return
	}
	f := x.f
	if l.ExpectedCut {
		f.CutSent += int64(l.Sent)
		f.Leaked += int64(l.Received)
		if l.Received > 0 {
			x.fails(&x.evidence, notAtAll*share(l.Received, l.Sent), l, "%d of %d packets from %s reached %s over a cut link", l.Received, l.Sent, l.From, l.To)
		}
		return
	}
	f.Sent += int64(l.Sent)
	f.Received += int64(l.Received)
	f.ExpectedDelay, f.ExpectedJitter = max(f.ExpectedDelay, l.ExpectedDelay), max(f.ExpectedJitter, l.ExpectedJitter)
	if l.Received == 0 {
		x.loses(&x.m.dead, l, fmt.Sprintf("none of %d packets from %s reached %s %s the fault, over a link that is not cut", l.Sent, l.From, l.To, x.p.Phase))
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
		x.loses(&x.m.lost, l, fmt.Sprintf("the delayed link from %s to %s lost %d of %d packets", l.From, l.To, l.Sent-l.Received, l.Sent))
	}
	if l.ExpectedJitter > 0 {
		f.extra = append(f.extra, l.Median-base)
		x.vary = append(x.vary, l)
		return
	}
	punctual, measured := x.punctual(l)
	off := l.Median - base - l.ExpectedDelay
	switch {
	case measured:
		off = median(punctual) - l.ExpectedDelay
	case !known && x.p.Phase == trace.ProbeBefore:
		x.base[key] = max(0, off) // another fault's delay holds, and the link was not measured without it
		off = min(off, 0)
	case !known && off > 0:
		off = max(0, off-unknownBase)
	}
	if measured {
		f.extra = append(f.extra, l.Median-base)
	} else {
		f.extra = append(f.extra, l.ExpectedDelay+off)
	}
	f.errors = append(f.errors, off)
	if l.ExpectedDelay+off < l.ExpectedDelay/2 {
		x.fails(&x.timed, float64(l.ExpectedDelay-max(0, l.ExpectedDelay+off))/float64(x.allowed(l.ExpectedDelay)), l, "the delay from %s to %s is %s, expected are %s", l.From, l.To, trace.Round(l.ExpectedDelay+off), l.ExpectedDelay)
	}
}

// loses notes that packets are missing on a link that is not cut.
func (x *probed) loses(in *worst, l *trace.LinkProbe, text string) {
	in.add(notAtAll*share(l.Sent-l.Received, l.Sent), func() Evidence {
		return Evidence{
			At: x.s.Now, Nodes: []trace.NodeID{l.From, l.To}, Windows: x.s.Faults.Windows(x.s.Now), Text: x.p.Fault + ": " + text,
		}
	})
}

// share is n of all, at most 1.
func share(n, all int) float64 { return min(float64(n)/float64(all), 1) }

// punctual returns the delays of a link's packets without the time by which the engine that held them released each too late,
// and counts that time; false where the engine does not measure it.
func (x *probed) punctual(l *trace.LinkProbe) ([]time.Duration, bool) {
	if len(l.Overdue) == 0 || len(l.Overdue) != len(l.Delays) {
		return nil, false
	}
	out := make([]time.Duration, len(l.Delays))
	for i, d := range l.Delays {
		late := max(0, min(l.Overdue[i], d))
		out[i] = d - late
		x.overdue = append(x.overdue, late)
		x.m.late = max(x.m.late, late)
	}
	return out, true
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

// finish judges the links whose delay should vary, each by itself and all together, and whether the packets of delayed links were
// released in time.
func (x *probed) finish() {
	for _, l := range x.vary {
		if len(l.Delays) != l.Received {
			x.fails(&x.evidence, notAtAll, l, "the measurement of the link from %s to %s has %d delays of %d packets", l.From, l.To, len(l.Delays), l.Received)
			return
		}
		x.varying(l)
	}
	x.lateness()
	if len(x.all.errors) == 0 {
		return
	}
	x.varied = true
	x.f.spread = append(x.f.spread, x.wire.spread(x.f.ExpectedJitter))
	e := x.all.median()
	e.allowed = x.allowed(x.f.ExpectedDelay) + time.Duration(medianZ*float64(e.standard))
	x.note(e)
	text, weight := "", 0.0
	switch d, limit := x.all.distance(x.tolerance); {
	case e.off.Abs() > e.allowed:
		weight = float64(e.off.Abs()) / float64(e.allowed)
		text = fmt.Sprintf("the delay %s the fault is off by %s (standard error %s), at most %s is allowed", x.p.Phase,
			trace.Round(e.off), trace.Round(e.standard), trace.Round(e.allowed))
	case d > limit:
		weight = d / limit
		text = fmt.Sprintf("the delays of %d packets %s the fault are not spread evenly over ± %s: half of them are within ± %s; the largest"+
			" difference of the distributions is %.2f, at most %.2f is allowed", len(x.all.errors), x.p.Phase, x.f.ExpectedJitter,
			trace.Round(x.all.spread(x.f.ExpectedJitter)/2), d, limit)
	default:
		return
	}
	x.fail(x.s, &x.timed, x.m, weight, x.p.Fault+": "+text)
}

// varying takes in a link whose delay should vary, and judges what it shows by itself.
func (x *probed) varying(l *trace.LinkProbe) {
	base, known := x.base[[2]trace.NodeID{l.From, l.To}]
	// What a packet took before the engine had it, and what it waited there too long, is not counted twice.
	punctual, measured := x.punctual(l)
	low, high := time.Duration(math.MaxInt64), time.Duration(math.MinInt64)
	for i, d := range l.Delays {
		off := d - base - l.ExpectedDelay
		if !known && off > 0 {
			off = max(0, off-unknownBase)
		}
		x.wire.add(off, l.ExpectedJitter)
		if measured {
			off = punctual[i] - l.ExpectedDelay
		}
		low, high = min(low, off), max(high, off)
		x.all.add(off, l.ExpectedJitter)
	}
	// All packets of the link at one end of the range: as good as never, also among so many links.
	edge := edgeOfRange(l.ExpectedJitter, len(l.Delays), len(x.vary))
	switch {
	case low < -l.ExpectedJitter-x.tolerance, high < -edge:
		x.fails(&x.timed, float64(-low)/float64(l.ExpectedJitter), l, "the delays from %s to %s are %s to %s, expected are %s ± %s", l.From, l.To,
			trace.Round(l.ExpectedDelay+low), trace.Round(l.ExpectedDelay+high), l.ExpectedDelay, l.ExpectedJitter)
	case low > edge+x.allowed(l.ExpectedDelay):
		x.fails(&x.timed, float64(low)/float64(l.ExpectedJitter), l, "the delays from %s to %s are %s or more, expected are %s ± %s", l.From, l.To,
			trace.Round(l.ExpectedDelay+low), l.ExpectedDelay, l.ExpectedJitter)
	}
}

// lateness notes when half the packets were released too late for the fault to be what was planned.
func (x *probed) lateness() {
	if len(x.overdue) == 0 {
		return
	}
	late, allowed := median(x.overdue), x.allowed(x.f.ExpectedDelay)
	x.accuracy.overdue = max(x.accuracy.overdue, late)
	if late > allowed && x.m.overdue == "" {
		x.m.overdue = fmt.Sprintf("the machine was late: half of the %d packets that were measured %s the fault were released %s too late or more, at most %s is allowed",
			len(x.overdue), x.p.Phase, trace.Round(late), trace.Round(allowed))
	}
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
	if c.varied {
		r.Bound = fmt.Sprintf("delay error at most %s or 10%%, with jitter %.1f standard errors more, at most %s late", c.tolerance, medianZ, c.late)
	}
	r.Metrics["worst_delay_error_seconds"], r.Metrics["failures"] = c.worst.off.Abs().Seconds(), float64(c.evidence.count+c.timed.count)
	r.Metrics["released_late_seconds"] = c.overdue.Seconds()
	r.Evidence = slices.Concat(c.evidence.evidence, c.timed.evidence)
	r.Evidence = r.Evidence[:min(len(r.Evidence), MaxEvidence)]
	switch {
	case len(r.Evidence) > 0:
		r.Timed = c.evidence.count == 0
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
	fail := func(format string, args ...any) {
		c.fail(s, &c.evidence, m, notAtAll, f.ID+": "+fmt.Sprintf(format, args...))
	}
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
			c.fail(s, &c.evidence, m, notAtAll, fmt.Sprintf("%s: the state of node %s never changed", f.ID, id), id)
		}
	}
	if !f.Has(trace.FaultHealed) {
		if s.CutShort() {
			return "the run ended before the fault did"
		}
		fail("it never ended")
		return ""
	}
	switch {
	case m.lost.count > 0 && f.Flushed > 0:
		unknown = fmt.Sprintf("%d delayed packets were lost when another testnet on this host ended", f.Flushed)
	case m.lost.count > 0:
		unknown = c.missing(s, m, &m.lost)
	}
	if why := c.missing(s, m, &m.dead); why != "" {
		unknown = why
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
		case p == trace.ProbeDuring && !m.failed && unknown == "" && (x == nil || x.Links == 0):
			unknown = "no link could be measured while the fault held"
		case x != nil && len(x.errors) > 0:
			e := delayError{off: median(x.errors), allowed: c.allowed(x.ExpectedDelay)}
			if p != trace.ProbeBefore {
				c.note(e)
			}
			if e.off.Abs() > e.allowed {
				c.fail(s, &c.timed, m, float64(e.off.Abs())/float64(e.allowed), fmt.Sprintf("%s: the delay %s the fault is off by %s, at most %s is allowed", f.ID, p, trace.Round(e.off), e.allowed))
			}
		}
	}
	return cmp.Or(unknown, m.overdue)
}

// missing judges links that packets are missing of, and returns why it cannot: whether something was late by so much that they may
// have come when nobody waited for them any more.
func (c *accuracy) missing(s *replay.State, m *measured, links *worst) (unknown string) {
	if links.count == 0 {
		return ""
	}
	if late := max(m.late, s.Machine.Worst); late > arriveWithin {
		return fmt.Sprintf("the machine was late by up to %s, so packets may have come too late to be counted: %s", trace.Round(late), links.evidence[0].Text)
	}
	m.failed = true
	for i, e := range links.evidence {
		c.evidence.add(links.weights[i], func() Evidence { return e })
	}
	return ""
}

// times judges when a fault held everywhere and when it was gone everywhere.
func (c *accuracy) times(s *replay.State, f *replay.FaultWindow, m *measured) {
	fail := func(at, off, limit time.Duration, format string, args ...any) {
		m.failed = true
		c.timed.add(off.Seconds()/max(limit, time.Millisecond).Seconds(), func() Evidence {
			return Evidence{At: at, Nodes: f.Nodes, Windows: s.Faults.Windows(at), Text: f.ID + ": " + fmt.Sprintf(format, args...)}
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
		fail(f.Begin, late, c.late, "it began %s late, at most %s is allowed", trace.Round(late), c.late)
	} else if late := f.Active - f.PlannedAt; late > begin {
		fail(f.Active, late, begin, "it held everywhere %s late, at most %s is allowed", trace.Round(late), begin)
	} else if -late > c.late {
		fail(f.Active, -late, c.late, "it held everywhere %s early, at most %s is allowed", trace.Round(-late), c.late)
	}
	if !f.Has(trace.FaultHealing) || f.PlannedFor == 0 {
		return
	}
	planned := f.PlannedAt + f.PlannedFor
	if late := f.Healing - planned; late > c.late {
		fail(f.Healing, late, c.late, "it began to end %s late, at most %s is allowed", trace.Round(late), c.late)
	} else if -late > c.late {
		fail(f.Healing, -late, c.late, "it began to end %s early, at most %s is allowed", trace.Round(-late), c.late)
	} else if held := f.Healing - f.Active; held < f.PlannedFor/2 {
		fail(f.Healing, f.PlannedFor, max(held, 0), "it held for %s, planned were %s", trace.Round(held), f.PlannedFor)
	}
	if late := f.Healed - planned; f.Has(trace.FaultHealed) && late > end {
		fail(f.Healed, late, end, "it was gone %s late, at most %s is allowed", trace.Round(late), end)
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
