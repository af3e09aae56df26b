package report

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/fatih/color"

	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// faults shows what was asked for and when it was so.
func (p *printer) faults(faults []invariant.FaultSummary) {
	if len(faults) == 0 {
		return
	}
	var rows [][]string
	for i := range faults {
		f := &faults[i]
		ok := "yes"
		switch {
		case !f.OK:
			ok = p.paint("NO", color.FgRed, color.Bold)
		case f.Reached != trace.FaultHealed:
			ok = "-"
		}
		rows = append(rows, []string{
			f.ID, f.Text, fmt.Sprintf("%s → %s", f.PlannedAt, short(f.Begin)), lasted(f), switched(f), ok,
		})
	}
	p.table("Faults, asked → happened", []string{"fault", "what", "begin", "length", "on/off in", "as asked"}, rows)
}

// lasted says how long a fault was asked to hold and how long it did.
func lasted(f *invariant.FaultSummary) string {
	asked := f.PlannedFor.String()
	switch f.Reached {
	case trace.FaultBegin:
		return asked + " → never active"
	case trace.FaultActive:
		return asked + " → never ended"
	}
	if f.PlannedFor == 0 {
		return "at once"
	}
	return fmt.Sprintf("%s → %s", asked, short(f.Healing-f.Active))
}

// switched says how long it took to make a fault true everywhere, and to take it away.
func switched(f *invariant.FaultSummary) string {
	switch {
	case f.Reached == trace.FaultBegin:
		return "-"
	case f.Reached != trace.FaultHealed || f.PlannedFor == 0:
		return short(f.TookActive)
	}
	return short(f.TookActive) + " / " + short(f.TookHealed)
}

// around shows what was measured before, while and after faults held.
func (p *printer) around(faults []invariant.FaultSummary) {
	var rows [][]string
	for i := range faults {
		f := &faults[i]
		switch {
		case f.Answers != nil:
			before, during, after := answerWords(f)
			rows = append(rows, []string{f.ID, nodeWords(f.Nodes), before, during, after})
		case f.Before != nil || f.During != nil || f.After != nil:
			rows = append(rows, []string{f.ID, affected(f), linkWords(f.Before), linkWords(f.During), linkWords(f.After)})
		}
	}
	if len(rows) > 0 {
		p.table("Measured around each fault: answers, or packets that arrived and their median one-way delay", []string{"fault", "on", "before", "during", "after"}, rows)
	}
}

// affected counts the links that were measured once.
func affected(f *invariant.FaultSummary) string {
	for _, l := range []*invariant.LinkSummary{f.Before, f.After, f.During} {
		if l != nil {
			return invariant.Count(l.Links, "link")
		}
	}
	return "-"
}

// answerWords say what the nodes of a fault did around it.
func answerWords(f *invariant.FaultSummary) (before, during, after string) {
	before, during, after = "up", "-", "-"
	a := f.Answers
	if a.UpBefore < len(f.Nodes) {
		before = fmt.Sprintf("%d of %d up", a.UpBefore, len(f.Nodes))
	}
	switch {
	case a.PolledDuring > 0 && a.AnsweredDuring == 0:
		during = "silent"
	case a.PolledDuring > 0:
		during = fmt.Sprintf("answered %d of %d times", a.AnsweredDuring, a.PolledDuring)
	}
	switch {
	case a.PolledAfter > 0 && a.AnsweredAfter == a.PolledAfter:
		after = "answering"
	case a.PolledAfter > 0:
		after = fmt.Sprintf("answered %d of %d times", a.AnsweredAfter, a.PolledAfter)
	}
	return before, during, after
}

// linkWords say what was measured on links: the packets that came through, and how late.
func linkWords(l *invariant.LinkSummary) string {
	if l == nil || l.Links == 0 {
		return "-"
	}
	var parts []string
	if l.CutLinks > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d", l.Leaked, l.CutSent))
	}
	if l.CutLinks < l.Links {
		text := fmt.Sprintf("%d of %d", l.Received, l.Sent)
		switch {
		case l.ExpectedDelay > 0:
			text += fmt.Sprintf(", +%s → +%s", short(l.ExpectedDelay), short(l.Delay))
		case l.Received > 0:
			text += ", " + short(l.Median)
		}
		parts = append(parts, text)
	}
	if len(parts) == 2 {
		return "cut: " + parts[0] + "; others: " + parts[1]
	}
	return strings.Join(parts, "")
}

// partitions shows what each cut did to the chain.
func (p *printer) partitions(partitions []invariant.Partition) {
	for i := range partitions {
		part := &partitions[i]
		var rows [][]string
		for k, side := range part.Sides {
			height := "-"
			if part.Ended {
				height = strconv.FormatUint(side.Height, 10)
			}
			rows = append(rows, []string{
				strconv.Itoa(len(side.Nodes)), nodeWords(side.Nodes), strconv.Itoa(side.Mined), height, outcome(part, k),
			})
		}
		p.table("What "+part.Fault+" did to the chain",
			[]string{"nodes", "which", "blocks made while cut", "height at heal", "outcome"}, rows)
		switch {
		case part.Converged && part.Reorganised > 0:
			p.line(" one chain %s after the heal; %s reorganised, at most %s deep",
				short(part.ConvergedIn), invariant.Count(part.Reorganised, "node"), invariant.Count(part.DeepestReorg, "block"))
		case part.Converged:
			p.line(" one chain %s after the heal; no node had to reorganise", short(part.ConvergedIn))
		case part.Ended:
			p.line(" no single chain after the heal")
		default:
			p.line(" the run ended before the heal")
		}
	}
}

// outcome says what became of one side of a partition.
func outcome(p *invariant.Partition, side int) string {
	switch {
	case p.Idle:
		return "stood still"
	case p.Winner < 0 || !p.Converged:
		return "undecided"
	case p.Winner == side:
		return "its chain was kept"
	case p.Sides[side].Mined == 0:
		return "made none, took the other chain"
	}
	return "gave up its blocks"
}

// propagation shows how fast blocks spread.
func (p *printer) propagation(x *invariant.PropagationSummary) {
	if x.Deliveries == 0 {
		return
	}
	low, high := x.Ends()
	columns := []string{"blocks", "deliveries", "p50", "p95", "p99", "max", "coverage"}
	row := []string{
		strconv.Itoa(x.Blocks), strconv.FormatUint(x.Deliveries, 10), trace.FormatRange(low.P50, high.P50),
		trace.FormatRange(low.P95, high.P95), trace.FormatRange(low.P99, high.P99), trace.FormatRange(low.Max, high.Max),
		fmt.Sprintf("%.2f%%", 100*x.Coverage),
	}
	if exact := x.Exact(); exact != "" {
		columns, row = append(columns, exact), append(row, "as nodes told")
	}
	title := "Block propagation, from made to seen"
	if x.Polled {
		title = "Block propagation, from first seen to seen"
	}
	p.table(title, columns, [][]string{row})
}
