package trace

import (
	"fmt"
	"time"
)

// NodeID is the name of a node in a testnet, for example "miner-3".
type NodeID string

// Hash is a block or transaction hash in lower-case hex, as the chain itself prints it.
type Hash string

// Kind says which of an Event's payloads is set.
type Kind string

// The kinds of event. Each names the one payload field that is set.
const (
	KindRun    Kind = "run"    // Run: the first event of every trace
	KindNode   Kind = "node"   // Lifecycle: a node came up, went down, was paused ...
	KindPeer   Kind = "peer"   // Peer: a connection between two nodes came up or went down
	KindBlock  Kind = "block"  // Block: a block's body, once per run, in any order
	KindSeen   Kind = "seen"   // Seen: a node accepted a block for the first time
	KindHead   Kind = "head"   // Head: a node's best block changed
	KindFinal  Kind = "final"  // Final: a node reported another final height
	KindAttack Kind = "attack" // Attack: an adversary sent what no honest node would
	KindSubmit Kind = "submit" // Submit: a transaction was submitted to a node
	KindFault  Kind = "fault"  // Fault: a fault window began, was active, ended
	KindProbe  Kind = "probe"  // Probe: links were measured
	KindStatus Kind = "status" // Status: a node was polled
	KindAnswer Kind = "answer" // Answer: what a node says of itself, to be compared with its log and with other nodes
	KindRefuse Kind = "refuse" // Refuse: a node refused what a peer sent
	KindPhase  Kind = "phase"  // Phase: the run entered a phase
	KindGap    Kind = "gap"    // Gap: part of the history is missing
	KindClock  Kind = "clock"  // Clock: the clock of a node was compared with the run's
	KindBusy   Kind = "busy"   // Busy: how punctual the machine that carries out the run was
	KindEnd    Kind = "end"    // End: the last event of a complete trace
)

// Event is one recorded thing that happened in a run. Exactly the payload that Kind names is non-nil.
type Event struct {
	// At is the run time in nanoseconds: zero when all nodes were connected and the schedule began; what came
	// before is negative.
	At   time.Duration `json:"at"`
	Kind Kind          `json:"kind"`
	// Node is the node that the event is about; empty for events of the whole run.
	Node NodeID `json:"node,omitempty"`
	// Ahead is by how much the time that the node gave the event was after the one at which it was received, by what is known of the
	// node's clock; At is the latter then. Left out below a second.
	Ahead time.Duration `json:"ahead,omitempty"`

	Run       *Run       `json:"run,omitempty"`
	Lifecycle *Lifecycle `json:"lifecycle,omitempty"`
	Peer      *Peer      `json:"peer,omitempty"`
	Block     *Block     `json:"block,omitempty"`
	Seen      *Seen      `json:"seen,omitempty"`
	Head      *Head      `json:"head,omitempty"`
	Final     *Final     `json:"final,omitempty"`
	Attack    *Attack    `json:"attack,omitempty"`
	Submit    *Submit    `json:"submit,omitempty"`
	Fault     *Fault     `json:"fault,omitempty"`
	Probe     *Probe     `json:"probe,omitempty"`
	Status    *Status    `json:"status,omitempty"`
	Answer    *Answer    `json:"answer,omitempty"`
	Refuse    *Refuse    `json:"refuse,omitempty"`
	Phase     *Phase     `json:"phase,omitempty"`
	Gap       *Gap       `json:"gap,omitempty"`
	Clock     *Clock     `json:"clock,omitempty"`
	Busy      *Busy      `json:"busy,omitempty"`
	End       *End       `json:"end,omitempty"`
}

// Format is the version of the format that this package writes, and the only one that it reads. It counts the changes after
// which a reader of the format before would misunderstand a trace: a new kind of event, a field that is renamed, removed or
// means something else. A new field that older readers may ignore leaves it as it is.
const Format = 3

