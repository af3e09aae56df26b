package runtimetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/consensus/pow"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// configFile is the path of a node's configuration.
const configFile = "/etc/netsplit/node.json"

// mineRate is a miner's rate in attempts per second; low, so that blocks are cheap.
const mineRate = 50

// Network describes nodes for tests of runtimes, without a chain implementation. The same Network makes the same nodes.
type Network struct {
	ID       string         // the chain's name, also the seed of the keys
	Hosts    []runtime.Host // as Create returned them
	Start    time.Time      // of the chain
	Interval time.Duration  // between blocks
	Miners   int            // how many of the first hosts mine, each at the same rate; at least 1
	// Peers returns the hosts that a host connects to, by index; nil: all others.
	Peers func(host int) []int
}

// Peer returns the identity and the address of a host's node.
func (n Network) Peer(host int) node.PeerAddr {
	key, err := chain.KeyFromSeed(n.seed(host))
	if err != nil {
		panic(err) // 32 bytes in hex are a key
	}
	return node.PeerAddr{ID: key.Address(), Addr: fmt.Sprintf("%s:%d", n.Hosts[host].Addr, runtime.PeerPort)}
}

// seed returns the secret key of a host's node, in hex.
func (n Network) seed(host int) string {
	sum := sha256.Sum256([]byte(n.ID + "/" + string(n.Hosts[host].ID)))
	return hex.EncodeToString(sum[:])
}

// Launches says how to start every node.
func (n Network) Launches() []runtime.Launch {
	peers := make([]node.PeerAddr, len(n.Hosts))
	for i := range n.Hosts {
		peers[i] = n.Peer(i)
	}
	genesis := n.genesis(peers)
	out := make([]runtime.Launch, len(n.Hosts))
	for i, h := range n.Hosts {
		cfg := node.Config{
			Name: string(h.ID), Genesis: genesis, Key: n.seed(i), Relay: "inventory", Seed: uint64(i + 1),
			Listen:    peers[i].Addr,
			Advertise: peers[i].Addr,
			API:       fmt.Sprintf("%s:%d", h.Addr, runtime.APIPort),
			Data:      "/data",
		}
		if i < n.Miners {
			cfg.Mine = mineRate
		}
		for _, k := range n.peersOf(i) {
			cfg.Peers = append(cfg.Peers, peers[k])
		}
		cfg.MaxPeers = len(cfg.Peers) + 16
		text, err := json.Marshal(cfg)
		if err != nil {
			panic(err) // a Config is data
		}
		out[i] = launchOf(h.ID, text)
	}
	return out
}

// genesis returns the genesis of the nodes.
func (n Network) genesis(peers []node.PeerAddr) chain.Genesis {
	interval := chain.Millis(n.Interval.Milliseconds())
	g := chain.Genesis{
		Network:  n.ID,
		Time:     chain.Millis(n.Start.UnixMilli()),
		Bits:     pow.InitialBits(float64(mineRate*n.Miners), interval),
		Interval: interval,
		HalfLife: 100 * interval,
		Subsidy:  50,
	}
	for _, p := range peers[:min(len(peers), 16)] {
		g.Alloc = append(g.Alloc, chain.Alloc{Address: p.ID, Amount: 1000})
	}
	slices.SortFunc(g.Alloc, func(a, b chain.Alloc) int { return bytes.Compare(a.Address[:], b.Address[:]) })
	return g
}

func (n Network) peersOf(host int) []int {
	if n.Peers != nil {
		return n.Peers(host)
	}
	var all []int
	for k := range n.Hosts {
		if k != host {
			all = append(all, k)
		}
	}
	return all
}

// launchOf returns the launch of a node with a configuration.
func launchOf(id faults.NodeID, config []byte) runtime.Launch {
	return runtime.Launch{
		ID: id, Args: []string{"node", "--config", configFile},
		Files: map[string][]byte{configFile: config},
	}
}
