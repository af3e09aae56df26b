package node

import (
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// Time is a moment in nanoseconds since the Unix epoch, as the node's host tells it.
type Time int64

// EffectKind says what an Effect asks for.
type EffectKind uint8

// The kinds of effect.
const (
	// EffectSend sends Msg to Peer. Messages to one peer arrive in order or the connection goes down.
	EffectSend EffectKind = iota + 1
	// EffectTimer asks for a call of Timer(Timer) at At. A timer set again is moved; At of zero takes it away.
	EffectTimer
	// EffectPersist stores Block durably before any later effect is performed.
	EffectPersist
	// EffectEvent records Event in the event log.
	EffectEvent
	// EffectDial connects to Peer at Addr; PeerUp or DialFailed follows.
	EffectDial
	// EffectDisconnect closes the connection to Peer, giving Reason; PeerDown follows.
	EffectDisconnect
)

// Effect is one thing that a node wants done. Effects are performed in the order in which they were returned.
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

// TimerID names a timer; a node has at most one of each.
type TimerID struct {
	Kind TimerKind
	Peer chain.PeerID // zero for timers of the whole node
}

// TimerKind is the purpose of a timer.
type TimerKind uint8

// EventKind is the kind of an Event.
type EventKind string

// The kinds of event in a node's log.
const (
	EventStart    EventKind = "start"     // Hash, Height: what the node found on its disk
	EventBlock    EventKind = "block"     // Hash, Parent, Height, Peer (empty: made here), Made, Sync: first acceptance
	EventHead     EventKind = "head"      // Hash, Height, Old, Dropped
	EventPeerUp   EventKind = "peer_up"   // Peer: the handshake is complete
	EventPeerDown EventKind = "peer_down" // Peer, Reason
	EventInvalid  EventKind = "invalid"   // Peer, Hash, Reason: something a peer sent was refused
	EventStop     EventKind = "stop"
)

// Event is one line of a node's event log, as JSON. Fields that do not belong to its kind are left out.
type Event struct {
	Time    Time          `json:"t"` // nanoseconds since the Unix epoch
	Kind    EventKind     `json:"ev"`
	Hash    *chain.Hash   `json:"hash,omitempty"`
	Parent  *chain.Hash   `json:"parent,omitempty"`
	Old     *chain.Hash   `json:"old,omitempty"`
	Height  chain.Height  `json:"height,omitempty"`
	Dropped int           `json:"dropped,omitempty"` // blocks of the old chain that left it
	Peer    *chain.PeerID `json:"peer,omitempty"`
	Made    bool          `json:"made,omitempty"`
	Sync    bool          `json:"sync,omitempty"` // came in answer to a request for history
	Reason  string        `json:"reason,omitempty"`
}
