package relay

import (
	"fmt"

	"github.com/netsplit/netsplit/node/wire"
)

// Strategy is how a node spreads an item that it has just accepted for the first time, to each peer but the one that sent it.
type Strategy struct {
	// Push sends the item itself; otherwise its hash is announced, and the peer requests it.
	Push bool
	// Tracks: the node must know which items peers have, and sends nothing to those that have the item.
	Tracks bool
	// Backlog is the most pending transactions that are pushed or announced when a peer connects.
	Backlog int
}

var strategies = map[string]Strategy{
	"flood":     {Push: true, Backlog: 256},
	"inventory": {Tracks: true, Backlog: wire.MaxInv},
}

// Parse returns the strategy with that name: "flood" or "inventory".
func Parse(name string) (Strategy, error) {
	s, ok := strategies[name]
	if !ok {
		return s, fmt.Errorf("relay strategy %q is unknown, want flood or inventory", name)
	}
	return s, nil
}
