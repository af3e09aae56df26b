package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// maxNodeRows is the most rows that the table of nodes, or of a partition's parts, has; report.json has all of them.
const maxNodeRows = 24

// nodes shows every node at the end or, of many, groups of nodes.
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
	text := invariant.Count(s.Blocks, "block") + " made"
	if s.Blocks > 0 && !made {
		text += " (producers unknown)"
	}
	text += fmt.Sprintf(", %d of them stale", s.Stale)
	if s.Txs.Submitted > 0 {
		text += fmt.Sprintf("; %d of %s included", s.Txs.Included, invariant.Count(s.Txs.Submitted, "transaction"))
	}
	p.text(text)
}

// nodeHeader is the header of nodeCells; made is false where no block's producer is known.
func nodeHeader(made bool) []string {
	header := []string{"role", "state", "height", "head"}
	if made {
		header = append(header, "made", "stale")
	}
	return append(header, "reorgs")
}

func nodeCells(n *invariant.NodeSummary, made bool) []string {
	if n.Adversary {
		cells := []string{n.Role, "adversary", "-", "-"}
		if made {
			cells = append(cells, "-", "-")
		}
		return append(cells, "-")
	}
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
			g = &group{sum: invariant.NodeSummary{Adversary: n.Adversary, Role: n.Role, State: n.State, Head: n.Head, Height: n.Height}}
			index[k] = g
			groups = append(groups, g)
		}
		g.nodes = append(g.nodes, n.ID)
		g.sum.Made, g.sum.Stale, g.sum.Reorgs = g.sum.Made+n.Made, g.sum.Stale+n.Stale, g.sum.Reorgs+n.Reorgs
	}
	slices.SortStableFunc(groups, func(a, b *group) int { return cmp.Compare(len(b.nodes), len(a.nodes)) })
	var rows [][]string
	for _, g := range groups[:min(len(groups), maxNodeRows)] {
		rows = append(rows, append([]string{strconv.Itoa(len(g.nodes)), nodeList(g.nodes)}, nodeCells(&g.sum, made)...))
	}
	p.table("Nodes at the end, grouped by role, state and head", append([]string{"nodes", "which"}, nodeHeader(made)...), rows)
	if more := groups[len(rows):]; len(more) > 0 {
		left := 0
		for _, g := range more {
			left += len(g.nodes)
		}
		p.text(fmt.Sprintf("and %s more (see %s)", invariant.Count(left, "node"), File))
	}
}

// ShortHash abbreviates a hash for a table. It keeps the end: the hashes of proofs of work all begin with zeros.
func ShortHash(h trace.Hash) string {
	if len(h) <= 12 {
		return string(h)
	}
	return "…" + string(h[len(h)-12:])
}

// dash prints a number; 0 is a dash.
func dash(n int) string {
	if n == 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

// maxNames is the most names and ranges of names that a list of nodes shows.
const maxNames = 6

// nodeList abbreviates a list of nodes: "miner-1..3, full-2". Where even the ranges are too many, it counts nodes by the part
// of their name before the number: "300 miner, 200 full".
func nodeList(ids []trace.NodeID) string {
	families := familiesOf(ids)
	var parts []string
	for _, f := range families {
		parts = append(parts, f.ranges()...)
	}
	if len(parts) > maxNames {
		parts = parts[:0]
		for _, f := range families {
			parts = append(parts, f.count())
		}
	}
	if more := len(parts) - maxNames; more > 0 {
		parts = append(parts[:maxNames], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, ", ")
}

// family is the nodes whose names differ by a number at the end only.
type family struct {
	name    string // of a node without a number, the whole name
	numbers []int  // empty for such a node
}

// familiesOf sorts nodes into families, in the order in which these first appear.
func familiesOf(ids []trace.NodeID) []*family {
	index := make(map[string]*family)
	var out []*family
	for _, id := range ids {
		name, number, numbered := splitName(string(id))
		f := index[name]
		if f == nil || !numbered {
			f = &family{name: name}
			out = append(out, f)
		}
		if numbered {
			f.numbers = append(f.numbers, number)
			index[name] = f
		}
	}
	for _, f := range out {
		slices.Sort(f.numbers)
	}
	return out
}

// splitName splits "miner-3" into "miner" and 3.
func splitName(id string) (name string, number int, ok bool) {
	at := strings.LastIndexByte(id, '-')
	if at < 1 {
		return id, 0, false
	}
	n, err := strconv.Atoi(id[at+1:])
	if err != nil || n < 0 || strconv.Itoa(n) != id[at+1:] {
		return id, 0, false
	}
	return id[:at], n, true
}

// ranges lists the family's nodes, three and more with consecutive numbers as one range.
func (f *family) ranges() []string {
	if len(f.numbers) == 0 {
		return []string{f.name}
	}
	var out []string
	for i := 0; i < len(f.numbers); {
		end := i + 1
		for end < len(f.numbers) && f.numbers[end] == f.numbers[end-1]+1 {
			end++
		}
		if end-i >= 3 {
			out = append(out, fmt.Sprintf("%s-%d..%d", f.name, f.numbers[i], f.numbers[end-1]))
			i = end
			continue
		}
		for ; i < end; i++ {
			out = append(out, fmt.Sprintf("%s-%d", f.name, f.numbers[i]))
		}
	}
	return out
}

// count says how many nodes the family has.
func (f *family) count() string {
	if len(f.numbers) == 0 {
		return f.name
	}
	return fmt.Sprintf("%d %s", len(f.numbers), f.name)
}
