package external

import (
	"context"
	"sync"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// node is what the chain knows of a node.
type node struct {
	node    chain.Node
	account string         // hex; empty where its keys have no address
	data    map[string]any // .Node of texts
	files   map[string][]byte

	walk  walk                       // by Look only, whose calls are serial
	below map[trace.Hash]trace.Block // read on the way down from a head, see descend; likewise
	// belowBytes is what below takes; likewise.
	belowBytes int
	final      uint64 // the height that it last called final; likewise
	// making is full while the node is told to make a block: whoever saw a block must wait to know whether it is that one.
	making chan struct{}

	mu    sync.Mutex
	ready bool
	told  map[faults.NodeID]bool // peers that it was told of
	// had are the blocks that it has had, with their heights.
	had map[trace.Hash]uint64
	// made are the hashes that it gave for blocks which it was told to make.
	made map[trace.Hash]bool

	submit sync.Mutex // held while a transaction is handed over, so that nonces go in order
	nonce  uint64
	coins  []coin // what is left to spend, the next one first; while submit is held
}

// maxMade is how many blocks a node may say that it made on one command.
const maxMade = 100

// madeHere notes the hashes in a node's answer to the command to make a block: a text or a list of texts.
func (n *node) madeHere(result any) {
	list, ok := result.([]any)
	if !ok {
		list = []any{result}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, v := range list[:min(len(list), maxMade)] {
		if h, ok := hashText(v); ok {
			n.made[h] = true
		}
	}
}

// awaitMade waits until the node has said which blocks it made, where new blocks were read meanwhile.
func (n *node) awaitMade(ctx context.Context, fresh []trace.Block) {
	if len(fresh) == 0 {
		return
	}
	select {
	case n.making <- struct{}{}:
		<-n.making
	case <-ctx.Done():
	}
}

// has notes that the node has a block and reports whether that is new.
func (n *node) has(h trace.Hash, height uint64) (isNew bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.had[h]; ok {
		return false
	}
	n.had[h] = height
	return true
}

// heightOf returns the height of a block that the node has had.
func (n *node) heightOf(h trace.Hash) (uint64, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	height, ok := n.had[h]
	return height, ok
}

// isMaker reports whether the node made a block: it said so, or the block names its account.
func (n *node) isMaker(b trace.Block) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.made[b.Hash] || n.account != "" && b.Producer == n.account
}
