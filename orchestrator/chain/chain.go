package chain

import (
	"context"
	"net/netip"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// Network is the testnet as a chain must be told of it before its nodes start.
type Network struct {
	ID            string // unique; part of the genesis, so that two testnets never mix
	Seed          uint64
	Start         time.Time // wall-clock time of the genesis
	BlockInterval time.Duration
	Relay         string // "flood" or "inventory"
	PeerExchange  bool
	MaxPeers      int
	Nodes         []Node // in the spec's order
}

// Node is one node as a chain must be told of it.
type Node struct {
	ID    faults.NodeID
	Role  string
	Addr  netip.Addr
	Mine  float64         // attempts per second, 0: does not mine
	Peers []faults.NodeID // that it connects to, by topology
}

// Prepared is a chain made ready for a network.
type Prepared struct {
	Facts trace.Facts
	// Nodes is parallel to Network.Nodes.
	Nodes []PreparedNode
}

// PreparedNode says how to start one node and which account is its own.
type PreparedNode struct {
	// Image is the container image; empty: the runtime's own, which is netsplit's node.
	Image   string
	Args    []string
	Env     []string          // "NAME=VALUE"
	Sysctls map[string]string // settings of the node's own network stack
	Files   map[string][]byte
	Account string // hex
}

// Chain is one kind of node.
type Chain interface {
	// Prepare makes keys, genesis and the nodes' files. The same Network gives the same result.
	Prepare(ctx context.Context, net Network) (Prepared, error)
	// Parse turns one line that a node printed into an event, with At in wall-clock time of the node's own log. The
	// second result is false for lines that are not events. Peers are named by NodeID.
	Parse(node faults.NodeID, line []byte) (trace.Event, time.Time, bool)
	// Client returns the client of a node.
	Client(node faults.NodeID) Client
}

// Client talks to one node. Every call obeys ctx.
type Client interface {
	Status(ctx context.Context) (trace.Status, error)
	// Block returns the block with that hash; it fails when the node does not have it.
	Block(ctx context.Context, hash trace.Hash) (trace.Block, error)
	// Transfer signs and submits a transfer between two nodes' accounts, from the account of the client's node, and
	// returns the transaction's id.
	Transfer(ctx context.Context, to faults.NodeID, amount uint64) (trace.Hash, error)
}
