package run

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

const (
	// probeLead is how long before a fault its links are measured, and probeDelay how long after its beginning and its end,
	// so that packets in flight at the change are out of the way.
	probeLead  = time.Second
	probeDelay = 200 * time.Millisecond
	// maxProbes is the most links that one measurement takes in; of more, a random sample is measured.
	maxProbes = 10_000
	// minProbes is how many packets a link is measured with, maxCount the most where its delay varies: then there should be
	// enoughDelays of them on all links together, for a statement about their distribution.
	minProbes, maxCount, enoughDelays = 5, 40, 200
	probeInterval                     = 20 * time.Millisecond
	// maxProbing is how long one measurement should last at most, probeMargin what must be left after its last packet before
	// the next change of the links.
	maxProbing  = 4 * time.Second
	probeMargin = 200 * time.Millisecond
	// sendMargin is what the last packet of each link takes to be sent, and what must be left then before the next change where the
	// delay varies, so that a busy machine may be late; sendTime is what each link needs of it more.
	sendMargin = 350 * time.Millisecond
	sendTime   = 100 * time.Microsecond
	// readWithin is how long after it was sent a packet may reach the engine, beside what the engine itself measures: it is delayed
	// by what holds then.
	readWithin = 50 * time.Millisecond
	// restartTimeout bounds the wait for a node to answer after it was started or resumed.
	restartTimeout = 10 * time.Second
)

// activeLinks is the list of link faults that hold, as the fault runner changes it. It knows what is desired of the links,
// not what they do. It is safe for concurrent use.
type activeLinks struct {
	mu      sync.Mutex
	layers  []faults.Layer
	changes []linksChange
}

// linksChange is the list from a time on, until the next change.
type linksChange struct {
	at     time.Duration // of the run's clock; the links are changed after it
	layers []faults.Layer
}

// change replaces the list at a time and returns the new one.
func (l *activeLinks) change(at time.Duration, fn func([]faults.Layer) []faults.Layer) []faults.Layer {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.layers = fn(slices.Clone(l.layers))
	l.changes = append(l.changes, linksChange{at, slices.Clone(l.layers)})
	return slices.Clone(l.layers)
}

// desired returns the desired state of all links and the count of its changes.
func (l *activeLinks) desired() (faults.Links, int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return faults.Compose(l.layers), len(l.changes)
}

// since returns the changes after the first n.
func (l *activeLinks) since(n int) []linksChange {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.changes[n:])
}

// prober measures what faults do: links before, during and after, and whether nodes that a fault acts on answer. It records
// what was measured beside what was desired of each link, and does not judge.
type prober struct {
	shared
	group   *taskGroup
	active  *activeLinks
	planned []faults.Planned
}

// measurements is how often a fault is measured before, while and after it holds: its links, where it is about links, else
// its nodes.
func measurements(f *faults.Planned) (before, during, after int) {
	links := len(f.Effect.Links.Rules) > 0
	switch {
	case f.Instant():
		return 0, 0, 1
	case !links:
		return 0, 1, 1
	case f.End-f.At > 4*probeLead:
		return 1, 2, 1
	}
	return 1, 1, 1
}

// startBefore starts the measurements before all faults.
func (p *prober) startBefore(ctx context.Context) {
	for i := range p.planned {
		f := &p.planned[i]
		if before, _, _ := measurements(f); before > 0 {
			at := p.lastChance(f.At, probeLead)
			p.group.start(ctx, "probe before "+f.ID, func(ctx context.Context) error {
				return p.probeLinks(ctx, f, trace.ProbeBefore, at)
			})
		}
	}
}

// startDuring starts the measurements of a fault that has just begun to hold.
func (p *prober) startDuring(ctx context.Context, f *faults.Planned) {
	_, during, _ := measurements(f)
	if during > 0 {
		p.start(ctx, f, trace.ProbeDuring, probeDelay)
	}
	if length := f.End - f.At; during > 1 {
		p.start(ctx, f, trace.ProbeDuring, max(length/2, p.lastChance(f.End, 2*probeLead)-f.At))
	}
}

// startAfter starts the measurement after a fault that has just ended. Packets that were held at its end are still on their
// way for as long as it delayed them, and those behind them wait.
func (p *prober) startAfter(ctx context.Context, f *faults.Planned) {
	p.start(ctx, f, trace.ProbeAfter, probeDelay+longestDelay(f.Effect.Links))
}

