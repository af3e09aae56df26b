package chainspec

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/ci/must"
)

// exampleChain returns a chain file that has every key.
func exampleChain(t testing.TB) string {
	t.Helper()
	src := must.Get(os.ReadFile("testdata/chain.yaml"))(t)
	return string(src)
}

// editedChain applies the edits of a case to the example: each is a line "-TEXT", whose text stands in the example once,
// and lines "+TEXT" to put in its place. What is no edit is a whole file.
func editedChain(t *testing.T, title, edits string) string {
	if !strings.HasPrefix(edits, "-") || strings.HasPrefix(edits, "- ") {
		if strings.Contains(edits, "\n+") {
			t.Fatalf("%s: an edit begins at the first character after the indentation", title)
		}
		return edits
	}
	src, lines := exampleChain(t), strings.Split(edits, "\n")
	for i := 0; i < len(lines); {
		old, ok := strings.CutPrefix(lines[i], "-")
		if !ok {
			t.Fatalf("%s: %q is no edit", title, lines[i])
		}
		var put []string
		for i++; i < len(lines) && strings.HasPrefix(lines[i], "+"); i++ {
			put = append(put, lines[i][1:])
		}
		if n := strings.Count(src, old); n != 1 {
			t.Fatalf("%s: %q stands in the example %d times", title, old, n)
		}
		src = strings.Replace(src, old, strings.Join(put, "\n"), 1)
	}
	return src
}

// TestParse_Errors is a transcript: each case of testdata/errors.txt is a title after "=== ", edits of
// testdata/chain.yaml or a whole file, and after "---" what Parse says.
func TestParse_Errors(t *testing.T) {
	const file = "testdata/errors.txt"
	text := must.Get(os.ReadFile(file))(t)
	var out strings.Builder
	for _, c := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n=== ") {
		title, rest, _ := strings.Cut(strings.TrimPrefix(c, "=== "), "\n")
		edits, want, _ := strings.Cut(rest, "\n---")
		want = strings.TrimSpace(want)
		_, err := Parse("c.yaml", []byte(editedChain(t, title, edits)))
		got := "no error"
		if err != nil {
			got = err.Error()
		}
		if strings.Contains(got, "horse") {
			t.Errorf("%s: a message shows a secret:\n%s", title, got)
		}
		if got != want && !*update {
			t.Errorf("%s:\n%s", title, cmp.Diff(want, got))
		}
		out.WriteString("=== " + title + "\n" + edits + "\n---\n" + got + "\n\n")
	}
	if *update {
		must.Do(t, os.WriteFile(file, []byte(strings.TrimSpace(out.String())+"\n"), 0o644))
	}
}
