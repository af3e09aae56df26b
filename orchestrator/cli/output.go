package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/orchestrator/report"
)

// output is where the result of a command goes: as tables or, with --json, as JSON.
type output struct {
	w     io.Writer
	style report.Style
	json  bool
}

// output is the output of the command that c calls.
func (e *env) output(c *ucli.Context) output {
	return output{w: e.stdout, style: e.style(), json: c.Bool(flagJSON)}
}

// table prints rows as a table or, with --json, value.
func (o output) table(value any, header []string, rows [][]string) error {
	if o.json {
		return o.value(value)
	}
	return o.style.Table(o.w, header, rows)
}

// value prints a value as indented JSON.
func (o output) value(v any) error {
	enc := json.NewEncoder(o.w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// printf prints text for people.
func (o output) printf(format string, args ...any) { fmt.Fprintf(o.w, format, args...) }

// filled leaves the columns of a table out that are empty in every row.
func filled(header []string, rows [][]string) ([]string, [][]string) {
	var heads []string
	out := make([][]string, len(rows))
	for i, head := range header {
		if !slices.ContainsFunc(rows, func(row []string) bool { return row[i] != "" }) {
			continue
		}
		heads = append(heads, head)
		for k, row := range rows {
			out[k] = append(out[k], row[i])
		}
	}
	return heads, out
}

// clipped is at most so many characters of a text.
func clipped(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
