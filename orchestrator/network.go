package orchestrator

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/driver"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/testnets"
)

// NetworkFile is the name of the file in a testnet's directory that describes it to later commands: with it and the
// runtime, a running testnet can be attached to.
const NetworkFile = "network.json"

// peersSlack is how many more connections than its topology asks for a node may hold.
const peersSlack = 32

// SaveNetwork writes a testnet's description to its directory. It holds the seed of the nodes' keys, so only its owner
// can read it.
func SaveNetwork(dir string, net driver.Network) error {
	text, err := json.Marshal(net)
	if err != nil {
		return fmt.Errorf("encode the testnet's description: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, NetworkFile), text, 0o600); err != nil {
		return fmt.Errorf("write the testnet's description: %w", err)
	}
	return nil
}

// LoadNetwork reads what SaveNetwork wrote.
func LoadNetwork(dir string) (net driver.Network, err error) {
	path := filepath.Join(dir, NetworkFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return net, fmt.Errorf("read the testnet's description: %w", err)
	}
	if err := json.Unmarshal(text, &net); err != nil {
		return net, fmt.Errorf("read the testnet's description %s: %w", path, err)
	}
	return net, nil
}

// NewNetwork describes a spec's testnet to a chain. hosts are parallel to spec.NodeIDs().
func NewNetwork(id string, spec *testnets.Spec, hosts []runtime.Host, start time.Time) (driver.Network, error) {
	net := driver.Network{
		ID:            id,
		Seed:          spec.Seed,
		Start:         start,
		BlockInterval: spec.Consensus.BlockInterval,
		Relay:         spec.Relay,
		PeerExchange:  spec.Topology.PeerExchange,
	}
	peers := make(map[faults.NodeID][]faults.NodeID)
	for _, e := range spec.Edges() {
		peers[e[0]] = append(peers[e[0]], e[1])
		peers[e[1]] = append(peers[e[1]], e[0])
	}
	for i, n := range spec.NodeIDs() {
		if hosts[i].ID != n.ID {
			return net, fmt.Errorf("runtime gave host %s where node %s was planned", hosts[i].ID, n.ID)
		}
		net.Nodes = append(net.Nodes, driver.Node{
			ID: n.ID, Role: n.Role, Addr: hosts[i].Addr, Mine: n.Mine, Peers: peers[n.ID],
		})
		net.MaxPeers = max(net.MaxPeers, len(peers[n.ID])+peersSlack)
	}
	return net, nil
}

// Net returns what a fault may know of the testnet.
func (t *Testnet) Net() faults.Net {
	net := faults.Net{Roles: make(map[string][]faults.NodeID)}
	index := make(map[faults.NodeID]int, len(t.Network.Nodes))
	for i, n := range t.Network.Nodes {
		index[n.ID] = i
		net.Nodes = append(net.Nodes, n.ID)
		net.Roles[n.Role] = append(net.Roles[n.Role], n.ID)
	}
	for i, n := range t.Network.Nodes {
		for _, p := range n.Peers {
			if i < index[p] {
				net.Edges = append(net.Edges, [2]faults.NodeID{n.ID, p})
			}
		}
	}
	return net
}
