package relay

import "fmt"

// Action is what a node does for one item towards one peer.
type Action uint8

// The actions.
const (
	Nothing  Action = iota
	Push            // send the item itself
	Announce        // send its hash; the peer asks for it
)

// Strategy decides how items spread. It is pure; one value may serve many nodes.
type Strategy interface {
	// Name is the strategy's name in configurations.
	Name() string
	// Accepted is the action for an item that the node has just accepted for the first time, towards a peer that it did
	// not come from. known: the peer is known to have it; always false unless Tracks.
	Accepted(known bool) Action
	// Backlog is the action for transactions that are pending when a peer connects, and the most of them.
	Backlog() (Action, int)
	// Tracks says whether the strategy needs to know which items peers have.
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