// Run says what was run: enough to judge the trace without any other file.
type Run struct {
	Format   int       `json:"format"` // always Format
	Version  string    `json:"version"`
	ID       string    `json:"id"`
	Scenario string    `json:"scenario"`
	Seed     uint64    `json:"seed"`
	Runtime  string    `json:"runtime"`
	Started  time.Time `json:"started"`
	// Duration is the length of the scheduled part, without the settling after it.
	Duration time.Duration `json:"duration"`
	Nodes    []RunNode     `json:"nodes"`
	// Edges is the planned topology, each undirected edge once. When PeerExchange is true, nodes may connect to others too.
	Edges        [][2]NodeID   `json:"edges"`
	PeerExchange bool          `json:"peer_exchange"`
	Chain        Facts         `json:"chain"`
	Expect       []Expectation `json:"expect"`
	// Plan is what else the run was to do.
	Plan *Plan `json:"plan"`
}

// Plan is what a run is to do beside its nodes, with all random choices made. A run that went to its end has done it, so what
// a complete trace lacks of it was removed, or was never recorded.
type Plan struct {
	// Settle is the most time that settling may take.
	Settle time.Duration  `json:"settle"`
	Faults []PlannedFault `json:"faults,omitempty"`
	Load   []PlannedLoad  `json:"load,omitempty"`
	// ProbeLinks is the most links that one measurement takes in; of more, a random sample is measured.
	ProbeLinks int `json:"probe_links,omitempty"`
	// Reports are the kinds of event of which every node shows at least one: "head" (also the restored one), "peer" (where
	// the topology gives it a peer), and for a node that is up at the end "answer", and "status" for the poll then.
	Reports []Kind `json:"reports,omitempty"`
}

// PlannedFault is a fault of the schedule. Its events repeat ID, Kind, At, For, Rules and Nodes.
type PlannedFault struct {
	ID    string        `json:"id"`
	Kind  string        `json:"kind"`
	At    time.Duration `json:"at"`
	For   time.Duration `json:"for"`
	Rules []Rule        `json:"rules,omitempty"`
	Nodes []NodeID      `json:"nodes,omitempty"`
	// Stops are the nodes that it takes down or pauses, Starts those that it starts or resumes, at its begin or its end: the
	// trace has a lifecycle event of each that names the fault.
	Stops  []NodeID `json:"stops,omitempty"`
	Starts []NodeID `json:"starts,omitempty"`
	// Before, During and After are how often it is measured: by one probe event of its links each time, else by one status
	// event of each of its nodes.
	Before int `json:"before,omitempty"`
	During int `json:"during,omitempty"`
	After  int `json:"after,omitempty"`
}

// PlannedLoad is transfers at a steady rate.
type PlannedLoad struct {
	Rate  float64       `json:"rate"` // transfers a second
	From  time.Duration `json:"from"`
	Until time.Duration `json:"until"`
	// Submits is how many transfers that gives: the trace has a submit event of each.
	Submits int `json:"submits"`
}

// FormatError is a trace in a format that this package does not read.
type FormatError struct{ Format int }

// Error implements error.
func (e *FormatError) Error() string {
	hint := "judge it with the version that recorded it"
	if e.Format > Format {
		hint = "a newer version recorded it"
	}
	return fmt.Sprintf("the trace has format %d, this version of netsplit reads format %d: %s", e.Format, Format, hint)
}

// CheckFormat returns a *FormatError when the trace of this run has another format than Format.
func (r *Run) CheckFormat() error {
	if r.Format != Format {
		return &FormatError{r.Format}
	}
	return nil
}

// RunNode is one node of the testnet.
type RunNode struct {
	ID   NodeID `json:"id"`
	Role string `json:"role"`
	// Account is the account that the node mines to, in hex.
	Account string `json:"account"`
	// Mine is the node's block-making power: attempts per second of a miner, weight of a validator; zero for a node that
	// makes no blocks. Only its share of the sum matters.
	Mine float64 `json:"mine,omitempty"`
	Addr string  `json:"addr,omitempty"`
	// Adversary lists the kinds of attack that the node makes; empty: it is honest. Of an adversary, states and attacks alone
	// are recorded: nothing is expected of it, and what it says is no evidence.
	Adversary []string `json:"adversary,omitempty"`
}

