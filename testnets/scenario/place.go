package scenario

import (
	"slices"

	"github.com/netsplit/netsplit/faults"
)

// Place puts a scenario on nodes that are there already: they take the place of the spec's own nodes, with their names
// and roles, and of its topology, which is then taken to be complete. The result is checked again: a fault that names a
// node or role which is not among them is an *strictyaml.Error. On error the spec is as it was. Nodes of one role stand together.
func (s *Spec) Place(nodes []NodeInfo) error {
	placed := *s
	placed.Nodes, placed.Placed = nil, true
	placed.Topology = Topology{Kind: "full", PeerExchange: true, Pos: s.Topology.Pos}
	for _, n := range nodes {
		i := slices.IndexFunc(placed.Nodes, func(g NodeGroup) bool { return g.Name == n.Role })
		if i < 0 {
			i = len(placed.Nodes)
			placed.Nodes = append(placed.Nodes, NodeGroup{Name: n.Role, Mine: n.Mine})
		}
		g := &placed.Nodes[i]
		g.Count++
		g.Names = append(g.Names, n.ID)
	}
	if err := placed.validate(); err != nil {
		return err
	}
	*s = placed
	return nil
}

// node is the name of the group's node i, from 0.
func (g *NodeGroup) node(i int) faults.NodeID {
	if g.Names != nil {
		return g.Names[i]
	}
	return numbered(g.Name, i)
}
