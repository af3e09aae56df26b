package invariant

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// history builds a trace for a test: each call appends what happened at the history's current time.
type history struct {
	t      *testing.T
	events []*trace.Event
	now    time.Duration
	run    *trace.Run
	blocks map[trace.Hash]trace.Block
	heads  map[trace.NodeID]trace.Hash
	all    []trace.NodeID
	last   Result              // of a script
	expect []trace.Expectation // with which it was judged
}

const genesis = trace.Hash("g")

// newHistory starts a run of nodes that all mine alike, know each other, and are up from the start. The block interval
// is 1s, the fork depth 2.
func newHistory(t *testing.T, nodes ...trace.NodeID) *history {
	h := &history{
		t: t, blocks: map[trace.Hash]trace.Block{genesis: {Hash: genesis}}, heads: map[trace.NodeID]trace.Hash{}, all: nodes,
		run: &trace.Run{
			Format: trace.Format, ID: "test", PeerExchange: true, Duration: time.Minute,
			Chain: trace.Facts{Name: "test", Family: "pow", BlockInterval: time.Second, ForkDepth: 2, GenesisHash: genesis},
		},
	}
	for _, n := range nodes {
		h.run.Nodes = append(h.run.Nodes, trace.RunNode{ID: n, Role: "node", Mine: 1})
		h.heads[n] = genesis
	}
	h.now = -time.Second
	h.add("", &trace.Event{Kind: trace.KindRun, Run: h.run})
	for _, n := range nodes {
		h.state(n, trace.StateUp, "")
	}
	h.at(0)
	h.phase(trace.PhaseScheduled)
	return h
}

func (h *history) add(node trace.NodeID, e *trace.Event) {
	h.t.Helper()
	e.At, e.Node = h.now, node
	must.Do(h.t, trace.Validate(e))
	h.events = append(h.events, e)
}

func (h *history) at(d time.Duration)    { h.now = d }
func (h *history) sleep(d time.Duration) { h.now += d }
func (h *history) phase(p trace.PhaseName) {
	h.add("", &trace.Event{Kind: trace.KindPhase, Phase: &trace.Phase{Name: p}})
}
func (h *history) gap(n trace.NodeID) { h.gapSince(n, h.now) }
func (h *history) gapSince(n trace.NodeID, from time.Duration) {
	h.add(n, &trace.Event{Kind: trace.KindGap, Gap: &trace.Gap{From: from, Reason: "lost lines"}})
}

func (h *history) state(n trace.NodeID, s trace.State, fault string) {
	h.add(n, &trace.Event{Kind: trace.KindNode, Lifecycle: &trace.Lifecycle{State: s, Fault: fault}})
}

// block makes a block known to the builder: hash stands on parent.
func (h *history) block(hash, parent trace.Hash) trace.Block {
	p, ok := h.blocks[parent]
	if !ok {
		h.t.Fatalf("no block %s", parent)
	}
	b := trace.Block{Hash: hash, Parent: parent, Height: p.Height + 1}
	h.blocks[hash] = b
	return b
}

// mine lets a node make a block on parent and take it as its head.
func (h *history) mine(n trace.NodeID, hash, parent trace.Hash) {
	b := h.block(hash, parent)
	h.add(n, &trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{Hash: hash, Parent: parent, Height: b.Height, Made: true}})
	h.adopt(n, hash)
}

// get lets a node accept a block from a peer, and take it as its head if it is higher.
func (h *history) get(n, from trace.NodeID, hash trace.Hash) { h.accept(n, from, hash, false) }

func (h *history) accept(n, from trace.NodeID, hash trace.Hash, sync bool) {
	b := h.blocks[hash]
	h.add(n, &trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{
		Hash: hash, Parent: b.Parent, Height: b.Height, From: from, Sync: sync,
	}})
	if b.Height > h.blocks[h.heads[n]].Height {
		h.adopt(n, hash)
	}
}

func (h *history) adopt(n trace.NodeID, hash trace.Hash) {
	h.add(n, &trace.Event{Kind: trace.KindHead, Head: &trace.Head{Hash: hash, Height: h.blocks[hash].Height, Old: h.heads[n]}})
	h.heads[n] = hash
}

// spread lets a node make a block on its head, which the others get at once.
func (h *history) spread(maker trace.NodeID, hash trace.Hash, others ...trace.NodeID) {
	h.mine(maker, hash, h.heads[maker])
	for _, n := range others {
		h.get(n, maker, hash)
	}
}

