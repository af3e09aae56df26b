package replay

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// gaps are the stretches of time for which reports of a node may be missing from the trace: each lasts until the node reports
// something again. A gap is recorded after it began, so that only at the end of the trace all are known.
type gaps struct {
	of    map[NodeIndex][]span
	all   []span // gaps of all nodes
	about notes  // of single nodes
	whole notes  // of all nodes
}

type span struct{ from, to time.Duration }

// open begins a gap; NoNode stands for all nodes, whose gap never ends.
func (g *gaps) open(n NodeIndex, from time.Duration) {
	if n == NoNode {
		g.all = append(g.all, span{from, math.MaxInt64})
		return
	}
	if g.of == nil {
		g.of = make(map[NodeIndex][]span)
	}
	if last := len(g.of[n]) - 1; last >= 0 && g.of[n][last].to == math.MaxInt64 {
		g.of[n][last].from = min(g.of[n][last].from, from)
		return
	}
	g.of[n] = append(g.of[n], span{from, math.MaxInt64})
}

// reported ends the open gap of a node, if there is one.
func (g *gaps) reported(n NodeIndex, at time.Duration) {
	if last := len(g.of[n]) - 1; last >= 0 && g.of[n][last].to == math.MaxInt64 {
		g.of[n][last].to = at
	}
}

// Read says whether the trace has all that a node reported between two times. The answer is final once the trace is at its
// end. What a node reported is read or not whether or not it was up.
func (s *State) Read(n NodeIndex, from, to time.Duration) bool {
	overlaps := func(x span) bool { return x.from <= to && x.to >= from }
	return !slices.ContainsFunc(s.gaps.all, overlaps) && !slices.ContainsFunc(s.gaps.of[n], overlaps)
}

// AnyRead says whether one of some nodes is Read between two times.
func (s *State) AnyRead(nodes []NodeIndex, from, to time.Duration) bool {
	return slices.ContainsFunc(nodes, func(n NodeIndex) bool { return s.Read(n, from, to) })
}

// ReadAtEnd says whether the trace has what a node reported last.
func (s *State) ReadAtEnd(n NodeIndex) bool { return s.Read(n, s.Horizon(), s.Now) }

// Unreadable says from when on no node could be read although some are up at the end; empty where there was no such time.
func (s *State) Unreadable() string {
	var up []NodeIndex
	for i, n := range s.Nodes.All() {
		if n.State == trace.StateUp {
			up = append(up, i)
		}
	}
	for _, n := range up { // such a time begins with a gap
		for _, x := range s.gaps.of[n] {
			if x.from <= s.Horizon() && !s.AnyRead(up, x.from, x.from) {
				return fmt.Sprintf("no node could be read at %s", trace.Round(x.from))
			}
		}
	}
	return ""
}

// HasGaps says whether reports of any node may be missing.
func (s *State) HasGaps() bool { return len(s.gaps.about)+len(s.gaps.whole) > 0 }

// Gap says which node's reports may be missing, and why; empty when none are. A gap of all nodes is Incomplete.
func (s *State) Gap() string {
	if len(s.gaps.about) > 0 {
		return s.gaps.about[0]
	}
	return ""
}
