package cli

import (
	"io"
	"os"
	"strconv"

	"golang.org/x/term"

	"github.com/netsplit/netsplit/orchestrator/report"
)

// appName is the program's name, and that of the command above all others.
const appName = "netsplit"

// env is what commands see of the process that they run in.
type env struct {
	stdout, stderr io.Writer // see safeWriter
	terminal       io.Writer // stderr itself, for the live line's escape sequences; nil: stderr
	live           bool      // stderr is a terminal on which a line can be redrawn
	colour         bool      // stdout may be coloured
	width          int       // of stdout, in columns; 0: not known
	errWidth       int       // of stderr, likewise
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// hasEscapes reports whether w is a terminal that understands escape sequences, by the convention of TERM.
func hasEscapes(w io.Writer) bool {
	kind := os.Getenv("TERM")
	return isTerminal(w) && kind != "" && kind != "dumb"
}

// widthOf is the width of an output in columns: $COLUMNS, else the terminal's; 0 where neither is known.
func widthOf(w io.Writer) int {
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	if f, ok := w.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil {
			return n
		}
	}
	return 0
}

// style says how tables and text for stdout are drawn.
func (e *env) style() report.Style { return report.Style{Colour: e.colour, Width: e.width} }
