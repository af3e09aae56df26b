package sim

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/netsplit/netsplit/faults"
)

// Shape implements runtime.Shaper. It takes no virtual time. A layer with an Until ends by itself.
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

// check refuses rules that name unknown nodes or ask for negative times.
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

// apply makes those of the layers true that have not expired, and comes back when the next one does.
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

// shape sets the state of every link. Streams that were cut and no longer are go on at TCP's next attempt.
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
				w.schedule(uint32(i), side, retry(s.stalled, now)+w.latency(&s.link))
			}
		}
	}
}

// Traffic implements runtime.Shaper. Dropped counts packets that a cut held up, each once, and dials into a cut;
// Delayed counts packets sent over a link with a delay or jitter. Lost is always 0.
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
