package invariant

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/netsplit/netsplit/orchestrator/invariant/ledger"
	"github.com/netsplit/netsplit/orchestrator/invariant/replay"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

var validityDefinition = Definition{
	Name:  "validity",
	Title: "Every block that a node accepts obeys the chain's rules",
	Doc: `Every block that a node accepted, on its chain or beside it, is executed again from genesis, by code that shares nothing
with the node: encoding, parent, height, difficulty (aserti3-2d), proof of work, median time, transaction root, signatures,
nonces, balances, supply and state root. What nodes report of its time, producer and transactions must be what it holds. Its time must be at most two minutes after the clock of the first node that
accepted it, by that node's own log. Nothing is random: a violation is certain.
A chain that records neither its genesis nor its blocks' encoding cannot be executed again: then only parents and heights
are checked, which may violate it but never passes: it is NOT APPLICABLE.
UNKNOWN when the content of such a block is not in the trace, VACUOUS without blocks.`,
	Class: Safety, Always: true,
	Needs: []Observation{ObserveBlocks, ObserveEncoding},
	New: func(Values) Checker {
		return &validity{
			valid: make(map[trace.Hash]bool), invalid: make(map[trace.Hash]string), failed: make(map[trace.Hash]string),
			other:   make(map[trace.Hash]string),
			waiting: make(map[trace.Hash][]*trace.Block), early: make(map[trace.Hash]ledger.Info),
		}
	},
}

type validity struct {
	ledger  *ledger.Ledger
	problem string // why nothing can be executed
	// opaque is true when there is nothing that could be executed, in any run of this chain.
	opaque  bool
	raw     int // blocks with an encoding
	valid   map[trace.Hash]bool
	invalid map[trace.Hash]string         // why
	other   map[trace.Hash]string         // what nodes reported of a block and it does not hold
	failed  map[trace.Hash]string         // why a block could not be executed
	waiting map[trace.Hash][]*trace.Block // by parent
	early   map[trace.Hash]ledger.Info    // valid blocks that no node has yet, to be compared with the clock of the first
}

// cannotExecute is why the blocks of an external chain are not executed.
const cannotExecute = "this chain cannot be re-executed: its blocks are recorded without their encoding"

func (c *validity) Observe(s *replay.State, e *trace.Event) {
	switch e.Kind {
	case trace.KindRun:
		c.start(&e.Run.Chain)
	case trace.KindBlock:
		if len(e.Block.Raw) > 0 {
			c.raw++
			if c.ledger != nil {
				c.add(s, e.Block)
			}
		}
	case trace.KindSeen:
		if info, ok := c.early[e.Seen.Hash]; ok && s.Node != replay.NoNode {
			delete(c.early, e.Seen.Hash)
			c.checkClock(s, e.Seen.Hash, info)
		}
	}
}

// checkClock compares the time that a block states with the clock of the first node that accepted it.
func (c *validity) checkClock(s *replay.State, hash trace.Hash, info ledger.Info) {
	b, ok := s.Blocks.Lookup(hash)
	switch {
	case s.Run.Started.IsZero(): // no clock is known
	case !ok || s.Blocks.At(b).FirstBy == replay.NoNode:
		c.early[hash] = info
	default:
		if err := info.CheckClock(s.OwnTime(s.Blocks.At(b).FirstBy, s.Blocks.At(b).First)); err != nil {
			c.invalid[hash] = err.Error()
			delete(c.valid, hash)
		}
	}
}

func (c *validity) start(f *trace.Facts) {
	if len(f.Genesis) == 0 {
		c.problem, c.opaque = "the trace does not hold the chain's genesis", true
		return
	}
	l, err := ledger.New(f.Genesis)
	if err != nil {
		c.problem = err.Error()
		return
	}
	if l.GenesisHash() != string(f.GenesisHash) {
		c.problem = fmt.Sprintf("the genesis has the hash %s, the nodes have %s", l.GenesisHash(), f.GenesisHash)
		return
	}
	c.ledger = l
}

