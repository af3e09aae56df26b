package node

import (
	"fmt"
	"math"

	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// DefaultMaxPeers is used when Config.MaxPeers is 0.
const DefaultMaxPeers = 125

// Config is the configuration of a node. The file that `netsplit node --config` reads is its JSON form; unknown keys are
// errors.
type Config struct {
	// Name is the node's name in the testnet, for its logs only.
	Name    string        `json:"name"`
	Genesis chain.Genesis `json:"genesis"`
	// Key is the ed25519 seed of the node's identity and account, 32 bytes in hex.
	Key string `json:"key"`
	// Mine is the miner's rate in attempts per second; 0: the node does not mine.
	Mine float64 `json:"mine,omitempty"`
	// Relay is "flood" or "inventory".
	Relay string `json:"relay"`
	// Peers are dialled at the start, and again whenever a connection is lost.
	Peers []PeerAddr `json:"peers,omitempty"`
	// PeerExchange lets the node get addresses from its peers and dial them when it has fewer than MinPeers.
	PeerExchange bool `json:"peer_exchange,omitempty"`
	MinPeers     int  `json:"min_peers,omitempty"`
	// MaxPeers is the largest number of connections; the node refuses more. 0: DefaultMaxPeers.
	MaxPeers int `json:"max_peers"`
	// Seed seeds the node's random choices, together with its identity.
	Seed uint64 `json:"seed"`

	// The following fields are for the daemon; the state machine ignores them.

	// Listen is the TCP host:port for peers, API the host:port of the HTTP API. Advertise is the host:port that the node
	// sends to its peers ("10.1.2.3:4001").
	Listen    string `json:"listen,omitempty"`
	Advertise string `json:"advertise,omitempty"`
	API       string `json:"api,omitempty"`
	// Data is the directory of the block store.
	Data string `json:"data,omitempty"`
}

// PeerAddr is a peer's identity and the TCP host:port it listens on.
type PeerAddr struct {
	ID   chain.PeerID `json:"id"`
	Addr string       `json:"addr"`
}

// check validates the fields that the other steps of New do not.
func (c *Config) check() error {
	switch {
	case c.MaxPeers < 0 || c.MinPeers < 0:
		return fmt.Errorf("min_peers %d, max_peers %d: must not be negative", c.MinPeers, c.MaxPeers)
	case !(c.Mine >= 0) || math.IsInf(c.Mine, 0): // the comparison refuses NaN too
		return fmt.Errorf("mine: %v attempts per second is not a rate", c.Mine)
	}
	if err := wire.Check(&wire.Hello{Addr: c.Advertise}); err != nil {
		return fmt.Errorf("advertise: %w", err)
	}
	for _, p := range c.Peers {
		if err := wire.Check(&wire.Hello{Addr: p.Addr}); err != nil {
			return fmt.Errorf("peer %s: %w", p.ID, err)
		}
	}
	return nil
}
