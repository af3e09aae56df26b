package run

import (
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// withinStep is to what the statement how well a time is known is rounded up, lest the trace be full of digits.
const withinStep = 100 * time.Microsecond

// observed records what a node was found to have done by a time. Blocks of a node's first look were there before, nobody
// knows for how long; in a testnet, not longer than its clock runs.
func (r *recorder) observed(at time.Duration, x *watched, events []trace.Event) {
	var since time.Duration
	if x.known {
		since = x.since
	}
	times, earliest := r.hints.times(x.node, since, x.recorded, at, events)
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, e := range events {
		if e.Kind != trace.KindBlock {
			e.Node = trace.NodeID(x.node)
		}
		if e.Kind == trace.KindSeen {
			e.Seen.Sync = e.Seen.Sync || !x.known
			e.Seen.Within = (times[i] - earliest[i] + withinStep - 1).Truncate(withinStep)
		}
		r.addLocked(times[i], e)
		x.recorded = max(x.recorded, times[i])
	}
}
