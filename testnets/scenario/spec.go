package scenario

import (
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// Spec is a scenario: a testnet, what happens to it, and what must hold. Every field's YAML key, meaning and default is
// given here.
type Spec struct {
	// File is where the spec came from, for messages: a path or "catalog:split-brain".
	File string
	// Source is the text that was decoded, byte for byte.
	Source []byte

	Name        string // name: required; [a-z0-9-], at most 40 bytes
	Description string // description: one or two sentences
	Seed        uint64 // seed: source of every random choice; default 1
	Nodes       []NodeGroup
	Consensus   Consensus
	Topology    Topology
	Relay       string // relay: inventory (default) or flood
	Load        []Load
	Faults      []Fault
	Expect      []Expect
	// Duration is the length of the schedule: load and faults happen in it, settling follows. duration: required, at
	// most MaxDuration.
	Duration time.Duration
	// Placed is true when the nodes are there already, see Place.
	Placed bool

	// Settle bounds the time after the schedule in which all nodes must agree and go on. settle: default 30s.
	Settle time.Duration
}

// NodeGroup is `- {name: miner, count: 6, mine: 200/s}`: Count nodes named miner-1 ... miner-6, whose role is "miner".
type NodeGroup struct {
	Name  string  // name: required; [a-z0-9-], at most 32 bytes, unique
	Count int     // count: 1 or more; default 1
	Mine  float64 // mine: attempts per second of each node; default 0, does not mine
	// Names are the nodes' names where Place gave them; nil: numbered.
	Names []faults.NodeID
	Pos   strictyaml.Pos
}

// Consensus is the chain's rules: consensus: {pow: {block_interval: 2s}}.
type Consensus struct {
	Family        string         // "pow"
	BlockInterval time.Duration  // block_interval: default 2s; 100ms to 1h
	Pos           strictyaml.Pos // zero when the file has no consensus
}

// Topology is who connects to whom: one of full, ring, line, star, {random_regular: {degree: 4}}. Default:
// random_regular of degree 4, or full where there are at most 5 nodes.
type Topology struct {
	Kind   string // full, ring, line, star or random_regular
	Degree int    // of random_regular: 2 or more, default 4; else 0
	// PeerExchange lets nodes find others when they lose peers (`peer_exchange: false` beside the kind turns it off);
	// default true.
	PeerExchange bool
	// Default is true when the file names no kind; Kind then follows the number of nodes.
	Default bool
	Pos     strictyaml.Pos // zero when the file has no topology
}

// Load is transfers to be sent (a scenario file is read by Open and Parse): `- {transfers: 20/s, from: 5s, until: 80s}`.
type Load struct {
	Rate  float64       // transfers per second, over the whole testnet
	From  time.Duration // default 0
	Until time.Duration // default the duration
	Pos   strictyaml.Pos
}

// Fault is a scheduled fault and where it stands in the file.
type Fault struct {
	faults.Scheduled
	Pos strictyaml.Pos
	// Names says where the fault names each node or role.
	Names map[string]strictyaml.Pos
}

// Expect is an invariant to judge: `- agreement` or `- convergence: {within: 20s}`.
type Expect struct {
	Name   string
	Params []Param
	Pos    strictyaml.Pos
}

// Param is one parameter of an Expect, its value as written.
type Param struct {
	Name  string
	Value string
	Pos   strictyaml.Pos
}

// Limits of a scenario.
const (
	MaxNodes = 100_000   // nodes of a testnet
	MaxEdges = 1_000_000 // edges of a topology

	// MaxDuration is the longest duration, settle time and block interval that make sense.
	MaxDuration = 7 * 24 * time.Hour
	// MaxMine is the highest rate of one miner, in attempts per second.
	MaxMine = 10_000_000
	// MaxTransfers is the highest rate of one load, in transfers per second.
	MaxTransfers = 100_000
)

// ErrorAt returns an Error about a place in the spec's file, with an excerpt. It is for those who find mistakes that
// this package cannot know of, such as an unknown invariant.
func (s *Spec) ErrorAt(pos strictyaml.Pos, msg, hint string) *strictyaml.Error {
	return strictyaml.ErrorAt(s.File, s.Source, pos, msg, hint)
}
