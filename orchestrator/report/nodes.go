package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// maxNodeRows is the most rows that the table of nodes has; report.json has all nodes.
const maxNodeRows = 24

// nodes shows every node at the end or, of many, those that are alike together.
func (p *printer) nodes(s *invariant.Summary) {
	made := slices.ContainsFunc(s.Nodes, func(n invariant.NodeSummary) bool { return n.Made > 0 })
	if len(s.Nodes) <= maxNodeRows {
		var rows [][]string
		for i := range s.Nodes {
			n := &s.Nodes[i]
			rows = append(rows, append([]string{string(n.ID)}, nodeCells(n, made)...))
		}
		p.table("Nodes at the end", append([]string{"node"}, nodeHeader(made)...), rows)
	} else {
		p.nodeGroups(s.Nodes, made)
	}
	text := " " + invariant.Count(s.Blocks, "block") + " made"
	if s.Blocks > 0 && !made {
		text += " (by whom is not known)"
	}
	text += fmt.Sprintf(", %d of them stale", s.Stale)
	if s.Txs.Submitted > 0 {
		text += fmt.Sprintf("; %d of %s included", s.Txs.Included, invariant.Count(s.Txs.Submitted, "transfer"))
	}
	p.line("%s", text)
}

// nodeHeader heads nodeCells; made is false where nobody is known to have made a block.
func nodeHeader(made bool) []string {
	header := []string{"role", "state", "height", "head"}
	if made {
		header = append(header, "made", "stale")
	}
	return append(header, "reorgs")
}

func nodeCells(n *invariant.NodeSummary, made bool) []string {
	cells := []string{n.Role, string(n.State), strconv.FormatUint(n.Height, 10), ShortHash(n.Head)}
	if made {
		cells = append(cells, dash(n.Made), dash(n.Stale))
	}
	return append(cells, dash(n.Reorgs))
}

// nodeGroups shows nodes of one role, state and head in one row, largest groups first.
func (p *printer) nodeGroups(nodes []invariant.NodeSummary, made bool) {
	type key struct {
		role  string
		state trace.State
		head  trace.Hash
	}
	type group struct {
		sum   invariant.NodeSummary
		nodes []trace.NodeID
	}
	index := make(map[key]*group)
	var groups []*group
	for _, n := range nodes {
		k := key{n.Role, n.State, n.Head}
		g := index[k]
		if g == nil {
			g = &group{sum: invariant.NodeSummary{Role: n.Role, State: n.State, Head: n.Head, Height: n.Height}}
			index[k] = g
			groups = append(groups, g)
		}
		g.nodes = append(g.nodes, n.ID)
		g.sum.Made, g.sum.Stale, g.sum.Reorgs = g.sum.Made+n.Made, g.sum.Stale+n.Stale, g.sum.Reorgs+n.Reorgs
	}
	slices.SortStableFunc(groups, func(a, b *group) int { return cmp.Compare(len(b.nodes), len(a.nodes)) })
	var rows [][]string
	for _, g := range groups[:min(len(groups), maxNodeRows)] {
		rows = append(rows, append([]string{strconv.Itoa(len(g.nodes)), nodeWords(g.nodes)}, nodeCells(&g.sum, made)...))
	}
	p.table("Nodes at the end, those alike together", append([]string{"nodes", "which"}, nodeHeader(made)...), rows)
	if more := groups[len(rows):]; len(more) > 0 {
		left := 0
		for _, g := range more {
			left += len(g.nodes)
		}
		p.line(" and %s more (see %s)", invariant.Count(left, "node"), File)
	}
}

// ShortHash cuts a hash for a table. Proofs of work begin alike, so the end is what tells hashes apart.
func ShortHash(h trace.Hash) string {
	if len(h) <= 12 {
		return string(h)
	}
	return "…" + string(h[len(h)-12:])
}
