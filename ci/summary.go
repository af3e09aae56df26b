package ci

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/report"
)

// Summary writes a report as Markdown, for the step summary of GitHub Actions and what else shows Markdown. It ends with
// an empty line, so that more can follow in one file.
func Summary(w io.Writer, r *report.Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "### netsplit %s: %s\n\n", text(r.Run.Scenario), r.Verdict)
	if r.Run.Runtime != "" {
		fmt.Fprintf(&b, "%s\n\n", text(r.Headline()))
	}
	if ended, label := r.Ended(), r.EndedLabel(); ended != "" {
		fmt.Fprintf(&b, "**%s:** %s\n\n", strings.ToUpper(label[:1])+label[1:], text(ended))
	}
	summariseResults(&b, r.Results)
	summariseFaults(&b, r.Summary.Faults)
	if r.Verdict != invariant.Pass && r.Reproduce != "" {
		fmt.Fprintf(&b, "Reproduce: %s\n\n", code(r.Reproduce))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write summary: %w", err)
	}
	return nil
}

func summariseResults(b *strings.Builder, results []invariant.Result) {
	if len(results) == 0 {
		return
	}
	b.WriteString("| invariant | verdict | measured | bound |\n| --- | --- | --- | --- |\n")
	for _, x := range results {
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", text(x.Invariant), x.Verdict, text(x.Figure), text(x.Bound))
	}
	b.WriteString("\n")
	shown := slices.DeleteFunc(slices.Clone(results), func(x invariant.Result) bool {
		return x.Verdict == invariant.Pass || x.Verdict == invariant.Vacuous && !x.Expected
	})
	for _, group := range invariant.SameReason(shown) {
		x := &group[0]
		fmt.Fprintf(b, "- **%s %s**: %s\n", x.Verdict, text(invariant.Names(group)), text(x.Reason))
		for _, line := range evidence(x) {
			fmt.Fprintf(b, "  - %s\n", text(line))
		}
	}
	if !strings.HasSuffix(b.String(), "\n\n") {
		b.WriteString("\n")
	}
}

func summariseFaults(b *strings.Builder, faults []invariant.FaultSummary) {
	if len(faults) == 0 {
		return
	}
	b.WriteString("| fault | what | planned at | planned for | as planned |\n| --- | --- | --- | --- | --- |\n")
	for _, f := range faults {
		ok := "yes"
		if !f.OK {
			ok = "**no**"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", text(f.ID), text(f.Text), f.PlannedAt, f.PlannedFor, ok)
	}
	b.WriteString("\n")
}

// markup escapes what would end a table's cell, start markup or HTML, or mention a user.
var markup = strings.NewReplacer(
	"\\", "\\\\", "|", "\\|", "&", "&amp;", "<", "&lt;", ">", "&gt;",
	"`", "\\`", "*", "\\*", "_", "\\_", "[", "\\[", "]", "\\]", "~", "\\~", "#", "\\#", "@", "&#64;",
)

// text is plain text in Markdown, in a table's cell too.
func text(s string) string { return markup.Replace(oneLine(s)) }

// oneLine puts a space where a control character is.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// code is text in Markdown that is shown as it is.
func code(s string) string {
	return "`" + strings.ReplaceAll(oneLine(s), "`", "'") + "`"
}
