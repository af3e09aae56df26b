package scenario

import (
	"strconv"

	"github.com/netsplit/netsplit/faults"
)

// NodeInfo is one node of a testnet.
type NodeInfo struct {
	ID   faults.NodeID
	Role string  // the name of its group
	Mine float64 // attempts per second; 0: does not mine
}

// NodeIDs lists every node, group by group.
func (s *Spec) NodeIDs() []NodeInfo {
	out := make([]NodeInfo, 0, s.total())
	for _, g := range s.Nodes {
		for i := range g.Count {
			out = append(out, NodeInfo{ID: g.node(i), Role: g.Name, Mine: g.Mine})
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
	net.Edges = s.edges(net.Nodes)
	return net
}
