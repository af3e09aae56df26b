package invariant

import (
	"time"
)

// maxGrace is how long after a heal nodes may be treated as still separated although they have not converged: lost TCP
// connections come back by exponential back-off. Convergence itself is judged by its own bound.
const maxGrace = 60 * time.Second

// separation follows who is kept from whom, and for how long the consequences last. Two partitions of the nodes are
// kept: labels, the components at this moment; and calm, which is finer: two nodes that were separated stay apart in it
// until their chains have converged after the heal. A node that is not up is alone in both. Nothing is promised between
// nodes that calm keeps apart.
type separation struct {
	started bool
	labels  []int32
	since   time.Duration
	epoch   int // counts changes of labels
	calm    []int32
	calmNo  int32     // number of calm in history
	history [][]int32 // every calm so far, by number

	dirty   bool // states or cuts changed; labels are to be computed again
	dirtyAt time.Duration
	cause   string

	open   []*join
	closed []*join
}

// join is the time from a heal, a node's return, or the start of settling, until a component's nodes share one chain.
type join struct {
	cause    string // fault id, or words
	settling bool
	// fresh is true when only a block that is new since the start is evidence: where a quorum carries the chain on, cut
	// groups keep one chain without ever speaking to each other.
	fresh bool
	// halted is true when the members together cannot make blocks.
	halted   bool
	at       time.Duration
	comp     int32
	member   bitset
	size     int
	before   []blockID       // the different heads at the time
	heads    map[blockID]int // how many members have which head now
	shared   blockID         // what they shared when they converged
	ended    time.Duration
	outcome  outcome
	forgiven bool // maxGrace has passed

	reorgs  map[nodeID]int // deepest reorganisation of each member that had one
	deepest int
}

type outcome int

const (
	pending    outcome = iota
	converged          // all members share a chain that decided between their old heads
	superseded         // the component changed before they did
)

func (s *separation) init(n int) {
	s.calm = make([]int32, n)
	for i := range s.calm {
		s.calm[i] = int32(i)
	}
	s.labels = s.calm
	s.history = [][]int32{s.calm}
}

// apart says whether two nodes were kept apart when calm had the given number.
func (s *separation) apart(calm int32, a, b nodeID) bool {
	if a < 0 || b < 0 {
		return false
	}
	c := s.history[calm]
	return c[a] != c[b]
}

func (s *separation) setCalm(c []int32) {
	if same(c, s.calm) {
		return
	}
	s.calm = c
	s.calmNo++
	s.history = append(s.history, c)
}

// causeStart is the cause of the joins at run time zero.
const causeStart = "start"

// startSeparation begins to follow components: nodes are connected from time zero on.
func (w *World) startSeparation() {
	w.sep.started = true
	w.sep.dirty, w.sep.dirtyAt, w.sep.cause = true, max(0, w.sep.dirtyAt), causeStart
	w.refresh()
}

// refresh computes the components again if they may have changed, and opens and closes joins.
func (w *World) refresh() {
	s := &w.sep
	if !s.started {
		return
	}
	w.forgive()
	if !s.dirty || w.frozen {
		return
	}
	s.dirty = false
	labels := w.graph.labels(w.up, w.possibleCuts())
	if same(labels, s.labels) {
		return
	}
	w.silence.look(w, s.dirtyAt)
	for _, o := range w.epochObservers {
		o.epochEnding(w, s.dirtyAt)
	}
	s.labels, s.since = labels, s.dirtyAt
	s.epoch++
	s.setCalm(refine(s.calm, labels))
	before := w.supersede()
	w.openJoins(false, before)
	if w.settled {
		w.openJoins(true, before)
	}
}

// supersede closes the joins whose component is no longer what it was, and returns them.
func (w *World) supersede() []*join {
	s := &w.sep
	sizes := make(map[int32]int)
	for _, l := range s.labels {
		sizes[l]++
	}
	var gone, keep []*join
	for _, j := range s.open {
		same := sizes[j.comp] == j.size
		for i := range w.nodes {
			if j.member.has(nodeID(i)) && s.labels[i] != j.comp {
				same = false
				break
			}
		}
		if same {
			keep = append(keep, j)
			continue
		}
		j.outcome, j.ended = superseded, s.since
		s.closed = append(s.closed, j)
		gone = append(gone, j)
	}
	s.open = keep
	return gone
}

func (w *World) openSettling() {
	if w.sep.started {
		w.openJoins(true, nil)
	}
}