// grow lets the maker make count blocks, every step one, each of which the others get at once. They are named
// prefix-1, prefix-2 ...
func (h *history) grow(prefix string, count int, step time.Duration, maker trace.NodeID, others ...trace.NodeID) {
	for i := range count {
		h.sleep(step)
		h.spread(maker, trace.Hash(fmt.Sprintf("%s-%d", prefix, i+1)), others...)
	}
}

// rotate is grow of nodes that take turns.
func (h *history) rotate(prefix string, count int, step time.Duration, nodes ...trace.NodeID) {
	for i := range count {
		h.sleep(step)
		k := i % len(nodes)
		h.spread(nodes[k], trace.Hash(fmt.Sprintf("%s-%d", prefix, i+1)), append(append([]trace.NodeID{}, nodes[k+1:]...), nodes[:k]...)...)
	}
}

// sync lets a node get count blocks named prefix-1 ... as history.
func (h *history) sync(n, from trace.NodeID, prefix string, count int) {
	for i := range count {
		h.accept(n, from, trace.Hash(fmt.Sprintf("%s-%d", prefix, i+1)), true)
	}
}

func (h *history) fault(f trace.Fault) { h.add("", &trace.Event{Kind: trace.KindFault, Fault: &f}) }

// eachFault changes all fault events so far.
func (h *history) eachFault(change func(f *trace.Fault)) {
	for _, e := range h.events {
		if e.Kind == trace.KindFault {
			change(e.Fault)
		}
	}
}

func ids(n ...trace.NodeID) []trace.NodeID { return n }

// cut cuts a from b in both directions, at once.
func (h *history) cut(id string, a, b []trace.NodeID) {
	rules := []trace.Rule{{From: a, To: b, Cut: true}, {From: b, To: a, Cut: true}}
	h.fault(trace.Fault{ID: id, Kind: "partition", Phase: trace.FaultBegin, PlannedAt: h.now, Rules: rules})
	h.fault(trace.Fault{ID: id, Kind: "partition", Phase: trace.FaultActive, PlannedAt: h.now})
}

func (h *history) heal(id string) {
	h.fault(trace.Fault{ID: id, Kind: "partition", Phase: trace.FaultHealing})
	h.fault(trace.Fault{ID: id, Kind: "partition", Phase: trace.FaultHealed, Dropped: 9})
}

func (h *history) submit(n trace.NodeID, tx trace.Hash) {
	h.add(n, &trace.Event{Kind: trace.KindSubmit, Submit: &trace.Submit{Tx: tx}})
}

func (h *history) body(hash trace.Hash, txs ...trace.Hash) {
	b := h.blocks[hash]
	b.Txs = txs
	h.add("", &trace.Event{Kind: trace.KindBlock, Block: &b})
}

func (h *history) probe(fault string, p trace.ProbePhase, links ...trace.LinkProbe) {
	h.add("", &trace.Event{Kind: trace.KindProbe, Probe: &trace.Probe{Fault: fault, Phase: p, Total: len(links), Links: links}})
}

// end settles for d and ends the run.
func (h *history) end(d time.Duration) {
	h.phase(trace.PhaseSettling)
	h.sleep(d)
	h.stop()
}

// stop ends the run. The nodes that are as high as any other answer once more.
func (h *history) stop() {
	var top uint64
	for _, head := range h.heads {
		top = max(top, h.blocks[head].Height)
	}
	for _, n := range h.all {
		if b, ok := h.blocks[h.heads[n]]; ok && b.Hash != "" && b.Height == top {
			h.answer(n, trace.Answer{Head: b.Hash, Height: b.Height, PeerCount: len(h.all) - 1})
		}
	}
	if !slices.ContainsFunc(h.events, func(e *trace.Event) bool { return e.Kind == trace.KindPhase && e.Phase.Name == trace.PhaseSettling }) {
		h.phase(trace.PhaseSettling)
	}
	h.phase(trace.PhaseStopping)
	h.add("", &trace.Event{Kind: trace.KindEnd, End: &trace.End{}})
}

func (h *history) answer(n trace.NodeID, a trace.Answer) {
	h.add(n, &trace.Event{Kind: trace.KindAnswer, Answer: &a})
}

