package run

import (
	"context"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

const (
	// clockReadings is how often a node is polled for its time at the start; the quickest answer says most, and one within
	// clockPrecision says enough.
	clockReadings  = 5
	clockPrecision = time.Millisecond
)

// compareClocks compares the clocks of all nodes that say their time with the run's.
func (r *run) compareClocks(ctx context.Context) {
	for _, n := range r.net.Nodes() {
		r.tasks.start(ctx, "compare the clock of "+string(n), func(ctx context.Context) error {
			for range clockReadings {
				s, err := r.status(ctx, n)
				if err != nil || s.Time.IsZero() || r.rec.clockOf(n).Within <= clockPrecision {
					return nil //nolint:nilerr // a node that does not answer has its clock compared later, or not at all
				}
			}
			return nil
		})
	}
	r.time.Wait()
}

// status queries a node for its status, and compares its clock with the run's if the answer has its time.
func (s *shared) status(ctx context.Context, node faults.NodeID) (trace.Status, error) {
	sent := s.time.Now()
	st, err := s.net.status(ctx, node)
	if err == nil && !st.Time.IsZero() {
		s.rec.compareClock(node, st.Time, sent, s.time.Now())
	}
	return st, err
}

// compareClock takes in that a node reported its time, between two times of the clock. It is recorded when it says more than
// what is known, or that the clock was set.
func (r *recorder) compareClock(node faults.NodeID, reported time.Time, sent, answered time.Duration) {
	within := (answered - sent + 1) / 2
	now := trace.Clock{Offset: reported.Sub(r.clock.Epoch()) - sent - within, Within: within}
	r.mu.Lock()
	defer r.mu.Unlock()
	if old, ok := r.clocks[node]; ok && now.Within >= old.Within && (now.Offset-old.Offset).Abs() <= now.Within+old.Within {
		return
	}
	r.clocks[node] = now
	if now != (trace.Clock{}) {
		r.addLocked(answered, trace.Event{Kind: trace.KindClock, Node: trace.NodeID(node), Clock: &now})
	}
}

// clockOf is what is known of a node's clock; zero if nothing is.
func (r *recorder) clockOf(node faults.NodeID) trace.Clock {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.clocks[node]
}

// correct turns the time that a node gave an event into the clock's: by what is known of the node's clock, and not after the
// event was received. ahead is by how much it is after that, 0 below a second and where the clock is not known. The lock is held.
func (r *recorder) correct(node faults.NodeID, at, received time.Duration) (corrected, ahead time.Duration) {
	c, known := r.clocks[node]
	if c.Offset.Abs() > c.Within {
		at -= c.Offset
	}
	if ahead = at - received - c.Within; !known || ahead < time.Second {
		ahead = 0
	}
	return min(at, received), ahead
}
