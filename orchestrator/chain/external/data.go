package external

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// accountKeys are the names of the keys that stand for a node in blocks and transfers, the likelier first.
var accountKeys = []string{"account", "validator"}

// join makes the keys of a network's nodes and what texts can use of them.
func (c *Chain) join(net chain.Network) error {
	c.nodes, c.order = make(map[faults.NodeID]*node, len(net.Nodes)), nil
	c.names, c.seen, c.common = make(map[string]*node), newBlocks(), make(map[string][]byte)
	var all, producers []map[string]any
	for i, n := range net.Nodes {
		m := &node{
			node: n, files: make(map[string][]byte), told: make(map[faults.NodeID]bool),
			had: make(map[trace.Hash]uint64), made: make(map[trace.Hash]bool), making: make(chan struct{}, 1),
		}
		keys, err := c.keys(net.Seed, m)
		if err != nil {
			return fmt.Errorf("keys of node %s: %w", n.ID, err)
		}
		m.data = map[string]any{
			"Name": string(n.ID), "Index": i, "Addr": n.Addr.String(), "Role": n.Role, "Mine": n.Mine, "Produces": n.Mine > 0,
			"Keys": keys, "captured": make(map[string]any),
		}
		c.nodes[n.ID] = m
		c.order = append(c.order, m)
		all = append(all, m.data)
		if n.Mine > 0 {
			producers = append(producers, m.data)
		}
	}
	for _, m := range c.order {
		peers := []map[string]any{}
		for _, p := range m.node.Peers {
			peer, err := c.node(p)
			if err != nil {
				return fmt.Errorf("peers of node %s: %w", m.node.ID, err)
			}
			peers = append(peers, peer.data)
		}
		m.data["Peers"] = peers
	}
	c.data = map[string]any{
		"Network": net.ID, "Seed": net.Seed, "Start": net.Start.UTC(), "BlockInterval": c.interval(net),
		"Nodes": all, "Producers": producers, "Ports": c.file.Ports, "captured": make(map[string]any),
	}
	return nil
}

// keys makes a node's keys, hides them and finds its account.
func (c *Chain) keys(seed uint64, m *node) (map[string]Key, error) {
	keys := make(map[string]Key, len(c.file.Keys))
	addresses := make(map[string]string)
	c.name(m, string(m.node.ID))
	for _, name := range slices.Sorted(maps.Keys(c.file.Keys)) {
		k, err := newKey(string(c.file.Keys[name]), seed, string(m.node.ID), name)
		if err != nil {
			return nil, err
		}
		keys[name] = k
		c.secrets.add(k.secrets(c.wif)...)
		if a, err := k.AddressHex(); err == nil {
			addresses[name] = a
			c.name(m, a)
		}
		if k.Public != nil {
			c.name(m, hex.EncodeToString(k.Public))
			c.name(m, base64.StdEncoding.EncodeToString(k.Public))
		}
	}
	for _, name := range slices.Concat(accountKeys, c.file.KeyNames, slices.Sorted(maps.Keys(addresses))) {
		if a, ok := addresses[name]; ok {
			m.account = a
			break
		}
	}
	return keys, nil
}

// with returns what texts about a node can use: what all texts can, the node, and extra on top.
func (c *Chain) with(n *node, extra map[string]any) map[string]any {
	data := maps.Clone(c.data)
	if n != nil {
		data["Node"] = n.data
	}
	maps.Copy(data, extra)
	return data
}