// Facts states what the chain's consensus promises and how its nodes are observed. Checkers decide by these, never by the
// chain's name.
type Facts struct {
	Name string `json:"name"`
	// File is the path or name of the chain file as the user gave it; empty for netsplit's own chain.
	File          string        `json:"file,omitempty"`
	Family        string        `json:"family"` // "pow", "bft" or "poa"
	BlockInterval time.Duration `json:"block_interval"`
	// ForkDepth is the number of blocks a reorganisation may drop while the network is whole.
	ForkDepth int `json:"fork_depth"`
	// Quorum is the share of all block-making power that a component must exceed to make blocks: 0 where any power will
	// do (proof of work), 2/3 for Byzantine fault tolerance, 1/2 for clique.
	Quorum float64 `json:"quorum,omitempty"`
	// HalfLife is how far off schedule the chain must be for the difficulty of proof of work to double or halve, as aserti3-2d
	// has it; zero where the difficulty stays the same in a run.
	HalfLife time.Duration `json:"half_life,omitempty"`
	// Resolution is the interval at which nodes were polled; zero where nodes report events themselves.
	Resolution time.Duration `json:"resolution,omitempty"`
	// Measured is true where every seen event states how well its time is known (Seen.Within). Where it is false, any time may
	// be late by up to Resolution.
	Measured bool `json:"measured,omitempty"`
	// NoTxs is true where nodes do not show which transactions are in a block, NoSubmit where none can be submitted to them.
	NoTxs    bool `json:"no_txs,omitempty"`
	NoSubmit bool `json:"no_submit,omitempty"`
	// Genesis is the chain's own description of its genesis, as JSON, from which the validity checker re-executes all blocks;
	// nil where the chain has none that the checker can read.
	Genesis []byte `json:"genesis,omitempty"`
	// BanTime is for how long a node refuses connections of a peer that it has banned; zero where nodes do not ban, or do not
	// say so.
	BanTime time.Duration `json:"ban_time,omitempty"`
	// RelayWithin is how long a transaction may stay with the node that it was submitted to before others have it; zero where the
	// chain does not say. A node that goes down sooner may take it along.
	RelayWithin time.Duration `json:"relay_within,omitempty"`
	// Pace is the pace of a network that ran before netsplit was attached to it, as measured before run time 0; nil where the
	// scenario sets the interval. Where it is known, BlockInterval is its mean.
	Pace *Pace `json:"pace,omitempty"`
	// GenesisHash is the hash of block 0.
	GenesisHash Hash `json:"genesis_hash"`
}

// Pace is how fast the latest blocks of a chain came.
type Pace struct {
	Blocks int           `json:"blocks"` // the number of intervals
	Over   time.Duration `json:"over"`   // the time that they took
	Spread time.Duration `json:"spread"` // the standard deviation of one interval
}

// leastPace is how many blocks a pace is known from.
const leastPace = 10

// Known says whether enough blocks came to know the pace.
func (p *Pace) Known() bool { return p.Blocks >= leastPace && p.Interval() >= minBlocks }

// Interval is the mean interval, zero where no block came.
func (p *Pace) Interval() time.Duration { return p.Over / time.Duration(max(1, p.Blocks)) }

// Expectation is an invariant that the scenario expects to hold, with parameters as written in the scenario.
type Expectation struct {
	Name   string            `json:"name"`
	Params map[string]string `json:"params,omitempty"`
}

// State is what a node is doing.
type State string

// The states of a node. Nothing is expected of a node that is not up.
const (
	StateUp     State = "up"
	StateDown   State = "down"   // killed or stopped on purpose
	StatePaused State = "paused" // frozen on purpose
	StateDied   State = "died"   // exited unexpectedly
)