// lastChance returns the run time at which a measurement must begin to be over when a planned change comes: lead before it,
// more where the delays that should hold then take longer, but not before the change that precedes it.
func (p *prober) lastChance(change, lead time.Duration) time.Duration {
	var delay, jitter, previous time.Duration
	for i := range p.planned {
		f := &p.planned[i]
		for _, at := range []time.Duration{f.At, f.End} {
			if len(f.Effect.Links.Rules) > 0 && at < change {
				previous = max(previous, at+probeDelay)
			}
		}
		if f.At < change && change <= f.End {
			delay += longestDelay(f.Effect.Links)
			for _, rule := range f.Effect.Links.Rules {
				jitter = max(jitter, rule.Shape.Jitter)
			}
		}
	}
	if delay > 0 {
		lead = max(lead, delay+(minProbes+1)*max(probeInterval, 2*jitter)+2*probeMargin)
	}
	return max(change-lead, min(previous, change-probeLead), 0)
}

// nextChange returns the run time of the next planned change of links after a time.
func (p *prober) nextChange(after time.Duration) time.Duration {
	next := time.Duration(math.MaxInt64)
	for i := range p.planned {
		f := &p.planned[i]
		for _, at := range []time.Duration{f.At, f.End} {
			if len(f.Effect.Links.Rules) > 0 && at > after {
				next = min(next, at)
			}
		}
	}
	return next
}

// start measures a fault, after a wait.
func (p *prober) start(ctx context.Context, f *faults.Planned, phase trace.ProbePhase, wait time.Duration) {
	at := p.time.sinceStart() + wait
	p.group.start(ctx, fmt.Sprintf("probe %s %s", phase, f.ID), func(ctx context.Context) error {
		if len(f.Effect.Links.Rules) > 0 {
			return p.probeLinks(ctx, f, phase, at)
		}
		return p.queryNodes(ctx, f, phase, at)
	})
}

// probeLinks measures the links that a fault affects, at a run time. Links whose desired state changed while packets were sent, or
// that were cut while packets were on their way, are left out: no figure could be right for them.
func (p *prober) probeLinks(ctx context.Context, f *faults.Planned, phase trace.ProbePhase, at time.Duration) error {
	if err := p.time.sleepUntil(ctx, at); err != nil {
		return err
	}
	shaper, ok := p.net.Runtime.(runtime.LinkShaper)
	if !ok {
		return fmt.Errorf("the runtime cannot measure links")
	}
	links, total := f.Effect.Links.Affected(p.net.Nodes(), maxProbes, p.net.random(uint64(f.At)))
	before, changes := p.active.desired()
	now := p.time.sinceStart()
	measured, err := shaper.Probe(ctx, links, probePlan(links, before, p.net.Nodes(), p.nextChange(now)-now))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	e := trace.Probe{Fault: f.ID, Phase: phase, Total: total}
	if err != nil {
		e.Error = err.Error()
	}
	measuredAt := p.time.Now() // before the desired state is read: what begins meanwhile stands after this in the trace
	var late time.Duration
	waited := time.Duration(math.MaxInt64)
	for _, m := range measured {
		waited = min(waited, m.Waited)
		e.Late = max(e.Late, m.Late)
		if len(m.Overdue) > 0 {
			late = max(late, slices.Max(m.Overdue))
		}
	}
	changed := p.active.since(changes)
	if sent := measuredAt - waited; len(measured) > 0 && len(changed) > 0 && changed[0].at > sent {
		measuredAt = sent // that is what the trace says of the links
	}
	desired := p.unchangedState(before, changed, measuredAt+max(readWithin, late))
	for _, m := range measured {
		if state, ok := desired(m.Link); ok {
			e.Links = append(e.Links, linkProbe(m, state))
		} else {
			e.Changed++
		}
	}
	p.time.machine.note(max(e.Late, late), fmt.Sprintf("probe %s %s", phase, f.ID))
	p.rec.addAt(measuredAt, trace.Event{Kind: trace.KindProbe, Probe: &e})
	return nil
}

