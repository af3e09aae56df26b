package scenario

import (
	"slices"
	"strconv"

	"github.com/netsplit/netsplit/faults"
)

// NodeInfo is one node of a testnet.
type NodeInfo struct {
	ID   faults.NodeID
	Role string  // the name of its group
	Mine float64 // attempts per second; 0: does not mine
	// Adversary lists the kinds of attack that it makes; nil: it is honest.
	Adversary Adversary
}

// NodeIDs lists every node, group by group.
func (s *Spec) NodeIDs() []NodeInfo {
	out := make([]NodeInfo, 0, s.total())
	for _, g := range s.Nodes {
		for i := range g.Count {
			out = append(out, NodeInfo{ID: g.node(i), Role: g.Name, Mine: g.Mine, Adversary: g.Adversary})
		}
	}
	return out
}

// numbered is the name of node i, from 0, of a group.
func numbered(group string, i int) faults.NodeID {
	return faults.NodeID(group + "-" + strconv.Itoa(i+1))
}

// total is the number of nodes.
func (s *Spec) total() int {
	n := 0
	for _, g := range s.Nodes {
		n += g.Count
	}
	return n
}

// honest is the number of nodes that are no adversaries. The topology joins these.
func (s *Spec) honest() int {
	n := 0
	for _, g := range s.Nodes {
		if g.Adversary == nil {
			n += g.Count
		}
	}
	return n
}

// names lists every node in order.
func (s *Spec) names() []faults.NodeID {
	infos := s.NodeIDs()
	out := make([]faults.NodeID, len(infos))
	for i := range infos {
		out[i] = infos[i].ID
	}
	return out
}

// Net is the testnet as faults know it, topology included.
func (s *Spec) Net() faults.Net {
	net := faults.Net{Nodes: s.names(), Roles: make(map[string][]faults.NodeID, len(s.Nodes))}
	at := 0
	for _, g := range s.Nodes {
		net.Roles[g.Name] = net.Nodes[at : at+g.Count : at+g.Count]
		at += g.Count
	}
	net.Edges = s.Edges()
	return net
}

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
