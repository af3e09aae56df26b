package replay

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// integrity compares what the trace holds with what its plan calls for, and what it says of each node with itself. What was
// removed leaves a hole: a fault without an end, a head that does not follow the head before it. Package trace compares the
// events with the counts of the end event; whoever edits a trace can make those fit again, but the holes stay.
type integrity struct {
	run    *trace.Run
	plan   *trace.Plan // never nil
	nodes  *Nodes
	blocks *BlockTree
	facts  *Facts

	reports []nodeReports // by node
	recent  recentBlocks
	faults  map[string]*faultEvents // of the plan
	phases  []trace.PhaseName
	// settling is when settling began; 0: it did not.
	settling time.Duration
	submits  int
	// lastChange is when a node's state changed last.
	lastChange time.Duration

	// missing is what the plan calls for and the trace lacks; unmeasured and unsubmitted are what concerns faults' measurements
	// and submitted transactions alone. contradictions are statements of the trace that cannot all be true.
	missing, unmeasured, unsubmitted notes
	contradictions                   []contradiction
}

// contradiction is a statement about a node that cannot be true, the first about it.
type contradiction struct {
	node NodeIndex
	text string
}

// nodeReports is what the trace has of one node.
type nodeReports struct {
	started, died     bool
	heads, connected  bool // it has a head event, a peer event
	answers           int
	polledLast        bool // it was polled at the end
	head              trace.Hash
	left              [keptHeads]leftHead // the heads before that, in a circle
	next              int
	peers             map[NodeIndex]bool // to which it has a connection
	gap, contradicted bool
	awaited           trace.Hash // the head of its last poll, if no event says that it had it
}

type leftHead struct {
	hash trace.Hash
	at   time.Duration // when the node left it
}

const (
	// keptHeads is how many of a node's heads are kept, and answerDelay how long ago a node may have left the head with which
	// it answers a poll.
	keptHeads   = 8
	answerDelay = 10 * time.Second
	// recordDelay is how long before the end of a run events may have happened whose counterpart was not recorded any more.
	recordDelay = 2 * time.Second
)

// faultEvents is what the trace has of a planned fault.
type faultEvents struct {
	*trace.PlannedFault
	phases         []trace.FaultPhase
	probes, polls  map[trace.ProbePhase]int
	stopped, begun map[NodeIndex]bool // by a lifecycle event that names the fault
}

// faultPhases are the phases of a fault that ended, in order.
var faultPhases = []trace.FaultPhase{trace.FaultBegin, trace.FaultActive, trace.FaultHealing, trace.FaultHealed}

func newIntegrity(run *trace.Run, nodes *Nodes, blocks *BlockTree, facts *Facts) *integrity {
	i := &integrity{
		run: run, plan: run.Plan, nodes: nodes, blocks: blocks, facts: facts,
		reports: make([]nodeReports, nodes.Len()), recent: newRecentBlocks(nodes.Len()), faults: make(map[string]*faultEvents),
	}
	if i.plan == nil {
		i.plan = &trace.Plan{}
		i.missing.add("its run event has no plan")
	}
	for k := range i.plan.Faults {
		f := &i.plan.Faults[k]
		i.faults[f.ID] = &faultEvents{
			PlannedFault: f, probes: make(map[trace.ProbePhase]int), polls: make(map[trace.ProbePhase]int),
			stopped: make(map[NodeIndex]bool), begun: make(map[NodeIndex]bool),
		}
	}
	return i
}

// observe takes in an event that was applied to the state.
func (i *integrity) observe(s *State, e *trace.Event) {
	switch e.Kind {
	case trace.KindSeen:
		if s.Node != NoNode {
			i.seen(s, e.Seen)
		}
	case trace.KindHead:
		if s.Node != NoNode {
			i.head(s, e.Head)
		}
	case trace.KindPeer:
		if s.Node != NoNode {
			i.peer(s, e.Peer)
		}
	case trace.KindStatus:
		if f := i.faults[e.Status.Fault]; f != nil {
			f.polls[e.Status.Phase]++
		}
		if s.Node != NoNode {
			i.status(s, e.Status)
		}
	case trace.KindAnswer:
		if s.Node != NoNode {
			i.answer(s, e.Answer)
		}
	case trace.KindNode:
		if s.Node != NoNode {
			i.lifecycle(s, e.Lifecycle)
		}
	case trace.KindSubmit:
		i.submit(s, e.Submit)
	case trace.KindFault:
		i.fault(e.Fault)
	case trace.KindProbe:
		i.probe(e.Probe)
	case trace.KindGap:
		if s.Node != NoNode {
			i.reports[s.Node].gap = true
		}
	case trace.KindPhase:
		if len(i.phases) <= len(phasesOfRun) {
			i.phases = append(i.phases, e.Phase.Name)
		}
		if e.Phase.Name == trace.PhaseSettling {
			i.settling = s.Now
		}
	}
}

