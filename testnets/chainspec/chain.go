package chainspec

import (
	"time"

	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// Chain is a chain file: how to build, prepare, start, ask and judge one kind of node. Every field's YAML key, meaning
// and default is given here. Texts are templates (see Text), queries are jq (see Query).
type Chain struct {
	// File is where the chain came from, for messages: a path, or ChainPrefix and the name of a ready one.
	File string
	// Source is the text that was decoded, byte for byte.
	Source []byte

	Name        string    // name: required; [a-z0-9-], at most 40 bytes
	Description string    // description: one or two sentences
	Image       ImageSpec // image: required
	// Keys are the named keys that every node has, derived from the seed. keys: optional.
	Keys map[string]KeyKind
	// KeyNames are the names of Keys in the order of the file.
	KeyNames []string
	Prepare  []Step // prepare: steps before any node starts, in order; optional
	Start    Start  // start: required
	// Ports are the named ports on which every node listens, 1 to 65535. ports: required.
	Ports map[string]int
	// Ready tells when a node is ready; nil: as soon as Observe.Height answers. ready: optional.
	Ready *Ready
	// Peers is how nodes are told of each other after the start. peers: default topology, which leaves it to start.
	Peers Peers
	// FirstBlock is how every node gets the first block before the nodes are told of each other; nil: none does.
	// first_block: optional.
	FirstBlock *FirstBlock
	// WarmUp makes the blocks that must be there before anything is measured, in order, once nodes are told of each other.
	// warm_up: optional.
	WarmUp []WarmUp
	RPC    RPC // rpc: required
	// Calls are the requests that can be made, by name. calls: required.
	Calls   map[string]Call
	Observe Observe // observe: required
	Act     Act     // act: optional
	Facts   Facts   // facts: required
	// Wallet is what people need to use a testnet that stays up; nil: nothing. wallet: optional.
	Wallet *Wallet
}

// ImageSpec is where a node's image comes from. Exactly one of Go, Binary, Ref and Dockerfile is set.
type ImageSpec struct {
	// Go is a program as `go install` names it, "MODULE/cmd@VERSION". go:
	Go string
	// LDFlags are flags for the linker. ldflags: optional, with go only.
	LDFlags string
	// Binary is a program file on this host. A path that is not absolute begins where the chain file is. binary:
	Binary string
	// Ref is an image that the engine has. ref:
	Ref string
	// Dockerfile is a file on this host, its path as Binary's. dockerfile:
	Dockerfile string
	Pos        strictyaml.Pos
}

// KeyKind is what a named key is.
type KeyKind string

// The kinds of keys.
const (
	KeyEd25519   KeyKind = "ed25519"
	KeySecp256k1 KeyKind = "secp256k1"
	KeyRandom    KeyKind = "random" // 32 bytes of no structure
)

// Step is a command in a throw-away container of the chain's image that has no network.
type Step struct {
	Run []Text // run: arguments after the image's entry point; required
	// EachNode repeats the step for every node, with .Node set. each: node; default: once.
	EachNode bool
	Files    []File    // files: put there before, by absolute path; optional
	Capture  []Capture // capture: what later templates may use; optional
	// Keep lists absolute paths; files at and below them go into the node's own file system before it starts, into every
	// node's where the step runs once. keep: optional.
	Keep []string
	Pos  strictyaml.Pos
}

// File is a file to be written: `/path: text`.
type File struct {
	Path string // absolute and clean
	Text Text
	Pos  strictyaml.Pos
}

// Capture is an output of a step, later .captured.Name, or .Node.captured.Name where the step runs for each node.
type Capture struct {
	Name string
	// File is the absolute path of a file to read, Stdout the other choice: the trimmed standard output. file:, stdout:
	// true; exactly one of them.
	File   string
	Stdout bool
	// JQ, if not nil, is applied to the text read as JSON and must give a string or number. jq: optional.
	JQ *Query
	// Match, if not nil, is what to take of the text: the first match, or its group where it has one. match: optional,
	// not with jq.
	Match *Pattern
	// Public says that what is captured may be shown. public: true; default: it is a secret, as keys and cookies are.
	Public bool
	Pos    strictyaml.Pos
}

// Start is how a node is started.
type Start struct {
	Args  []Arg  // args: after the image's entry point; optional
	Env   []Text // env: "NAME=VALUE"; optional
	Files []File // files: by absolute path; optional
	// Sysctls are settings of the node's own network stack, "net.ipv4.tcp_retries2" and the like. sysctls: optional.
	Sysctls map[string]string
	Pos     strictyaml.Pos
}

// The nodes for which an Arg is repeated.
const (
	ForPeers     = "peers"     // the peers of the node by topology
	ForNodes     = "nodes"     // all nodes
	ForProducers = "producers" // the nodes that make blocks
)

// Arg is an argument, or one for each of several nodes: `{for: peers, arg: T}`.
type Arg struct {
	// For is empty or ForPeers, ForNodes or ForProducers: the text is rendered for each of these with .Peer set. for:
	For  string
	Text Text // arg:
	Pos  strictyaml.Pos
}

// Ready is how to find that a node is ready: the query gives true, or anything but false and null.
type Ready struct {
	Calls []CallRef // call: a name or a list; required
	JQ    Query     // jq: required
	Pos   strictyaml.Pos
}

// Peers is how nodes are told of each other.
type Peers struct {
	// Calls are made at each node once for each of its peers, with .Peer set, when the nodes are ready; empty: the
	// node's arguments and files already say it. `peers: topology` or `peers: {call: NAME}`.
	Calls []CallRef
	Pos   strictyaml.Pos
}

// FirstBlock is for nodes that take themselves for out of date, and believe hardly anybody, while they have no recent block:
// the first producer makes one, or the first node where nobody produces, and all others are given it.
type FirstBlock struct {
	Make []CallRef // make: a name or a list; the last call's result is the block; required
	Give []CallRef // give: a name or a list, with that result as .Last; required
	Pos  strictyaml.Pos
}

// WarmUp is calls that make a block. The next is made when all nodes have as high a chain as the maker.
type WarmUp struct {
	Calls []CallRef // call: a name or a list; required
	Times int       // times: how often each maker does it, 1 to 1000; default 1
	// EachNode repeats the calls at every node in turn. each: node; default: once, at the first producer.
	EachNode bool
	Pos      strictyaml.Pos
}

// The kinds of RPC.
const (
	HTTPGet  = "http-get"
	JSONRPC1 = "jsonrpc1"
	JSONRPC2 = "jsonrpc2"
)

// RPC is how to talk to a node.
type RPC struct {
	Kind string // kind: http-get, jsonrpc1 or jsonrpc2; required
	Port string // port: a name of Ports; default rpc
	Path string // path: of every request, before the call's own; default /
	// SelfSigned asks for TLS and takes the node's certificate as it is. tls: self-signed; default: no TLS.
	SelfSigned bool
	Basic      *Basic // basic: optional
	Bearer     *Text  // bearer: token; optional, not with basic
	Pos        strictyaml.Pos
}

// Basic is HTTP's basic authentication.
type Basic struct {
	User     Text // user: required
	Password Text // password: required
}

// Call is a request. With http-get it has a path, and is a POST where there are parameters; with JSON-RPC it has a method
// and parameters.
type Call struct {
	Name   string
	Method string // method: of JSON-RPC; required there
	// Params are the parameters, a list or a mapping whose strings are templates; nil: none. With http-get they
	// are the body of a POST, as JSON. params: optional.
	Params *Value
	Path   *Text // path: path and query of http-get; required there
	Pos    strictyaml.Pos
}

// CallRef names a call.
type CallRef struct {
	Name string
	Pos  strictyaml.Pos
}

// Observe is what a node is asked again and again.
type Observe struct {
	Height Observation // height: number of the head; required
	Head   Observation // head: hash of the head; required
	Block  BlockObservation
	// Finalized is the height that can no longer change. finalized: optional.
	Finalized *Observation
	// Peers is the number of connected peers. peers: optional.
	Peers *Observation
	// Genesis is how the node's chain begins, any value; nodes of one network give the same. genesis: optional, for nodes
	// that cannot be asked for a block at height 0.
	Genesis *Observation
	// Arrival is how nodes tell by themselves that a block came, which gives its time better than asking can. arrival:
	// optional.
	Arrival *Arrival
	// Every is how often nodes are asked. every: 10ms to 1m; default 100ms.
	Every time.Duration
	Pos   strictyaml.Pos
}

// Observation is a query over the result of a call. Where there are several calls they are made in turn, and the result
// of one is .Last in the next one's templates.
type Observation struct {
	Calls []CallRef // call: a name or a list; required
	JQ    Query     // jq: required
	Pos   strictyaml.Pos
}

// BlockObservation is a block, asked for as an Observation is; all queries read the last call's result.
type BlockObservation struct {
	Calls    []CallRef // call: a name or a list; required
	Hash     Query     // hash: required
	Parent   Query     // parent: hash of the block before; required
	Time     Query     // time: unix seconds or RFC 3339; required
	Proposer *Query    // proposer: optional
	Txs      *Query    // txs: list of the transactions' ids; optional
	Pos      strictyaml.Pos
	// ByHash is true where the calls use .Hash: then blocks are asked for from the head down, parent by parent. Otherwise
	// the calls have .Height alone.
	ByHash bool
}

// Act is what a node can be told to do.
type Act struct {
	// Submit sends a transaction. Its calls have .Nonce, .From, .To, .Amount and, if there is a Tx, .Tx. submit:
	// optional.
	Submit *Action
	// Tx is the text of the transaction, for calls that need one. It has what Submit has. tx: optional.
	Tx *Text
	// Coins is what a node can spend, of chains with Bitcoin's transactions: Submit then has a signed one as .Tx. coins:
	// optional, not with tx.
	Coins *Coins
	// MakeBlock makes the node make a block. make_block: optional; without it, blocks come by themselves.
	MakeBlock *Action
	// Leader names the node that is to make the next block: the address or public half of one of its keys, or its name.
	// leader: optional; without it, nobody knows beforehand.
	Leader *Observation
	Pos    strictyaml.Pos
}

// Action is a call, or several in turn as in an Observation.
type Action struct {
	Calls []CallRef // call: a name or a list; required
	// JQ gives the transaction's id from the last call's result; nil: the result is the id. jq: optional.
	JQ  *Query
	Pos strictyaml.Pos
}

// Coins asks a node what its account can spend, once: what comes back of a transaction is spent in its turn. A transaction
// spends one of them to pay another node's account, both by the hashes of public keys (P2PKH).
type Coins struct {
	Key   string    // key: a secp256k1 key of Keys, whose holder a node is; required
	Calls []CallRef // call: a name or a list; required
	// JQ gives a list of unspent outputs: {id, output, amount, script}, the transaction's id as others write it, the
	// output's number, its amount in the least unit and its script in hex. Those that pay others are left out. jq: required.
	JQ Query
	// Fee is what each transaction leaves to the miner, in the least unit. fee: 0 to 10^9, default 0.
	Fee int
	Pos strictyaml.Pos
}

// The families of consensus.
const (
	FamilyPoW = "pow" // proof of work
	FamilyBFT = "bft" // Byzantine fault tolerance
	FamilyPoA = "poa" // proof of authority
)

// Facts is what the chain's consensus promises. Which invariants apply follows from these.
type Facts struct {
	Family string // family: pow, bft or poa; required
	// Quorum is the share of all power that a component must exceed to make blocks. quorum: 0 or more and less than 1,
	// as a number or a fraction such as 2/3; required.
	Quorum float64
	// ForkDepth is the most blocks that a reorganisation of an undivided network may drop; 0: final at once.
	// fork_depth: 0 to 1000000; required.
	ForkDepth int
	// BlockInterval is the time between blocks where the chain fixes it; 0: the scenario's. block_interval: optional,
	// 100ms to 1h.
	BlockInterval time.Duration
	// BlockIntervalStep is what the scenario's time between blocks is rounded up to a multiple of, for chains that count
	// in whole seconds, say; 0: any time will do. block_interval_step: optional, 1ms to 1h, not with block_interval.
	BlockIntervalStep time.Duration
	// EqualVotes says that producers have one vote each, whatever power the scenario gives them. votes: power, the default,
	// or equal.
	EqualVotes bool
	// MaxProducers is how many nodes may make blocks: of a scenario that has more, the first ones do; 0: any number.
	// max_producers: optional, 1 to 10000.
	MaxProducers int
	Pos          strictyaml.Pos
}
