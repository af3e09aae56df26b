package node

import (
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// Time is in nanoseconds since the Unix epoch, by the clock of the node's host.
type Time int64

// EffectKind is the kind of an Effect.
type EffectKind uint8

// The kinds of effect.
const (
	// EffectSend sends Msg to Peer. Messages to one peer arrive in order or the connection goes down.
	EffectSend EffectKind = iota + 1
	// EffectTimer sets Timer: Node.Timer is to be called at At. It replaces an earlier setting; At of zero cancels it.
	EffectTimer
	// EffectPersist stores Block durably, before any later effect is performed.
	EffectPersist
	// EffectEvent records Event in the event log.
	EffectEvent
	// EffectDial connects to Peer at Addr; PeerUp or DialFailed follows.
	EffectDial
	// EffectDisconnect closes the connection to Peer, giving Reason; PeerDown follows.
	EffectDisconnect
)

// Effect is an action that the node requests from its host. Effects are performed in the order in which they were
// returned.
type Effect struct {
	Kind   EffectKind
	Peer   chain.PeerID
	Msg    wire.Message
	Timer  TimerID
	At     Time
	Block  *chain.Block
	Event  *Event
	Addr   string
	Reason string
}

// TimerID identifies a timer; a node has at most one of each.
type TimerID struct {
	Kind TimerKind
	Peer chain.PeerID // zero for timers of the whole node
}

// TimerKind is the purpose of a timer.
type TimerKind uint8

// The timers of a node. TimerID.Peer is zero for all of them.
const (
	// TimerTick is the periodic check of peers, requests and the number of peers.
	TimerTick TimerKind = iota + 1
	// TimerDial is the next dial of a configured peer.
	TimerDial
	// TimerMine is the miner's next block, or the end of the current chunk of attempts.
	TimerMine
	// TimerBehavior is the next attack of an adversary; see package behavior. A Node ignores it.
	TimerBehavior
)

// EventKind is the kind of an Event.
type EventKind string

// The kinds of event in a node's log.
const (
	EventStart    EventKind = "start"     // Hash, Height: the head loaded from disk
	EventBlock    EventKind = "block"     // Hash, Parent, Height, Peer (empty: made here), Made, Sync: first acceptance
	EventHead     EventKind = "head"      // Hash, Height, Old, Dropped
	EventPeerUp   EventKind = "peer_up"   // Peer, Outbound: the handshake is complete
	EventPeerDown EventKind = "peer_down" // Peer, Reason, Local
	EventInvalid  EventKind = "invalid"   // Peer, Hash, Reason, Banned: a message, block or transaction of a peer was refused
	EventAttack   EventKind = "attack"    // Peer, Attack, Want, Hash (may be nil), Reason (part of the refusal's): an adversary sent what no honest node would
	EventStop     EventKind = "stop"
)

// Event is one line of a node's event log, as JSON. Fields that do not apply to its kind are omitted.
type Event struct {
	Time    Time          `json:"t"` // nanoseconds since the Unix epoch
	Kind    EventKind     `json:"ev"`
	Hash    *chain.Hash   `json:"hash,omitempty"`
	Parent  *chain.Hash   `json:"parent,omitempty"`
	Old     *chain.Hash   `json:"old,omitempty"`
	Height  chain.Height  `json:"height,omitempty"`
	Dropped int           `json:"dropped,omitempty"` // number of blocks that left the canonical chain
	Peer    *chain.PeerID `json:"peer,omitempty"`
	Made    bool          `json:"made,omitempty"`
	Sync    bool          `json:"sync,omitempty"` // received in answer to GetBlocks
	Reason  string        `json:"reason,omitempty"`

	Outbound bool   `json:"outbound,omitempty"` // this node dialled the connection
	Local    bool   `json:"local,omitempty"`    // this node closed the connection, for Reason
	Banned   bool   `json:"banned,omitempty"`   // the peer is banned for a while
	Attack   string `json:"attack,omitempty"`   // kind of attack
	Want     string `json:"want,omitempty"`     // what an honest peer must do: "ban", "disconnect"; empty: nothing
}