// add executes a block, and then those that waited for it.
func (c *validity) add(s *replay.State, b *trace.Block) {
	todo := []*trace.Block{b}
	for len(todo) > 0 {
		b, todo = todo[len(todo)-1], todo[:len(todo)-1]
		if !c.execute(s, b) {
			continue
		}
		todo = append(todo, c.waiting[b.Hash]...)
		delete(c.waiting, b.Hash)
	}
}

// execute reports whether it is now known if the block is valid, so that its children can be executed.
func (c *validity) execute(s *replay.State, b *trace.Block) bool {
	if c.valid[b.Hash] || c.invalid[b.Hash] != "" {
		return false
	}
	if c.invalid[b.Parent] != "" && !c.ledger.Has(string(b.Parent)) {
		c.invalid[b.Hash] = fmt.Sprintf("its parent %s is invalid", short(b.Parent))
		return true
	}
	info, err := c.ledger.Add(b.Raw)
	if info.Hash == string(b.Hash) {
		if text := mismatch(&info, b); text != "" {
			c.other[b.Hash] = text
		}
	}
	var wrong *ledger.InvalidError
	switch {
	case info.Hash != "" && info.Hash != string(b.Hash):
		c.invalid[b.Hash] = fmt.Sprintf("its content has the hash %s", info.Hash)
	case info.Hash != "" && (info.Parent != string(b.Parent) || info.Height != b.Height):
		c.invalid[b.Hash] = fmt.Sprintf("its content has the parent %s and height %d, the nodes reported others", info.Parent, info.Height)
	case errors.As(err, &wrong):
		c.invalid[b.Hash] = wrong.Error()
	case errors.Is(err, ledger.ErrNoParent):
		c.waiting[trace.Hash(info.Parent)] = append(c.waiting[trace.Hash(info.Parent)], b)
		return false
	case err != nil:
		c.failed[b.Hash] = err.Error()
	default:
		c.valid[b.Hash] = true
		c.checkClock(s, b.Hash, info)
	}
	return true
}

// mismatch is what the nodes reported of a block and its encoding does not have; empty where they agree.
func mismatch(in *ledger.Info, b *trace.Block) string {
	switch {
	case !in.Time.Equal(b.Time):
		return fmt.Sprintf("its content has the time %s, the nodes reported %s", in.Time.UTC().Format(time.RFC3339Nano), b.Time.UTC().Format(time.RFC3339Nano))
	case in.Miner != b.Producer:
		return fmt.Sprintf("its content names the producer %s, the nodes reported %.64q", in.Miner, b.Producer)
	case !slices.EqualFunc(in.Txs, b.Txs, func(x string, y trace.Hash) bool { return x == string(y) }):
		return fmt.Sprintf("its content has %s, the nodes reported %d or others", Count(len(in.Txs), "transaction"), len(b.Txs))
	}
	return ""
}

func (c *validity) Finish(s *replay.State) Result {
	r := Result{Bound: "every block is valid", Metrics: map[string]float64{}}
	if c.opaque && c.raw == 0 {
		return c.finishOpaque(s, r)
	}
	var adopted, executed int
	var missing, failed trace.Hash
	for i := replay.BlockIndex(1); int(i) < s.Blocks.Len(); i++ {
		b := s.Blocks.At(i)
		if b.FirstBy == replay.NoNode {
			continue
		}
		adopted++
		if why := c.other[b.Hash]; why != "" && c.invalid[b.Hash] == "" {
			r.Metrics["misreported_blocks"]++
			e := invalidEvidence(s, b, "")
			e.Text = fmt.Sprintf("block %s at height %d is not what the nodes reported: %s", short(b.Hash), b.Height, why)
			r.Evidence = appendEvidence(r.Evidence, e)
		}
		switch why := c.invalid[b.Hash]; {
		case why != "":
			r.Metrics["invalid_blocks"]++
			r.Evidence = appendEvidence(r.Evidence, invalidEvidence(s, b, why))
		case c.valid[b.Hash]:
			executed++
		case c.failed[b.Hash] != "":
			failed = b.Hash
		case missing == "":
			missing = b.Hash
		}
	}
	r.Figure = fmt.Sprintf("%d of %d blocks re-executed", executed, adopted)
	r.Metrics["blocks"], r.Metrics["executed"] = float64(adopted), float64(executed)
	switch {
	case len(r.Evidence) > 0:
		return r.fail(r.Evidence[0].Text)
	case adopted == 0:
		return r.vacuous("no block was made")
	case c.problem != "":
		return r.unknown(c.problem)
	case failed != "":
		return r.unknown(fmt.Sprintf("block %s: %s", failed, c.failed[failed]))
	case missing != "":
		return r.unknown(fmt.Sprintf("the trace lacks the content of block %s, or of one below it", missing))
	}
	r.Verdict = Pass
	return r
}

