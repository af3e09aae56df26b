package report

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/fatih/color"

	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/invariant/replay"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// faults shows when each fault was planned to hold and when it did.
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
			f.ID, f.Text, arrow(f.PlannedAt.String(), short(f.Begin)), length(f), switchTimes(f), ok,
		})
	}
	p.table("Faults (planned → actual)", []string{"fault", "what", "begin", "length", "apply/heal", "as planned"}, rows)
}

// arrow shows what was planned and what happened.
func arrow(planned, actual string) string { return planned + NBSP + "→" + NBSP + actual }

// length says how long a fault was planned to hold and how long it did.
func length(f *invariant.FaultSummary) string {
	planned := f.PlannedFor.String()
	switch f.Reached {
	case trace.FaultBegin:
		return arrow(planned, "never active")
	case trace.FaultActive:
		return arrow(planned, "never ended")
	}
	if f.PlannedFor == 0 {
		return "instant"
	}
	return arrow(planned, short(f.Healing-f.Active))
}

// switchTimes says how long it took to apply a fault everywhere, and to heal it.
func switchTimes(f *invariant.FaultSummary) string {
	switch {
	case f.Reached == trace.FaultBegin:
		return "-"
	case f.Reached != trace.FaultHealed || f.PlannedFor == 0:
		return short(f.TookActive)
	}
	return short(f.TookActive) + NBSP + "/" + NBSP + short(f.TookHealed)
}

// measured shows what was measured before, while and after faults held.
func (p *printer) measured(faults []invariant.FaultSummary) {
	var rows [][]string
	for i := range faults {
		f := &faults[i]
		switch {
		case f.Answers != nil:
			before, during, after := answers(f)
			rows = append(rows, []string{f.ID, nodeList(f.Nodes), before, during, after})
		case f.Before != nil || f.During != nil || f.After != nil:
			rows = append(rows, []string{f.ID, affected(f), linkText(f.Before), linkText(f.During), linkText(f.After)})
		}
	}
	if len(rows) > 0 {
		p.table("Probes around each fault: packets and median one-way delay, or node state", []string{"fault", "on", "before", "during", "after"}, rows)
	}
}

// timing says what disturbed the times of the run: a machine that was late, clocks that are wrong.
func (p *printer) timing(m *replay.Machine, clocks []replay.NodeClock) {
	if late := m != nil && m.Late > 0; late || len(clocks) > 0 {
		p.line("")
		if late {
			p.text("The machine was late " + m.Text() + ".")
		}
		for _, c := range clocks {
			p.text(fmt.Sprintf("The clock of %s is %s: the times of its events are corrected.", c.Node, c.Text()))
		}
	}
}

// affected is the number of links that a fault changes.
func affected(f *invariant.FaultSummary) string {
	for _, l := range []*invariant.LinkSummary{f.Before, f.After, f.During} {
		if l != nil {
			return invariant.Count(l.Links, "link")
		}
	}
	return "-"
}

