package sim

import (
	"context"
	"fmt"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// Do implements runtime.Runtime. Actions happen at the present moment and take no virtual time.
func (r *Runtime) Do(ctx context.Context, action faults.Action) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	h, err := r.host(action.Node)
	if err != nil {
		return fmt.Errorf("%s: %w", action.Verb, err)
	}
	if !fits(action.Verb, h.state) {
		return fmt.Errorf("%s node %s: %w: %v", action.Verb, h.id, runtime.ErrState, h.state)
	}
	return r.w.act(h, action.Verb)
}

// fits reports whether an action fits a node's state.
func fits(verb faults.Verb, s state) bool {
	switch verb {
	case faults.Kill, faults.Stop:
		return s == running || s == paused
	case faults.Pause, faults.Restart:
		return s == running
	case faults.Resume:
		return s == paused
	case faults.Start:
		return s == down
	}
	return true // act refuses it
}

func (w *world) act(h *host, verb faults.Verb) error {
	switch verb {
	case faults.Kill:
		w.end(h)
	case faults.Stop:
		w.stop(h)
	case faults.Pause:
		h.state = paused
	case faults.Resume:
		w.resume(h)
	case faults.Start:
		return w.start(h)
	case faults.Restart:
		w.stop(h)
		return w.start(h)
	default:
		return fmt.Errorf("%s node %s: unknown verb", verb, h.id)
	}
	return nil
}

// stop asks a process to end and ends it. A paused process cannot answer and is just ended.
func (w *world) stop(h *host) {
	if h.state == running {
		w.guard(func() { w.feed(h, Machine.Stop) })
	}
	if h.state != down { // it may have panicked
		w.end(h)
	}
}
