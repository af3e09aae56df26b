package invariant

import (
	"fmt"
	"time"

	"github.com/netsplit/netsplit/orchestrator/invariant/replay"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

var isolationDefinition = Definition{
	Name:  "isolation",
	Title: "Nothing crosses a cut",
	Doc: `While cuts hold everywhere (from the time a fault is active until it begins to heal) and keep groups of nodes apart,
no node may receive a block from a peer in another group (after a grace period, for what had arrived but was not read yet),
have a block that was made in another group since, or be reached by a probe over a cut link. Where one direction alone is
cut, connections that exist may carry blocks in the other: those do not count. It does not matter whether nodes are up. For polled nodes, a block counts as made in the group that first reported it, if that was later than the grace
period and the resolution after the cut. Where no block is made under a cut, the probes alone decide.
VACUOUS when no cut kept any nodes apart, when nothing was sent meanwhile, or when no cut dropped a packet of the testnet's
own traffic: then no live connection crossed it. UNKNOWN when blocks alone crossed, and the machine was late or a node's
clock is wrong.`,
	Class: Infrastructure, Always: true,
	Params: []Param{{Name: "grace", Type: TypeDuration, Default: "2s", Doc: "time for what arrived before the cut"}},
	New:    func(p Values) Checker { return &isolation{grace: p.Duration("grace")} },
}

type isolation struct {
	grace   time.Duration
	version int                                    // of the enforced cut
	made    map[replay.BlockIndex]replay.NodeIndex // blocks made since the groups last changed
	blocks  int                                    // first acceptances and blocks made under a cut
	probes  int                                    // packets sent over cut links
	crossed worst
	leaked  bool // to probes
}

// leak is how bad it is when packets of a probe cross a cut: worse than any block, as their times are exact.
const leak = 1e6

func (c *isolation) Observe(s *replay.State, e *trace.Event) {
	if cut := &s.Faults.Enforced; c.version != cut.Version {
		c.version = cut.Version
		c.made = make(map[replay.BlockIndex]replay.NodeIndex)
	}
	switch {
	case e.Kind == trace.KindProbe && e.Probe.Phase == trace.ProbeDuring:
		c.probe(s, e.Probe)
	case e.Kind == trace.KindSeen && s.Faults.Enforced.Separates && s.Node != replay.NoNode && s.Block != replay.NoBlock:
		c.seen(s, e.Seen)
	}
}

func (c *isolation) seen(s *replay.State, e *trace.Seen) {
	cut := &s.Faults.Enforced
	c.blocks++
	if e.Made || s.Facts.Polled() && s.First && s.Since > cut.Since+c.grace {
		c.made[s.Block] = s.Node
		return
	}
	if maker, ok := c.made[s.Block]; ok && !cut.Reaches(maker, s.Node) {
		text := "has block %s, which %s made on the other side of the cut"
		if s.Facts.Polled() {
			text = "has block %s, which %s first reported on the other side of the cut"
		}
		c.cross(s, e.Hash, maker, text)
		return
	}
	from, ok := s.Nodes.Index(e.From)
	readSince := max(cut.Since, s.Nodes.At(s.Node).StateSince) + c.grace
	if ok && !cut.Reaches(from, s.Node) && s.Now > readSince {
		c.cross(s, e.Hash, from, "received block %s from %s on the other side of the cut")
	}
}

func (c *isolation) cross(s *replay.State, block trace.Hash, other replay.NodeIndex, text string) {
	n, o := s.Nodes.At(s.Node).ID, s.Nodes.At(other).ID
	// The longer the cut has held, the less the block can have been on its way before.
	c.crossed.add(min((s.Now-s.Faults.Enforced.Since).Seconds(), leak/2), func() Evidence {
		return Evidence{
			At: s.Now, Nodes: []trace.NodeID{n, o}, Blocks: []trace.Hash{block}, Windows: s.Faults.Windows(s.Now),
			Text: string(n) + " " + fmt.Sprintf(text, short(block), o),
		}
	})
}

func (c *isolation) probe(s *replay.State, p *trace.Probe) {
	for _, l := range p.Links {
		if !l.ExpectedCut {
			continue
		}
		c.probes += l.Sent
		if l.Received == 0 {
			continue
		}
		c.leaked = true
		c.crossed.add(leak*(1+share(l.Received, l.Sent)), func() Evidence {
			return Evidence{
				At: s.Now, Nodes: []trace.NodeID{l.From, l.To}, Windows: s.Faults.Windows(s.Now),
				Text: fmt.Sprintf("%d of %d probe packets from %s reached %s over a cut link", l.Received, l.Sent, l.From, l.To),
			}
		})
	}
}

// idleCuts says that no cut affected any traffic, if that is known of all that became active; else it is empty.
func idleCuts(s *replay.State) string {
	why := ""
	for _, f := range s.Faults.All() {
		if !f.Cuts() || !f.Has(trace.FaultActive) {
			continue
		}
		if !f.IdleCut() {
			return ""
		}
		why = f.ID + ": " + idleCut
	}
	return why
}

// idleCut is why a cut that dropped nothing shows nothing.
const idleCut = "the cut dropped no packet of the testnet's own traffic, so no live connection crossed it"

func (c *isolation) Finish(s *replay.State) Result {
	r := Result{
		Figure: Count(c.crossed.count, "crossing"), Bound: "no crossing", Evidence: c.crossed.evidence,
		Metrics: map[string]float64{
			"crossings": float64(c.crossed.count), "blocks_under_cut": float64(c.blocks), "probe_packets": float64(c.probes),
		},
	}
	switch {
	case c.crossed.count > 0:
		r.Timed = !c.leaked // a block is on the wrong side at the wrong time
		return r.fail(c.crossed.evidence[0].Text)
	case !s.Faults.Enforced.EverSeparated:
		return r.vacuous("no cut kept any nodes apart")
	case c.blocks == 0 && c.probes == 0:
		return r.vacuous("nothing was sent while a cut held")
	case idleCuts(s) != "":
		return r.vacuous(idleCuts(s))
	}
	r.Verdict = Pass
	return r
}