// probePlan says how links are measured within a time. Where delays vary, the packets of a link are so far apart that none
// waits for the one ahead of it: then each delay is an independent draw.
func probePlan(links []faults.Link, state faults.Links, nodes []faults.NodeID, within time.Duration) faults.ProbePlan {
	desired := stateOf(state, nodes)
	var longest, jitter time.Duration
	varying := 0
	for _, l := range links {
		if s := desired(l); !s.Cut {
			longest, jitter = max(longest, s.Shape.Delay+s.Shape.Jitter), max(jitter, s.Shape.Jitter)
			if s.Shape.Jitter > 0 {
				varying++
			}
		}
	}
	plan := faults.ProbePlan{Count: minProbes, Interval: probeInterval, Wait: 500*time.Millisecond + 2*longest}
	if varying > 0 {
		plan.Interval = max(probeInterval, 2*jitter)
		fits := int(max(0, within-sendMargin-time.Duration(len(links))*sendTime)/plan.Interval) + 1
		plan.Count = max(1, min(fits, max(minProbes, min(enoughDelays/varying, maxCount, int(maxProbing/plan.Interval)))))
	}
	return plan
}

// longestDelay is the most by which one fault delays a packet.
func longestDelay(l faults.Links) (longest time.Duration) {
	for _, rule := range l.Rules {
		longest = max(longest, rule.Shape.Delay+rule.Shape.Jitter)
	}
	return longest
}

// stateOf returns a function that returns the desired state of a link.
func stateOf(links faults.Links, nodes []faults.NodeID) func(faults.Link) faults.LinkState {
	index := make(map[faults.NodeID]int, len(nodes))
	for i, n := range nodes {
		index[n] = i
	}
	m := links.Compile(nodes)
	return func(l faults.Link) faults.LinkState { return m.State(index[l.From], index[l.To]) }
}

// unchangedState returns a function that returns the desired state of a link, and whether packets show it that were on the links by
// a time: it must not have changed until then, and held packets are dropped when the link is cut.
func (p *prober) unchangedState(before faults.Links, changes []linksChange, until time.Duration) func(faults.Link) (faults.LinkState, bool) {
	then := stateOf(before, p.net.Nodes())
	var same, whole []func(faults.Link) faults.LinkState
	for _, c := range changes {
		state := stateOf(faults.Compose(c.layers), p.net.Nodes())
		if c.at <= until {
			same = append(same, state)
		} else {
			whole = append(whole, state)
		}
	}
	return func(l faults.Link) (faults.LinkState, bool) {
		s := then(l)
		for _, state := range same {
			if state(l) != s {
				return s, false
			}
		}
		for _, state := range whole {
			if state(l).Cut && !s.Cut {
				return s, false
			}
		}
		return s, true
	}
}

func linkProbe(m faults.Measurement, desired faults.LinkState) trace.LinkProbe {
	out := trace.LinkProbe{
		From: trace.NodeID(m.Link.From), To: trace.NodeID(m.Link.To), Sent: m.Sent, Received: m.Received,
		Min: m.Min, Median: m.Median, Max: m.Max,
		ExpectedCut: desired.Cut, ExpectedDelay: desired.Shape.Delay, ExpectedJitter: desired.Shape.Jitter,
	}
	if out.ExpectedCut || out.ExpectedDelay == 0 && out.ExpectedJitter == 0 {
		return out
	}
	if out.ExpectedJitter > 0 || m.Overdue != nil {
		out.Delays, out.Overdue = m.Delays, m.Overdue
	}
	return out
}

// queryNodes records the status of the nodes that a fault acts on, at a run time. A node that should be up gets some time to
// answer; one that should not is queried once, and must not answer.
func (p *prober) queryNodes(ctx context.Context, f *faults.Planned, phase trace.ProbePhase, at time.Duration) error {
	if err := p.time.sleepUntil(ctx, at); err != nil {
		return err
	}
	for _, id := range actedOn(f.Effect) {
		node := faults.NodeID(id)
		deadline := p.time.Now() + restartTimeout
		for {
			s, err := p.status(ctx, node)
			if err == nil || !p.view.isUp(node) || p.time.Now() >= deadline {
				s.Fault, s.Phase = f.ID, phase
				p.rec.status(node, s, err)
				break
			}
			if err := p.time.pause(ctx, pollStep); err != nil {
				return err
			}
		}
	}
	return nil
}

// actedOn lists the nodes that a fault does something to, each once.
func actedOn(e faults.Effect) []trace.NodeID {
	var out []trace.NodeID
	for _, a := range slices.Concat(e.Begin, e.End) {
		if id := trace.NodeID(a.Node); !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}
