package node

import "github.com/netsplit/netsplit/node/chain"

// Config is all that a node is told when it starts; the file that `netsplit node --config` reads is its JSON form.
// Unknown keys are errors.
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
	// Peers are connected to at the start and again whenever a connection is lost.
	Peers []PeerAddr `json:"peers,omitempty"`
	// PeerExchange lets the node learn addresses from its peers and connect to them when it has fewer than MinPeers.
	PeerExchange bool `json:"peer_exchange,omitempty"`
	MinPeers     int  `json:"min_peers,omitempty"`
	// MaxPeers is the most connections the node holds; it refuses more. 0: DefaultMaxPeers.
	MaxPeers int `json:"max_peers"`
	// Seed is the seed of the node's own random choices.
	Seed uint64 `json:"seed"`

	// What follows concerns the daemon alone; the state machine ignores it.

	// Listen is the TCP host:port for peers, API the host:port of the HTTP API. The node advertises Advertise to its
	// peers ("10.1.2.3:4001").
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
