package node

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/relay"
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
	// Adversary makes the node an adversary; see package behavior. The state machine ignores it.
	Adversary *Adversary `json:"adversary,omitempty"`

	// The following fields are for the daemon; the state machine ignores them.

	// Listen is the TCP host:port for peers, API the host:port of the HTTP API. Advertise is the host:port that the node
	// sends to its peers ("10.1.2.3:4001").
	Listen    string `json:"listen,omitempty"`
	Advertise string `json:"advertise,omitempty"`
	API       string `json:"api,omitempty"`
	// Data is the directory of the block store.
	Data string `json:"data,omitempty"`
}

// Adversary says how a node attacks its peers.
type Adversary struct {
	// Kinds are the kinds of attack; see behavior.Kinds.
	Kinds []string `json:"kinds"`
	// First is the number, among those that get it banned, of the kind with which it begins at its first peer. Several
	// adversaries of one testnet begin with different ones.
	First int `json:"first,omitempty"`
}

// PeerAddr is a peer's identity and the TCP host:port it listens on.
type PeerAddr struct {
	ID   chain.PeerID `json:"id"`
	Addr string       `json:"addr"`
}

// Limits of a configuration.
const (
	maxNameLen  = 64
	maxMineRate = 1e9 // attempts per second
	maxMaxPeers = 4096
)

// Validate checks the fields that the state machine uses. Errors begin with the field's key and never show Key.
func (c *Config) Validate() error {
	if len(c.Name) > maxNameLen || strings.ContainsFunc(c.Name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("name: want at most %d bytes without control characters", maxNameLen)
	}
	if err := c.Genesis.Validate(); err != nil {
		return fmt.Errorf("genesis: %w", err)
	}
	if _, err := chain.KeyFromSeed(c.Key); err != nil {
		return fmt.Errorf("key: %w", err)
	}
	if _, err := relay.Parse(c.Relay); err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	most := c.MaxPeers
	if most == 0 {
		most = DefaultMaxPeers
	}
	switch {
	case math.IsNaN(c.Mine) || c.Mine < 0 || c.Mine > maxMineRate:
		return fmt.Errorf("mine: %v is not in 0..%v attempts per second", c.Mine, maxMineRate)
	case c.MaxPeers < 0 || c.MaxPeers > maxMaxPeers:
		return fmt.Errorf("max_peers: %d is not in 0..%d", c.MaxPeers, maxMaxPeers)
	case c.Adversary != nil && (len(c.Adversary.Kinds) == 0 || c.Adversary.First < 0):
		return errors.New("adversary: want a kind of attack at least, and first not negative")
	case c.MinPeers < 0 || c.MinPeers > most:
		return fmt.Errorf("min_peers: %d is not in 0..%d, the most that max_peers allows", c.MinPeers, most)
	}
	if err := wire.Check(&wire.Hello{Addr: c.Advertise}); err != nil {
		return fmt.Errorf("advertise: %w", err)
	}
	for i, p := range c.Peers {
		if err := wire.Check(&wire.Hello{Addr: p.Addr}); err != nil {
			return fmt.Errorf("peers[%d].addr: %w", i, err)
		}
	}
	return nil
}
