package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/testnets/scenario"
)

// NetworkFile is the name of the file in a testnet's directory that describes it to other commands: with it and the
// runtime, a running testnet can be opened. It holds secrets and is there only as long as the testnet is.
const NetworkFile = "network.json"

// peersSlack is how many more connections a node may hold than its topology gives it.
const peersSlack = 32

// description is what NetworkFile holds.
type description struct {
	chain.Network
	// Chain is what the chain exports of itself; absent: netsplit's own chain, for which the Network is enough.
	Chain json.RawMessage `json:",omitempty"`
}

// SaveNetwork writes a testnet's description to its directory, once its chain is prepared. It holds the seed of the
// nodes' keys, so only its owner can read it.
func SaveNetwork(dir string, net chain.Network, ch chain.Chain) error {
	d := description{Network: net}
	if export := ch.Capabilities().Export; export != nil {
		var err error
		if d.Chain, err = export(); err != nil {
			return fmt.Errorf("describe the testnet's chain: %w", err)
		}
	}
	text, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("encode the testnet's description: %w", err)
	}
	path := filepath.Join(dir, NetworkFile)
	// What was left there may be open to others.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("replace the testnet's description: %w", err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return fmt.Errorf("write the testnet's description: %w", err)
	}
	return nil
}

// LoadNetwork reads what SaveNetwork wrote: the network, and what its chain exported, nil where that was nothing.
func LoadNetwork(dir string) (net chain.Network, ch []byte, err error) {
	path := filepath.Join(dir, NetworkFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return net, nil, fmt.Errorf("read the testnet's description: %w", err)
	}
	var d description
	if err := json.Unmarshal(text, &d); err != nil {
		return net, nil, fmt.Errorf("read the testnet's description %s: %w", path, err)
	}
	return d.Network, d.Chain, nil
}

// ForgetNetwork removes what SaveNetwork wrote of a testnet, if it is there: a run's directory may be passed on, and must
// not hold keys and passwords. The description of another testnet, which has taken the directory since, stays.
func ForgetNetwork(dir, id string) error {
	net, _, err := LoadNetwork(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("remove the description of testnet %s, which holds secrets, if it is that: %w", id, err)
	case net.ID != id:
		return nil
	}
	if err := os.Remove(filepath.Join(dir, NetworkFile)); err != nil {
		return fmt.Errorf("remove the description of testnet %s, which holds secrets: %w", id, err)
	}
	return nil
}

// NewNetwork describes a spec's testnet to a chain. hosts are parallel to spec.NodeIDs().
func NewNetwork(id string, spec *scenario.Spec, hosts []runtime.Host, start time.Time) (chain.Network, error) {
	net := chain.Network{
		ID:            id,
		Seed:          spec.Seed,
		Start:         start,
		BlockInterval: spec.Consensus.BlockInterval,
		Relay:         spec.Relay,
		PeerExchange:  spec.Topology.PeerExchange,
	}
	peers := make(map[faults.NodeID][]faults.NodeID)
	nodes := spec.NodeIDs()
	adversary := make(map[faults.NodeID]bool)
	for _, n := range nodes {
		adversary[n.ID] = n.Adversary != nil
	}
	for _, e := range spec.Edges() {
		// An honest node does not look for adversaries.
		if !adversary[e[1]] {
			peers[e[0]] = append(peers[e[0]], e[1])
		}
		if !adversary[e[0]] {
			peers[e[1]] = append(peers[e[1]], e[0])
		}
	}
	for i, n := range nodes {
		if hosts[i].ID != n.ID {
			return net, fmt.Errorf("runtime gave host %s where node %s was planned", hosts[i].ID, n.ID)
		}
		net.Nodes = append(net.Nodes, chain.Node{
			ID: n.ID, Role: n.Role, Addr: hosts[i].Addr, Mine: n.Mine, Peers: peers[n.ID], Adversary: n.Adversary,
		})
		net.MaxPeers = max(net.MaxPeers, len(peers[n.ID])+peersSlack)
	}
	return net, nil
}
