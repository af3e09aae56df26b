package chain

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// Capabilities is what a chain can do beyond Chain, or needs beyond it. A nil function means that it cannot. Functions
// are safe for concurrent use once the chain is prepared, unless they say otherwise.
type Capabilities struct {
	// BuildImage makes the nodes' container image, if it is not there yet, and returns its reference; empty: the runtime's
	// own. Prepare does so too; who calls this before gets a network that does not start minutes before its nodes. It may
	// be called before Prepare.
	BuildImage func(ctx context.Context) (ref string, err error)
	// AssignProducers returns the nodes with the mining power that they have on this chain, which may have fewer producers
	// than the scenario or equal ones, and a line for people on what it changed, empty for nothing. It may be called before Prepare.
	AssignProducers func(nodes []Node) (assigned []Node, note string)
	// StartPosition is where a file says how nodes are started: file, line and column. Empty where no file does.
	StartPosition string
	// StartHeight is the height that every node must have reached before a run begins: nodes that still look for the
	// chain's beginning would be judged as if they ran. 0: none.
	StartHeight uint64
	// ExactPeers says that a node is connected to each of its peers by topology, and counts them so. Nodes of other chains
	// may refuse some or count otherwise; one peer is enough there.
	ExactPeers bool

	// Adversaries says that nodes can be adversaries; see Node.Adversary.
	Adversaries bool

	// ConnectPeers gives running nodes the addresses of their peers; it does nothing where they know them already. It is called once
	// all nodes answer, without nodes, and may be repeated; and again with each node that was started again. Calls without
	// nodes are serial. An error about one node wraps a *NodeError.
	ConnectPeers func(ctx context.Context, nodes ...faults.NodeID) error
	// FindMismatch compares how the nodes' chains begin. It returns a node whose chain begins otherwise than those of most,
	// nil where there is none or nothing can be said. Nodes that do not answer are left out.
	FindMismatch func(ctx context.Context) *NetworkMismatch

	// Polling is set where nodes do not print what happens to them: each has to be polled.
	Polling *Polling
	// Subscribe calls notify, in order, for each notification that a node sends until the connection ends, which is an
	// error, or ctx.
	Subscribe func(ctx context.Context, node faults.NodeID, notify func(Notification)) error
	// ParseNotification reads a line that a node printed. The second result is false for lines that announce no block.
	ParseNotification func(node faults.NodeID, line []byte) (Notification, bool)

	// MakeBlock makes a node produce one block on its head. Set where blocks are made on command.
	MakeBlock func(ctx context.Context, node faults.NodeID) error
	// Leader returns who is to make the next block, as a node sees it now. Another may make it where that one does not in
	// time, and nodes of a divided network see different ones.
	Leader func(ctx context.Context, node faults.NodeID) (faults.NodeID, error)
	// NoFindTx is why Client.FindTx always fails, nil where it works.
	NoFindTx error

	// Answer reads what a node says of itself, without its blocks; nil: Client.Status is all that nodes show.
	Answer func(ctx context.Context, node faults.NodeID) (trace.Answer, error)
	// Account and Tx read from a node the account of another, and what became of a transaction; nil where Answer is.
	Account func(ctx context.Context, node, of faults.NodeID) (trace.AccountAnswer, error)
	Tx      func(ctx context.Context, node faults.NodeID, id trace.Hash) (trace.TxAnswer, error)

	// Access says how people reach a node with tools of their own.
	Access func(node faults.NodeID) (Access, error)
	// Redact returns a text that nodes printed without this chain's credentials; nil: it has none.
	Redact func(text string) string
	// Export returns what another process must know of the prepared chain, beside the Network, to query its nodes; nil: the
	// Network is enough. It is JSON and may hold secrets.
	Export func() ([]byte, error)
}

// Polling says how the nodes of a chain are polled.
type Polling struct {
	// Interval is the time between two polls of one node.
	Interval time.Duration
	// Poll reads from a node what is new since the last poll, in the order in which it must have happened: a seen event for
	// each block, with its body before it, then the head, then what the node calls final. The caller gives the events their
	// time and node. Calls for one node are serial, calls for different nodes concurrent. A node that does not answer is an
	// error, and what was missed comes with the next poll. Where the node has more than one poll reads, the error wraps
	// ErrMoreBlocks.
	Poll func(ctx context.Context, node faults.NodeID) ([]trace.Event, error)
}

// ErrMoreBlocks is wrapped by the error of a poll that read only a part of what is new.
var ErrMoreBlocks = errors.New("the node has more blocks than one poll reads")

// Notification is a node's own announcement that it has a block. It gives the block's arrival a time; what the block is,
// and that it is on the node's chain, comes from polling. Notifications may be lost, repeated or wrong. Hash may be empty,
// or Height 0, but not both.
type Notification struct {
	Hash   trace.Hash
	Height uint64
}

// NetworkMismatch is a node whose chain begins otherwise than those of most nodes.
type NetworkMismatch struct {
	Node faults.NodeID
	Text string // what differs, for people
}

// NodeError is an error about one node. Its text is that of Err, which names the node.
type NodeError struct {
	Node faults.NodeID
	Err  error
}

// Error implements error.
func (e *NodeError) Error() string { return e.Err.Error() }

// Unwrap implements errors.Unwrap.
func (e *NodeError) Unwrap() error { return e.Err }

// Access is what people need to talk to one node and to use its chain. It holds secrets of that testnet. What the chain
// does not have is empty.
type Access struct {
	// URL is where the node answers; its host is the node's address and port on the testnet's network.
	URL url.URL
	// User and Password are for HTTP's basic authentication, Token is a bearer token.
	User, Password, Token string
	// ChainID is what wallets call the chain.
	ChainID string
	// Account is an account that the node has, with its key, and Funds what is on it.
	Account, PrivateKey, Funds string
	// Example returns a command that queries the node, reached at an address and port.
	Example func(at string) string
}
