package chain

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// Network describes a testnet to a chain before its nodes start.
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

// Node describes one node of a Network.
type Node struct {
	ID    faults.NodeID
	Role  string
	Addr  netip.Addr
	Mine  float64         // attempts per second, 0: does not mine
	Peers []faults.NodeID // that it connects to, by topology
	// Adversary lists the kinds of attack that it makes on its peers; nil: it is honest. See Capabilities.Adversaries.
	Adversary []string `json:",omitempty"`
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
	Memory  int64             // the most that it may have, in bytes; 0: the runtime's default
	Files   map[string][]byte // by absolute path
	Account string            // hex; empty where the node has none
}

// Chain is one kind of node. Prepare or, on a network that runs already, its counterpart there comes first; after that
// a Chain is safe for concurrent use.
type Chain interface {
	// Prepare makes keys, genesis and the nodes' files. The same Network gives the same result.
	Prepare(ctx context.Context, net Network) (Prepared, error)
	// ParseLog turns a line that a node printed into an event, and returns the time that the node's own log gives it. The
	// last result is false for lines that are no events. Peers are named by NodeID.
	ParseLog(node faults.NodeID, line []byte) (trace.Event, time.Time, bool)
	// Client returns the client of a node of the prepared network.
	Client(node faults.NodeID) Client
	// Capabilities says what else this chain can do. It may be called before Prepare and always returns the same.
	Capabilities() Capabilities
}

// Client queries one node. Every call obeys ctx.
type Client interface {
	// Status returns the node's head and counters. It fails while the node is not ready.
	Status(ctx context.Context) (trace.Status, error)
	// Block returns the block with that hash; it fails when the node does not have it.
	Block(ctx context.Context, hash trace.Hash) (trace.Block, error)
	// HashAt returns the hash of the block at a height of the node's chain. The error wraps ErrNoBlock when the chain is
	// shorter.
	HashAt(ctx context.Context, height uint64) (trace.Hash, error)
	// Transfer signs and submits a transfer between two nodes' accounts, from the account of the client's node, and
	// returns the transaction's id.
	Transfer(ctx context.Context, to faults.NodeID, amount uint64) (trace.Hash, error)
	// FindTx waits until a transaction is in a block of the node's chain above a height and returns that block's height. It
	// polls the node until ctx ends. It always fails where Capabilities.NoFindTx is set.
	FindTx(ctx context.Context, id trace.Hash, above uint64) (height uint64, err error)
}

// ErrNoBlock is wrapped by the error for a height that a node's chain has not reached.
var ErrNoBlock = errors.New("the node's chain is shorter")

// findInterval is the time between two polls for a transaction.
const findInterval = 200 * time.Millisecond

// PollTx helps to implement Client.FindTx: it calls poll, which queries a node once, at once and then every findInterval,
// until that reports true. When ctx ends first, it returns the cause.
func PollTx(ctx context.Context, poll func() (done bool)) error {
	tick := time.NewTicker(findInterval)
	defer tick.Stop()
	for !poll() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}
