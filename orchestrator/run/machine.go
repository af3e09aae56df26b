package run

import (
	"context"
	"sync"
	"time"

	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

const (
	// machineInterval is how often it is recorded how punctual the machine was, machineTick how often a timer is set for that
	// alone.
	machineInterval = time.Second
	machineTick     = 20 * time.Millisecond
)

// machine measures how punctual the machine is that carries out the run. Every sleep of the run's tasks counts: it should
// end at its time. A task that is late because it waited for something else than time does not count. It is safe for
// concurrent use.
type machine struct {
	mu   sync.Mutex
	busy trace.Busy // since the last take
}

// note counts a timer, or a packet of a probe, that was late for what it was for.
func (m *machine) note(late time.Duration, what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.busy.Timers++
	if late > m.busy.Late {
		m.busy.Late, m.busy.What = late, what
	}
}

// take returns what was counted, and starts anew.
func (m *machine) take() trace.Busy {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.busy
	m.busy = trace.Busy{}
	return b
}

// measureMachine records how punctual the machine is until ctx ends, on runtimes whose nodes share it.
func (r *run) measureMachine(ctx context.Context) error {
	meter, ok := r.Runtime.(runtime.CPUMeter)
	if !ok {
		return nil
	}
	from := r.time.Now()
	waited, known := meter.CPUWait()
	r.time.machine.take()
	for {
		for next := from + machineTick; next < from+machineInterval; next = max(next+machineTick, r.time.Now()) {
			if err := r.time.Sleep(ctx, next); err != nil {
				return nil //nolint:nilerr // the end of the run ends the task
			}
		}
		now := r.time.Now()
		b := r.time.machine.take()
		b.From, b.Waiting = from-r.time.zero, -1
		if after, ok := meter.CPUWait(); ok && known && now > from {
			b.Waiting = min(max((after-waited).Seconds()/(now-from).Seconds(), 0), 1)
			waited = after
		}
		r.rec.addAt(now, trace.Event{Kind: trace.KindBusy, Busy: &b})
		from = now
	}
}