// planned is the plan of a run that did what was recorded, no more and no less.
func (h *history) planned() *trace.Plan {
	p := &trace.Plan{}
	of := func(id string) *trace.PlannedFault {
		k := slices.IndexFunc(p.Faults, func(f trace.PlannedFault) bool { return f.ID == id })
		if k < 0 {
			k = len(p.Faults)
			p.Faults = append(p.Faults, trace.PlannedFault{ID: id, At: -1})
		}
		return &p.Faults[k]
	}
	for _, e := range h.events {
		switch {
		case e.Kind == trace.KindPhase && e.Phase.Name == trace.PhaseSettling && e.At > 0:
			h.run.Duration = min(h.run.Duration, e.At)
		case e.Kind == trace.KindFault:
			f := of(e.Fault.ID)
			if f.At < 0 {
				f.Kind, f.At, f.For, f.Rules, f.Nodes = e.Fault.Kind, e.Fault.PlannedAt, e.Fault.PlannedFor, e.Fault.Rules, e.Fault.Nodes
			}
			e.Fault.PlannedAt, e.Fault.PlannedFor = f.At, f.For
		case e.Kind == trace.KindProbe && e.Probe.Phase == trace.ProbeBefore:
			of(e.Probe.Fault).Before++
		case e.Kind == trace.KindProbe && e.Probe.Phase == trace.ProbeDuring:
			of(e.Probe.Fault).During++
		case e.Kind == trace.KindProbe:
			of(e.Probe.Fault).After++
		case e.Kind == trace.KindSubmit:
			p.Load = append(p.Load, trace.PlannedLoad{Rate: 1, Until: 1, Submits: 1})
		}
	}
	for _, f := range p.Faults {
		h.run.Duration = max(h.run.Duration, f.At)
	}
	return p
}

// withFaults gives faults that only the nodes' states name events of their own.
func (h *history) withFaults() {
	var all []*trace.Event
	has := func(id string) bool {
		return slices.ContainsFunc(h.events, func(e *trace.Event) bool { return e.Kind == trace.KindFault && e.Fault.ID == id })
	}
	names := func(e *trace.Event, id string) bool { return e.Kind == trace.KindNode && e.Lifecycle.Fault == id }
	open := ""
	add := func(at time.Duration, phases ...trace.FaultPhase) {
		for _, p := range phases {
			all = append(all, &trace.Event{At: at, Kind: trace.KindFault, Fault: &trace.Fault{ID: open, Kind: "kill", Phase: p}})
		}
	}
	for i, e := range h.events {
		switch {
		case e.Kind == trace.KindNode && open == "" && e.Lifecycle.Fault != "" && !has(e.Lifecycle.Fault):
			open = e.Lifecycle.Fault
			add(e.At, trace.FaultBegin, trace.FaultActive)
		case open == "":
		case e.Kind == trace.KindPhase, !slices.ContainsFunc(h.events[i+1:], func(e *trace.Event) bool { return names(e, open) }):
			add(e.At, trace.FaultHealing, trace.FaultHealed)
			open = ""
		}
		all = append(all, e)
	}
	h.events = all
}

func (h *history) source(fn func(*trace.Event) error) error {
	h.withFaults()
	h.run.Plan = h.planned()
	answers := make(map[trace.NodeID]int)
	for _, e := range h.events {
		if e.Kind == trace.KindAnswer {
			answers[e.Node]++
			e.Answer.Number = answers[e.Node]
		}
	}
	for _, e := range h.events {
		if err := fn(e); err != nil {
			return err
		}
	}
	return nil
}

func (h *history) judge(expect ...trace.Expectation) *Judgement {
	h.t.Helper()
	return must.Get(Judge(h.source, append([]trace.Expectation{}, expect...)))(h.t)
}

// result judges one invariant, with parameters as pairs of name and value.
func (h *history) result(name string, params ...string) Result {
	h.t.Helper()
	x := trace.Expectation{Name: name, Params: map[string]string{}}
	for i := 0; i < len(params); i += 2 {
		x.Params[params[i]] = params[i+1]
	}
	h.expect = []trace.Expectation{x}
	for _, r := range h.judge(x).Results {
		if r.Invariant == name {
			return r
		}
	}
	h.t.Fatalf("no result of %s", name)
	return Result{}
}

// near allows for the width of a histogram's bucket.
func near(got, want float64) bool { return got == want || got <= want && got > .999*want }

