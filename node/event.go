package node

import "github.com/netsplit/netsplit/node/chain"

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
