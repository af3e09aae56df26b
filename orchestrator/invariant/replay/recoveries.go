package replay

import (
	"iter"
	"maps"
	"math"
	"slices"
	"time"
)

// maxSeparated is how long after a heal nodes may be treated as still separated although they do not share one chain: lost
// TCP connections come back by exponential back-off. Convergence itself is judged by its own bound.
const maxSeparated = 60 * time.Second

// maxHeads is the most different heads at which nodes are compared; with more they surely have not converged yet.
const maxHeads = 64

// CauseStart is the cause of the recoveries at run time zero.
const CauseStart = "start"

// Recovery is the time from a heal, a node's return or the start of settling until the nodes of a component share one chain.
type Recovery struct {
	Cause    string // id of the fault, or words
	Settling bool   // it began with settling
	// NeedsNewBlock is true when only a block that is new since At shows convergence: where a quorum must make each block,
	// separated groups keep one chain without any communication.
	NeedsNewBlock bool
	NoQuorum      bool // the members together cannot make blocks
	// Reconnecting is true when the members need peer exchange to find each other again: planned connections were lost, and
	// nothing healed. Until they share a block that is newer than ChangedAt it is not known that they have, however long it
	// takes: connections that each node makes for itself need not join all.
	Reconnecting bool
	At           time.Duration
	ChangedAt    time.Duration // when members were last lost: At or later
	Members      NodeSet
	Size         int          // number of members
	Before       []BlockIndex // the members' different heads at the start
	Shared       BlockIndex   // what they shared when they converged
	Ended        time.Duration
	// EndedSince is the earliest time at which they can have converged, and LastBy the node that did so last; NoNode where
	// they had one chain from the start.
	EndedSince time.Duration
	LastBy     NodeIndex
	Outcome    Outcome
	Reorgs     map[NodeIndex]int // deepest reorganisation of each member that had one
	Deepest    int               // of Reorgs

	component int32
	heads     map[BlockIndex]int // how many members have which head now
	expired   bool               // maxSeparated has passed
	// unproven is true while they converged, but may not be connected: on a head that all had from the start, or on one that came to
	// them from outside, from an adversary or in the open direction of a cut.
	unproven bool
	joined   *union              // members of which one got a block from the other since the last change; nil when it is over
	outside  map[BlockIndex]bool // the blocks that a member got from a node that is none
}

// Outcome is how a Recovery ended.
type Outcome int

// The outcomes.
const (
	Pending    Outcome = iota
	Converged          // all members share a chain that decided between their heads at the start
	Superseded         // the component changed before they did
)

// Recoveries follows every Recovery and marks nodes in Connectivity as reconciled. It sees the nodes' heads, but not the
// faults that separated them.
type Recoveries struct {
	nodes  *Nodes
	blocks *BlockTree
	facts  *Facts
	net    *Connectivity

	open   []*Recovery
	closed []*Recovery
}

// All are the recoveries so far, those that ended first.
func (s *Recoveries) All() []*Recovery {
	return append(append([]*Recovery(nil), s.closed...), s.open...)
}

// componentsChanged ends the recoveries whose component is no longer what it was, and begins new ones. settlingAt is when
// settling began, negative when it has not.
func (s *Recoveries) componentsChanged(now, settlingAt time.Duration) {
	before := s.supersede()
	s.begin(now, -1, before)
	if settlingAt >= 0 {
		s.begin(now, settlingAt, before)
	}
}

// supersede ends the recoveries whose component is no longer what it was, and returns them.
func (s *Recoveries) supersede() []*Recovery {
	sizes := make(map[int32]int)
	for n := range s.nodes.All() {
		sizes[s.net.Component(n)]++
	}
	var gone, open []*Recovery
	for _, r := range s.open {
		same := sizes[r.component] == r.Size
		for n := range s.nodes.All() {
			if r.Members.Has(n) && s.net.Component(n) != r.component {
				same = false
				break
			}
		}
		if same {
			open = append(open, r)
			continue
		}
		if r.Outcome == Pending {
			r.Outcome, r.Ended = Superseded, s.net.Since()
		}
		r.joined, r.outside = nil, nil
		s.closed = append(s.closed, r)
		gone = append(gone, r)
	}
	s.open = open
	return gone
}

