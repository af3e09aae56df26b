package testnets

import (
	"github.com/netsplit/netsplit/testnets/chainspec"
	"github.com/netsplit/netsplit/testnets/scenario"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// The names that importers still use; each goes away with its last use.
type (
	Error    = strictyaml.Error
	Pos      = strictyaml.Pos
	Spec     = scenario.Spec
	NodeInfo = scenario.NodeInfo
	Load     = scenario.Load
	Expect   = scenario.Expect
)

// See above.
var (
	Parse      = scenario.Parse
	ParseChain = chainspec.Parse
)

// See above.
type (
	Chain            = chainspec.Chain
	ImageSpec        = chainspec.ImageSpec
	Query            = chainspec.Query
	CallRef          = chainspec.CallRef
	Step             = chainspec.Step
	Capture          = chainspec.Capture
	Call             = chainspec.Call
	Text             = chainspec.Text
	RPC              = chainspec.RPC
	Observe          = chainspec.Observe
	Observation      = chainspec.Observation
	File             = chainspec.File
	Coins            = chainspec.Coins
	BlockObservation = chainspec.BlockObservation
	Arg              = chainspec.Arg
	Act              = chainspec.Act
	KeyKind          = chainspec.KeyKind
	Value            = chainspec.Value
	Facts            = chainspec.Facts
	Wallet           = chainspec.Wallet
	Peers            = chainspec.Peers
	Ready            = chainspec.Ready
	WarmUp           = chainspec.WarmUp
	FirstBlock       = chainspec.FirstBlock
	Action           = chainspec.Action
	Arrival          = chainspec.Arrival
	LogArrival       = chainspec.LogArrival
	WebsocketArrival = chainspec.WebsocketArrival
	Basic            = chainspec.Basic
	Start            = chainspec.Start
	Pattern          = chainspec.Pattern
)

// See above.
const (
	HTTPGet      = chainspec.HTTPGet
	JSONRPC1     = chainspec.JSONRPC1
	JSONRPC2     = chainspec.JSONRPC2
	FamilyBFT    = chainspec.FamilyBFT
	FamilyPoA    = chainspec.FamilyPoA
	FamilyPoW    = chainspec.FamilyPoW
	ForProducers = chainspec.ForProducers
	ForPeers     = chainspec.ForPeers
	ForNodes     = chainspec.ForNodes
	KeyEd25519   = chainspec.KeyEd25519
	KeySecp256k1 = chainspec.KeySecp256k1
	KeyRandom    = chainspec.KeyRandom
	ChainPrefix  = chainspec.ReadyPrefix
)
