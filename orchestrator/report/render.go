package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fatih/color"

	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// Render draws the report as tables. The last lines are the verdict and where the run is.
func (r *Report) Render(w io.Writer, s Style) error {
	p := &printer{w: w, style: s}
	p.line("")
	head := p.style.Fold(r.Headline(), 0, 2)
	p.line("%s%s", p.bold(r.Run.Scenario), strings.TrimPrefix(head, r.Run.Scenario))
	if r.Began {
		p.nodes(&r.Summary)
		p.faults(r.Summary.Faults)
		p.measured(r.Summary.Faults)
		p.timing(r.Summary.Machine, r.Summary.Clocks)
		p.partitions(r.Summary.Partitions)
		p.propagation(&r.Summary.Propagation)
		p.growth(r.Summary.Growth)
		p.results(r.Results)
	}
	p.line("")
	p.verdict(r)
	return p.err
}

// printer draws the parts of a report. It keeps the first error, so that the code above reads as what is printed.
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

// text prints a sentence below a table.
func (p *printer) text(s string) { p.line(" %s", p.style.Fold(s, 1, 3)) }

func (p *printer) table(title string, header []string, rows [][]string) {
	p.line("")
	p.line("%s", p.bold(title))
	if p.err == nil {
		p.err = p.style.Table(p.w, header, rows)
	}
}

// Headline says in one line what ran where.
func (r *Report) Headline() string {
	return fmt.Sprintf("%s on %s: %s of %s, seed %d, %s", r.Run.Scenario, r.runtime(), invariant.Count(len(r.Run.Nodes), "node"),
		r.Run.Chain.Name, r.Run.Seed, r.Run.Duration)
}

// runtime is the runtime's description of itself, without what else the headline says.
func (r *Report) runtime() string {
	var parts []string
	for _, part := range strings.Split(r.Run.Runtime, ", ") {
		if part != invariant.Count(len(r.Run.Nodes), "node") && part != fmt.Sprintf("seed %d", r.Run.Seed) {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ", ")
}

// wideResults is the width from which on an invariant's bound has a column of its own.
const wideResults = 120

func (p *printer) results(results []invariant.Result) {
	var rows [][]string
	header := []string{"invariant", "verdict", "measured", "bound"}
	for _, x := range results {
		rows = append(rows, []string{x.Invariant, p.coloured(x.Verdict), x.Figure, x.Bound})
	}
	if p.style.width() < wideResults {
		header = header[:3]
		for i, row := range rows {
			rows[i] = append(row[:2], row[2]+"\nbound: "+row[3])
		}
	}
	p.table("Invariants", header, rows)
	space := true
	for _, group := range invariant.SameReason(results) {
		x := &group[0]
		if x.Verdict == invariant.Pass {
			continue
		}
		if space || len(x.Evidence) > 0 {
			p.line("")
		}
		p.result(invariant.Names(group), x)
		space = len(x.Evidence) > 0
	}
}

// result says why invariants did not pass, with the evidence. The first line has the time of the evidence that it states.
func (p *printer) result(subject string, x *invariant.Result) {
	if len(x.Evidence) > 0 && x.Evidence[0].Text == x.Reason {
		subject += " at " + short(x.Evidence[0].At)
	}
	head := fmt.Sprintf(" %s %s: ", x.Verdict, subject)
	p.line(" %s %s: %s", p.coloured(x.Verdict), subject, p.style.Fold(x.Reason, len(head), 3))
	for i := range x.Evidence {
		e := &x.Evidence[i]
		if e.Text != x.Reason {
			at := "   at " + short(e.At) + ": "
			p.line("%s%s", at, p.style.Fold(e.Text, len(at), 5))
		} else if i > 0 {
			p.line("   at %s", short(e.At))
		}
		p.where(e)
	}
}

// where names the nodes, blocks and fault windows of a piece of evidence.
func (p *printer) where(e *invariant.Evidence) {
	if len(e.Nodes) > 0 {
		p.line("     nodes   %s", p.style.Fold(nodeList(e.Nodes), 13, 13))
	}
	for i, h := range e.Blocks {
		word := "blocks"
		if i > 0 {
			word = ""
		}
		p.line("     %-6s  %s", word, h)
	}
	if len(e.Windows) > 0 {
		p.line("     during  %s", p.style.Fold(strings.Join(e.Windows, ", "), 13, 13))
	}
}

// verdict prints the verdict over all, the command that reproduces it when it is not PASS, and where the run is.
func (p *printer) verdict(r *Report) {
	p.line("%s  %s", p.coloured(r.Verdict), p.style.Fold(tally(r), len(r.Verdict)+2, len(r.Verdict)+2))
	if ended := r.Ended(); ended != "" {
		label := r.EndedLabel()
		p.line("%s: %s", label, p.style.Fold(ended, len(label)+2, 2))
	}
	if r.Verdict != invariant.Pass && r.Reproduce != "" {
		p.line("reproduce:     %s", r.Reproduce)
	}
	if r.dir != "" {
		p.line("run directory: %s", r.dir)
	}
}

// tally counts the verdicts.
func tally(r *Report) string {
	if !r.Began {
		return "the schedule never began"
	}
	counts := make(map[invariant.Verdict]int)
	for _, x := range r.Results {
		counts[x.Verdict]++
	}
	judged := len(r.Results) - counts[invariant.NotApplicable]
	text := fmt.Sprintf("%d of %s hold", counts[invariant.Pass], invariant.Count(judged, "invariant"))
	for _, v := range []struct {
		verdict invariant.Verdict
		text    string
	}{
		{invariant.Fail, "violated"}, {invariant.Unknown, "could not be judged"}, {invariant.Vacuous, "had nothing to judge"},
		{invariant.NotApplicable, "not applicable to this chain"},
	} {
		if n := counts[v.verdict]; n > 0 {
			text += fmt.Sprintf(", %d %s", n, v.text)
		}
	}
	return text
}

var colours = map[invariant.Verdict]color.Attribute{
	invariant.Pass: color.FgGreen, invariant.Fail: color.FgRed,
	invariant.Unknown: color.FgYellow, invariant.Vacuous: color.FgYellow, invariant.NotApplicable: color.FgHiBlack,
}

// coloured colours each word by itself, since a table may break between them.
func (p *printer) coloured(v invariant.Verdict) string {
	words := strings.Fields(string(v))
	for i, w := range words {
		words[i] = p.paint(w, colours[v], color.Bold)
	}
	return strings.Join(words, " ")
}

// short prints a duration to the precision that people read.
func short(d time.Duration) string { return trace.Round(d).String() }

func (p *printer) bold(text string) string { return p.paint(text, color.Bold) }

func (p *printer) paint(text string, attributes ...color.Attribute) string {
	if !p.style.Colour {
		return text
	}
	c := color.New(attributes...)
	c.EnableColor() // whether to colour was decided by the caller, from its own output
	return c.Sprint(text)
}
