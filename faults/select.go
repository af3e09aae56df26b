package faults

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// Select chooses nodes by name. The zero Select means every node.
type Select struct {
	// Names are nodes or roles, case-sensitive; empty: every node.
	Names []string
	// Random, if not 0, is how many of the named nodes to draw at random: 1 to the number of nodes named.
	Random int
}

// NameError is the error of a fault that names an unknown node or role.
type NameError struct {
	Name string
	// Nearest is the testnet's name that is spelt most alike; may be empty.
	Nearest string
}

// Error implements error. Callers show Nearest as a hint.
func (e *NameError) Error() string {
	return fmt.Sprintf("no node or role is called %q", e.Name)
}

// zero reports that s is the zero Select, which means every node.
func (s Select) zero() bool { return len(s.Names) == 0 && s.Random == 0 }

// resolve returns the chosen nodes, at least one, in the order of net.Nodes. Unknown names and nodes named twice are
// errors.
func (s Select) resolve(net Net, rng *rand.Rand) ([]NodeID, error) {
	nodes := net.Nodes
	if len(s.Names) > 0 {
		var err error
		if nodes, err = s.named(net); err != nil {
			return nil, err
		}
	}
	if len(nodes) == 0 {
		return nil, fmt.Errorf("the testnet has no nodes")
	}
	switch {
	case s.Random < 0:
		return nil, fmt.Errorf("cannot choose %d nodes at random", s.Random)
	case s.Random > len(nodes):
		return nil, fmt.Errorf("cannot choose %d nodes at random of %s", s.Random, count(len(nodes)))
	case s.Random > 0:
		return drawNodes(nodes, s.Random, rng), nil
	}
	return nodes, nil
}

// named returns the nodes that Names lists.
func (s Select) named(net Net) ([]NodeID, error) {
	selected := make(map[NodeID]bool, len(s.Names)) // value: found among the testnet's nodes
	for _, name := range s.Names {
		members, isRole := net.Roles[name]
		if !isRole {
			members = []NodeID{NodeID(name)}
		}
		for _, id := range members {
			if _, twice := selected[id]; twice {
				return nil, fmt.Errorf("%s is named twice", id)
			}
			selected[id] = false
		}
	}
	nodes := make([]NodeID, 0, len(selected))
	for _, id := range net.Nodes {
		if _, ok := selected[id]; ok {
			selected[id] = true
			nodes = append(nodes, id)
		}
	}
	for _, name := range s.Names {
		if found, asNode := selected[NodeID(name)]; asNode && !found {
			return nil, &NameError{Name: name, Nearest: Nearest(name, net.names())}
		}
	}
	return nodes, nil
}

// maxSuggested is the most nodes that a misspelt name is compared with.
const maxSuggested = 1000

// names lists what a fault can name: all roles, sorted, then the first maxSuggested nodes.
func (net Net) names() []string {
	names := make([]string, 0, len(net.Roles)+len(net.Nodes))
	for role := range net.Roles {
		names = append(names, role)
	}
	slices.Sort(names)
	for _, id := range net.Nodes[:min(len(net.Nodes), maxSuggested)] {
		names = append(names, string(id))
	}
	return names
}

// drawNodes draws n of the nodes, keeping their order.
func drawNodes(nodes []NodeID, n int, rng *rand.Rand) []NodeID {
	order := rng.Perm(len(nodes))[:n]
	slices.Sort(order)
	out := make([]NodeID, n)
	for i, k := range order {
		out[i] = nodes[k]
	}
	return out
}

// without returns the nodes that are not in drop, in order.
func without(nodes, drop []NodeID) []NodeID {
	set := make(map[NodeID]bool, len(drop))
	for _, id := range drop {
		set[id] = true
	}
	var out []NodeID
	for _, id := range nodes {
		if !set[id] {
			out = append(out, id)
		}
	}
	return out
}

// count is a number of nodes for people: "1 node", "5 nodes".
func count(n int) string {
	if n == 1 {
		return "1 node"
	}
	return fmt.Sprintf("%d nodes", n)
}

// maxListed is the most names that a fault's text lists.
const maxListed = 4

// list names nodes for people: all of them when they are few, else their number.
func list(nodes []NodeID) string {
	if len(nodes) > maxListed {
		return count(len(nodes))
	}
	names := make([]string, len(nodes))
	for i, id := range nodes {
		names[i] = string(id)
	}
	return enumerate(names)
}

// text names the selected nodes for people: as the scenario does, with their number where that is not obvious.
func (s Select) text(nodes []NodeID) string {
	switch {
	case s.Random > 0 || len(s.Names) == 0 || len(s.Names) > maxListed:
		return list(nodes)
	case len(s.Names) == len(nodes):
		return list(nodes)
	}
	return fmt.Sprintf("%s (%s)", enumerate(s.Names), count(len(nodes)))
}

// enumerate joins words: "a", "a and b", "a, b and c".
func enumerate(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
