package invariant

import (
	"time"

	"github.com/netsplit/netsplit/orchestrator/invariant/replay"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// returnWindow is how long after its start a node's requests for history are judged.
const returnWindow = 10 * time.Second

// returnedHistory judges whether a node that starts requests history that it has. A request is answered with what follows the last
// block that both have, so that all that comes is new, but for what others send at the same time, and for branches that are not
// taken. Where messages take long, a request is given up and made again, so that nothing is judged then. Consistency calls it.
type returnedHistory struct {
	lives  []startedLife
	slow   map[string]bool // faults that hold and make messages late
	calm   time.Duration   // when the last of these ended
	report func(s *replay.State, n replay.NodeIndex, at time.Duration, kind, format string, args ...any)
}

// startedLife is what a node logged since its process started, while that is judged.
type startedLife struct {
	known   bool
	start   time.Duration // by its clock
	blocks  []arrivedBlock
	dropped int // blocks in reorganisations
}

type arrivedBlock struct {
	at     time.Duration // by the node's clock
	block  replay.BlockIndex
	synced bool
}

func (r *returnedHistory) fault(s *replay.State, f *trace.Fault) {
	switch {
	case f.Phase == trace.FaultBegin && (len(f.Rules) > 0 || f.Kind == "pause"):
		r.slow[f.ID] = true
	case f.Phase == trace.FaultHealed && r.slow[f.ID]:
		delete(r.slow, f.ID)
		r.calm = s.Now
	}
}

func (r *returnedHistory) forget(n replay.NodeIndex) { r.lives[n] = startedLife{} }

func (r *returnedHistory) start(n replay.NodeIndex, at time.Duration) {
	r.lives[n] = startedLife{known: true, start: at}
}

func (r *returnedHistory) seen(s *replay.State, e *trace.Event) {
	if l := &r.lives[s.Node]; l.known && e.At <= l.start+returnWindow && !e.Seen.Made {
		l.blocks = append(l.blocks, arrivedBlock{e.At, s.Block, e.Seen.Sync})
	}
}

func (r *returnedHistory) head(s *replay.State) { r.lives[s.Node].dropped += s.Reorg.Depth }

// compare judges an answer when the log is complete up to its time.
func (r *returnedHistory) compare(s *replay.State, n replay.NodeIndex, x pendingAnswer, t *traffic) {
	l, a := &r.lives[n], x.answer
	head, ok := s.Blocks.Lookup(a.Head)
	if !l.known || !ok || a.Counters == nil || x.clock < l.start || x.clock > l.start+returnWindow ||
		len(r.slow) > 0 || l.start < r.calm+faultEcho || s.Nodes.Honest() < s.Nodes.Len() {
		return
	}
	arrived, relayed, beside := 0, 0, 0
	for _, b := range l.blocks {
		if b.at > x.clock {
			break
		}
		arrived++
		if !b.synced {
			relayed++
		}
		if !s.Blocks.OnChain(b.block, head) {
			beside++
		}
	}
	most := arrived + relayed + (a.PeerCount+1)*(beside+l.dropped)
	if a.Counters.History > uint64(max(0, most)) {
		t.late++ // where messages take long, it is none
		r.report(s, n, x.polled, "history again", "received %d blocks as history in the first %s since its start, and got %s that it had not",
			a.Counters.History, trace.Round(x.clock-l.start), Count(arrived, "block"))
	}
}
