package faults

import (
	"fmt"
	"math/rand/v2"
)

// NodeFault acts on the chosen nodes when it begins, and undoes that when it ends:
//   - Kill kills them, as SIGKILL or a power cut does, and Stop stops them with SIGTERM. They are started again at the end,
//     with their data and their address.
//   - Pause freezes them, with their connections open. They are resumed at the end, or when a Resume names them.
//   - Resume and Restart are instantaneous. Resume is for nodes that a Pause without an end froze.
type NodeFault struct {
	Verb  Verb // Kill, Stop, Pause, Resume or Restart
	Nodes Select
}

// undo is the verb that ends a fault.
var undo = map[Verb]Verb{Kill: Start, Stop: Start, Pause: Resume}

// Kind implements Fault.
func (f NodeFault) Kind() string { return string(f.Verb) }

// Resolve implements Fault.
func (f NodeFault) Resolve(net Net, rng *rand.Rand) (Effect, error) {
	if f.Nodes.zero() {
		return Effect{}, fmt.Errorf("%s names no node", f.Verb)
	}
	nodes, err := f.Nodes.resolve(net, rng)
	if err != nil {
		return Effect{}, err
	}
	e := Effect{Text: fmt.Sprintf("%s %s", f.Verb, f.Nodes.text(nodes))}
	for _, id := range nodes {
		e.Begin = append(e.Begin, Action{Verb: f.Verb, Node: id})
		if end, ok := undo[f.Verb]; ok {
			e.End = append(e.End, Action{Verb: end, Node: id})
		}
	}
	return e, nil
}
