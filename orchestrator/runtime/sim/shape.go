package sim

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/netsplit/netsplit/faults"
)

// Shape implements runtime.LinkShaper. It takes no virtual time. A layer expires at its Until.
func (r *Runtime) Shape(ctx context.Context, layers []faults.Layer) (faults.Applied, error) {
	if err := ctx.Err(); err != nil {
		return faults.Applied{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return faults.Applied{}, fmt.Errorf("shape: %w", ErrClosed)
	}
	for i := range layers {
		if err := r.w.check(layers[i].Links); err != nil {
			return faults.Applied{}, fmt.Errorf("shape: layer %s: %w", layers[i].ID, err)
		}
	}
	r.layers = slices.Clone(layers)
	r.apply()
	return faults.Applied{Engine: "sim"}, nil
}

// check refuses rules with unknown nodes or negative times.
func (w *world) check(links faults.Links) error {
	for _, rule := range links.Rules {
		for _, id := range slices.Concat(rule.From, rule.To) {
			if _, ok := w.names[id]; !ok {
				return fmt.Errorf("unknown node %q", id)
			}
		}
		if rule.Shape.Delay < 0 || rule.Shape.Jitter < 0 {
			return fmt.Errorf("negative delay %v or jitter %v", rule.Shape.Delay, rule.Shape.Jitter)
		}
	}
	return nil
}

// apply applies the layers that have not expired, and schedules itself for when the next one does.
func (r *Runtime) apply() {
	now := r.clock.epoch.Add(r.clock.Now())
	var next time.Time
	r.layers = slices.DeleteFunc(r.layers, func(l faults.Layer) bool {
		if l.Until.IsZero() {
			return false
		}
		if !l.Until.After(now) {
			return true
		}
		if next.IsZero() || l.Until.Before(next) {
			next = l.Until
		}
		return false
	})
	r.shaped++
	if !next.IsZero() {
		version := r.shaped
		r.w.after(int64(next.Sub(now)), func() {
			if r.shaped == version {
				r.apply()
			}
		})
	}
	r.w.shape(faults.Compose(r.layers))
}

// shape sets the state of every link. Streams that are no longer cut continue with TCP's next retransmission.
func (w *world) shape(links faults.Links) {
	ids := make([]faults.NodeID, len(w.hosts))
	for i, h := range w.hosts {
		ids[i] = h.id
	}
	w.links = links.Compile(ids)
	now := w.now.Load()
	for i := range w.conns {
		c := &w.conns[i]
		if !c.open[0] && !c.open[1] {
			continue
		}
		for side := range c.dir {
			s := &c.dir[side]
			s.link = w.linkOf(c.host[side], c.host[1-side])
			if !s.link.cut && s.stalled != 0 && !s.scheduled && !s.empty() {
				w.schedule(uint32(i), side, retransmission(s.stalled, now)+w.latency(&s.link))
			}
		}
	}
}

// Traffic implements runtime.LinkShaper. Dropped counts packets that a cut has held up, each once, and dials over a cut
// link; Delayed counts packets sent over a link with a delay or jitter. Lost is always 0.
func (r *Runtime) Traffic(ctx context.Context) (faults.Traffic, error) {
	if err := ctx.Err(); err != nil {
		return faults.Traffic{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return faults.Traffic{}, fmt.Errorf("traffic: %w", ErrClosed)
	}
	return r.w.counts, nil
}

// flow is the probe packets of one link.
type flow struct {
	from, to *host
	sent     int
	last     int64 // arrival of the latest packet
	arrivals []arrival
}

type arrival struct{ at, took int64 }

// Probe implements runtime.LinkShaper. It takes virtual time, until the last packet has arrived or Wait is over. Probes
// are packets without retransmission: on a cut link they are lost. The host of a paused node answers.
func (r *Runtime) Probe(ctx context.Context, links []faults.Link, plan faults.ProbePlan) ([]faults.Measurement, error) {
	if plan.Count < 1 || plan.Interval < 0 || plan.Wait < 0 {
		return nil, fmt.Errorf("probe: plan %+v: count must be positive, times not negative", plan)
	}
	flows, err := r.flows(links)
	if err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	for i := range plan.Count {
		if i > 0 {
			if err := r.clock.Sleep(ctx, r.clock.Now()+plan.Interval); err != nil {
				return nil, fmt.Errorf("probe: %w", err)
			}
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("probe: %w", err)
		}
		r.sendProbes(flows)
	}
	sent := r.clock.Now()
	end := lastArrival(flows, sent+plan.Wait)
	if err := r.clock.Sleep(ctx, end); err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	out := make([]faults.Measurement, len(flows))
	for i := range flows {
		out[i] = flows[i].measure(links[i], int64(end))
		out[i].Waited = end - sent
	}
	return out, nil
}

func (r *Runtime) flows(links []faults.Link) ([]flow, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	flows := make([]flow, len(links))
	for i, l := range links {
		var err error
		if flows[i].from, err = r.host(l.From); err != nil {
			return nil, err
		}
		if flows[i].to, err = r.host(l.To); err != nil {
			return nil, err
		}
	}
	return flows, nil
}

// sendProbes sends one packet on every link.
func (r *Runtime) sendProbes(flows []flow) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.w.now.Load()
	for i := range flows {
		f := &flows[i]
		f.sent++
		if f.from == f.to || !f.from.state.alive() || !f.to.state.alive() {
			continue
		}
		l := r.w.linkOf(f.from.index, f.to.index)
		if l.cut {
			continue
		}
		f.last = max(f.last, now+r.w.latency(&l))
		f.arrivals = append(f.arrivals, arrival{at: f.last, took: f.last - now})
	}
}

// alive reports whether there is a process, running or paused.
func (s state) alive() bool { return s == running || s == paused }

// lastArrival returns when the last packet arrives, latest if some are lost or later.
func lastArrival(flows []flow, latest time.Duration) time.Duration {
	var end int64
	for i := range flows {
		if len(flows[i].arrivals) < flows[i].sent {
			return latest
		}
		end = max(end, flows[i].last)
	}
	return min(time.Duration(end), latest)
}

// measure summarises the packets that have arrived by end.
func (f *flow) measure(link faults.Link, end int64) faults.Measurement {
	m := faults.Measurement{Link: link, Sent: f.sent}
	var took []int64
	for _, a := range f.arrivals {
		if a.at <= end {
			took = append(took, a.took)
		}
	}
	if len(took) == 0 {
		return m
	}
	slices.Sort(took)
	m.Received = len(took)
	m.Min = time.Duration(took[0])
	m.Median = time.Duration(took[len(took)/2])
	m.Max = time.Duration(took[len(took)-1])
	for _, d := range took {
		m.Delays = append(m.Delays, time.Duration(d))
	}
	return m
}
