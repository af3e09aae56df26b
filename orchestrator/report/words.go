package report

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// width is the most columns of a line that holds more than one word.
const width = 120

// short prints a duration to the precision that people read.
func short(d time.Duration) string { return trace.Round(d).String() }

// dash prints a number, and nothing as a dash.
func dash(n int) string {
	if n == 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

// fold breaks a text into lines of at most width columns. The first line begins at column first, the others at indent.
func fold(text string, first, indent int) string {
	var b strings.Builder
	column := first
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+n > width:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}
