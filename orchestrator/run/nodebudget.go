package run

import (
	"fmt"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// What one node says takes a bounded part of the trace, of our memory, and of the memory of those who judge the trace: budgetBase,
// and budgetRate for each second of the run, or budgetBlock for each block interval where that is more. A node that works
// reports each block twice, in some 500 bytes.
const (
	budgetBase  = 64 << 20
	budgetRate  = 128 << 10
	budgetBlock = 32 << 10
	// eventSize is what an event takes beside its texts.
	eventSize = 256
	// maxReason is the most bytes of a text that a node gave as a reason.
	maxReason = 4 << 10
	// farthest is by how much the clock of a node may be wrong for its events to be recorded.
	farthest = 30 * 24 * time.Hour
)

// nodeBudget is how many bytes of events one node has reported.
type nodeBudget struct {
	used  int64
	spent bool // it reported more than it may: the trace says so, and has nothing more of it
}

// takes reports whether an event is recorded, and shortens its texts. The lock is held.
func (r *recorder) takes(e *trace.Event) bool {
	size := int64(eventSize)
	switch e.Kind {
	case trace.KindSeen, trace.KindHead, trace.KindFinal:
	case trace.KindPeer:
		size += clip(&e.Peer.Reason)
	case trace.KindRefuse:
		size += clip(&e.Refuse.Reason)
	case trace.KindAttack:
		size += clip(&e.Attack.Kind) + clip(&e.Attack.Want)
	case trace.KindAnswer:
		size += clip(&e.Answer.Error) + int64(len(e.Answer.Peers)+len(e.Answer.Blocks)+3)*eventSize/2
	case trace.KindStatus:
		clip(&e.Status.Error)
		return true
	case trace.KindNode:
		clip(&e.Lifecycle.Reason)
		return true
	case trace.KindGap:
		clip(&e.Gap.Reason)
		return true
	default:
		return true
	}
	b := r.budgets[e.Node]
	if b == nil {
		b = &nodeBudget{}
		r.budgets[e.Node] = b
	}
	if b.spent {
		return false
	}
	if b.used += size; b.used <= r.budget() {
		return true
	}
	b.spent = true
	now := r.clock.Now()
	r.addLocked(now, trace.Event{Kind: trace.KindGap, Node: e.Node, Gap: &trace.Gap{From: now - r.zero, Reason: fmt.Sprintf(
		"it reported more than netsplit records of a node (%d MiB by now): what follows is left out", r.budget()>>20)}})
	return false
}

// budget is how many bytes of events a node may have reported by now.
func (r *recorder) budget() int64 {
	if !r.started {
		return budgetBase
	}
	took := r.clock.Now() - r.zero
	sum := int64(took.Seconds() * budgetRate)
	if r.interval > 0 {
		sum = max(sum, int64(took/r.interval)*budgetBlock)
	}
	return budgetBase + sum
}

// clip shortens a text to maxReason, and returns its length.
func clip(text *string) int64 {
	if len(*text) > maxReason {
		*text = (*text)[:maxReason] + " ..."
	}
	return int64(len(*text))
}
