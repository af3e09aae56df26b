package chainfile

import (
	"context"
	"fmt"

	"github.com/netsplit/netsplit/faults"
)

// Connect implements driver.Introducer: where the chain file has peers: {call: ...}, nodes are told of each of their
// peers. It is to be called when nodes answer, and again with the nodes that were started again. Without nodes it is
// about those of the whole network that have not been told yet.
func (c *Chain) Connect(ctx context.Context, ids ...faults.NodeID) error {
	if len(c.file.Peers.Calls) == 0 {
		return nil
	}
	if len(ids) == 0 {
		for _, n := range c.order {
			if err := c.introduce(ctx, n); err != nil {
				return err
			}
		}
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

// introduce tells a node of the peers that it was not told of.
func (c *Chain) introduce(ctx context.Context, n *node) error {
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
