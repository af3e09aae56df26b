package native

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/netsplit/netsplit/faults"
	nodechain "github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/orchestrator/chain"
)

// What every testnet's genesis has in common.
const (
	subsidy = 50_000
	// allocation is the balance of every node's account at genesis.
	allocation = 1_000_000_000
	// halfLifeBlocks is the difficulty's half-life in block intervals: short enough that half of the miners find their
	// pace within a testnet's life, long enough that chance does not move it much.
	halfLifeBlocks = 60
	// forkDepth is how deep a reorganisation of an undivided network may be: six blocks is the field's convention.
	forkDepth = 6
)

// Chain is a chain.Chain for one network of netsplit nodes. It must be prepared before it is used otherwise; after
// that it is safe for concurrent use.
type Chain struct {
	http    *http.Client
	genesis nodechain.Hash // of block 0; every signature covers it
	members map[faults.NodeID]*member
	names   map[nodechain.PeerID]faults.NodeID
}

// member is what the chain knows of a node.
type member struct {
	node chain.Node
	seed string // of the key, in hex
	key  nodechain.Key
	base string // URL of its API
}

var _ chain.Chain = (*Chain)(nil)

// New returns a chain that reaches nodes through transport.
func New(transport http.RoundTripper) *Chain {
	return &Chain{http: &http.Client{Transport: transport, Timeout: 5 * time.Second}}
}

// join makes the keys of a network's nodes and remembers them.
func (c *Chain) join(net chain.Network) error {
	c.members = make(map[faults.NodeID]*member, len(net.Nodes))
	c.names = make(map[nodechain.PeerID]faults.NodeID, len(net.Nodes))
	for _, n := range net.Nodes {
		seed := fmt.Sprintf("%x", derive(net.Seed, "key", string(n.ID)))
		key, err := nodechain.KeyFromSeed(seed)
		if err != nil {
			return fmt.Errorf("key of node %s: %w", n.ID, err)
		}
		c.members[n.ID] = &member{node: n, seed: seed, key: key, base: fmt.Sprintf("http://%s:%d", n.Addr, apiPort)}
		c.names[key.Address()] = n.ID
	}
	return nil
}

// derive returns 32 bytes that depend on the seed, the purpose and the name alone.
func derive(seed uint64, purpose, name string) [32]byte {
	b := append([]byte("netsplit/"+purpose+"/"), binary.BigEndian.AppendUint64(nil, seed)...)
	return sha256.Sum256(append(b, name...))
}

// Key returns the key of a node's account.
func (c *Chain) Key(node faults.NodeID) (nodechain.Key, bool) {
	m, ok := c.members[node]
	if !ok {
		return nodechain.Key{}, false
	}
	return m.key, true
}

// name returns the name of the node with that identity, or the start of the identity where no node has it.
func (c *Chain) name(id nodechain.PeerID) faults.NodeID {
	if n, ok := c.names[id]; ok {
		return n
	}
	return faults.NodeID(fmt.Sprintf("unknown-%x", id[:4]))
}

// Capabilities implements chain.Chain: nodes print what happens to them, and make blocks by themselves.
func (c *Chain) Capabilities() chain.Capabilities {
	return chain.Capabilities{ExactPeers: true, Adversaries: true, Access: c.access, Answer: c.answer, Account: c.account, Tx: c.tx}
}

// access is how people reach a node: its API needs no credentials, and accounts are used through `tx send`.
func (c *Chain) access(node faults.NodeID) (chain.Access, error) {
	m, ok := c.members[node]
	if !ok {
		return chain.Access{}, fmt.Errorf("no node %s", node)
	}
	u := url.URL{Scheme: "http", Host: netip.AddrPortFrom(m.node.Addr, apiPort).String(), Path: "/v1/status"}
	return chain.Access{URL: u, Example: func(at string) string {
		u.Host = at
		return "curl -s " + u.String()
	}}, nil
}
