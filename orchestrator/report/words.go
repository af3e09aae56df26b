package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// maxNames is the most nodes that a cell names.
const maxNames = 6

// lasted says how long a fault was asked to hold and how long it did.
func lasted(f *invariant.FaultSummary) string {
	switch {
	case f.Reached != trace.FaultHealed:
		return fmt.Sprintf("%s → never healed", f.AskedFor)
	case f.AskedFor == 0:
		return "-"
	}
	return fmt.Sprintf("%s → %s", f.AskedFor, short(f.Healing-f.Active))
}

// links says what was measured on links: what came through those that were to be cut, and the delay of the others.
func links(l *invariant.LinkSummary) string {
	if l == nil {
		return "-"
	}
	var parts []string
	switch {
	case l.CutLinks > 0 && l.Leaked > 0:
		parts = append(parts, fmt.Sprintf("%d of %d packets crossed the cut", l.Leaked, l.CutSent))
	case l.CutLinks > 0:
		parts = append(parts, fmt.Sprintf("%d links silent", l.CutLinks))
	}
	if whole := l.Links - l.CutLinks; whole > 0 {
		text := fmt.Sprintf("%d links, %s", whole, short(l.Median))
		if l.WantDelay > 0 {
			text = fmt.Sprintf("%d links, +%s of +%s", whole, short(l.Delay), short(l.WantDelay))
		}
		if l.Received < l.Sent {
			text += fmt.Sprintf(", %d of %d packets lost", l.Sent-l.Received, l.Sent)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

// where names the nodes, blocks and fault windows of a piece of evidence.
func where(e invariant.Evidence) string {
	var b strings.Builder
	if len(e.Nodes) > 0 {
		fmt.Fprintf(&b, "\n     nodes   %s", names(e.Nodes))
	}
	if len(e.Blocks) > 0 {
		b.WriteString("\n     blocks ")
		for _, h := range e.Blocks {
			b.WriteString(" " + string(h))
		}
	}
	if len(e.Windows) > 0 {
		fmt.Fprintf(&b, "\n     during  %s", strings.Join(e.Windows, ", "))
	}
	return b.String()
}

// outcome says what became of one side of a partition.
func outcome(p invariant.Partition, side int) string {
	switch {
	case p.Winner < 0 || !p.Converged:
		return "undecided"
	case p.Winner == side:
		return "its chain was kept"
	}
	return "gave up its blocks"
}

// names lists nodes; of many, the first few.
func names(ids []trace.NodeID) string {
	var words []string
	for _, id := range ids[:min(len(ids), maxNames)] {
		words = append(words, string(id))
	}
	text := strings.Join(words, " ")
	if more := len(ids) - maxNames; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// short prints a duration to the precision that people read.
func short(d time.Duration) string {
	switch {
	case d.Abs() >= 10*time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d.Abs() >= 100*time.Millisecond:
		return d.Round(time.Millisecond).String()
	case d.Abs() >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}

// shortHash cuts a hash for a table. Proofs of work begin alike, so the end is what tells hashes apart.
func shortHash(h trace.Hash) string {
	if len(h) <= 12 {
		return string(h)
	}
	return "…" + string(h[len(h)-12:])
}

func dash(n int) string {
	if n == 0 {
		return "-"
	}
	return strconv.Itoa(n)
}