// begin starts a recovery for every component that has none: in settling (settlingAt not negative) for each, else for those
// whose members have not reconciled. A recovery that only lost members goes on: its time counts from its first start.
func (s *Recoveries) begin(now, settlingAt time.Duration, gone []*Recovery) {
	settling := settlingAt >= 0
	members := make(map[int32][]NodeIndex)
	var order []int32
	for n := range s.nodes.All() {
		if !s.nodes.Up(n) {
			continue
		}
		c := s.net.Component(n)
		if members[c] == nil {
			order = append(order, c)
		}
		members[c] = append(members[c], n)
	}
	for _, r := range s.open {
		if r.Settling == settling {
			delete(members, r.component)
		}
	}
	for _, c := range order {
		m := members[c]
		if len(m) < 2 || !settling && s.reconciled(m) {
			continue
		}
		r := &Recovery{
			Cause: s.net.cause, Settling: settling, At: s.net.Since(), ChangedAt: s.net.Since(), component: c, Size: len(m),
			Members: NewNodeSet(s.nodes.Len()), heads: make(map[BlockIndex]int), Reorgs: make(map[NodeIndex]int), LastBy: NoNode,
			joined: newUnion(s.nodes.Len()), outside: make(map[BlockIndex]bool),
		}
		if settling {
			r.Cause, r.At = "settling", max(settlingAt, s.net.Since())
			r.ChangedAt = r.At
		}
		for _, n := range m {
			r.Members.Add(n)
			head := s.nodes.At(n).Head
			if r.heads[head]++; r.heads[head] == 1 {
				r.Before = append(r.Before, head)
			}
		}
		for _, g := range gone {
			if g.Settling == settling && g.contains(m) {
				r.Cause, r.At, r.Before = g.Cause, g.At, g.Before
			}
		}
		r.NoQuorum = s.facts.NeedsQuorum() && !s.facts.HasQuorum(s.nodes.Share(m))
		r.Reconnecting = !settling && !s.linked(m)
		r.NeedsNewBlock = s.facts.NeedsQuorum() && !r.NoQuorum && r.Cause != CauseStart || r.Reconnecting
		s.open = append(s.open, r)
		s.tryConverge(r, now)
	}
	s.closeEnded()
}

func (r *Recovery) contains(nodes []NodeIndex) bool {
	for _, n := range nodes {
		if !r.Members.Has(n) {
			return false
		}
	}
	return true
}

func (s *Recoveries) reconciled(nodes []NodeIndex) bool {
	for _, n := range nodes[1:] {
		if s.net.Group(n) != s.net.Group(nodes[0]) {
			return false
		}
	}
	return true
}

// linked says whether planned connections join the nodes.
func (s *Recoveries) linked(nodes []NodeIndex) bool {
	return !slices.ContainsFunc(nodes, func(n NodeIndex) bool { return s.net.Linked(n) != s.net.Linked(nodes[0]) })
}

// headChanged updates the open recoveries after a node's head changed, which happened after since and at now at the latest.
func (s *Recoveries) headChanged(n NodeIndex, old BlockIndex, reorg Reorg, since, now time.Duration) {
	if !s.nodes.Up(n) {
		return
	}
	head, ended := s.nodes.At(n).Head, false
	for _, r := range s.open {
		if !r.Members.Has(n) {
			continue
		}
		if reorg.Depth > 0 && r.Outcome == Pending {
			r.Reorgs[n] = max(r.Reorgs[n], reorg.Depth)
			r.Deepest = max(r.Deepest, reorg.Depth)
		}
		if r.heads[old]--; r.heads[old] <= 0 {
			delete(r.heads, old)
		}
		r.heads[head]++
		pending := r.Outcome == Pending
		if len(r.heads) <= maxHeads && s.tryConverge(r, now) {
			if ended = true; pending {
				r.EndedSince, r.LastBy = max(r.At, since), n
			}
		}
	}
	if ended {
		s.closeEnded()
	}
}

// tryConverge ends a recovery when the chain that all its members share is not a mere beginning of a chain that one of them
// had at the start: every head of that time is then either on the shared chain or dropped.
func (s *Recoveries) tryConverge(r *Recovery, now time.Duration) bool {
	if r.Outcome != Pending && !r.unproven {
		return false
	}
	shared := s.sharedBy(r, maps.Keys(r.heads))
	if shared == NoBlock {
		return false
	}
	if r.Outcome == Pending {
		r.Outcome, r.Shared, r.Ended = Converged, shared, max(now, r.At)
		r.EndedSince = r.Ended
	}
	r.unproven = len(r.Before) == 1 && r.Cause != CauseStart && !r.NoQuorum && !s.isNew(shared, r.ChangedAt) ||
		s.fromOutside(r, shared)
	if !r.unproven {
		r.joined, r.outside = nil, nil
		s.net.reconcile(r.Members, r.component)
	}
	return true
}

