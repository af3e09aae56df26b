package ci

import (
	"fmt"
	"io"
	"strings"

	"github.com/netsplit/netsplit/orchestrator/report"
)

// Summary writes a report as Markdown, for the step summary of GitHub Actions.
func Summary(w io.Writer, r *report.Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "### netsplit %s: %s\n\n%s, %d nodes, seed %d\n\n", cell(r.Run.Scenario), r.Verdict, cell(r.Run.Runtime), len(r.Run.Nodes), r.Run.Seed)
	if r.Ended() != "" {
		fmt.Fprintf(&b, "The run did not end by its schedule: %s\n\n", cell(r.Ended()))
	}
	b.WriteString("| invariant | verdict | measured | bound |\n| --- | --- | --- | --- |\n")
	for _, x := range r.Results {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", cell(x.Invariant), x.Verdict, cell(x.Figure), cell(x.Bound))
	}
	if len(r.Summary.Faults) > 0 {
		b.WriteString("\n| fault | what | at | held | did what was asked |\n| --- | --- | --- | --- | --- |\n")
		for _, f := range r.Summary.Faults {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %v |\n", cell(f.ID), cell(f.Text), f.AskedAt, f.AskedFor, f.OK)
		}
	}
	b.WriteString("\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// cell escapes what would end a table's cell or start markup.
func cell(s string) string {
	return strings.NewReplacer("|", "\\|", "<", "&lt;", "\n", " ").Replace(s)
}
