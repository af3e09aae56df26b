package relay

import (
	"fmt"

	"github.com/netsplit/netsplit/node/wire"
)

// Action is what a node does for one item towards one peer.
type Action uint8

// The actions.
const (
	Nothing  Action = iota
	Push            // send the item itself
	Announce        // send its hash; the peer requests it
)

// Strategy decides how items spread. It has no state; many nodes may use one value.
type Strategy interface {
	// Name is the strategy's name in configurations.
	Name() string
	// Accepted is the action for an item that the node has just accepted for the first time, for each peer but the one
	// that sent it. known: the peer is known to have it; always false unless Tracks.
	Accepted(known bool) Action
	// Backlog is the action for transactions that are pending when a peer connects, and the most of them.
	Backlog() (Action, int)
	// Tracks reports whether the strategy needs to know which items peers have.
	Tracks() bool
}

// Parse returns the strategy with that name: "flood" or "inventory".
func Parse(name string) (Strategy, error) {
	switch name {
	case "flood":
		return flood{}, nil
	case "inventory":
		return inventory{}, nil
	}
	return nil, fmt.Errorf("relay strategy %q is unknown, want flood or inventory", name)
}

// flood pushes every item to every peer but the one that sent it.
type flood struct{}

// maxPushBacklog bounds the pending transactions pushed to a new peer.
const maxPushBacklog = 256

func (flood) Name() string           { return "flood" }
func (flood) Accepted(bool) Action   { return Push }
func (flood) Backlog() (Action, int) { return Push, maxPushBacklog }
func (flood) Tracks() bool           { return false }

// inventory announces every item to the peers that are not known to have it, and sends it to those that request it.
type inventory struct{}

func (inventory) Name() string { return "inventory" }

func (inventory) Accepted(known bool) Action {
	if known {
		return Nothing
	}
	return Announce
}

func (inventory) Backlog() (Action, int) { return Announce, wire.MaxInv }
func (inventory) Tracks() bool           { return true }
