package external

import "slices"

// The rows of a check: what the chain file says, by the names that it has there, and then whether it fits together.
const (
	rowReady     = "ready"
	rowHeight    = "observe.height"
	rowHead      = "observe.head"
	rowHash      = "observe.block.hash"
	rowParent    = "observe.block.parent"
	rowTime      = "observe.block.time"
	rowProposer  = "observe.block.proposer"
	rowTxs       = "observe.block.txs"
	rowFinalized = "observe.finalized"
	rowPeers     = "observe.peers"
	rowGenesis   = "observe.genesis"
	rowArrival   = "observe.arrival"
	rowFirst     = "first_block"
	rowConnect   = "peers"
	rowWarm      = "warm_up"
	rowMake      = "act.make_block"
	rowSubmit    = "act.submit"
	rowLeader    = "act.leader"

	rowSameHead  = "head is the block at its height"
	rowLinked    = "parent is the block below"
	rowClock     = "block time is now"
	rowGrows     = "the chain grows"
	rowIncluded  = "the transaction gets into a block"
	rowOneChain  = "both nodes have one chain"
	rowPropagate = "a block reaches the other node"
)

// checkRow is a row of a check.
type checkRow struct {
	name string
	pair bool   // it needs two nodes
	cost string // what it costs when the chain file does not say how; empty where it always does
}

var checkRows = []checkRow{
	{name: rowReady, cost: "a node counts as ready as soon as it tells its height"},
	{name: rowHeight}, {name: rowHead}, {name: rowHash}, {name: rowParent}, {name: rowTime},
	{name: rowProposer, cost: "evidence does not say who made a block"},
	{name: rowTxs, cost: "inclusion cannot be judged"},
	{name: rowFinalized, cost: "blocks count as final by facts.fork_depth alone"},
	{name: rowPeers, cost: "runs begin without knowing that nodes are connected"},
	{name: rowGenesis, cost: "nodes on another network are told by block 0 alone"},
	{name: rowArrival, cost: "blocks are found by asking alone"},
	{name: rowFirst, cost: "nodes are told of each other without a common block"},
	{name: rowConnect, pair: true},
	{name: rowWarm, cost: "the chain begins with the first block that is measured"},
	{name: rowMake, cost: "blocks come when the nodes want"},
	{name: rowSubmit, cost: "inclusion cannot be judged"},
	{name: rowLeader, cost: "nobody knows who makes the next block"},
	{name: rowSameHead}, {name: rowLinked}, {name: rowClock}, {name: rowGrows}, {name: rowIncluded},
	{name: rowOneChain, pair: true}, {name: rowPropagate, pair: true},
}

// absent notes what the chain file does not say, and what that costs.
func (k *check) absent() {
	o, act := k.file.Observe, k.file.Act
	said := map[string]bool{
		rowReady: k.file.Ready != nil, rowProposer: o.Block.Proposer != nil, rowTxs: o.Block.Txs != nil,
		rowFinalized: o.Finalized != nil, rowPeers: o.Peers != nil, rowGenesis: o.Genesis != nil, rowArrival: o.Arrival != nil,
		rowWarm:  len(k.file.WarmUp) > 0,
		rowFirst: k.file.FirstBlock != nil, rowMake: act.MakeBlock != nil, rowSubmit: act.Submit != nil,
		rowLeader: act.Leader != nil,
	}
	for _, row := range checkRows {
		if row.cost != "" && !said[row.name] {
			k.found[row.name] = Finding{Outcome: Absent, Note: row.cost}
		}
	}
	switch {
	case act.Submit == nil:
		k.skip("needs act.submit", rowIncluded)
	case o.Block.Txs == nil:
		k.skip("needs observe.block.txs", rowIncluded)
	}
}

// Shown is what a chain showed in a check, as far as verdicts depend on it.
type Shown struct {
	Blocks   bool   // blocks can be read and stand on each other
	NoSubmit string // why no transaction can be submitted; empty where they can
	Txs      bool   // blocks tell which transactions they hold
}

// ShownBy sums up a check's findings.
func ShownBy(findings []Finding) Shown {
	of := make(map[string]Finding, len(findings))
	for _, f := range findings {
		of[f.Name] = f
	}
	works := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return of[name].Outcome != Works })
	}
	s := Shown{
		Blocks: works(rowHeight, rowHead, rowHash, rowParent, rowTime, rowSameHead, rowLinked, rowGrows),
		Txs:    works(rowTxs) && of[rowIncluded].Outcome != Failed,
	}
	switch of[rowSubmit].Outcome {
	case Works:
	case Absent:
		s.NoSubmit = ErrNoSubmit.Error()
	default:
		s.NoSubmit = rowSubmit + " does not work"
	}
	return s
}
