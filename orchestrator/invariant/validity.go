package invariant

import (
	"errors"
	"fmt"

	"github.com/netsplit/netsplit/orchestrator/invariant/ledger"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

var validityDefinition = Definition{
	Name:  "validity",
	Title: "Every block on a node's chain obeys the chain's rules",
	Doc: `Every block that was ever on the chain of a node is executed again from genesis, by code that shares nothing with
the node: encoding, parent, height, difficulty (aserti3-2d), proof of work, median time, transaction root, signatures,
nonces, balances, supply and state root. Blocks that no node took onto its chain are not judged.
A chain that records neither its genesis nor its blocks' encoding cannot be executed again: then parents and heights are
checked alone, which may violate it but never passes.
UNKNOWN when the content of such a block is not in the trace, VACUOUS without blocks.`,
	Class: Safety, Always: true,
	Needs: []Observation{ObserveBlocks, ObserveEncoding},
	New: func(Values) Checker {
		return &validity{bad: make(map[trace.Hash]string), good: make(map[trace.Hash]bool)}
	},
}

type validity struct {
	ledger  *ledger.Ledger
	problem string // why nothing can be executed
	good    map[trace.Hash]bool
	bad     map[trace.Hash]string // what is wrong with a block's content
	deep    map[trace.Hash]string
	waiting map[trace.Hash][]*trace.Block // by parent
	raw     int
	opaque  bool // there is nothing that could be executed, in any run of this chain
}

// cannotExecute is why a chain that is known by what its nodes answer alone is not executed.
const cannotExecute = "this chain cannot be re-executed: its blocks are recorded without their encoding"

func (c *validity) Observe(w *World, e *trace.Event) {
	switch e.Kind {
	case trace.KindRun:
		c.start(&e.Run.Chain)
	case trace.KindBlock:
		if len(e.Block.Raw) > 0 {
			c.raw++
			if c.ledger != nil {
				c.add(e.Block)
			}
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
	c.waiting = make(map[trace.Hash][]*trace.Block)
	c.deep = make(map[trace.Hash]string)
}

// add executes a block, and then those that waited for it.
func (c *validity) add(b *trace.Block) {
	todo := []*trace.Block{b}
	for len(todo) > 0 {
		b, todo = todo[len(todo)-1], todo[:len(todo)-1]
		if !c.execute(b) {
			continue
		}
		todo = append(todo, c.waiting[b.Hash]...)
		delete(c.waiting, b.Hash)
	}
}

// execute reports whether the block is settled, one way or the other.
func (c *validity) execute(b *trace.Block) bool {
	if c.good[b.Hash] || c.bad[b.Hash] != "" {
		return false
	}
	if c.bad[b.Parent] != "" {
		c.bad[b.Hash] = fmt.Sprintf("stands on the invalid block %s", short(b.Parent))
		return true
	}
	info, err := c.ledger.Add(b.Raw)
	var wrong *ledger.InvalidError
	switch {
	case info.Hash != "" && info.Hash != string(b.Hash):
		c.bad[b.Hash] = fmt.Sprintf("content has the hash %s", info.Hash)
	case info.Hash != "" && (info.Parent != string(b.Parent) || info.Height != b.Height):
		c.bad[b.Hash] = fmt.Sprintf("content has the parent %s and height %d, the nodes' logs say otherwise", info.Parent, info.Height)
	case errors.As(err, &wrong):
		c.bad[b.Hash] = wrong.Error()
	case errors.Is(err, ledger.ErrNoParent):
		c.waiting[trace.Hash(info.Parent)] = append(c.waiting[trace.Hash(info.Parent)], b)
		return false
	case err != nil:
		c.deep[b.Hash] = err.Error()
	default:
		c.good[b.Hash] = true
	}
	return true
}

func (c *validity) Finish(w *World) Result {
	r := Result{Bound: "every block", Metrics: map[string]float64{}}
	if c.opaque = c.opaque && c.raw == 0; c.opaque {
		return c.finishOpaque(w, r)
	}
	var chained, judged int
	var missing, unjudged trace.Hash
	for i := 1; i < len(w.tree.blocks); i++ {
		b := &w.tree.blocks[i]
		if b.adopter == noNode {
			continue
		}
		chained++
		switch why := c.bad[b.hash]; {
		case why != "":
			r.Metrics["invalid_blocks"]++
			if len(r.Evidence) < MaxEvidence {
				r.Evidence = append(r.Evidence, Evidence{
					At: b.adopted, Nodes: []trace.NodeID{w.nodes[b.adopter].id}, Blocks: []trace.Hash{b.hash},
					Windows: w.Windows(b.adopted),
					Text: fmt.Sprintf("%s took block %s at height %d onto its chain: %s", w.nodes[b.adopter].id,
						short(b.hash), b.height, why),
				})
			}
		case c.good[b.hash]:
			judged++
		case c.deep[b.hash] != "":
			unjudged = b.hash
		default:
			if missing == "" {
				missing = b.hash
			}
		}
	}
	r.Figure = fmt.Sprintf("%d of %d blocks executed", judged, chained)
	r.Metrics["blocks"], r.Metrics["executed"] = float64(chained), float64(judged)
	switch {
	case len(r.Evidence) > 0:
		return r.fail(r.Evidence[0].Text)
	case chained == 0:
		return r.vacuous("no block was made")
	case c.problem != "":
		return r.unknown(c.problem)
	case unjudged != "":
		return r.unknown(fmt.Sprintf("block %s: %s", unjudged, c.deep[unjudged]))
	case missing != "":
		return r.unknown(fmt.Sprintf("the trace lacks the content of block %s, or of one below it", missing))
	}
	r.Verdict = Pass
	return r
}
