package relay

import "github.com/netsplit/netsplit/node/wire"

// inventory announces every item to the peers that are not known to have it, and sends it to those that ask.
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