// answers says how the nodes of a fault answered before, while and after it held.
func answers(f *invariant.FaultSummary) (before, during, after string) {
	before, during, after = "up", "-", "-"
	a := f.Answers
	if a.UpBefore < len(f.Nodes) {
		before = outOf(a.UpBefore, len(f.Nodes)) + " up"
	}
	switch {
	case a.PolledDuring > 0 && a.AnsweredDuring == 0:
		during = "no answer"
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

// outOf is a share: "9 of 10".
func outOf[T int | int64](n, all T) string { return fmt.Sprint(n, NBSP+"of"+NBSP, all) }

// linkText says what was measured on links: how many packets were received, and their delay.
func linkText(l *invariant.LinkSummary) string {
	if l == nil || l.Links == 0 {
		return "-"
	}
	var parts []string
	if l.CutLinks > 0 {
		parts = append(parts, outOf(l.Leaked, l.CutSent))
	}
	if l.CutLinks < l.Links {
		text := outOf(l.Received, l.Sent)
		switch {
		case l.ExpectedDelay > 0:
			planned, actual := "+"+short(l.ExpectedDelay), "+"+short(l.Delay)
			if l.ExpectedJitter > 0 {
				planned, actual = planned+"±"+short(l.ExpectedJitter), actual+"±"+short(l.Jitter)
			}
			text += ", " + arrow(planned, actual)
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

// partitions shows what happened to the chain on each side of each partition.
func (p *printer) partitions(partitions []replay.Partition) {
	for i := range partitions {
		part := &partitions[i]
		var rows [][]string
		for k, side := range part.Sides {
			if k == maxNodeRows {
				rows = append(rows, []string{"", fmt.Sprintf("and %d more parts", len(part.Sides)-k), "", "", ""})
				break
			}
			height := "-"
			if part.Ended {
				height = strconv.FormatUint(side.Height, 10)
			}
			rows = append(rows, []string{
				strconv.Itoa(len(side.Nodes)), nodeList(side.Nodes), strconv.Itoa(side.Mined), height, outcome(part, k),
			})
		}
		p.table("The chain during and after "+part.Fault,
			[]string{"nodes", "which", "made while cut", "height at heal", "outcome"}, rows)
		switch {
		case part.Converged && part.Reorganised > 0:
			p.text(fmt.Sprintf("converged on one chain %s after the heal; %s reorganised, at most %s deep",
				short(part.ConvergedIn), invariant.Count(part.Reorganised, "node"), invariant.Count(part.DeepestReorg, "block")))
		case part.Converged:
			p.text(fmt.Sprintf("converged on one chain %s after the heal; no node reorganised", short(part.ConvergedIn)))
		case part.Ended:
			p.text("did not converge on one chain after the heal")
		default:
			p.text("the run ended before the heal")
		}
	}
}

// outcome says what became of one side of a partition.
func outcome(p *replay.Partition, side int) string {
	switch {
	case p.Idle:
		return "halted"
	case p.Canonical < 0 || !p.Converged:
		return "undecided"
	case p.Canonical == side:
		return "canonical"
	case p.Sides[side].Mined == 0:
		return "no blocks, synced"
	}
	return "reorganised"
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
	title := "Block propagation, from production to arrival"
	if x.Polled {
		title = "Block propagation, from first arrival to arrival"
	}
	p.table(title, columns, [][]string{row})
	if exact := x.Exact(); exact != "" {
		p.text(exact + " as reported by the nodes")
	}
}

// growth says how many blocks were demanded of whom. Windows too short to require a block are shown where power was there.
func (p *printer) growth(windows []invariant.GrowthWindow) {
	var rows [][]string
	for i := range windows {
		w := &windows[i]
		if w.Share == 0 {
			continue
		}
		nodes := strconv.Itoa(w.Size)
		if len(w.Nodes) == 1 {
			nodes = string(w.Nodes[0])
		}
		count, expected := w.Count()
		got := strconv.Itoa(count) + " made"
		if w.Grown >= 0 {
			got = "height +" + strconv.Itoa(count)
		}
		atLeast, atMost := "too short", "-"
		if w.AtLeast > 0 {
			atLeast = strconv.Itoa(w.AtLeast)
		}
		if w.AtMost >= 0 {
			atMost = strconv.Itoa(w.AtMost)
		}
		rows = append(rows, []string{w.What, nodes, short(w.From) + ".." + short(w.To), fmt.Sprintf("%.1f", expected),
			got, atLeast, atMost})
	}
	more := len(rows) - maxGrowthRows
	if more > 0 {
		rows = rows[:maxGrowthRows]
	}
	if len(rows) == 0 {
		return
	}
	p.table("Blocks demanded", []string{"of", "nodes", "from..to", "expected", "actual", "at least", "at most"}, rows)
	if more > 0 {
		p.text(fmt.Sprintf("and %s more", invariant.Count(more, "window")))
	}
}

// maxGrowthRows is the most windows that are shown; all are in report.json.
const maxGrowthRows = 16
