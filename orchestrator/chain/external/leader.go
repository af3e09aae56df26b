package external

import (
	"context"
	"fmt"
	"strings"

	"github.com/netsplit/netsplit/faults"
)

// name notes that a text stands for a node.
func (c *Chain) name(n *node, text string) { c.names[plainName(text)] = n }

// named finds the node that a text stands for: the address or the public half of one of its keys, in hex or base64, or its
// name.
func (c *Chain) named(text string) (*node, bool) {
	n, ok := c.names[plainName(text)]
	return n, ok
}

// plainName gives a text the one form in which names of nodes are compared: hex in lower case and without 0x.
func plainName(text string) string { return strings.TrimPrefix(string(normal(text)), "0x") }

// leader is Capabilities.Leader.
func (c *Chain) leader(ctx context.Context, id faults.NodeID) (faults.NodeID, error) {
	n, err := c.node(id)
	if err != nil {
		return "", err
	}
	o := c.file.Act.Leader
	answer, err := c.call(ctx, n, o.Calls, nil)
	if err != nil {
		return "", fmt.Errorf("who leads next: %w", err)
	}
	v, err := c.query(ctx, n, rowLeader, o.JQ, answer)
	if err != nil {
		return "", err
	}
	text, _ := v.(string)
	leader, ok := c.named(text)
	if !ok {
		return "", c.bad(n, rowLeader, o.JQ, v, answer, "a node's name, or the address or public half of a key of one of the nodes")
	}
	return leader.node.ID, nil
}

// leads asks every node who leads next.
func (k *check) leads(ctx context.Context) error {
	if k.file.Act.Leader == nil {
		return nil
	}
	k.progress("asking who leads next")
	for _, n := range k.order {
		err := k.await(ctx, useless+2*k.interval, func() error {
			leader, err := k.leader(ctx, n.node.ID)
			if err == nil && n == k.order[0] {
				k.works(rowLeader, "node %s", leader)
			}
			return err
		})
		if err != nil {
			k.fail(ctx, rowLeader, err)
			return nil
		}
	}
	return nil
}