// contradict notes a contradiction about a node.
func (i *integrity) contradict(n NodeIndex, format string, args ...any) {
	if !i.reports[n].contradicted {
		i.reports[n].contradicted = true
		i.contradictions = append(i.contradictions, contradiction{n, fmt.Sprintf(format, args...)})
	}
}

// contradiction is the first about a node whose reports have no gap.
func (i *integrity) contradiction() string {
	for _, c := range i.contradictions {
		if !i.reports[c.node].gap {
			return c.text
		}
	}
	return ""
}

// seen checks that the node had the block's parent before.
func (i *integrity) seen(s *State, e *trace.Seen) {
	b := i.blocks.At(s.Block)
	if !e.Made && e.From == "" && !i.facts.Polled() {
		i.contradict(s.Node, "%s accepted block %s at height %d, and the trace shows neither that it made it nor from whom it got it",
			i.nodes.At(s.Node).ID, short(e.Hash), e.Height)
	}
	if p := b.Parent; p > 0 && i.lacks(s.Node, p) {
		i.contradict(s.Node, "%s accepted block %s at height %d, and the trace does not show that it had the block before it",
			i.nodes.At(s.Node).ID, short(e.Hash), e.Height)
	}
	if missing := i.recent.add(s.Block, s.Node, i.sender(b, e.From)); missing != NoNode {
		i.unsent(missing, i.recent.evicted)
	}
}

// sender is the node with a name, NoNode where there is none or it is an adversary, whose reports are not followed.
func (i *integrity) sender(b *Block, from trace.NodeID) NodeIndex {
	if from == "" {
		return NoNode
	}
	if b.FirstBy != NoNode && i.nodes.At(b.FirstBy).ID == from { // most often
		return b.FirstBy
	}
	if n, ok := i.nodes.HonestIndex(from); ok {
		return n
	}
	return NoNode
}

// lacks says whether a node surely never reported a block. Polled nodes report none below the one where they began.
func (i *integrity) lacks(n NodeIndex, b BlockIndex) bool {
	node := i.nodes.At(n)
	if i.facts.Polled() && (!node.HasBlock || i.blocks.At(b).Height < node.LowestBlock) {
		return false
	}
	return i.recent.lacks(b, n)
}

func (i *integrity) unsent(sender NodeIndex, b BlockIndex) {
	i.contradict(sender, "a node received block %s from %s, and the trace does not show that %[2]s had it",
		short(i.blocks.At(b).Hash), i.nodes.At(sender).ID)
}

// head checks that the node leaves the head that it had, for a block that it accepted.
func (i *integrity) head(s *State, e *trace.Head) {
	r, id := &i.reports[s.Node], i.nodes.At(s.Node).ID
	before := r.head
	if !r.heads && !i.facts.Polled() {
		before = i.run.Chain.GenesisHash
	}
	switch {
	case e.Restored: // by a new process, which has no peers yet, from its disk
		r.peers = nil
		if s.Block > 0 {
			i.recent.add(s.Block, s.Node, NoNode)
		}
	case e.Old != "" && before != "" && e.Old != before:
		i.contradict(s.Node, "%s left the head %s at %s, and the trace shows that its head was %s", id, short(e.Old), trace.Round(s.Now), short(before))
	case s.Block > 0 && i.lacks(s.Node, s.Block):
		i.contradict(s.Node, "%s took block %s as its head at %s, and the trace does not show that it accepted it", id, short(e.Hash), trace.Round(s.Now))
	}
	r.left[r.next] = leftHead{r.head, s.Now}
	r.next = (r.next + 1) % keptHeads
	r.head, r.heads = e.Hash, true
	if r.awaited == e.Hash {
		r.awaited = ""
	}
}

// peer checks that connections that come up were down, and the reverse.
func (i *integrity) peer(s *State, e *trace.Peer) {
	r := &i.reports[s.Node]
	r.connected = true
	p, ok := i.nodes.Index(e.Peer)
	if !ok {
		return
	}
	if r.peers[p] == e.Up {
		what := "lost a connection to %s at %s that it did not have"
		if e.Up {
			what = "made a connection to %s at %s that it had already"
		}
		i.contradict(s.Node, "%s "+what, i.nodes.At(s.Node).ID, e.Peer, trace.Round(s.Now))
	}
	if r.peers == nil {
		r.peers = make(map[NodeIndex]bool)
	}
	r.peers[p] = e.Up
}