func want(t *testing.T, r Result, v Verdict) {
	t.Helper()
	if r.Verdict != v {
		t.Fatalf("%s: got %s (%s; %s), want %s", r.Invariant, r.Verdict, r.Figure, r.Reason, v)
	}
	if (r.Reason == "") != (v == Pass) {
		t.Errorf("%s: %s has the reason %q", r.Invariant, v, r.Reason)
	}
	if v == Fail && len(r.Evidence) == 0 {
		t.Errorf("%s: FAIL without evidence", r.Invariant)
	}
}

// polled makes the history that of a chain whose nodes are polled every 100ms.
func (h *history) polled(family string, quorum float64, depth int) *history {
	h.run.Chain = trace.Facts{
		Name: "other", Family: family, Quorum: quorum, ForkDepth: depth, BlockInterval: time.Second,
		Resolution: 100 * ms,
	}
	h.blocks[""] = trace.Block{}
	for n := range h.heads {
		h.heads[n] = ""
	}
	return h
}

func newBFT(t *testing.T) *history { return newHistory(t, "a", "b", "c", "d").polled("bft", 2./3, 0) }

// report lets nodes report, one after the other, the next block on the first one's head, which all take as theirs.
func (h *history) report(hash trace.Hash, nodes ...trace.NodeID) {
	b := h.block(hash, h.heads[nodes[0]])
	for _, n := range nodes {
		h.reportBlock(n, b)
		h.sleep(ms)
	}
}

// reportBlock lets a node report a block and take it as its head.
func (h *history) reportBlock(n trace.NodeID, b trace.Block) {
	h.add(n, &trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{Hash: b.Hash, Parent: b.Parent, Height: b.Height}})
	h.adopt(n, b.Hash)
}

// blocksUntil lets nodes report a block a second until a time.
func (h *history) blocksUntil(prefix string, until time.Duration, nodes ...trace.NodeID) {
	for i := 1; h.now+time.Second <= until; i++ {
		at := h.now
		h.report(trace.Hash(fmt.Sprintf("%s-%d", prefix, i)), nodes...)
		h.at(at + time.Second)
	}
	h.at(until)
}

func (h *history) probes(p trace.ProbePhase, cut bool) {
	l := link(ms)
	if cut {
		l = cutLink(0)
	}
	l.To = "c"
	h.probe("p", p, l)
}

// halves is a split of four makers from 20s to 50s, in which none goes on, with blocks again from resume on.
func halvedQuorum(t *testing.T, resume time.Duration) *history {
	h := newBFT(t)
	all := ids("a", "b", "c", "d")
	h.blocksUntil("x", 20*time.Second, all...)
	h.probes(trace.ProbeBefore, false)
	h.cut("p", ids("a", "b"), ids("c", "d"))
	h.sleep(500 * ms)
	h.report("in-flight", all...) // was decided before the cut
	h.at(35 * time.Second)
	h.probes(trace.ProbeDuring, true)
	h.at(50 * time.Second)
	h.heal("p")
	h.eachFault(func(f *trace.Fault) { f.PlannedAt, f.PlannedFor = 20*time.Second, 30*time.Second })
	h.sleep(ms)
	h.probes(trace.ProbeAfter, false)
	h.at(resume)
	h.blocksUntil("y", 110*time.Second, all...)
	h.phase(trace.PhaseSettling)
	h.blocksUntil("z", 150*time.Second, all...)
	h.stop()
	return h
}

// allResults judges every invariant.
func (h *history) allResults() []Result {
	var all []trace.Expectation
	for _, d := range Definitions() {
		all = append(all, trace.Expectation{Name: d.Name})
	}
	return h.judge(all...).Results
}

// measured makes the history one whose seen events say how well their times are known.
func (h *history) measured() *history {
	h.run.Chain.Measured = true
	return h
}

// reportWithin is reportBlock of a block that arrived within some time before.
func (h *history) reportWithin(n trace.NodeID, b trace.Block, within time.Duration) {
	h.add(n, &trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{Hash: b.Hash, Parent: b.Parent, Height: b.Height, Within: within}})
	h.adopt(n, b.Hash)
}

// catchUp lets a node report all blocks that a has and it has not.
func (h *history) catchUp(n trace.NodeID) { h.catchUpWith("a", n) }

func (h *history) catchUpWith(other, n trace.NodeID) {
	var missed []trace.Block
	for b := h.blocks[h.heads[other]]; b.Hash != h.heads[n]; b = h.blocks[b.Parent] {
		missed = append(missed, b)
	}
	for i := range missed {
		h.reportBlock(n, missed[len(missed)-1-i])
	}
}