// openJoins starts a join for every component whose members calm keeps apart (for every component, in settling) and
// that has none. A join that only lost members goes on under a new name: its time counts from its first start.
func (w *World) openJoins(settling bool, gone []*join) {
	s := &w.sep
	members := make(map[int32][]nodeID)
	var order []int32
	for i, l := range s.labels {
		if !w.up(nodeID(i)) {
			continue
		}
		if members[l] == nil {
			order = append(order, l)
		}
		members[l] = append(members[l], nodeID(i))
	}
	for _, j := range s.open {
		if j.settling == settling {
			delete(members, j.comp)
		}
	}
	for _, l := range order {
		m := members[l]
		if len(m) < 2 || !settling && w.calmTogether(m) {
			continue
		}
		j := &join{
			cause: s.cause, settling: settling, at: s.since, comp: l, size: len(m),
			member: newBitset(len(w.nodes)), heads: make(map[blockID]int), reorgs: make(map[nodeID]int),
		}
		if settling {
			j.cause, j.at = "settling", max(w.settlingAt, s.since)
		}
		for _, n := range m {
			j.member.add(n)
			j.heads[w.nodes[n].head]++
		}
		for b := range j.heads {
			j.before = append(j.before, b)
		}
		for _, g := range gone {
			if g.settling == settling && g.contains(m) {
				j.cause, j.at, j.before = g.cause, g.at, g.before
			}
		}
		j.halted = w.facts.voted() && !w.facts.quorate(w.share(m))
		j.fresh = w.facts.voted() && !j.halted && j.cause != causeStart
		s.open = append(s.open, j)
		w.tryConverge(j)
	}
	w.dropEnded()
}

func (j *join) contains(nodes []nodeID) bool {
	for _, n := range nodes {
		if !j.member.has(n) {
			return false
		}
	}
	return true
}

func (w *World) calmTogether(nodes []nodeID) bool {
	for _, n := range nodes[1:] {
		if w.sep.calm[n] != w.sep.calm[nodes[0]] {
			return false
		}
	}
	return true
}

// joinsHead tells the open joins that a node's head changed.
func (w *World) joinsHead(n nodeID, old, head blockID) {
	ended := false
	for _, j := range w.sep.open {
		if !j.member.has(n) || !w.up(n) {
			continue
		}
		if w.reorg.depth > 0 {
			j.reorgs[n] = max(j.reorgs[n], w.reorg.depth)
			j.deepest = max(j.deepest, w.reorg.depth)
		}
		if j.heads[old]--; j.heads[old] <= 0 {
			delete(j.heads, old)
		}
		j.heads[head]++
		if len(j.heads) <= maxHeads && w.tryConverge(j) {
			ended = true
		}
	}
	if ended {
		w.dropEnded()
	}
}

// maxHeads is the most different heads at which nodes are compared; with more they surely have not converged yet.
const maxHeads = 64

// tryConverge ends a join when the chain that all its members share is not a mere beginning of a chain that one of them
// had at the start: every head of that time is then either on the shared chain or given up.
func (w *World) tryConverge(j *join) bool {
	if j.outcome != pending {
		return false
	}
	shared := noBlock
	for b := range j.heads {
		if shared == noBlock {
			shared = b
		} else if shared = w.tree.fork(shared, b); shared == noBlock {
			return false
		}
	}
	for _, b := range j.before {
		if b != shared && w.tree.onChain(shared, b) {
			return false
		}
	}
	if j.fresh {
		// Where nodes are asked, what came to light may have been there before.
		if b := w.tree.at(shared); b.firstBy == noNode || b.since <= j.at {
			return false
		}
	}
	j.outcome, j.shared, j.ended = converged, shared, max(w.now, j.at)
	w.calmDown(j)
	return true
}

// proven says, at the end of the run, whether it took anything to converge: the members had different heads at the start, or
// share a block that is new since. Those that are not up any more count for neither.
func (w *World) proven(j *join) bool {
	if len(j.before) > 1 {
		return true
	}
	shared := noBlock
	for i := range w.nodes {
		if !j.member.has(nodeID(i)) || !w.up(nodeID(i)) {
			continue
		}
		if shared == noBlock {
			shared = w.nodes[i].head
		} else if shared = w.tree.fork(shared, w.nodes[i].head); shared == noBlock {
			return false
		}
	}
	return shared != noBlock && w.tree.at(shared).firstBy != noNode && w.tree.at(shared).since > j.at
}

// calmDown puts the members of a join together in calm.
func (w *World) calmDown(j *join) {
	calm := append([]int32(nil), w.sep.calm...)
	for i := range calm {
		if j.member.has(nodeID(i)) {
			calm[i] = j.comp
		}
	}
	w.sep.setCalm(calm)
}

func (w *World) dropEnded() {
	keep := w.sep.open[:0]
	for _, j := range w.sep.open {
		if j.outcome == pending {
			keep = append(keep, j)
		} else {
			w.sep.closed = append(w.sep.closed, j)
		}
	}
	w.sep.open = keep
}

// forgive ends the grace of joins that are open for too long.
func (w *World) forgive() {
	for _, j := range w.sep.open {
		if !j.forgiven && w.now-j.at > maxGrace {
			j.forgiven = true
			w.calmDown(j)
		}
	}
}

// nodesApart says whether calm keeps two nodes apart now.
func (w *World) nodesApart(a, b nodeID) bool { return w.sep.calm[a] != w.sep.calm[b] }
