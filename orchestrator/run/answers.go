package run

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

const (
	// answerInterval is how often each node is polled about itself, and answerSpacing the least time between two nodes, so that
	// large networks are polled less often.
	answerInterval = 3 * time.Second
	answerSpacing  = 20 * time.Millisecond
	// answerDepth is how far below its head a node is polled for a block by its height.
	answerDepth = 32
)

// answerPoller records what nodes say of themselves: their heads, some blocks of their chains by height, accounts and
// transactions, and their peers. It does not compare that with anything. It has no state of its own.
type answerPoller struct{ shared }

// run polls one node after the other until ctx ends, each once in an interval.
func (p *answerPoller) run(ctx context.Context) error {
	nodes := p.net.Nodes()
	step := max(answerInterval/time.Duration(len(nodes)), answerSpacing)
	for i := 0; ; i = (i + 1) % len(nodes) {
		if err := p.time.pause(ctx, step); err != nil {
			return nil //nolint:nilerr // the end of the run ends the task
		}
		p.poll(ctx, nodes[i])
	}
}

// pollAll polls every node once, all at the same time.
func (p *answerPoller) pollAll(ctx context.Context) {
	for _, n := range p.net.Nodes() {
		p.tasks.start(ctx, "last answer of "+string(n), func(ctx context.Context) error {
			p.poll(ctx, n)
			return nil
		})
	}
	p.time.Wait()
}

// poll polls a node and records its answer, or that there was none; nothing if the node is not up, or goes down meanwhile.
func (p *answerPoller) poll(ctx context.Context, node faults.NodeID) {
	if !p.view.isUp(node) {
		return
	}
	query, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	began := p.time.Now()
	a, err := p.answer(query, node, began)
	if err != nil {
		a = trace.Answer{PeerCount: -1, Error: firstLine(err)}
	}
	a.Took = p.time.Now() - began
	if ctx.Err() == nil && p.view.isUp(node) {
		p.rec.addAt(began, trace.Event{Kind: trace.KindAnswer, Node: trace.NodeID(node), Answer: &a})
	}
}

// answer queries a node for its head and peers, for the blocks at two heights of its chain, an account and a transaction, and for
// its head again: only while that stays the same are these of one chain. That takes at most ten requests, which queryTimeout bounds
// together.
func (p *answerPoller) answer(ctx context.Context, node faults.NodeID, now time.Duration) (trace.Answer, error) {
	a, err := p.summary(ctx, node)
	if err != nil || a.Height == 0 {
		return a, err
	}
	rng := p.net.random(uint64(now))
	below := rng.Uint64N(min(a.Height, answerDepth))
	for _, h := range []uint64{a.Height, a.Height - below} {
		hash, err := p.net.Client(node).HashAt(ctx, h)
		if err != nil && !errors.Is(err, chain.ErrNoBlock) { // that is an answer too
			return a, fmt.Errorf("block at height %d: %w", h, err)
		}
		a.Blocks = append(a.Blocks, trace.BlockAnswer{Height: h, Hash: hash})
	}
	if err := p.ledger(ctx, node, &a, rng); err != nil {
		return a, err
	}
	again, err := p.summary(ctx, node)
	if err != nil {
		return a, err
	}
	if again.Head != a.Head {
		a.Blocks, a.Account, a.Tx = nil, nil, nil
	}
	return a, nil
}

// ledger queries a node for a random account, and for a transaction that was submitted to it or to another node: one of the latest
// as often as one of all.
func (p *answerPoller) ledger(ctx context.Context, node faults.NodeID, a *trace.Answer, rng *rand.Rand) error {
	can := p.net.Chain.Capabilities()
	if can.Account != nil {
		nodes := p.net.Nodes()
		x, err := can.Account(ctx, node, nodes[rng.IntN(len(nodes))])
		if err != nil {
			return fmt.Errorf("account: %w", err)
		}
		a.Account = &x
	}
	if can.Tx == nil {
		return nil
	}
	if id, ok := p.view.submitted(rng); ok {
		x, err := can.Tx(ctx, node, id)
		if err != nil {
			return fmt.Errorf("transaction %s: %w", id, err)
		}
		a.Tx = &x
	}
	return nil
}

// summary is what a node says of itself, without its blocks.
func (p *answerPoller) summary(ctx context.Context, node faults.NodeID) (trace.Answer, error) {
	if answer := p.net.Chain.Capabilities().Answer; answer != nil {
		return answer(ctx, node)
	}
	s, err := p.net.Client(node).Status(ctx)
	return trace.Answer{Head: s.Head, Height: s.Height, PeerCount: s.Peers}, err
}