// sharedBy is the end of the chain that nodes with some heads share, if that ends a recovery of theirs; else NoBlock.
func (s *Recoveries) sharedBy(r *Recovery, heads iter.Seq[BlockIndex]) BlockIndex {
	shared := NoBlock
	for b := range heads {
		if shared == NoBlock {
			shared = b
		} else if shared = s.blocks.Fork(shared, b); shared == NoBlock {
			return NoBlock
		}
	}
	if shared == NoBlock {
		return NoBlock
	}
	for _, b := range r.Before {
		if b != shared && s.blocks.OnChain(shared, b) {
			return NoBlock
		}
	}
	if r.NeedsNewBlock && !s.isNew(shared, r.At) || (r.Reconnecting || r.unproven) && !s.isNew(shared, r.ChangedAt) {
		return NoBlock
	}
	if r.unproven && s.fromOutside(r, shared) {
		return NoBlock
	}
	return shared
}

// delivered takes in that a node got a block from another, or from an adversary.
func (s *Recoveries) delivered(block BlockIndex, from, to NodeIndex) {
	for _, r := range s.open {
		switch {
		case r.joined == nil || !r.Members.Has(to):
		case r.Members.Has(from):
			r.joined.join(int32(from), int32(to))
		default:
			r.outside[block] = true
		}
	}
}

// fromOutside says whether the members of a recovery may share a block only because nodes that are no members relayed it: some
// member got it from one, and what members got from each other since does not join all of them.
func (s *Recoveries) fromOutside(r *Recovery, block BlockIndex) bool {
	if r.joined == nil || !r.outside[block] {
		return false
	}
	first := int32(-1)
	for n := range s.nodes.All() {
		if !r.Members.Has(n) {
			continue
		}
		if root := r.joined.find(int32(n)); first < 0 {
			first = root
		} else if root != first {
			return true
		}
	}
	return false
}

// isNew says whether a block appeared after a time. One that a polled node reports now may have existed before.
func (s *Recoveries) isNew(block BlockIndex, after time.Duration) bool {
	b := s.blocks.At(block)
	return b.FirstBy != NoNode && b.Since > after
}

// ConvergedWithout says whether the members of a recovery that is pending have one chain now when some nodes are left out. It is
// false where fewer than two are left.
func (s *Recoveries) ConvergedWithout(r *Recovery, without func(NodeIndex) bool) bool {
	heads, left := make(map[BlockIndex]bool), 0
	for i, n := range s.nodes.All() {
		if r.Members.Has(i) && !without(i) {
			heads[n.Head] = true
			left++
		}
	}
	return left >= 2 && s.sharedBy(r, maps.Keys(heads)) != NoBlock
}

// Behind are the members of a recovery that is pending which keep the others from having converged: those whose chain leaves
// that of the others, or ends, at the lowest height. It is empty where all have one head.
func (s *Recoveries) Behind(r *Recovery) (behind []NodeIndex, main BlockIndex) {
	count := make(map[BlockIndex]int)
	main = NoBlock
	for i, n := range s.nodes.All() {
		if r.Members.Has(i) {
			count[n.Head]++
		}
	}
	for i, n := range s.nodes.All() {
		if h := n.Head; r.Members.Has(i) && (main == NoBlock || count[h] > count[main] ||
			count[h] == count[main] && s.blocks.At(h).Height > s.blocks.At(main).Height) {
			main = h
		}
	}
	lowest := int64(math.MaxInt64)
	for i, n := range s.nodes.All() {
		if !r.Members.Has(i) || n.Head == main {
			continue
		}
		at := int64(-1)
		if fork := s.blocks.Fork(n.Head, main); fork != NoBlock {
			at = int64(min(s.blocks.At(fork).Height, math.MaxInt64-1))
		}
		if at < lowest {
			behind, lowest = nil, at
		}
		if at == lowest {
			behind = append(behind, i)
		}
	}
	return behind, main
}

func (s *Recoveries) closeEnded() {
	open := s.open[:0]
	for _, r := range s.open {
		if r.Outcome == Pending || r.unproven {
			open = append(open, r)
		} else {
			s.closed = append(s.closed, r)
		}
	}
	s.open = open
}

// expire treats the members of recoveries that are open for too long as reconciled, unless their own connections need not
// join them.
func (s *Recoveries) expire(now time.Duration) {
	for _, r := range s.open {
		if !r.expired && !r.Reconnecting && now-r.At > maxSeparated {
			r.expired = true
			r.unproven = false
			s.net.reconcile(r.Members, r.component)
		}
	}
}
