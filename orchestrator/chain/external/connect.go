package external

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
)

// connectPeers is Capabilities.ConnectPeers: where the chain file has a first_block, nodes get it, once; where it has
// peers: {call: ...}, nodes are told of each of their peers; where it has a warm_up, its blocks are made, once. It is to be
// called when nodes answer, and again with the nodes that were started again. Without nodes it is about those of the whole
// network that have not been told yet. Nodes that something else started are left as they are connected.
func (c *Chain) connectPeers(ctx context.Context, ids ...faults.NodeID) error {
	return nodeError(c.connect(ctx, ids...))
}

func (c *Chain) connect(ctx context.Context, ids ...faults.NodeID) error {
	if c.attached && c.restored == nil {
		return nil
	}
	if len(ids) == 0 {
		if c.restored != nil {
			return nil // who started them has done all this
		}
		if err := c.firstBlock(ctx); err != nil {
			return err
		}
		if err := c.introduceAll(ctx); err != nil {
			return err
		}
		return c.warmUp(ctx)
	}
	if len(c.file.Peers.Calls) == 0 {
		return nil
	}
	for _, id := range ids {
		n, err := c.node(id)
		if err != nil {
			return err
		}
		n.mu.Lock()
		clear(n.told)
		n.mu.Unlock()
		if err := c.introduce(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// firstBlock lets the first producer make a block and gives it to all other nodes.
func (c *Chain) firstBlock(ctx context.Context) error {
	how := c.file.FirstBlock
	if how == nil || c.begun {
		return nil
	}
	maker := c.maker()
	block, err := c.call(ctx, maker, how.Make, nil)
	if err != nil {
		return fmt.Errorf("make the first block at %s: %w", maker.node.ID, err)
	}
	for _, n := range c.order {
		if n == maker {
			continue
		}
		if _, err := c.call(ctx, n, how.Give, map[string]any{"Last": block}); err != nil {
			return fmt.Errorf("give the first block to %s: %w", n.node.ID, err)
		}
	}
	c.begun = true
	return nil
}

// maker is the first producer, the first node where nobody produces.
func (c *Chain) maker() *node {
	return c.order[max(0, slices.IndexFunc(c.order, func(n *node) bool { return n.node.Mine > 0 }))]
}

// introduceAll tells all nodes of the peers that they were not told of.
func (c *Chain) introduceAll(ctx context.Context) error {
	for _, n := range c.order {
		if err := c.introduce(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// introduce tells a node of the peers that it was not told of, if the chain file says how.
func (c *Chain) introduce(ctx context.Context, n *node) error {
	if len(c.file.Peers.Calls) == 0 {
		return nil
	}
	for _, id := range n.node.Peers {
		n.mu.Lock()
		told := n.told[id]
		n.mu.Unlock()
		if told {
			continue
		}
		peer, err := c.node(id)
		if err != nil {
			return err
		}
		if _, err := c.call(ctx, n, c.file.Peers.Calls, map[string]any{"Peer": peer.data}); err != nil {
			return fmt.Errorf("tell node %s of its peer %s: %w", n.node.ID, id, err)
		}
		n.mu.Lock()
		n.told[id] = true
		n.mu.Unlock()
	}
	return nil
}

// nodeError makes a chain.NodeError of an error about one node's reply.
func nodeError(err error) error {
	var call *CallError
	var answer *AnswerError
	switch {
	case errors.As(err, &call):
		return &chain.NodeError{Node: call.Node, Err: err}
	case errors.As(err, &answer):
		return &chain.NodeError{Node: answer.Node, Err: err}
	}
	return err
}
