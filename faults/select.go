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
	// Random, if not 0, is how many of the named nodes are meant; which ones is drawn at random. It must be at least 1
	// and at most the number of nodes named.
	Random int
}

// NameError says that a fault names something that the testnet does not have.
type NameError struct {
	Name string
	// Nearest is a name that the testnet has and that is spelt alike; may be empty.
	Nearest string
}

// Error implements error. What was perhaps meant is for the caller to show, as a hint.
func (e *NameError) Error() string {
	return fmt.Sprintf("no node or role is called %q", e.Name)
}

// zero reports that s means every node because it says nothing.
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

// named returns the nodes that Names says.
func (s Select) named(net Net) ([]NodeID, error) {
	wanted := make(map[NodeID]bool, len(s.Names)) // value: found among the testnet's nodes
	add := func(id NodeID) error {
		if _, twice := wanted[id]; twice {
			return fmt.Errorf("%s is named twice", id)
		}
		wanted[id] = false
		return nil
	}
	for _, name := range s.Names {
		members, isRole := net.Roles[name]
		if !isRole {
			members = []NodeID{NodeID(name)}
		}
		for _, id := range members {
			if err := add(id); err != nil {
				return nil, err
			}
		}
	}
	nodes := make([]NodeID, 0, len(wanted))
	for _, id := range net.Nodes {
		if _, ok := wanted[id]; ok {
			wanted[id] = true
			nodes = append(nodes, id)
		}
	}
	for _, name := range s.Names {
		if found, asNode := wanted[NodeID(name)]; asNode && !found {
			return nil, &NameError{Name: name, Nearest: Nearest(name, net.names())}
		}
	}
	return nodes, nil
}

// maxSuggested is the most nodes among which a misspelt name is sought.
const maxSuggested = 1000

// names lists what a fault can name: roles, in order, then the first nodes.
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

// count is a number of nodes in words: "1 node", "5 nodes".
func count(n int) string {
	if n == 1 {
		return "1 node"
	}
	return fmt.Sprintf("%d nodes", n)
}

// maxListed is the most names that a fault's text lists.
const maxListed = 4

// list is nodes in words: their names when they are few, else how many they are.
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

// text is the chosen nodes in words: what the scenario calls them, and how many they are where that does not show.
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