// Lifecycle is a change of a node's state.
type Lifecycle struct {
	State State `json:"state"`
	// Fault is the id of the fault that caused the change; empty at the start and the end of the run.
	Fault  string `json:"fault,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Peer is a connection that came up or went down, as seen by Event.Node.
type Peer struct {
	Peer   NodeID `json:"peer"`
	Up     bool   `json:"up"`
	Reason string `json:"reason,omitempty"`
	// Outbound, of a connection that came up: Event.Node dialled it.
	Outbound bool `json:"outbound,omitempty"`
	// Local, of a connection that went down: Event.Node closed it, for Reason.
	Local bool `json:"local,omitempty"`
}

// Refuse says that Event.Node refused what a peer sent: a message, a block or a transaction.
type Refuse struct {
	Peer   NodeID `json:"peer"`
	Hash   Hash   `json:"hash,omitempty"` // of the block or transaction
	Reason string `json:"reason,omitempty"`
	Banned bool   `json:"banned,omitempty"` // the peer is banned for a while
}

// Block is a block's content, recorded once per run.
type Block struct {
	Hash     Hash      `json:"hash"`
	Parent   Hash      `json:"parent"`
	Height   uint64    `json:"height"`
	Time     time.Time `json:"time"` // the header's own time
	Producer string    `json:"producer,omitempty"`
	Txs      []Hash    `json:"txs,omitempty"`
	// Raw is the chain's canonical encoding; nil where the chain has none that a checker can read.
	Raw []byte `json:"raw,omitempty"`
}

// Seen says that Event.Node accepted a block for the first time.
type Seen struct {
	Hash   Hash   `json:"hash"`
	Parent Hash   `json:"parent"`
	Height uint64 `json:"height"`
	// From is the peer that it came from; empty when the node made the block itself or read it from its own disk.
	From NodeID `json:"from,omitempty"`
	Made bool   `json:"made,omitempty"` // the node produced it
	// Sync is true when the node fetched the block while it caught up with others, or already had it at the first poll.
	Sync bool `json:"sync,omitempty"`
	// Within is the uncertainty of Event.At: the node accepted the block after At - Within and at At at the latest. For a
	// polled node it is the time since the previous poll; zero where the moment is known. See Facts.Measured.
	Within time.Duration `json:"within,omitempty"`
}

// Head says that Event.Node's best block changed from Old to Hash.
type Head struct {
	Hash   Hash   `json:"hash"`
	Height uint64 `json:"height"`
	Old    Hash   `json:"old,omitempty"`
	// Dropped is the number of blocks of the old chain that are not on the new one: the reorganisation's depth.
	Dropped int `json:"dropped,omitempty"`
	// Restored is true for the head that a node read from its disk when it started.
	Restored bool `json:"restored,omitempty"`
}

// Final is a change of the height up to which Event.Node reports its chain as final. A correct node never reports a lower
// height than before and never replaces a block at or below it.
type Final struct {
	Height uint64 `json:"height"`
	// Hash is the hash of the node's block at that height; empty where it is not known.
	Hash Hash `json:"hash,omitempty"`
}

// Attack says that Event.Node, an adversary, sent a peer what no honest node would.
type Attack struct {
	Kind string `json:"kind"`
	Peer NodeID `json:"peer"`
	// Hash is the hash of a block or transaction that no honest node may accept, unless Want is "accept"; empty where there is none.
	Hash Hash `json:"hash,omitempty"`
	// Want is what the peer must do: "ban" (disconnect, and refuse connections for Facts.BanTime), "disconnect", "ignore" (what came
	// before the handshake), "accept" (a valid block); empty: it need not notice.
	Want string `json:"want,omitempty"`
	// Reason is a part of the reason that a peer must give for the refusal; empty: any will do.
	Reason string `json:"reason,omitempty"`
}

// Submit is a transaction that was submitted to Event.Node.
type Submit struct {
	Tx    Hash   `json:"tx"`
	Error string `json:"error,omitempty"` // non-empty: the node refused it
	// Skipped is true for a planned transfer that was submitted to no node, because fewer than two were up. Event.Node and
	// Tx are empty then.
	Skipped bool `json:"skipped,omitempty"`
}

// FaultPhase is a point in the life of a fault window.
type FaultPhase string

// The phases of a fault, in order. Between Active and Healing the fault holds everywhere; between Begin and Active,
// and between Healing and Healed, links may be in either state.
const (
	FaultBegin   FaultPhase = "begin"   // about to be applied
	FaultActive  FaultPhase = "active"  // applied everywhere
	FaultHealing FaultPhase = "healing" // about to be taken away
	FaultHealed  FaultPhase = "healed"  // gone everywhere
)

// Fault is one phase of one fault window.
type Fault struct {
	ID    string     `json:"id"`   // "partition-1": kind and number in the schedule
	Kind  string     `json:"kind"` // "partition", "latency", "kill" ...
	Phase FaultPhase `json:"phase"`
	// Text describes the fault: "cut 5 nodes from 5 nodes".
	Text string `json:"text"`
	// PlannedAt and PlannedFor are when the schedule starts the fault and how long it holds; PlannedFor is 0 for a fault that
	// happens at one moment.
	PlannedAt  time.Duration `json:"planned_at"`
	PlannedFor time.Duration `json:"planned_for"`
	// Took is how long the engine needed to reach this phase; set on Active and Healed.
	Took time.Duration `json:"took,omitempty"`
	// Dropped and Delayed count the packets of the testnet's own traffic that the fault affected; set on Healed, -1 where the
	// engine cannot count.
	Dropped int64 `json:"dropped,omitempty"`
	Delayed int64 `json:"delayed,omitempty"`
	// Flushed counts delayed packets that were lost because another testnet on the host ended.
	Flushed int64 `json:"flushed,omitempty"`
	// Rules are the link rules of the fault; set on Begin. Nodes are the nodes that a node fault acts on.
	Rules []Rule   `json:"rules,omitempty"`
	Nodes []NodeID `json:"nodes,omitempty"`
}

// Rule applies to every link from a node in From to another node in To. Delay and Jitter are one way.
type Rule struct {
	From   []NodeID      `json:"from"`
	To     []NodeID      `json:"to"`
	Cut    bool          `json:"cut,omitempty"`
	Delay  time.Duration `json:"delay,omitempty"`
	Jitter time.Duration `json:"jitter,omitempty"`
}

// ProbePhase says when links were measured relative to a fault.
type ProbePhase string

// The probe phases.
const (
	ProbeBefore ProbePhase = "before"
	ProbeDuring ProbePhase = "during"
	ProbeAfter  ProbePhase = "after"
)

// Probe is one measurement of the links that a fault affects.
type Probe struct {
	Fault string     `json:"fault"`
	Phase ProbePhase `json:"phase"`
	// Total is the number of links that the fault affects; Links may be a sample of them when there are very many, see
	// Plan.ProbeLinks.
	Total int         `json:"total"`
	Links []LinkProbe `json:"links"`
	// Changed is how many links were measured and left out, because what the faults should do to them changed meanwhile.
	Changed int    `json:"changed,omitempty"`
	Error   string `json:"error,omitempty"` // non-empty: the measurement itself failed
	// Late is the most by which a packet was sent later than planned.
	Late time.Duration `json:"late,omitempty"`
}

// LinkProbe is what was measured on one directed link. Delays are one way.
type LinkProbe struct {
	From     NodeID        `json:"from"`
	To       NodeID        `json:"to"`
	Sent     int           `json:"sent"`
	Received int           `json:"received"`
	Min      time.Duration `json:"min,omitempty"`
	Median   time.Duration `json:"median,omitempty"`
	Max      time.Duration `json:"max,omitempty"`
	// Delays are those of all packets that arrived, in no particular order; of links whose delay should vary, and of those with
	// Overdue.
	Delays []time.Duration `json:"delays,omitempty"`
	// Overdue is by how much each of Delays is longer than it should be because the machine was late, as the engine that held
	// the packets measured when it released each; only of delayed links, and only where there is such an engine.
	Overdue []time.Duration `json:"overdue,omitempty"`
	// What all faults together should do to this link at that time.
	ExpectedCut    bool          `json:"expected_cut,omitempty"`
	ExpectedDelay  time.Duration `json:"expected_delay,omitempty"`
	ExpectedJitter time.Duration `json:"expected_jitter,omitempty"`
}

// Status is the result of a poll of a node. Counters count from the start of the node's process.
type Status struct {
	Head       Hash   `json:"head"`
	Height     uint64 `json:"height"`
	Peers      int    `json:"peers"`           // -1: not known
	Mempool    int    `json:"mempool"`         // -1: not known
	Final      bool   `json:"final,omitempty"` // the poll at the very end of the run
	Sent       uint64 `json:"sent,omitempty"`  // block and transaction messages sent
	Received   uint64 `json:"received,omitempty"`
	Duplicates uint64 `json:"duplicates,omitempty"`
	Error      string `json:"error,omitempty"` // non-empty: the node did not answer
	// Fault and Phase are set for a poll that measures what a fault did to the node.
	Fault string     `json:"fault,omitempty"`
	Phase ProbePhase `json:"phase,omitempty"`
	// Time is the node's own clock when it answered; zero: not known. What it shows is recorded as a Clock event.
	Time time.Time `json:"-"`
}

// Answer is what Event.Node answered about itself at one moment after Event.At. Fields that it does not show are empty.
type Answer struct {
	// Number counts the answers of the node, from 1.
	Number int `json:"number"`
	// Clock is the node's own clock when it gave its head and the number of its peers, the same clock as that of its log; Took
	// is how long all requests took together.
	Clock     time.Time     `json:"clock,omitzero"`
	Took      time.Duration `json:"took,omitempty"`
	Head      Hash          `json:"head,omitempty"`
	Height    uint64        `json:"height"`
	PeerCount int           `json:"peer_count"` // -1: not known
	// PeersClock is the node's clock when it listed its peers; zero: it does not.
	PeersClock time.Time    `json:"peers_clock,omitzero"`
	Peers      []PeerAnswer `json:"peers,omitempty"`
	// Counters are those of the moment of Clock; nil: it does not show them.
	Counters *Counters `json:"counters,omitempty"`
	// Blocks are blocks of its chain as it gave them by their heights, while its head did not change.
	Blocks []BlockAnswer `json:"blocks,omitempty"`
	// Mode is what it stated together with its head, at the moment of Clock; nil: it does not show that.
	Mode *ModeAnswer `json:"mode,omitempty"`
	// Account is an account and Tx a transaction as it gave them while its head did not change; nil: it was not polled for it, or its head
	// changed.
	Account *AccountAnswer `json:"account,omitempty"`
	Tx      *TxAnswer      `json:"tx,omitempty"`
	Error   string         `json:"error,omitempty"` // non-empty: it did not answer
}

// ModeAnswer is what a node says of its work.
type ModeAnswer struct {
	Work    string `json:"work,omitempty"` // total work of the chain of its head, in hex
	Pending int    `json:"pending"`        // transactions in its mempool
	Mining  bool   `json:"mining,omitempty"`
	Syncing bool   `json:"syncing,omitempty"` // it awaits history from a peer
}

// AccountAnswer is an account at the head of a node.
type AccountAnswer struct {
	Address string `json:"address"`
	Balance uint64 `json:"balance"`
	Nonce   uint64 `json:"nonce"`
}

// TxAnswer is what a node says of a transaction that was submitted.
type TxAnswer struct {
	Tx     Hash   `json:"tx"`
	Status string `json:"status"` // "unknown", "pending" or "included"
	// Block, Height and Confirmations are of one that is included; Confirmations is 1 where the block is the head.
	Block         Hash   `json:"block,omitempty"`
	Height        uint64 `json:"height,omitempty"`
	Confirmations uint64 `json:"confirmations,omitempty"`
}

// PeerAnswer is what a node says of one of its connections.
type PeerAnswer struct {
	Peer     NodeID `json:"peer"`
	Outbound bool   `json:"outbound,omitempty"`
	// Relayed counts what the peer has sent of blocks on this connection: announced hashes, and blocks other than history.
	Relayed uint64 `json:"relayed,omitempty"`
	// Sent and Received count blocks and transactions on this connection, history apart, at the moment of PeersClock.
	Sent     uint64 `json:"sent,omitempty"`
	Received uint64 `json:"received,omitempty"`
}

// Counters count, from the start of a node's process, what it exchanged with its peers.
type Counters struct {
	// Sent and Received count blocks and transactions, history apart, Duplicates what it had already of those that it received.
	Sent       uint64 `json:"sent"`
	Received   uint64 `json:"received"`
	Duplicates uint64 `json:"duplicates"`
	// Announced counts the hashes that were announced to it, History the blocks that it received as history.
	Announced uint64 `json:"announced"`
	History   uint64 `json:"history"`
}

// BlockAnswer is the block at one height of a node's chain; Hash is empty where it says that it has none there.
type BlockAnswer struct {
	Height uint64 `json:"height"`
	Hash   Hash   `json:"hash,omitempty"`
}

// PhaseName is a phase of a run.
type PhaseName string

// The phases of a run, in order.
const (
	PhaseStarting  PhaseName = "starting"  // nodes start and connect
	PhaseScheduled PhaseName = "scheduled" // load and faults of the scenario
	PhaseSettling  PhaseName = "settling"  // all faults healed, load stopped; nodes must agree and make progress
	PhaseStopping  PhaseName = "stopping"
)

// Phase says that the run entered a phase.
type Phase struct {
	Name PhaseName `json:"name"`
}

// Gap says that the events of Event.Node (of all nodes, if empty) since From may be incomplete.
type Gap struct {
	From   time.Duration `json:"from"`
	Reason string        `json:"reason"`
}

// Clock says by how much the clock of Event.Node is ahead of the run's; negative: behind. It was found by asking the node
// for its time. The times of the node's events from then on are given in the run's time: Offset is subtracted already
// wherever it is more than Within.
type Clock struct {
	Offset time.Duration `json:"offset"`
	// Within is the uncertainty: the true offset is between Offset - Within and Offset + Within.
	Within time.Duration `json:"within"`
}

// Busy says how punctual the machine was in the time from From to Event.At: whether the run's own timers fired in time, and
// how long programs had to wait for a CPU. A machine that is late delays the nodes too.
type Busy struct {
	From time.Duration `json:"from"`
	// Timers ended in that time. Late is the most by which one was late, What what it was for.
	Timers int           `json:"timers"`
	Late   time.Duration `json:"late"`
	What   string        `json:"what,omitempty"`
	// Waiting is the share of the time in which at least one program was ready to run and had no CPU; -1: not known.
	Waiting float64 `json:"waiting"`
}

// End closes a complete trace. A trace without it was cut short, and liveness cannot be judged from it.
type End struct {
	// Interrupted is true when the user stopped the run before its schedule ended.
	Interrupted bool `json:"interrupted,omitempty"`
	// Error is the infrastructure error that ended the run early.
	Error string `json:"error,omitempty"`
	// Died is the node whose unexpected exit ended the run.
	Died NodeID `json:"died,omitempty"`
	// Counts are what Writer appended before: one for each node that has events, in order of their names, the first for events
	// of the whole run.
	Counts []Count `json:"counts,omitempty"`
	// Digest is the XXH64, in hex, of all lines before that of the end event.
	Digest string `json:"digest,omitempty"`
}

// Count says how many events about one node a trace has.
type Count struct {
	// Node is empty for events of the whole run, which are those about no node of the run event.
	Node NodeID `json:"node,omitempty"`
	// Events is the number of events of each kind.
	Events map[Kind]int `json:"events"`
	// Digest is the XXH64, in hex, of the lines of these events.
	Digest string `json:"digest"`
}

// payloads says for each kind of event, the most frequent first, whether the payload that it names is set.
func payloads(e *Event) [19]payload {
	return [...]payload{
		{KindSeen, e.Seen != nil}, {KindHead, e.Head != nil}, {KindSubmit, e.Submit != nil}, {KindBlock, e.Block != nil},
		{KindFinal, e.Final != nil}, {KindPeer, e.Peer != nil}, {KindAnswer, e.Answer != nil}, {KindRefuse, e.Refuse != nil},
		{KindAttack, e.Attack != nil},
		{KindStatus, e.Status != nil}, {KindNode, e.Lifecycle != nil},
		{KindProbe, e.Probe != nil}, {KindFault, e.Fault != nil}, {KindGap, e.Gap != nil}, {KindClock, e.Clock != nil},
		{KindBusy, e.Busy != nil}, {KindPhase, e.Phase != nil}, {KindRun, e.Run != nil}, {KindEnd, e.End != nil},
	}
}

type payload struct {
	kind Kind
	set  bool
}

// Validate checks that e has a known kind, the payload that its kind names, and no other.
func Validate(e *Event) error {
	set, named := 0, false
	for _, p := range payloads(e) {
		if p.set {
			set++
		}
		if p.kind == e.Kind {
			if !p.set {
				return fmt.Errorf("%s event has no %s payload", e.Kind, e.Kind)
			}
			named = true
		}
	}
	switch {
	case !named:
		return fmt.Errorf("unknown kind of event %q", e.Kind)
	case set != 1:
		return fmt.Errorf("%s event has %d payloads, one is allowed", e.Kind, set)
	}
	return nil
}
