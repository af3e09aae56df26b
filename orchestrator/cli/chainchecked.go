package cli

import (
	"fmt"
	"io"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/orchestrator/chain/external"
	"github.com/netsplit/netsplit/orchestrator/report"
)

// showChecked prints what a check found.
func (e *env) showChecked(c *ucli.Context, out *chainChecked) error {
	if c.Bool(flagJSON) {
		return writeJSON(e.out, out)
	}
	fmt.Fprintf(e.out, "chain %s (%s)\n\n", out.Chain, out.File)
	header := []string{"", "one node", "two nodes", ""}[:len(out.Stages)+1]
	var rows [][]string
	failures := 0
	for i := range out.Stages[0].Findings {
		row := []string{out.Stages[0].Findings[i].Name}
		note := ""
		for _, s := range out.Stages {
			f := s.Findings[i]
			cell, why := checkCell(f, &failures)
			note = why // of the last stage: what only needed a second node was tried by then
			row = append(row, cell)
		}
		rows = append(rows, append(row, note))
	}
	if err := e.style().Table(e.out, append(header, ""), rows); err != nil {
		return err
	}
	number := 0
	for i := range out.Stages[0].Findings {
		for _, s := range out.Stages {
			if f := s.Findings[i]; f.Outcome == external.Failed {
				number++
				showProblem(e.out, number, s.Nodes, f)
			}
		}
	}
	for _, s := range out.Stages {
		showPrinted(e.out, &s)
	}
	if err := e.showJudgeable(out.Invariants); err != nil {
		return err
	}
	if out.OK {
		fmt.Fprintf(e.out, "\nchain %s: all that its file says works; next: netsplit run split-brain --chain %s\n", out.Chain, shellWord(out.Asked))
	} else {
		fmt.Fprintf(e.out, "\nchain %s: not all that its file says works\n", out.Chain)
	}
	return nil
}

// showJudgeable prints which invariants can be judged on the chain, and what the others lack.
func (e *env) showJudgeable(list []judgeable) error {
	if len(list) == 0 {
		return nil
	}
	var rows [][]string
	for _, x := range list {
		row := []string{x.Invariant, "yes", ""}
		if len(x.Missing) > 0 {
			row[1], row[2] = "no", fmt.Sprintf("the chain file does not show %s", x.Missing[0])
		}
		rows = append(rows, row)
	}
	fmt.Fprintf(e.out, "\ninvariants that can be judged on this chain:\n\n")
	return e.style().Table(e.out, []string{"invariant", "judged", "why not"}, rows)
}

// checkCell is what the table shows of a finding, and the note beside it. failures counts those that are shown below.
func checkCell(f external.Finding, failures *int) (cell, note string) {
	switch f.Outcome {
	case external.Works:
		return clipped(f.Value, maxCell), ""
	case external.Failed:
		*failures++
		return fmt.Sprintf("FAILED%s(%d)", report.NBSP, *failures), ""
	case external.Absent:
		return "-", "not in the file: " + f.Note
	}
	return "", f.Note
}

// showProblem prints why something failed.
func showProblem(w io.Writer, number, nodes int, f external.Finding) {
	p := f.Problem
	fmt.Fprintf(w, "\n(%d) %s, %s\n", number, f.Name, counted(nodes))
	if p.JQ == "" {
		fmt.Fprintf(w, "    %s\n", p.Text)
		if p.At != "" {
			fmt.Fprintf(w, "    at     %s\n", p.At)
		}
	} else {
		fmt.Fprintf(w, "    at     %s\n    jq     %s\n    reply  %s of node %s\n    it     %s\n", p.At, p.JQ, p.Reply, p.Node, p.Got)
	}
	if p.Hint != "" {
		fmt.Fprintf(w, "    hint   %s\n", p.Hint)
	}
}

// counted is a number of nodes in words.
func counted(nodes int) string {
	if nodes == 1 {
		return "one node"
	}
	return "two nodes"
}

const (
	// maxPrinted is the most characters of a node's line that are shown, maxCell of a value in the table.
	maxPrinted = 200
	maxCell    = 40
)

// clipped is at most so many characters of a text.
func clipped(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

// showPrinted prints what a node printed that died or did not answer.
func showPrinted(w io.Writer, s *checkStage) {
	if s.Died != "" {
		fmt.Fprintf(w, "\n%s: %s\n    at     %s\n    hint   compare the arguments, environment and files there with what the node prints\n",
			counted(s.Nodes), s.Died, s.Start)
	}
	if s.Node == "" {
		return
	}
	if len(s.Printed) == 0 {
		fmt.Fprintf(w, "\n%s: node %s printed nothing\n", counted(s.Nodes), s.Node)
		return
	}
	fmt.Fprintf(w, "\n%s: what node %s printed last\n", counted(s.Nodes), s.Node)
	for _, l := range s.Printed {
		fmt.Fprintf(w, "    | %s\n", clipped(l, maxPrinted))
	}
}