// status looks at the last poll. A node that reports its heads must have had the one with which it answers
// the last.
func (i *integrity) status(s *State, e *trace.Status) {
	if !e.Final {
		return
	}
	r := &i.reports[s.Node]
	r.polledLast = true
	if e.Error != "" || e.Head == "" || i.facts.Polled() || e.Head == r.head || !r.heads && e.Head == i.run.Chain.GenesisHash {
		return
	}
	if !slices.ContainsFunc(r.left[:], func(h leftHead) bool { return h.hash == e.Head && s.Now-h.at <= answerDelay }) {
		r.awaited = e.Head
	}
}

// answer checks that none is missing before this one.
func (i *integrity) answer(s *State, e *trace.Answer) {
	r := &i.reports[s.Node]
	if r.answers++; e.Number != r.answers {
		i.contradict(s.Node, "the answers of %s are numbered, and number %d comes after number %d", i.nodes.At(s.Node).ID, e.Number, r.answers-1)
		r.answers = e.Number
	}
}

func (i *integrity) lifecycle(s *State, e *trace.Lifecycle) {
	r := &i.reports[s.Node]
	r.started = r.started || e.State == trace.StateUp
	r.died = r.died || e.State == trace.StateDied
	i.lastChange = s.Now
	if e.Fault == "" {
		return
	}
	f := i.faults[e.Fault]
	switch {
	case f == nil:
		i.contradict(s.Node, "%s is %s because of %s, which is not in the plan", i.nodes.At(s.Node).ID, e.State, e.Fault)
	case e.State == trace.StateUp:
		f.begun[s.Node] = true
	default:
		f.stopped[s.Node] = true
	}
}

// submit counts planned transfers. One may be skipped only while there are no two nodes.
func (i *integrity) submit(s *State, e *trace.Submit) {
	i.submits++
	if !e.Skipped || s.Now-i.lastChange < time.Second {
		return
	}
	up := 0
	for _, n := range i.nodes.All() {
		if n.State == trace.StateUp {
			up++
		}
	}
	if up > 1 {
		i.unsubmitted.add("a transfer was skipped for lack of nodes at %s, when %d nodes were up", trace.Round(s.Now), up)
	}
}

// fault checks a phase of a fault against the plan.
func (i *integrity) fault(e *trace.Fault) {
	f := i.faults[e.ID]
	if f == nil {
		i.missing.add("%s is not in the plan", e.ID)
		return
	}
	if len(f.phases) <= len(faultPhases) {
		f.phases = append(f.phases, e.Phase)
	}
	if e.Kind != f.Kind || e.PlannedAt != f.At || e.PlannedFor != f.For ||
		e.Phase == trace.FaultBegin && !(same(e.Rules, f.Rules) && same(e.Nodes, f.Nodes)) {
		i.missing.add("the %s event of %s is not what the plan says of it", e.Phase, e.ID)
	}
}

// same compares lists; no list is as good as an empty one.
func same[T any](a, b []T) bool { return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b) }

func (i *integrity) probe(e *trace.Probe) {
	f := i.faults[e.Fault]
	if f == nil {
		i.missing.add("%s, whose links were measured, is not in the plan", e.Fault)
		return
	}
	f.probes[e.Phase]++
	want := min(e.Total, i.plan.ProbeLinks)
	if got := len(e.Links) + e.Changed; e.Error == "" && i.plan.ProbeLinks > 0 && got != want {
		i.unmeasured.add("a measurement %s %s has %d of %d links", e.Phase, e.Fault, got, want)
	}
}

// phasesOfRun are the phases of a run that went to its end.
var phasesOfRun = []trace.PhaseName{trace.PhaseStarting, trace.PhaseScheduled, trace.PhaseSettling, trace.PhaseStopping}

// finish looks for what is missing, after the last event. A run that was cut short owes nothing but that its nodes started.
func (i *integrity) finish(s *State) {
	if slices.Contains(i.phases, trace.PhaseScheduled) {
		i.finishStart()
	}
	if s.End == nil {
		return
	}
	if d := s.End.Died; d != "" {
		if n, ok := i.nodes.Index(d); !ok || !i.reports[n].died {
			i.missing.add("%s exited unexpectedly, and the trace lacks the event of that", d)
		}
	}
	if s.CutShort() {
		return
	}
	i.finishPhases()
	i.finishNodes()
	for k := range i.plan.Faults {
		i.finishFault(i.faults[i.plan.Faults[k].ID])
	}
	i.finishSchedule()
	planned := 0
	for _, l := range i.plan.Load {
		planned += l.Submits
		if want := submitsOf(l); l.Submits != want {
			i.unsubmitted.add("transfers at %v a second from %s until %s are %d, the plan has %d", l.Rate, l.From, l.Until, want, l.Submits)
		}
	}
	if i.submits != planned {
		i.unsubmitted.add("%d submits are planned, the trace has %d", planned, i.submits)
	}
	i.recent.each(func(b BlockIndex, sender NodeIndex) {
		if i.blocks.At(b).First < s.Horizon()-recordDelay {
			i.unsent(sender, b)
		}
	})
}