// invalidEvidence is about an invalid block that a node accepted.
func invalidEvidence(s *replay.State, b *replay.Block, why string) Evidence {
	e := Evidence{
		At: b.First, Nodes: []trace.NodeID{s.Nodes.At(b.FirstBy).ID}, Blocks: []trace.Hash{b.Hash}, Windows: s.Faults.Windows(b.First),
	}
	maker := ""
	switch b.Maker {
	case replay.NoNode:
	case b.FirstBy:
		maker = ", which it made"
	default:
		e.Nodes = append(e.Nodes, s.Nodes.At(b.Maker).ID)
		maker = fmt.Sprintf(", made by %s", s.Nodes.At(b.Maker).ID)
	}
	e.Text = fmt.Sprintf("%s accepted the invalid block %s at height %d%s: %s", e.Nodes[0], short(b.Hash), b.Height, maker, why)
	return e
}

// adoptedEvidence is about a block on a node's chain.
func adoptedEvidence(s *replay.State, b *replay.Block, text string) Evidence {
	return Evidence{
		At: b.Adopted, Nodes: []trace.NodeID{s.Nodes.At(b.Adopter).ID}, Blocks: []trace.Hash{b.Hash},
		Windows: s.Faults.Windows(b.Adopted), Text: text,
	}
}

// finishOpaque judges what is left on a chain whose blocks cannot be executed again: every block on a node's chain must have
// an existing parent, one height below.
func (c *validity) finishOpaque(s *replay.State, r Result) Result {
	adopted := 0
	for i := replay.BlockIndex(1); int(i) < s.Blocks.Len(); i++ {
		b := s.Blocks.At(i)
		if b.Adopter == replay.NoNode {
			continue
		}
		adopted++
		if why := missingParent(s, b); why != "" {
			r.Metrics["broken_links"]++
			r.Evidence = appendEvidence(r.Evidence, adoptedEvidence(s, b, why))
		}
	}
	if text, at := s.Blocks.Malformed(); text != "" {
		r.Evidence = appendEvidence(r.Evidence, Evidence{At: at, Windows: s.Faults.Windows(at), Text: text})
	}
	r.Metrics["blocks"], r.Metrics["executed"] = float64(adopted), 0
	r.Figure = fmt.Sprintf("0 of %d blocks re-executed", adopted)
	switch {
	case len(r.Evidence) > 0:
		return r.fail(r.Evidence[0].Text)
	case adopted == 0:
		return r.vacuous("no block was made")
	}
	if !s.Facts.Polled() { // netsplit's own chain has a genesis
		return r.unknown(c.problem)
	}
	return r.notApplicable(cannotExecute)
}

// missingParent says that no node has the parent of a block, although the block's node reported blocks down to that height.
// While parts of the history are missing it says nothing.
func missingParent(s *replay.State, b *replay.Block) string {
	if s.HasGaps() || s.End == nil || b.Parent <= 0 {
		return ""
	}
	p, n := s.Blocks.At(b.Parent), s.Nodes.At(b.Adopter)
	if p.FirstBy >= 0 || !n.HasBlock || p.Height < n.LowestBlock {
		return ""
	}
	return fmt.Sprintf("%s has block %s at height %d, whose parent %s no node ever had at height %d",
		n.ID, short(b.Hash), b.Height, short(p.Hash), p.Height)
}
