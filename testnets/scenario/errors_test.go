package scenario

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/ci/must"
)

var update = flag.Bool("update", false, "rewrite testdata/errors.txt with what Parse says now")

// TestParse_Errors is a transcript: each case of testdata/errors.txt is a title after "=== ", a scenario, and after
// "---" what Parse says. The line "HEAD" stands for a complete scenario (see head).
func TestParse_Errors(t *testing.T) {
	const file = "testdata/errors.txt"
	text := must.Get(os.ReadFile(file))(t)
	var out strings.Builder
	for _, c := range strings.Split(string(text), "\n=== ") {
		title, rest, _ := strings.Cut(strings.TrimPrefix(c, "=== "), "\n")
		src, want, _ := strings.Cut(rest, "\n---")
		want = strings.TrimSpace(want)
		_, err := Parse("t.yaml", []byte(strings.Replace(src, "HEAD\n", head, 1)))
		got := "no error"
		if err != nil {
			got = err.Error()
		}
		if got != want && !*update {
			t.Errorf("%s:\n%s", title, cmp.Diff(want, got))
		}
		out.WriteString("=== " + title + "\n" + src + "\n---\n" + got + "\n\n")
	}
	if *update {
		must.Do(t, os.WriteFile(file, []byte(strings.TrimSpace(out.String())+"\n"), 0o644))
	}
}
