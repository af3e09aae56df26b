package chainspec

import (
	"regexp"
	"time"

	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// Chain is a chain file: how to build, prepare, start and observe one kind of node, and what its consensus promises. The tags
// of these types are the grammar of the file: package strictyaml decodes by them, and schema.json and the reference table in
// docs/your-own-node.md are generated from them (go generate). doc says what a key means; absent says what counts without it.
type Chain struct {
	// File is where the chain came from, for messages: a path, or ReadyPrefix and the name of a ready one.
	File string
	// Source is the text that was decoded, byte for byte.
	Source []byte

	Name        string             `yaml:"name,required" pattern:"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$" hint:"use a-z, 0-9 and -, at most 40 characters, for example my-chain" doc:"name of the chain: a-z, 0-9 and -, at most 40 characters"`
	Description string             `yaml:"description" doc:"one or two sentences" absent:"none"`
	Image       ImageSpec          `yaml:"image,required" doc:"where the node's image comes from: exactly one of go, binary, ref and dockerfile"`
	Keys        map[string]KeyKind `yaml:"keys" enum:"ed25519,secp256k1,random" doc:"named keys that every node has, derived from the seed; random is 32 bytes" absent:"none"`
	// KeyNames are the names of Keys in the order of the file.
	KeyNames   []string
	Prepare    []Step          `yaml:"prepare" item:"a step" max:"100" doc:"commands that run before any node starts, in order, each in a throw-away container of the chain's image without a network, for at most two minutes" absent:"none"`
	Start      Start           `yaml:"start,required" doc:"how a node is started"`
	Ports      map[string]int  `yaml:"ports,required,nonempty" min:"1" max:"65535" hint:"for example: ports: {p2p: 18555, rpc: 18556}" doc:"named ports on which every node listens"`
	Ready      *Ready          `yaml:"ready" doc:"when a node is ready" absent:"as soon as observe.height answers"`
	Peers      Peers           `yaml:"peers" doc:"how peers are connected after the start: topology, by the node's own arguments and files; or {call}, calls made at each node once for each of its peers, with .Peer set, when the nodes are ready" absent:"topology"`
	FirstBlock *FirstBlock     `yaml:"first_block" doc:"how every node gets the first block before peers are connected; for nodes that do not believe their peers while they have no recent block" absent:"none"`
	WarmUp     []WarmUp        `yaml:"warm_up" item:"a step of warm_up" max:"100" doc:"calls that make the blocks which must exist before anything is measured, in order, once peers are connected; for coins that must mature, say" absent:"none"`
	RPC        RPC             `yaml:"rpc,required" doc:"how to talk to a node"`
	Calls      map[string]Call `yaml:"calls,required,nonempty" hint:"for example: calls: {status: {method: getinfo}}" doc:"the requests that can be made, by name"`
	Observe    Observe         `yaml:"observe,required" doc:"what is read from every node"`
	Act        Act             `yaml:"act" doc:"what a node can be made to do" absent:"nothing"`
	Facts      Facts           `yaml:"facts,required" doc:"what the consensus promises; invariants are judged by nothing else"`
	Wallet     *Wallet         `yaml:"wallet" doc:"texts about each node that up prints for people who use the testnet" absent:"nothing"`
}

// ImageSpec is where a node's image comes from. Exactly one of Go, Binary, Ref and Dockerfile is set. Relative paths begin
// where the chain file is.
type ImageSpec struct {
	Go         string `yaml:"go" pattern:"^[A-Za-z0-9][A-Za-z0-9._~/+-]*@[A-Za-z0-9][A-Za-z0-9.+_-]*$" hint:"write it as for go install, with a version: go: example.org/module/cmd/node@v1.2.3" doc:"a Go program, MODULE/cmd@VERSION, built with the Go of this host, CGO off"`
	LDFlags    string `yaml:"ldflags" doc:"flags for the linker, with go only: -s, -w, -X NAME=VALUE, -buildid=TEXT, -checklinkname=0, -compressdwarf=false" absent:"none"`
	Binary     string `yaml:"binary" pattern:"^.{1,999}$" hint:"give the path of a program, relative to the chain file" doc:"a program on this host; the libraries that it needs are included"`
	Ref        string `yaml:"ref" pattern:"^[A-Za-z0-9][A-Za-z0-9._/:@+-]*$" hint:"give an image as the engine names it: ref: example/node:v1.2" doc:"an image that the engine has"`
	Dockerfile string `yaml:"dockerfile" pattern:"^.{1,999}$" hint:"give the path of a Dockerfile, relative to the chain file" doc:"a Dockerfile on this host"`
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
	Run      []Text   `yaml:"run,required,nonempty" item:"an argument" hint:"for example: run: [init, --home, /data]" doc:"arguments after the image's entry point"`
	EachNode bool     `yaml:"each" enum:"node" doc:"node repeats the step for every node, with .Node set" absent:"once"`
	Files    Files    `yaml:"files" doc:"files written before the step, /path: text" absent:"none"`
	Capture  Captures `yaml:"capture" doc:"values for later templates, NAME: {file} or NAME: {stdout: true}; then .captured.NAME, or .Node.captured.NAME with each: node" absent:"none"`
	Keep     Paths    `yaml:"keep" doc:"absolute paths whose files go into the node's own file system before it starts, into every node's where the step runs once" absent:"none"`
	Pos      strictyaml.Pos
}

// Files are files to be written.
type Files []File

// File is a file to be written: `/path: text`.
type File struct {
	Path string // absolute and clean
	Text Text
	Pos  strictyaml.Pos
}

// Paths are absolute and clean paths.
type Paths []string

// Captures are the outputs of a step in the order of the file.
type Captures []Capture

// Capture is an output of a step. Exactly one of File and Stdout is set.
type Capture struct {
	Name   string
	File   string   `yaml:"file" doc:"the absolute path of a file to read"`
	Stdout bool     `yaml:"stdout" doc:"true: the standard output, without spaces around it"`
	JQ     *Query   `yaml:"jq" doc:"applied to the text read as JSON; gives a text or number" absent:"the whole text"`
	Match  *Pattern `yaml:"match" doc:"a regular expression: the first match is taken, or its group if it has one; not with jq" absent:"the whole text"`
	Public bool     `yaml:"public" doc:"true shows the value in logs and messages" absent:"hidden, unless it is a number or has fewer than 8 characters"`
	Pos    strictyaml.Pos
}

// Start is how a node is started.
type Start struct {
	Args    []Arg   `yaml:"args" item:"an argument" doc:"arguments after the image's entry point" absent:"none"`
	Env     Env     `yaml:"env" doc:"environment: a list of NAME=VALUE, or a mapping NAME: value" absent:"none"`
	Files   Files   `yaml:"files" doc:"files written before the first start, /path: text" absent:"none"`
	Sysctls Sysctls `yaml:"sysctls" doc:"settings of the node's own network stack, such as net.ipv4.tcp_retries2: 6" absent:"those of the host"`
	Memory  Memory  `yaml:"memory" doc:"the most memory that a node may have, 16MiB to 1024GiB, such as 2GiB; the kernel kills one that needs more" absent:"1GiB"`
	Pos     strictyaml.Pos
}

// Env is a list of texts "NAME=VALUE".
type Env []Text

// Sysctls are settings of a network stack, by names such as net.ipv4.tcp_retries2.
type Sysctls map[string]string

// Memory is an amount of memory in bytes; 0: none is said.
type Memory int64

// The nodes for which an Arg is repeated.
const (
	ForPeers     = "peers"     // the peers of the node by topology
	ForNodes     = "nodes"     // all nodes
	ForProducers = "producers" // the nodes that make blocks
)

// Arg is an argument, or one for each of a set of nodes: `{for: peers, arg: T}`.
type Arg struct {
	For  string `yaml:"for,required" enum:"peers,nodes,producers" doc:"repeats the argument for each of these nodes, with .Peer set"` // empty: once
	Text Text   `yaml:"arg,required" doc:"the repeated argument"`
	Pos  strictyaml.Pos
}

// Ready is how to find that a node is ready.
type Ready struct {
	Calls CallRefs `yaml:"call,required" doc:"a call, or a list of them"`
	JQ    Query    `yaml:"jq,required" doc:"gives neither false nor null when the node is ready"`
	Pos   strictyaml.Pos
}

// Peers is how peers are connected.
type Peers struct {
	// Calls are made at each node once for each of its peers; empty: the node's arguments and files already say it.
	Calls CallRefs `yaml:"call,required" doc:"a call, or a list of them"`
	Pos   strictyaml.Pos
}

// FirstBlock is how all nodes get the same first block: the first producer makes it, or the first node where there is none.
type FirstBlock struct {
	Make CallRefs `yaml:"make,required" doc:"calls at the first producer; the last result is the block"`
	Give CallRefs `yaml:"give,required" doc:"calls at every other node, with the block as .Last"`
	Pos  strictyaml.Pos
}

// WarmUp is calls that make a block. The next is made when all nodes are as high as the maker.
type WarmUp struct {
	Calls    CallRefs `yaml:"call,required" doc:"a call that makes a block, or a list of calls"`
	EachNode bool     `yaml:"each" enum:"node" doc:"node: at every node in turn" absent:"once, at the first producer"`
	Times    int      `yaml:"times" min:"1" max:"1000" default:"1" doc:"how often each node does it"`
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
	Kind       string `yaml:"kind,required" enum:"http-get,jsonrpc1,jsonrpc2" doc:"the protocol"`
	Port       string `yaml:"port" default:"rpc" doc:"a name of ports"`
	Path       string `yaml:"path" pattern:"^/[!-~]{0,999}$" hint:"begin with /" default:"/" doc:"path of every request, before the call's own"`
	SelfSigned bool   `yaml:"tls" enum:"self-signed" doc:"self-signed: TLS, with any certificate" absent:"plain HTTP"`
	Basic      *Basic `yaml:"basic" doc:"basic authentication" absent:"none"`
	Bearer     *Text  `yaml:"bearer" secret:"true" doc:"a token; not with basic" absent:"none"`
	Pos        strictyaml.Pos
}

// Basic is HTTP's basic authentication.
type Basic struct {
	User     Text `yaml:"user,required" secret:"true" doc:"the user's name"`
	Password Text `yaml:"password,required" secret:"true" doc:"the password"`
}

// Call is a request. With http-get it has a path, and is a POST where there are parameters; with JSON-RPC it has a method
// and parameters.
type Call struct {
	Name   string
	Method string `yaml:"method" pattern:"^.+$" hint:"give the method's name" doc:"the method; with JSON-RPC"`
	// Params is nil where there are none.
	Params *Value `yaml:"params" doc:"a list or a mapping; texts in it are templates, and one that is a single template with int, such as {{int .Height}}, becomes a number; with http-get the body of a POST, as JSON" absent:"none"`
	Path   *Text  `yaml:"path" doc:"path and query of the request; with http-get"`
	Pos    strictyaml.Pos
}

// CallRefs names calls that are made one after the other; the result of one is .Last in the next one's templates.
type CallRefs []CallRef

// CallRef names a call.
type CallRef struct {
	Name string
	Pos  strictyaml.Pos
}

// Observe is what is read from every node.
type Observe struct {
	Height    Observation      `yaml:"height,required" doc:"number of the head"`
	Head      Observation      `yaml:"head,required" doc:"hash of the head"`
	Block     BlockObservation `yaml:"block,required" doc:"the block at .Height; where a call uses .Hash, blocks are queried by hash, from the head down"`
	Finalized *Observation     `yaml:"finalized" doc:"height that can no longer change (agreement fails when it decreases or a block at or below it is replaced); null: none yet" absent:"none"`
	Peers     *Observation     `yaml:"peers" doc:"number of connected peers" absent:"none"`
	Genesis   *Observation     `yaml:"genesis" doc:"any value that nodes of one network share; for nodes that do not return a block at height 0" absent:"the block at height 0"`
	Arrival   *Arrival         `yaml:"arrival" doc:"notifications of new blocks; they give times that polling cannot" absent:"none: new blocks are found by polling alone"`
	Every     time.Duration    `yaml:"every" min:"10ms" max:"1m" default:"100ms" doc:"time between two polls of a node, 10ms to 1m; propagation is measured to about this, or exactly with arrival"`
	Pos       strictyaml.Pos
}

// Observation is a query over the result of calls.
type Observation struct {
	Calls CallRefs `yaml:"call,required" doc:"a call, or a list of them"`
	JQ    Query    `yaml:"jq,required" doc:"a jq expression over the last result"`
	Pos   strictyaml.Pos
}

// BlockObservation is a block; all queries read the last call's result.
type BlockObservation struct {
	Calls    CallRefs `yaml:"call,required" doc:"a call, or a list of them"`
	Hash     Query    `yaml:"hash,required" doc:"jq: hash of the block"`
	Parent   Query    `yaml:"parent,required" doc:"jq: hash of the block before"`
	Time     Query    `yaml:"time,required" doc:"jq: unix seconds or RFC 3339"`
	Proposer *Query   `yaml:"proposer" doc:"jq: who made the block" absent:"none"`
	Txs      *Query   `yaml:"txs" doc:"jq: list of the transactions' ids" absent:"none"`
	Pos      strictyaml.Pos
	// ByHash is true where the calls use .Hash: blocks are then queried from the head down, parent by parent.
	ByHash bool
}

// Arrival is how nodes report new blocks. Exactly one of Log and Websocket is set.
type Arrival struct {
	Log       *LogArrival       `yaml:"log" doc:"blocks in what a node prints"`
	Websocket *WebsocketArrival `yaml:"websocket" doc:"a subscription; authentication and TLS are those of rpc"`
	Pos       strictyaml.Pos
}

// LogArrival finds blocks in what nodes print.
type LogArrival struct {
	Source string `yaml:"pattern,required" doc:"a regular expression (RE2, at most 1024 bytes) with a group named hash, height or both, such as (?P<height>[0-9]+); a line that matches dates the block"`
	Pos    strictyaml.Pos
	re     *regexp.Regexp
}

// WebsocketArrival finds blocks in what nodes send to a subscriber.
type WebsocketArrival struct {
	Port string `yaml:"port" doc:"a name of ports" absent:"that of rpc"`
	Path string `yaml:"path" pattern:"^/[A-Za-z0-9._~/?&=%-]{0,999}$" hint:"for example: path: /websocket" default:"/" doc:"path of the subscription"`
	Send Texts  `yaml:"send" doc:"a text, or a list of them, sent once connected" absent:"nothing"`
	// Hash and Height are applied to every message; null means that the message is about no block.
	Hash   *Query `yaml:"hash" doc:"jq over a message: hash of the block, null if there is none; hash, height or both" absent:"none"`
	Height *Query `yaml:"height" doc:"jq over a message: height of the block, null if there is none" absent:"none"`
	Pos    strictyaml.Pos
}

// Act is what a node can be made to do.
type Act struct {
	// Submit sends a transaction. Its calls have .Nonce, .From, .To, .Amount and, if there is a Tx or Coins, .Tx.
	Submit    *Action      `yaml:"submit" doc:"sends a transaction; jq gives its id as observe.block.txs lists it" absent:"none: inclusion is NOT APPLICABLE"`
	Tx        *Text        `yaml:"tx" doc:"text of the transaction, .Tx for act.submit" absent:"none"`
	Coins     *Coins       `yaml:"coins" doc:"what a node's account can spend, of chains with Bitcoin's transactions: netsplit signs a transaction that spends one of them by P2PKH, .Tx for act.submit in hex; not with tx" absent:"none"`
	MakeBlock *BlockAction `yaml:"make_block" doc:"makes a block; netsplit then decides when, and the run ends where a reply comes and no block" absent:"blocks are made by the nodes themselves"`
	Leader    *Observation `yaml:"leader" doc:"who is to make the next block, as a node sees it: the address or public half (hex, base64) of one of its keys, or its name; status shows it" absent:"none"`
	Pos       strictyaml.Pos
}

// Action is calls that send a transaction.
type Action struct {
	Calls CallRefs `yaml:"call,required" doc:"a call, or a list of them"`
	JQ    *Query   `yaml:"jq" doc:"the transaction's id" absent:"the result is the id"`
	Pos   strictyaml.Pos
}

// BlockAction is calls that make a block.
type BlockAction struct {
	Calls CallRefs `yaml:"call,required" doc:"a call, or a list of them"`
	Pos   strictyaml.Pos
}

// Coins is how to find what a node's account can spend. Each output is spent once, and change is spent in its turn.
type Coins struct {
	Key   string   `yaml:"key,required" doc:"a secp256k1 key of keys, the account"`
	Calls CallRefs `yaml:"call,required" doc:"a call, or a list of them"`
	JQ    Query    `yaml:"jq,required" doc:"a list of unspent outputs {id, output, amount, script}: the transaction's id, the output's number, the amount in the least unit, the script in hex; outputs that pay others are left out"`
	Fee   int      `yaml:"fee" min:"0" max:"1000000000" default:"0" doc:"what each transaction leaves to the miner, in the least unit"`
	Pos   strictyaml.Pos
}

// Who has a vote, beside producers by their power.
const (
	VotesEqual = "equal"
	VotesAll   = "all"
)

// The families of consensus.
const (
	FamilyPoW = "pow" // proof of work
	FamilyBFT = "bft" // Byzantine fault tolerance
	FamilyPoA = "poa" // proof of authority
)

// Facts is what the chain's consensus promises. Which invariants apply follows from these.
type Facts struct {
	Family            string        `yaml:"family,required" enum:"pow,bft,poa" doc:"kind of consensus: proof of work, Byzantine fault tolerant, proof of authority"`
	Quorum            float64       `yaml:"quorum,required" doc:"a part of the network makes blocks with more than this share of the power: 0, 1/2, 2/3"`
	ForkDepth         int           `yaml:"fork_depth,required" min:"0" max:"1000000" doc:"most blocks that a reorganisation may drop while the network is whole; 0: final at once"`
	BlockInterval     time.Duration `yaml:"block_interval" min:"100ms" max:"1h" doc:"time between blocks, where the chain fixes it" absent:"that of the scenario"`
	BlockIntervalStep time.Duration `yaml:"block_interval_step" min:"1ms" max:"1h" doc:"the scenario's interval is rounded up to a multiple of this; not with block_interval" absent:"any"`
	RelayWithin       time.Duration `yaml:"relay_within" min:"1s" max:"10m" doc:"how long a transaction may stay with the node that it was submitted to before others have it: one that is killed sooner may take it along" absent:"10s"`
	Votes             string        `yaml:"votes" enum:"power,equal,all" doc:"equal: each producer has one vote, whatever its .Mine in the scenario; all: every node is a producer and has one" absent:"power"`
	MaxProducers      int           `yaml:"max_producers" min:"1" max:"10000" doc:"of a scenario with more producers only the first so many make blocks" absent:"all"` // 0: all
	Pos               strictyaml.Pos
}

// Wallet is what people need to use the chain of a testnet that stays up. Nil texts are absent; one at least is there.
type Wallet struct {
	ChainID    *Text `yaml:"chain_id" doc:"what wallets call the chain" absent:"none"`
	Account    *Text `yaml:"account" doc:"address of an account that the node has" absent:"none"`
	PrivateKey *Text `yaml:"private_key" secret:"true" doc:"the account's key as the chain's own tools take it; with account only" absent:"none"`
	Funds      *Text `yaml:"funds" doc:"what the account has; with account only" absent:"none"`
	Pos        strictyaml.Pos
}
