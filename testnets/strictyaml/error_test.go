package strictyaml

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExcerpt(t *testing.T) {
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
