package external

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/testnets/chainspec"
)

// network is the network that a chain was prepared for. It owns what templates can use: once the chain is prepared, none
// of it changes. It knows nothing of what nodes answer.
type network struct {
	file     *chainspec.Chain
	interval time.Duration  // between blocks
	data     map[string]any // what every template can use
	nodes    []*member      // in the spec's order
	names    map[string]*member
}

// member is one node of a network.
type member struct {
	chain.Node
	account string         // hex; empty where its keys have no address
	data    map[string]any // .Node of templates
}

// accountKeys are the names of the keys that stand for a node in blocks and transfers, the likelier first.
var accountKeys = []string{"account", "validator"}

// newNetwork makes the keys of a network's nodes and what templates can use of them.
func newNetwork(file *chainspec.Chain, net chain.Network) (*network, error) {
	w := &network{file: file, interval: interval(file, net), names: make(map[string]*member)}
	var all, producers []map[string]any
	for i, n := range net.Nodes {
		m := &member{Node: n}
		keys, err := w.keys(net.Seed, m)
		if err != nil {
			return nil, fmt.Errorf("keys of node %s: %w", n.ID, err)
		}
		m.data = map[string]any{
			"Name": string(n.ID), "Index": i, "Addr": n.Addr.String(), "Role": n.Role, "Mine": n.Mine, "Produces": n.Mine > 0,
			"Keys": keys, "captured": make(map[string]any),
		}
		w.nodes = append(w.nodes, m)
		all = append(all, m.data)
		if n.Mine > 0 {
			producers = append(producers, m.data)
		}
	}
	for _, m := range w.nodes {
		peers := []map[string]any{}
		for _, p := range m.Peers {
			peer, err := w.node(p)
			if err != nil {
				return nil, fmt.Errorf("peers of node %s: %w", m.ID, err)
			}
			peers = append(peers, peer.data)
		}
		m.data["Peers"] = peers
	}
	w.data = map[string]any{
		"Network": net.ID, "Seed": net.Seed, "Start": net.Start.UTC(), "BlockInterval": w.interval,
		"Nodes": all, "Producers": producers, "Ports": file.Ports, "captured": make(map[string]any),
	}
	return w, nil
}

// interval is the time between blocks: the chain's own where it fixes it, else the scenario's.
func interval(file *chainspec.Chain, net chain.Network) time.Duration {
	if own := file.Facts.BlockInterval; own > 0 {
		return own
	}
	step := max(file.Facts.BlockIntervalStep, 1)
	return (net.BlockInterval + step - 1) / step * step
}

// keys makes a node's keys, notes the names that they give it, and finds its account.
func (w *network) keys(seed uint64, m *member) (map[string]Key, error) {
	keys := make(map[string]Key, len(w.file.Keys))
	addresses := make(map[string]string)
	w.names[plainName(string(m.ID))] = m
	for _, name := range slices.Sorted(maps.Keys(w.file.Keys)) {
		k, err := newKey(string(w.file.Keys[name]), seed, string(m.ID), name)
		if err != nil {
			return nil, err
		}
		keys[name] = k
		if a, err := k.AddressHex(); err == nil {
			addresses[name] = a
			w.names[plainName(a)] = m
		}
		if k.Public != nil {
			w.names[plainName(hex.EncodeToString(k.Public))] = m
			w.names[plainName(base64.StdEncoding.EncodeToString(k.Public))] = m
		}
	}
	for _, name := range slices.Concat(accountKeys, w.file.KeyNames, slices.Sorted(maps.Keys(addresses))) {
		if a, ok := addresses[name]; ok {
			m.account = a
			break
		}
	}
	return keys, nil
}

// node finds a node by its ID.
func (w *network) node(id faults.NodeID) (*member, error) {
	i := slices.IndexFunc(w.nodes, func(m *member) bool { return m.ID == id })
	if i < 0 {
		return nil, fmt.Errorf("chain %s has no node %s", w.file.Name, id)
	}
	return w.nodes[i], nil
}

// named finds the node that a text stands for: the address or the public half of one of its keys, in hex or base64, or its
// name.
func (w *network) named(text string) (*member, bool) {
	m, ok := w.names[plainName(text)]
	return m, ok
}

// plainName gives a text the one form in which names of nodes are compared: hex in lower case and without 0x.
func plainName(text string) string { return strings.TrimPrefix(string(normal(text)), "0x") }

// producer gives a block's producer the account of the node that it is, where it is one of the nodes.
func (w *network) producer(name string) string {
	if m, ok := w.named(name); ok && m.account != "" {
		return m.account
	}
	return string(normal(name))
}

// firstProducer is the first node that produces blocks, the first node where none does.
func (w *network) firstProducer() *member {
	return w.nodes[max(0, slices.IndexFunc(w.nodes, func(m *member) bool { return m.Mine > 0 }))]
}

// key returns a node's key.
func (m *member) key(name string) Key { return m.data["Keys"].(map[string]Key)[name] }

// with returns what templates about a node can use: what all can, the node unless it is nil, and extra on top.
func (w *network) with(m *member, extra map[string]any) map[string]any {
	data := maps.Clone(w.data)
	if m != nil {
		data["Node"] = m.data
	}
	maps.Copy(data, extra)
	return data
}

// capture notes what a step captured: for a node, or for all where m is nil.
func (w *network) capture(m *member, captured map[string]any) {
	maps.Copy(w.captured(m), captured)
}

// captured is what steps captured for a node, or for all where m is nil.
func (w *network) captured(m *member) map[string]any {
	data := w.data
	if m != nil {
		data = m.data
	}
	return data["captured"].(map[string]any)
}
