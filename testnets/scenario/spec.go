package scenario

import (
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// Spec is a scenario: a testnet, what happens to it, and what must hold. The tags of the fields are the grammar of the file;
// see strictyaml.Decoder.Decode.
type Spec struct {
	// File is where the spec came from, for messages: a path or "catalog:split-brain".
	File string
	// Source is the text that was decoded, byte for byte.
	Source []byte

	Name        string        `yaml:"name,required" pattern:"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$" hint:"use a-z, 0-9 and -, at most 40 characters, for example slow-links"`
	Description string        `yaml:"description"`      // one or two sentences
	Seed        uint64        `yaml:"seed" default:"1"` // source of every random choice
	Nodes       []NodeGroup   `yaml:"nodes,required,nonempty" item:"a group of nodes" hint:"for example: nodes: [{name: miner, count: 3, mine: 100/s}]"`
	Consensus   Consensus     `yaml:"consensus"`
	Topology    Topology      `yaml:"topology"`
	Relay       string        `yaml:"relay" enum:"inventory,flood" default:"inventory"`
	Load        []Load        `yaml:"load" item:"a load"`
	Faults      []Fault       `yaml:"faults" item:"a fault"`
	Expect      []Expect      `yaml:"expect" item:"an expectation"`
	Duration    time.Duration `yaml:"duration,required" min:"1s" max:"168h"`    // length of the schedule: load and faults happen in it, settling follows
	Settle      time.Duration `yaml:"settle" min:"1s" max:"168h" default:"30s"` // limit of the time after the schedule in which all nodes must agree and make progress
	// Placed is true when the spec was put on nodes that run already; see Place.
	Placed bool
}

// NodeGroup is `- {name: miner, count: 6, mine: 200/s}`: Count nodes named miner-1 ... miner-6, whose role is "miner".
type NodeGroup struct {
	Name  string  `yaml:"name,required" pattern:"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$" hint:"use a-z, 0-9 and -, at most 32 characters, for example full-node"` // unique
	Count int     `yaml:"count" min:"1" max:"100000" default:"1"`
	Mine  float64 `yaml:"mine" unit:"/s" max:"10000000"` // attempts per second of each node; 0: does not mine
	// Adversary makes the nodes adversaries: the kinds of attack that each makes on its peers. nil: they are honest.
	Adversary Adversary `yaml:"adversary"`
	// Names are the nodes' names where Place gave them; nil: numbered.
	Names []faults.NodeID
	Pos   strictyaml.Pos
}

// Adversary lists kinds of attack: `all`, or a list of these words.
//
//	bad_signature       transfers that nobody signed, or that were signed for another network
//	bad_amount          transfers of nothing, or of an amount that overflows
//	overspend           transfers of more than the account holds
//	invalid_block       blocks with a proof of work and a wrong state root, version or height
//	invalid_side_block  a branch of such blocks that begins below the head and has more work
//	forged_block        blocks with a transfer that nobody signed, valid otherwise
//	resigned_block      a valid transfer, and blocks that hold it with another signature
//	replay_block        blocks with a transfer of the chain again, or with a nonce to come
//	double_spend_block  blocks with two transfers of one account with the same nonce
//	overspend_block     blocks with a transfer of more than the account holds, of nothing, or of an amount that overflows
//	mismatched_block    blocks with other transactions than the header commits to
//	old_block           blocks whose time is before the median of their ancestors
//	future_block        blocks whose time is a day ahead
//	mutated_block       a valid block that others do not have yet, with another body
//	low_work            blocks without the proof of work that they need
//	invalid_history     invalid blocks to a peer that catches up, after a claim of a longer chain
//	old_history         the same, with blocks that are as old as those in the middle of the chain
//	replay              blocks and transactions of the chain again
//	wrong_genesis       the handshake of another network
//	garbage             frames that are no message
//	oversized           frames that claim to be longer than is allowed
//	flood               many small messages that ask for an answer
type Adversary []string

// AdversaryKinds are the kinds of attack, in order; package behavior of the node implements them.
var AdversaryKinds = []string{
	"bad_signature", "bad_amount", "overspend", "invalid_block", "invalid_side_block", "forged_block", "resigned_block", "replay_block",
	"double_spend_block", "overspend_block", "mismatched_block", "old_block", "future_block", "mutated_block", "low_work",
	"invalid_history", "old_history", "silent_history", "empty_history", "broken_history", "edge_block", "replay", "wrong_genesis",
	"early_message", "garbage", "oversized", "flood",
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

// Load is transfers to be sent: `- {transfers: 20/s, from: 5s, until: 80s}`.
type Load struct {
	Rate  float64       `yaml:"transfers,required" unit:"/s" max:"100000"` // per second, over the whole testnet
	From  time.Duration `yaml:"from" min:"0s" max:"168h"`
	Until time.Duration `yaml:"until" min:"1ns" max:"168h"` // default the duration
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

// Limits of a scenario; those of single values are in the tags.
const (
	MaxNodes    = 100_000   // nodes of a testnet
	MaxEdges    = 1_000_000 // edges of a topology
	maxDuration = 7 * 24 * time.Hour
)

// ErrorAt returns an Error about a place in the spec's file, with an excerpt. It is for those who find mistakes that
// this package cannot know of, such as an unknown invariant.
func (s *Spec) ErrorAt(pos strictyaml.Pos, msg, hint string) *strictyaml.Error {
	return s.source().ErrorAt(pos, msg, hint)
}

func (s *Spec) source() *strictyaml.Source { return &strictyaml.Source{File: s.File, Text: s.Source} }
