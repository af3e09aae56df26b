package chain

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// Accessible is a Chain whose nodes people can talk to with tools of their own.
type Accessible interface {
	// Access says how to reach a node. It may be called when the nodes run.
	Access(node faults.NodeID) (Access, error)
}

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
	// Example returns a command that asks the node something, reached at an address and port.
	Example func(at string) string
}

// Historian is a Client that finds blocks by their height.
type Historian interface {
	// HashAt returns the hash of the block at a height of the node's chain. The error wraps ErrNoBlock when the chain is
	// shorter.
	HashAt(ctx context.Context, height uint64) (trace.Hash, error)
}

// ErrNoBlock is wrapped by the error for a height that a node's chain has not reached.
var ErrNoBlock = errors.New("the node's chain is shorter")

// Finder is a Client that finds transactions in blocks.
type Finder interface {
	// CanFind returns nil, or why this chain shows no transactions in blocks.
	CanFind() error
	// Find returns when a transaction is in a block of the node's chain above a height, with the block's own height. It
	// asks again and again until ctx ends.
	Find(ctx context.Context, id trace.Hash, above uint64) (height uint64, err error)
}

// findEvery is how often a node is asked by somebody who waits for a transaction.
const findEvery = 200 * time.Millisecond

// FindAgain helps to write Finder.Find: it calls look, which asks a node once, until that is done. When ctx ends first, it
// returns why.
func FindAgain(ctx context.Context, look func() (done bool)) error {
	tick := time.NewTicker(findEvery)
	defer tick.Stop()
	for !look() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}

// Secretive is a Chain that knows secrets which its nodes may print.
type Secretive interface {
	// Redact returns a text without secrets.
	Redact(text string) string
}

// Kept is a Chain of which another process must know more than the Network to talk to its nodes.
type Kept interface {
	// Keep returns that as JSON, once the chain is prepared. It may hold secrets.
	Keep() ([]byte, error)
}
