package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/fatih/color"

	"github.com/netsplit/netsplit/orchestrator/invariant"
)

// Render draws the report as tables. The last lines are the verdict and where the run is.
func (r *Report) Render(w io.Writer, s Style) error {
	p := &printer{w: w, style: s}
	p.line("")
	p.line("%s%s", p.bold(r.Run.Scenario), strings.TrimPrefix(r.Headline(), r.Run.Scenario))
	if r.Began {
		p.nodes(&r.Summary)
		p.faults(r.Summary.Faults)
		p.around(r.Summary.Faults)
		p.partitions(r.Summary.Partitions)
		p.propagation(&r.Summary.Propagation)
		p.results(r.Results)
	}
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
		p.err = Table(p.w, header, rows)
	}
}

// Headline says in one line what ran where.
func (r *Report) Headline() string {
	return fmt.Sprintf("%s on %s: %s of %s, seed %d, %s", r.Run.Scenario, r.place(), invariant.Count(len(r.Run.Nodes), "node"),
		r.Run.Chain.Name, r.Run.Seed, r.Run.Duration)
}

// place is the runtime's description of itself, without what the headline says anyway.
func (r *Report) place() string {
	var parts []string
	for _, part := range strings.Split(r.Run.Runtime, ", ") {
		if part != invariant.Count(len(r.Run.Nodes), "node") && part != fmt.Sprintf("seed %d", r.Run.Seed) {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ", ")
}

func (p *printer) results(results []invariant.Result) {
	var rows [][]string
	for _, x := range results {
		rows = append(rows, []string{x.Invariant, p.coloured(x.Verdict), x.Figure, x.Bound})
	}
	p.table("Invariants", []string{"invariant", "verdict", "measured", "bound"}, rows)
	space := true
	for i := range results {
		x := &results[i]
		if x.Verdict == invariant.Pass {
			continue
		}
		if space || len(x.Evidence) > 0 {
			p.line("")
		}
		p.result(x)
		space = len(x.Evidence) > 0
	}
}

// result says why an invariant did not pass, with the evidence.
func (p *printer) result(x *invariant.Result) {
	head := fmt.Sprintf(" %s %s: ", x.Verdict, x.Invariant)
	reason := fold(x.Reason, len(head), 3)
	p.line(" %s %s: %s", p.coloured(x.Verdict), x.Invariant, reason)
	for i := range x.Evidence {
		e := &x.Evidence[i]
		at := "   at " + short(e.At)
		if e.Text != x.Reason {
			at += ": " + fold(e.Text, len(at)+2, 5)
		}
		p.line("%s", at)
		p.where(e)
	}
}

// where names the nodes, blocks and fault windows of a piece of evidence.
func (p *printer) where(e *invariant.Evidence) {
	if len(e.Nodes) > 0 {
		p.line("     nodes   %s", nodeWords(e.Nodes))
	}
	for i, h := range e.Blocks {
		word := "blocks"
		if i > 0 {
			word = ""
		}
		p.line("     %-6s  %s", word, h)
	}
	if len(e.Windows) > 0 {
		p.line("     during  %s", strings.Join(e.Windows, ", "))
	}
}

// verdict is the last word: what it comes to, how to get it again when it is not PASS, and where the run is.
func (p *printer) verdict(r *Report) {
	p.line("%s  %s", p.coloured(r.Verdict), tally(r))
	if ended := r.Ended(); ended != "" {
		p.line("the run did not end by its schedule: %s", ended)
	}
	if r.Verdict != invariant.Pass && r.Reproduce != "" {
		p.line("run it again:  %s", r.Reproduce)
	}
	if r.dir != "" {
		p.line("run directory: %s", r.dir)
	}
}

// tally counts verdicts in words.
func tally(r *Report) string {
	if !r.Began {
		return "the schedule never began"
	}
	counts := make(map[invariant.Verdict]int)
	for _, x := range r.Results {
		counts[x.Verdict]++
	}
	text := fmt.Sprintf("%d of %s hold", counts[invariant.Pass], invariant.Count(len(r.Results), "invariant"))
	for _, v := range []struct {
		verdict invariant.Verdict
		text    string
	}{
		{invariant.Fail, "violated"}, {invariant.Unknown, "could not be judged"}, {invariant.Vacuous, "had nothing to judge"},
	} {
		if n := counts[v.verdict]; n > 0 {
			text += fmt.Sprintf(", %d %s", n, v.text)
		}
	}
	return text
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
