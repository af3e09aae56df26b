package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/pkg/twwidth"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

const (
	// DefaultWidth is the width of output whose reader is not known: a pipe, a file, the log of a build server.
	DefaultWidth = 80
	// minWidth is the least width that output is fitted to.
	minWidth = 40
	// NBSP is a space at which no line is broken. It is printed as any other.
	NBSP = "\u00a0"
)

// Style says how tables and text are drawn.
type Style struct {
	Colour bool
	Width  int // of the output, in columns; 0 means DefaultWidth
}

func (s Style) width() int {
	if s.Width <= 0 {
		return DefaultWidth
	}
	return max(s.Width, minWidth)
}

// Table draws rows under a header within the style's width. Cells are broken between words, never inside one; where that
// is not enough, each row becomes a list with a line for each cell. Cells may hold colour codes, which have no width.
func (s Style) Table(w io.Writer, header []string, rows [][]string) error {
	columns, ok := s.columns(header, rows)
	if !ok {
		return s.list(w, header, rows)
	}
	fit := func(cells []string) []string {
		out := make([]string, len(cells))
		for i, c := range cells {
			out[i] = strings.Join(wrap(c, 0, columns[i]), "\n")
		}
		return out
	}
	var text bytes.Buffer
	table := tablewriter.NewTable(&text,
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders: tw.BorderNone,
			Symbols: tw.NewSymbols(tw.StyleLight),
			Settings: tw.Settings{
				Separators: tw.Separators{BetweenColumns: tw.Off, BetweenRows: tw.Off},
				Lines:      tw.Lines{ShowHeaderLine: tw.On, ShowTop: tw.Off, ShowBottom: tw.Off},
			},
		})),
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithHeaderAlignment(tw.AlignLeft),
		tablewriter.WithRowAlignment(tw.AlignLeft),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithHeaderAutoWrap(tw.WrapNone),
	)
	table.Header(fit(header))
	for _, row := range rows {
		if err := table.Append(fit(row)); err != nil {
			return err
		}
	}
	if err := table.Render(); err != nil {
		return err
	}
	for line := range bytes.Lines(text.Bytes()) {
		if _, err := w.Write(append(bytes.TrimRight(line, " \n"), '\n')); err != nil {
			return err
		}
	}
	return nil
}

// columns returns the widths of a table's columns: as wide as their cells or, where that is too wide together, the widest
// ones narrowed, first those whose header alone is wide. ok is false when not even the longest words of the columns fit
// beside each other.
func (s Style) columns(header []string, rows [][]string) (widths []int, ok bool) {
	words := make([]int, len(header)) // the longest of each column
	cells := make([]int, len(header)) // the widest cell of each column, or the longest word of the header
	widths = make([]int, len(header))
	for k, row := range append([][]string{header}, rows...) {
		for i, cell := range row {
			for line := range strings.SplitSeq(cell, "\n") {
				widths[i] = max(widths[i], twwidth.Width(line))
				for word := range strings.SplitSeq(line, " ") {
					words[i] = max(words[i], twwidth.Width(word))
				}
				if k > 0 {
					cells[i] = max(cells[i], words[i], twwidth.Width(line))
				}
			}
		}
	}
	excess := 2*len(header) - s.width() // a space on either side of each column
	for _, n := range widths {
		excess += n
	}
	for _, least := range [][]int{cells, words} {
		for excess > 0 {
			widest := -1
			for i, n := range widths {
				if n > least[i] && (widest < 0 || n > widths[widest]) {
					widest = i
				}
			}
			if widest < 0 {
				break
			}
			widths[widest]--
			excess--
		}
	}
	return widths, excess <= 0
}

// list draws the cells of each row below each other, with the header beside them. Empty cells are left out.
func (s Style) list(w io.Writer, header []string, rows [][]string) error {
	label := 0
	for _, h := range header {
		label = max(label, twwidth.Width(h))
	}
	var b strings.Builder
	for i, row := range rows {
		if i > 0 {
			b.WriteString("\n")
		}
		for k, cell := range row {
			if cell == "" {
				continue
			}
			head := header[k]
			for _, line := range wrap(cell, 0, s.width()-label-3) {
				fmt.Fprintf(&b, " %-*s  %s\n", label, head, line)
				head = ""
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Fold breaks text between words into lines of the style's width. The first line begins at column first, the others are
// indented.
func (s Style) Fold(text string, first, indent int) string {
	lines := wrap(strings.Join(strings.Fields(text), " "), max(0, first-indent), s.width()-indent)
	return strings.Join(lines, "\n"+strings.Repeat(" ", indent))
}

// wrap breaks text at spaces into lines of at most width columns, of which the first has used some already. A longer
// word stays whole. Line breaks in the text stay.
func wrap(text string, used, width int) []string {
	var lines []string
	for part := range strings.SplitSeq(text, "\n") {
		line, column := "", used
		for i, word := range strings.Split(part, " ") {
			n := twwidth.Width(word)
			switch {
			case i > 0 && column+1+n > width:
				lines = append(lines, line)
				line, column = "", 0
			case i > 0:
				line += " "
				column++
			}
			line += word
			column += n
		}
		lines, used = append(lines, line), 0
	}
	for i := range lines {
		lines[i] = strings.ReplaceAll(lines[i], NBSP, " ")
	}
	return lines
}
