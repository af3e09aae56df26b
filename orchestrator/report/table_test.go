package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/ci/must"
)

func TestFold(t *testing.T) {
	long := strings.Repeat("word ", 60)
	for _, c := range []struct {
		text          string
		first, indent int
	}{{"", 10, 3}, {"short", 79, 3}, {long, 0, 0}, {long, 30, 3}, {strings.Repeat("x", 200) + " y", 0, 3}} {
		got := Style{}.Fold(c.text, c.first, c.indent)
		if strings.Join(strings.Fields(got), " ") != strings.TrimSpace(c.text) {
			t.Errorf("words changed: %q", got)
		}
		for i, line := range strings.Split(strings.Repeat(" ", c.first)+got, "\n") {
			if len(line) > DefaultWidth && strings.Contains(strings.TrimSpace(line), " ") {
				t.Errorf("%d columns: %q", len(line), line)
			}
			if i > 0 && !strings.HasPrefix(line, strings.Repeat(" ", c.indent)) {
				t.Errorf("not indented: %q", line)
			}
		}
	}
}

func TestStyle_Table(t *testing.T) {
	hash := strings.Repeat("0123456789abcdef", 4)
	red := "\x1b[31mb\x1b[0m"
	header := []string{"node", "what happened", "key"}
	rows := [][]string{{"miner-1", "cut 2 nodes from 3\u00a0nodes", "a"}, {"miner-2", "two\nlines", red}}
	for _, c := range []struct {
		name   string
		width  int
		header []string
		rows   [][]string
		want   string
	}{
		{"fits", 0, header, rows, `
 node     what happened             key
────────────────────────────────────────
 miner-1  cut 2 nodes from 3 nodes  a
 miner-2  two                       ` + red + `
          lines
`},
		{"widest column is broken between words", 40, header,
			[][]string{{"miner-1", "cut\u00a02\u00a0nodes from 3\u00a0nodes", "abcd"}, {"full", "nothing at all that is not there", ""}}, `
 node     what happened           key
───────────────────────────────────────
 miner-1  cut 2 nodes from        abcd
          3 nodes
 full     nothing at all that is
          not there
`},
		{"a word that is too long makes a list", 40, []string{"node", "hash", ""},
			[][]string{{"miner-1", hash, "x"}, {"miner-2", "", "it was never seen again after that"}}, `
 node  miner-1
 hash  ` + hash + `
       x

 node  miner-2
       it was never seen again after
       that
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			must.Do(t, (Style{Width: c.width}).Table(&out, c.header, c.rows))
			if d := cmp.Diff(c.want[1:], out.String()); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}
