package invariant

import (
	"fmt"
	"slices"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

var accuracyDefinition = Definition{
	Name:  "fault_accuracy",
	Title: "Every fault did what was asked, as measured",
	Doc: `Judged for every fault. It must have become active and, once its end began, must have ended, each no later than late
after the schedule's time. A fault on links must have been measured before, during and after: whole links reachable; cut
links silent; delayed links late by what all faults together asked of them, give or take delay_error or 10 % (and the
jitter), relative to the measurement before, and in any case by half of it, without loss. A fault on nodes must have
changed the state of each of its nodes; while a node is not up, it must not answer or accept blocks, and it must answer
once it is up again. Links of nodes that are not up, or that came up less than 5s before, are left out.
VACUOUS when the run had no fault, or when a cut dropped or a delay held up no packet of the testnet's own traffic, which
shows that no live connection ran there; UNKNOWN when a fault was too short to be measured, or the run ended before it did.`,
	Class: Infrastructure, Always: true,
	Params: []Param{
		{Name: "delay_error", Type: TypeDuration, Default: "5ms", Doc: "how far the median one-way delay may be off; 10 % of the delay if that is more"},
		{Name: "late", Type: TypeDuration, Default: "2s", Doc: "how late a fault may begin or begin to end"},
	},
	New: func(p Values) Checker {
		c := &accuracy{faults: make(map[string]*measured), silent: make(map[nodeID]bool)}
		c.tolerance, _ = p.Duration("delay_error")
		c.late, _ = p.Duration("late")
		return c
	},
}

const (
	// sinceUp is how long a node must have been up for its links to be measured.
	sinceUp = 5 * time.Second
	// lastWords is how long after a node went down what it did just before may be dated.
	lastWords = time.Second
)

type accuracy struct {
	tolerance time.Duration
	late      time.Duration

	faults   map[string]*measured
	silent   map[nodeID]bool // nodes that spoke while they were down: reported once
	evidence []Evidence
	failures int
}

// measured is what is known of one fault.
type measured struct {
	probed  map[trace.ProbePhase]bool
	links   map[trace.ProbePhase]*linkFigures
	base    map[[2]trace.NodeID]time.Duration // median delay without any fault, from before
	changed map[nodeID]bool                   // nodes whose state it changed
	answers answers
	failed  bool
}

// linkFigures sum up the measurements of one phase.
type linkFigures struct {
	links, cut     int   // of the largest measurement
	sent, received int64 // over links that should be whole
	leaked         int64 // received over links that should be cut
	cutSent        int64
	want           time.Duration   // the largest delay asked for
	medians        []time.Duration // of links that should be whole
	extra          []time.Duration // measured on delayed links, above base
	errors         []time.Duration // measured minus asked, on links with a base
}

func (c *accuracy) of(id string) *measured {
	m := c.faults[id]
	if m == nil {
		m = &measured{
			probed: make(map[trace.ProbePhase]bool), links: make(map[trace.ProbePhase]*linkFigures),
			base: make(map[[2]trace.NodeID]time.Duration), changed: make(map[nodeID]bool),
		}
		c.faults[id] = m
	}
	return m
}

func (c *accuracy) Observe(w *World, e *trace.Event) {
	switch e.Kind {
	case trace.KindFault:
		c.of(e.Fault.ID).answers.fault(w, e.Fault)
	case trace.KindProbe:
		c.probe(w, e.Probe)
	case trace.KindNode:
		if w.node != noNode && e.Lifecycle.Fault != "" {
			c.of(e.Lifecycle.Fault).changed[w.node] = true
		}
	case trace.KindSeen, trace.KindHead:
		c.spoke(w, "recorded a block")
	case trace.KindStatus:
		c.answered(w, e.Status)
		switch {
		case w.node == noNode || w.frozen:
		case e.Status.Error == "":
			c.spoke(w, "answered")
		case w.up(w.node) && !e.Status.Final:
			if f := lastFaultOn(w, w.node); f != nil {
				c.fail(c.of(f.id), w, fmt.Sprintf("%s: node %s does not answer although it is up: %s", f.id, e.Node, e.Status.Error), e.Node)
			}
		}
	}
}

// lastFaultOn is the latest node fault that acted on n, nil if there is none.
func lastFaultOn(w *World, n nodeID) *window {
	for i := len(w.faults) - 1; i >= 0; i-- {
		if slices.Contains(w.faults[i].nodes, n) {
			return w.faults[i]
		}
	}
	return nil
}

// spoke notes that a node did something; one that is down or paused cannot.
func (c *accuracy) spoke(w *World, what string) {
	if w.node == noNode || w.frozen || !w.sep.started {
		return
	}
	n := &w.nodes[w.node]
	if n.state != trace.StateDown && n.state != trace.StatePaused || w.since-n.changed <= lastWords || c.silent[w.node] {
		return
	}
	f := lastFaultOn(w, w.node)
	// A node that is being brought back may speak before the call that does it has returned and its state is recorded.
	if f == nil || !f.over(trace.FaultActive) || f.over(trace.FaultHealing) {
		return
	}
	c.silent[w.node] = true
	c.fail(c.of(f.id), w, fmt.Sprintf("%s: node %s %s although it is %s", f.id, n.id, what, n.state), n.id)
}

func (c *accuracy) fail(m *measured, w *World, text string, nodes ...trace.NodeID) {
	c.failures++
	m.failed = true
	c.evidence = appendEvidence(c.evidence, Evidence{At: w.now, Nodes: nodes, Windows: w.Windows(w.now), Text: text})
}

func (c *accuracy) probe(w *World, p *trace.Probe) {
	m := c.of(p.Fault)
	m.probed[p.Phase] = true
	if p.Error != "" {
		c.fail(m, w, fmt.Sprintf("%s: the measurement %s failed: %s", p.Fault, p.Phase, p.Error))
		return
	}
	f := m.links[p.Phase]
	if f == nil {
		f = &linkFigures{}
		m.links[p.Phase] = f
	}
	var links, cut int
	for i := range p.Links {
		if l := &p.Links[i]; c.steady(w, l.From) && c.steady(w, l.To) {
			c.link(w, p, m, f, l)
			links++
			if l.ExpectedCut {
				cut++
			}
		}
	}
	f.links, f.cut = max(f.links, links), max(f.cut, cut)
}

// steady says whether a node was up long enough for its links to be judged.
func (c *accuracy) steady(w *World, id trace.NodeID) bool {
	n, ok := w.byID[id]
	return ok && w.up(n) && (w.nodes[n].changed <= 0 || w.now-w.nodes[n].changed >= sinceUp)
}

// link judges one measured link.
func (c *accuracy) link(w *World, p *trace.Probe, m *measured, f *linkFigures, l *trace.LinkProbe) {
	if l.ExpectedCut {
		f.cutSent += int64(l.Sent)
		f.leaked += int64(l.Received)
		if l.Received > 0 {
			c.fail(m, w, fmt.Sprintf("%s: %d of %d packets from %s reached %s over a cut link",
				p.Fault, l.Received, l.Sent, l.From, l.To), l.From, l.To)
		}
		return
	}
	f.sent += int64(l.Sent)
	f.received += int64(l.Received)
	f.want = max(f.want, l.ExpectedDelay)
	if l.Received == 0 {
		c.fail(m, w, fmt.Sprintf("%s: none of %d packets from %s reached %s %s the fault, over a link that is not cut",
			p.Fault, l.Sent, l.From, l.To, p.Phase), l.From, l.To)
		return
	}
	f.medians = append(f.medians, l.Median)
	key := [2]trace.NodeID{l.From, l.To}
	if p.Phase == trace.ProbeBefore {
		m.base[key] = max(0, l.Median-l.ExpectedDelay)
		if l.ExpectedDelay > 0 { // another fault's; there is no measurement without it to compare with
			f.extra = append(f.extra, l.Median)
		}
		return
	}
	base, known := m.base[key]
	if known {
		f.errors = append(f.errors, l.Median-base-l.ExpectedDelay)
	}
	if l.ExpectedDelay == 0 {
		return
	}
	f.extra = append(f.extra, l.Median-base)
	switch {
	case l.Received < l.Sent:
		c.fail(m, w, fmt.Sprintf("%s: the delayed link from %s to %s lost %d of %d packets",
			p.Fault, l.From, l.To, l.Sent-l.Received, l.Sent), l.From, l.To)
	case l.Median-base < (l.ExpectedDelay-l.ExpectedJitter)/2:
		c.fail(m, w, fmt.Sprintf("%s: %s was asked from %s to %s, %s was measured",
			p.Fault, l.ExpectedDelay, l.From, l.To, trace.Round(l.Median-base)), l.From, l.To)
	}
}

// median of a list, which it sorts; zero for an empty one.
func median(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[len(d)/2]
}

func (c *accuracy) Finish(w *World) Result {
	r := Result{
		Bound:   fmt.Sprintf("delay within %s or 10%%, at most %s late", c.tolerance, c.late),
		Metrics: map[string]float64{"faults": float64(len(w.faults))},
	}
	if len(w.faults) == 0 {
		r.Figure = "no faults"
		return r.vacuous("no fault was made")
	}
	unknown := ""
	var worst time.Duration
	for _, f := range w.faults {
		m := c.of(f.id)
		if why := c.finishFault(w, f, m); why != "" && unknown == "" {
			unknown = why
		}
		for _, p := range []trace.ProbePhase{trace.ProbeDuring, trace.ProbeAfter} {
			if fig := m.links[p]; fig != nil && len(fig.errors) > 0 {
				worst = max(worst, median(fig.errors).Abs())
			}
		}
	}
	r.Figure = fmt.Sprintf("%s, worst delay error %s", Count(len(w.faults), "fault"), trace.Round(worst))
	r.Metrics["worst_delay_error_seconds"], r.Metrics["failures"] = worst.Seconds(), float64(c.failures)
	r.Evidence = c.evidence
	switch {
	case len(c.evidence) > 0:
		return r.fail(c.evidence[0].Text)
	case unknown != "":
		return r.unknown(unknown)
	}
	for _, f := range w.faults {
		switch {
		case f.idleCut():
			return r.vacuous(f.id + ": the cut dropped no packet of the testnet's own traffic: no live connection ran across it")
		case f.idleDelay():
			return r.vacuous(f.id + ": the delay held up no packet of the testnet's own traffic: no live connection ran over its links")
		}
	}
	r.Verdict = Pass
	return r
}

// finishFault judges what only the whole history tells of a fault, and returns why it cannot, if it cannot.
func (c *accuracy) finishFault(w *World, f *window, m *measured) (unknown string) {
	cutShort := w.end == nil || w.end.Interrupted || w.end.Error != ""
	if !f.over(trace.FaultActive) {
		if cutShort {
			return f.id + ": the run ended before the fault was active"
		}
		c.fail(m, w, f.id+": it never became active")
		return ""
	}
	c.checkTimes(w, f, m)
	for _, n := range f.nodes {
		if !m.changed[n] {
			c.fail(m, w, fmt.Sprintf("%s: nothing happened to node %s", f.id, w.nodes[n].id), w.nodes[n].id)
		}
	}
	if !f.over(trace.FaultHealed) {
		if cutShort {
			return f.id + ": the run ended before the fault did"
		}
		c.fail(m, w, f.id+": it never ended")
		return ""
	}
	if len(f.rules) == 0 {
		return ""
	}
	for _, p := range []trace.ProbePhase{trace.ProbeBefore, trace.ProbeDuring, trace.ProbeAfter} {
		fig := m.links[p]
		switch {
		case !m.probed[p] && cutShort:
			return fmt.Sprintf("%s: the run ended before its links were measured %s the fault", f.id, p)
		case !m.probed[p]:
			c.fail(m, w, fmt.Sprintf("%s: its links were not measured %s the fault", f.id, p))
		case p == trace.ProbeDuring && !m.failed && (fig == nil || fig.links == 0):
			unknown = f.id + ": no link could be measured while the fault held"
		case fig != nil:
			c.checkError(w, f, m, p, fig)
		}
	}
	return unknown
}

func (c *accuracy) checkTimes(w *World, f *window, m *measured) {
	if late := f.begin - f.asked; late > c.late {
		c.fail(m, w, fmt.Sprintf("%s: it began %s late", f.id, trace.Round(late)))
	}
	if !f.over(trace.FaultHealing) || f.askedFor == 0 {
		return
	}
	if late := f.healing - (f.asked + f.askedFor); late > c.late {
		c.fail(m, w, fmt.Sprintf("%s: it began to end %s late", f.id, trace.Round(late)))
	} else if -late > c.late {
		c.fail(m, w, fmt.Sprintf("%s: it began to end %s early", f.id, trace.Round(-late)))
	}
}

// checkError compares the median error of all links of a phase with what is allowed.
func (c *accuracy) checkError(w *World, f *window, m *measured, p trace.ProbePhase, fig *linkFigures) {
	if len(fig.errors) == 0 {
		return
	}
	jitter := time.Duration(0)
	for _, rule := range f.rules {
		jitter += rule.Jitter
	}
	allowed := max(c.tolerance, fig.want/10) + jitter
	if e := median(fig.errors); e.Abs() > allowed {
		c.fail(m, w, fmt.Sprintf("%s: the delay %s the fault is off by %s, at most %s is allowed", f.id, p, trace.Round(e), allowed))
	}
}
