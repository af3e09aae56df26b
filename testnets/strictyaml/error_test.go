package strictyaml

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSource_Excerpt(t *testing.T) {
	for _, c := range []struct {
		src  string
		pos  Pos
		want string
	}{
		{"a\nb", Pos{2, 1}, "2 | b\n  | ^"},
		{"a\nb", Pos{3, 1}, ""},
		{"a", Pos{}, ""},
		{"a", Pos{1, 0}, ""},
		{"a", Pos{1, 9}, "1 | a\n  |  ^"},
		{"\ta\x01b", Pos{1, 2}, "1 |  a b\n  |  ^"},
		{"héé x", Pos{1, 5}, "1 | héé x\n  |     ^"},
		{strings.Repeat("x", 300), Pos{1, 200}, "1 | " + strings.Repeat("x", 100) + "\n  | " + strings.Repeat(" ", 90) + "^"},
	} {
		if d := cmp.Diff(c.want, excerpt([]byte(c.src), c.pos)); d != "" {
			t.Errorf("%q at %v:\n%s", c.src, c.pos, d)
		}
	}
}

// TestSource_Inside: a place in a value is found in the file, or the value's beginning is given.
func TestSource_Inside(t *testing.T) {
	s := &Source{File: "c.yaml", Text: []byte("a: bc\nd: |\n    e\n      f\n\nx: >\n  g\n  h\ny: \"i\\tj\"\n")}
	for _, c := range []struct {
		pos          Pos
		value        string
		line, column int
		want         Pos
	}{
		{Pos{Line: 1, Column: 4}, "bc", 1, 2, Pos{Line: 1, Column: 5}},
		{Pos{Line: 1, Column: 4}, "bc", 1, 99, Pos{Line: 1, Column: 6}},
		{Pos{Line: 1, Column: 4}, "bc", 2, 1, Pos{Line: 1, Column: 4}},
		{Pos{Line: 1, Column: 4}, "bc", 1, 0, Pos{Line: 1, Column: 4}},
		{Pos{Line: 1, Column: 4}, "bc\nd", 1, 1, Pos{Line: 1, Column: 4}},
		{Pos{Line: 1, Column: 99}, "bc", 1, 1, Pos{Line: 1, Column: 99}},
		{Pos{Line: 99, Column: 1}, "bc", 1, 1, Pos{Line: 99, Column: 1}},
		{Pos{Line: 2, Column: 4}, "e\n  f\n", 1, 1, Pos{Line: 3, Column: 5}},
		{Pos{Line: 2, Column: 4}, "e\n  f\n", 2, 3, Pos{Line: 4, Column: 7}},
		{Pos{Line: 2, Column: 4}, "e\n  f\n", 3, 1, Pos{Line: 2, Column: 4}},
		{Pos{Line: 6, Column: 4}, "g h\n", 1, 3, Pos{Line: 6, Column: 4}},
		{Pos{Line: 9, Column: 4}, "i\tj", 1, 3, Pos{Line: 9, Column: 4}},
	} {
		if got := s.Inside(c.pos, c.value, c.line, c.column); got != c.want {
			t.Errorf("%v %q %d:%d: %v, want %v", c.pos, c.value, c.line, c.column, got, c.want)
		}
	}
}
