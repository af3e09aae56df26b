package docker

import (
	"net/netip"
	"sync"

	"github.com/netsplit/netsplit/faults"
)

// node is one node of a testnet.
type node struct {
	id    faults.NodeID
	role  string
	addr  netip.Addr
	inbox *inbox
	// container is the name of its container.
	container string

	// acting serialises actions on the node.
	acting sync.Mutex

	mu sync.Mutex
	// up is true between the engine's events of a start and an end.
	up bool
	// asked counts ends that we asked for and whose event has not come.
	asked int
	// owed is an end that came while one was asked for; it was the node's own if what we asked for then failed.
	owed []error
	// launched is true once the container may exist.
	launched bool
	// foreign is true for a node that is not ours: many programs print what they do to their standard error.
	foreign bool
}

// isForeign reports whether the node is not ours.
func (n *node) isForeign() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.foreign
}

// started takes the engine's word that the node's process began.
func (n *node) started() {
	n.mu.Lock()
	heard := n.up
	n.up = true
	n.mu.Unlock()
	if !heard {
		n.inbox.put(change{started: true})
	}
}

// ended takes the engine's word that the node's process ended.
func (n *node) ended(err error) {
	n.mu.Lock()
	if !n.up {
		n.mu.Unlock()
		return // heard before
	}
	n.up = false
	if n.asked > 0 {
		n.asked--
		n.owed = append(n.owed, err)
		n.mu.Unlock()
		n.inbox.put(change{asked: true, err: err})
		return
	}
	n.mu.Unlock()
	n.inbox.put(change{err: err})
}

// ask says that the node is about to be asked to end. The function that it returns must be called with the outcome.
func (n *node) ask() func(ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	n.owed = nil
	return func(ok bool) {
		n.mu.Lock()
		defer n.mu.Unlock()
		owed := n.owed
		n.owed = nil
		switch {
		case ok:
		case len(owed) > 0:
			n.inbox.put(change{err: owed[0]}) // it had ended by itself
		default:
			n.asked--
		}
	}
}
