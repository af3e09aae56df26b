package report

import (
	"fmt"
	"io"
	"strconv"

	"github.com/fatih/color"

	"github.com/netsplit/netsplit/orchestrator/invariant"
)

// maxNodeRows is the most nodes that the table of nodes lists; report.json has all.
const maxNodeRows = 24

// Render draws the report as tables.
func (r *Report) Render(w io.Writer, s Style) error {
	p := &printer{w: w, style: s}
	p.line("")
	p.line("%s on %s", p.bold(r.Run.Scenario), r.Run.Runtime)
	p.line("%s, %d nodes, seed %d, %s", r.Run.Chain.Name, len(r.Run.Nodes), r.Run.Seed, r.Run.Duration)
	p.nodes(&r.Summary)
	p.faults(&r.Summary)
	p.partitions(&r.Summary)
	p.propagation(&r.Summary.Propagation)
	p.results(r.Results)
	p.line("")
	p.verdict(r)
	return p.err
}

// printer keeps the first error, so that the code above reads as what is printed.
type printer struct {
	w     io.Writer
	style Style
	err   error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

func (p *printer) table(title string, header []string, rows [][]string) {
	p.line("")
	p.line("%s", p.bold(title))
	if p.err == nil {
		p.err = Table(p.w, p.style, header, rows)
	}
}

func (p *printer) nodes(s *invariant.Summary) {
	var rows [][]string
	for _, n := range s.Nodes[:min(len(s.Nodes), maxNodeRows)] {
		rows = append(rows, []string{
			string(n.ID), n.Role, string(n.State), strconv.FormatUint(n.Height, 10), shortHash(n.Head),
			dash(n.Made), dash(n.Stale), dash(n.Reorgs),
		})
	}
	p.table("Nodes at the end", []string{"node", "role", "state", "height", "head", "made", "stale", "reorgs"}, rows)
	if more := len(s.Nodes) - len(rows); more > 0 {
		p.line(" and %d more nodes (see %s)", more, File)
	}
	p.line(" %d blocks made, %d of them stale; %d of %d transfers included", s.Blocks, s.Stale, s.Txs.Included, s.Txs.Submitted)
}

func (p *printer) faults(s *invariant.Summary) {
	if len(s.Faults) == 0 {
		return
	}
	var rows [][]string
	for i := range s.Faults {
		f := &s.Faults[i]
		rows = append(rows, []string{
			f.ID, f.Text, fmt.Sprintf("%s → %s", f.AskedAt, short(f.Begin)), lasted(f), links(f.Before), links(f.During), links(f.After),
		})
	}
	p.table("Faults, asked → measured", []string{"fault", "what", "at", "for", "before", "during", "after"}, rows)
}

func (p *printer) partitions(s *invariant.Summary) {
	for _, part := range s.Partitions {
		var rows [][]string
		for i, side := range part.Sides {
			rows = append(rows, []string{
				strconv.Itoa(len(side.Nodes)), names(side.Nodes), strconv.Itoa(side.Mined),
				strconv.FormatUint(side.Height, 10), outcome(part, i),
			})
		}
		p.table("What "+part.Fault+" did to the chain",
			[]string{"nodes", "side", "blocks made while cut", "height at heal", "outcome"}, rows)
		switch {
		case part.Converged:
			p.line(" one chain %s after the heal; %d nodes reorganised, at most %d blocks deep",
				short(part.ConvergedIn), part.Reorganised, part.DeepestReorg)
		case part.Ended:
			p.line(" no single chain after the heal")
		}
	}
}

func (p *printer) propagation(x *invariant.PropagationSummary) {
	if x.Deliveries == 0 {
		return
	}
	p.table("Block propagation, from made to seen", []string{"blocks", "deliveries", "p50", "p95", "p99", "max", "coverage"},
		[][]string{{
			strconv.Itoa(x.Blocks), strconv.FormatUint(x.Deliveries, 10), short(x.P50), short(x.P95), short(x.P99), short(x.Max),
			fmt.Sprintf("%.2f %%", 100*x.Coverage),
		}})
}

func (p *printer) results(results []invariant.Result) {
	var rows [][]string
	for _, x := range results {
		rows = append(rows, []string{x.Invariant, p.coloured(x.Verdict), x.Figure, x.Bound})
	}
	p.table("Invariants", []string{"invariant", "verdict", "measured", "bound"}, rows)
	for _, x := range results {
		if x.Verdict == invariant.Pass {
			continue
		}
		p.line("")
		p.line(" %s %s: %s", p.coloured(x.Verdict), x.Invariant, x.Reason)
		for _, e := range x.Evidence {
			p.line("   at %s: %s%s", short(e.At), e.Text, where(e))
		}
	}
}

func (p *printer) verdict(r *Report) {
	counts := make(map[invariant.Verdict]int)
	for _, x := range r.Results {
		counts[x.Verdict]++
	}
	text := fmt.Sprintf("%d of %d invariants hold", counts[invariant.Pass], len(r.Results))
	for _, v := range []invariant.Verdict{invariant.Fail, invariant.Unknown, invariant.Vacuous} {
		if counts[v] > 0 {
			text += fmt.Sprintf(", %d %s", counts[v], v)
		}
	}
	p.line("%s  %s", p.coloured(r.Verdict), text)
	if ended := r.Ended(); ended != "" {
		p.line("the run did not end by its schedule: %s", ended)
	}
	p.line("run directory: %s", r.dir)
}

var colours = map[invariant.Verdict]color.Attribute{
	invariant.Pass: color.FgGreen, invariant.Fail: color.FgRed,
	invariant.Unknown: color.FgYellow, invariant.Vacuous: color.FgYellow,
}

func (p *printer) coloured(v invariant.Verdict) string {
	return p.paint(string(v), colours[v], color.Bold)
}

func (p *printer) bold(text string) string { return p.paint(text, color.Bold) }

func (p *printer) paint(text string, attributes ...color.Attribute) string {
	if !p.style.Colour {
		return text
	}
	c := color.New(attributes...)
	c.EnableColor() // whether to colour was decided by the caller, from its own output
	return c.Sprint(text)
}
