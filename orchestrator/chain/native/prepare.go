package native

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sort"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node"
	nodechain "github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/consensus/pow"
	"github.com/netsplit/netsplit/node/peers"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// Where a node finds things in its own file system, and the ports of its own address that it listens on.
const (
	configPath = "/etc/netsplit/node.json"
	dataDir    = "/data"
	peerPort   = 4001
	apiPort    = 8080
)

// Prepare implements chain.Chain. Keys come from the network's seed and the nodes' names, the first difficulty from
// the sum of the miners' rates.
func (c *Chain) Prepare(ctx context.Context, net chain.Network) (chain.Prepared, error) {
	if err := ctx.Err(); err != nil {
		return chain.Prepared{}, err
	}
	if err := c.join(net); err != nil {
		return chain.Prepared{}, err
	}
	genesis, err := c.makeGenesis(net)
	if err != nil {
		return chain.Prepared{}, err
	}
	c.genesis = genesis.Block().Hash()
	text, err := json.Marshal(genesis)
	if err != nil {
		return chain.Prepared{}, fmt.Errorf("encode genesis: %w", err)
	}
	out := chain.Prepared{Facts: trace.Facts{
		Name:          "netsplit",
		Family:        "pow",
		BlockInterval: net.BlockInterval,
		ForkDepth:     forkDepth,
		HalfLife:      halfLifeBlocks * net.BlockInterval,
		Genesis:       text,
		GenesisHash:   trace.Hash(c.genesis.String()),
		BanTime:       peers.BanTime,
	}}
	attacked := 0 // peers of the adversaries so far
	for _, n := range net.Nodes {
		p, err := c.prepareNode(net, n, genesis, attacked)
		if n.Adversary != nil {
			attacked += len(n.Peers)
		}
		if err != nil {
			return chain.Prepared{}, fmt.Errorf("prepare node %s: %w", n.ID, err)
		}
		out.Nodes = append(out.Nodes, p)
	}
	return out, nil
}

func (c *Chain) makeGenesis(net chain.Network) (*nodechain.Genesis, error) {
	var rate float64
	for _, n := range net.Nodes {
		rate += n.Mine
	}
	if rate <= 0 {
		return nil, errors.New("no node mines: proof of work needs at least one miner")
	}
	interval := nodechain.Millis(net.BlockInterval.Milliseconds())
	g := &nodechain.Genesis{
		Network:  net.ID,
		Time:     nodechain.Millis(net.Start.UnixMilli()),
		Bits:     pow.InitialBits(rate, interval),
		Interval: interval,
		HalfLife: halfLifeBlocks * interval,
		Subsidy:  subsidy,
	}
	for _, m := range c.members {
		g.Alloc = append(g.Alloc, nodechain.Alloc{Address: m.key.Address(), Amount: allocation})
	}
	sort.Slice(g.Alloc, func(i, j int) bool {
		return string(g.Alloc[i].Address[:]) < string(g.Alloc[j].Address[:])
	})
	if err := g.Validate(); err != nil {
		return nil, fmt.Errorf("genesis: %w", err)
	}
	return g, nil
}

func (c *Chain) prepareNode(net chain.Network, n chain.Node, genesis *nodechain.Genesis, attacked int) (chain.PreparedNode, error) {
	m := c.members[n.ID]
	seed := derive(net.Seed, "choices", string(n.ID))
	cfg := node.Config{
		Name:         string(n.ID),
		Genesis:      *genesis,
		Key:          m.seed,
		Mine:         n.Mine,
		Relay:        net.Relay,
		PeerExchange: net.PeerExchange,
		MinPeers:     len(n.Peers),
		MaxPeers:     net.MaxPeers,
		Seed:         binary.BigEndian.Uint64(seed[:8]),
		Listen:       fmt.Sprintf("%s:%d", n.Addr, peerPort),
		Advertise:    fmt.Sprintf("%s:%d", n.Addr, peerPort),
		API:          fmt.Sprintf("%s:%d", n.Addr, apiPort),
		Data:         dataDir,
	}
	if n.Adversary != nil {
		// It dials those that it is to attack, and nobody else.
		cfg.Adversary = &node.Adversary{Kinds: n.Adversary, First: attacked}
		cfg.PeerExchange, cfg.MinPeers = false, 0
	}
	for _, p := range n.Peers {
		cfg.Peers = append(cfg.Peers, c.peerAddr(p))
	}
	text, err := json.Marshal(cfg)
	if err != nil {
		return chain.PreparedNode{}, err
	}
	account := m.key.Address()
	return chain.PreparedNode{
		Args:    []string{"node", "--config", configPath},
		Files:   map[string][]byte{configPath: text},
		Account: account.String(),
	}, nil
}

func (c *Chain) peerAddr(id faults.NodeID) node.PeerAddr {
	m := c.members[id]
	return node.PeerAddr{ID: m.key.Address(), Addr: fmt.Sprintf("%s:%d", m.node.Addr, peerPort)}
}