// finishSchedule compares the plan with itself and with the length of the schedule. Settling does not begin before its end, and
// every node is polled at the end.
func (i *integrity) finishSchedule() {
	if i.settling > 0 && i.settling < i.run.Duration {
		i.missing.add("the schedule lasts %s, and settling began at %s", i.run.Duration, trace.Round(i.settling))
	}
	for _, f := range i.plan.Faults {
		if f.At > i.run.Duration {
			i.missing.add("%s is planned for %s, the schedule lasts %s", f.ID, f.At, i.run.Duration)
		}
	}
	for _, l := range i.plan.Load {
		if l.Until > i.run.Duration {
			i.unsubmitted.add("transfers are planned until %s, the schedule lasts %s", l.Until, i.run.Duration)
		}
	}
	if i.run.Plan != nil && len(i.plan.Reports) > 0 && !slices.Contains(i.plan.Reports, trace.KindStatus) {
		i.missing.add("the plan lacks the last polls of nodes")
	}
}

// submitsOf is how many transfers a planned load gives.
func submitsOf(l trace.PlannedLoad) int {
	step := time.Duration(float64(time.Second) / l.Rate)
	if !(l.Rate > 0) || step <= 0 || l.Until <= l.From {
		return 0
	}
	return int((l.Until - l.From + step - 1) / step)
}

func (i *integrity) finishStart() {
	for n, node := range i.nodes.All() {
		if !i.reports[n].started {
			i.missing.add("node %s is in the run, and no event says that it started", node.ID)
		}
	}
}

func (i *integrity) finishPhases() {
	got := i.phases
	if len(got) > 0 && got[0] == trace.PhaseStarting {
		got = got[1:] // what came before the schedule shows nothing
	}
	if slices.Equal(got, phasesOfRun[1:]) {
		return
	}
	for _, p := range phasesOfRun[1:] {
		if !slices.Contains(got, p) {
			i.missing.add("no event says that the phase %s began", p)
		}
	}
	i.missing.add("the phases are %v, planned are %v", got, phasesOfRun[1:])
}

func (i *integrity) finishNodes() {
	linked := NewNodeSet(i.nodes.Len())
	for _, e := range i.run.Edges {
		for _, id := range e {
			if n, ok := i.nodes.Index(id); ok {
				linked.Add(n)
			}
		}
	}
	for n, node := range i.nodes.All() {
		r := &i.reports[n]
		if r.gap {
			continue
		}
		for _, kind := range i.plan.Reports {
			switch {
			case kind == trace.KindHead && !r.heads, kind == trace.KindPeer && !r.connected && linked.Has(n):
				i.missing.add("the trace has no %s event of %s", kind, node.ID)
			case kind == trace.KindAnswer && r.answers == 0 && node.State == trace.StateUp:
				i.missing.add("the trace has no answer of %s", node.ID)
			case kind == trace.KindStatus && !r.polledLast && node.State == trace.StateUp:
				i.missing.add("the trace lacks the last poll of %s", node.ID)
			}
		}
		if r.awaited != "" {
			i.contradict(n, "%s answered the last poll with the head %s, and no event says that it had it", node.ID, short(r.awaited))
		}
	}
}

func (i *integrity) finishFault(f *faultEvents) {
	if !slices.Equal(f.phases, faultPhases) {
		for _, p := range faultPhases {
			if !slices.Contains(f.phases, p) {
				i.missing.add("%s is planned, and the trace lacks its %s event", f.ID, p)
			}
		}
		i.missing.add("the phases of %s are %v", f.ID, f.phases)
	}
	for _, x := range []struct {
		nodes []trace.NodeID
		done  map[NodeIndex]bool
		what  string
	}{{f.Stops, f.stopped, "went down"}, {f.Starts, f.begun, "came back"}} {
		for _, id := range x.nodes {
			if n, ok := i.nodes.Index(id); !ok || !x.done[n] {
				i.missing.add("no event says that %s %s by %s", id, x.what, f.ID)
			}
		}
	}
	counts, each := f.probes, 1
	if len(f.Rules) == 0 {
		counts, each = f.polls, len(f.Nodes)
	}
	for _, x := range []struct {
		phase trace.ProbePhase
		want  int
	}{{trace.ProbeBefore, f.Before}, {trace.ProbeDuring, f.During}, {trace.ProbeAfter, f.After}} {
		if got := counts[x.phase]; got != x.want*each {
			i.unmeasured.add("%s was measured %s %s it, planned are %d", f.ID, times(got), x.phase, x.want*each)
		}
	}
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// short is a hash as people are shown it.
func short(h trace.Hash) trace.Hash { return h[:min(len(h), 10)] }
