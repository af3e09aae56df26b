package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/testnets"
)

func TestExit(t *testing.T) {
	spec := &testnets.Error{File: "a.yaml", Pos: testnets.Pos{Line: 3, Column: 5}, Msg: "wrong", Hint: "do it right"}
	other := &testnets.Error{File: "a.yaml", Pos: testnets.Pos{Line: 4, Column: 1}, Msg: "worse"}
	for _, c := range []struct {
		name        string
		err         error
		interrupted bool
		code        int
		text        string
	}{
		{"nothing", nil, false, 0, ""},
		{"printed already", &exitError{code: exitViolated}, false, 1, ""},
		{"usage with a hint", usagef("do this", "no %s", "x"), false, 2, "netsplit: no x\n  hint: do this\n"},
		{"infrastructure without a hint", infrastructure(errors.New("gone"), ""), false, 3, "netsplit: gone\n"},
		{"not classified", errors.New("disk full"), false, 3, "netsplit: disk full\n"},
		{"a mistake in a file", usageError(spec), false, 2, "a.yaml:3:5: wrong\n  hint: do it right\n"},
		{"two mistakes", usageError(errors.Join(spec, other)), false, 2, "a.yaml:3:5: wrong\n  hint: do it right\na.yaml:4:1: worse\n"},
		{"two mistakes, unmarked", errors.Join(spec, other), false, 2, "a.yaml:3:5: wrong\n  hint: do it right\na.yaml:4:1: worse\n"},
		{"interrupted", fmt.Errorf("wait: %w", context.Canceled), true, 130, "netsplit: interrupted\n"},
		{"canceled by somebody else", fmt.Errorf("wait: %w", context.Canceled), false, 3, "netsplit: wait: context canceled\n"},
		{"interrupted, and nothing is left", errors.Join(context.Canceled, nil), true, 130, "netsplit: interrupted\n"},
		{"interrupted, and something is left", errors.Join(context.Canceled, infrastructure(errors.New("stuck"), "down --all")), true, 3,
			"netsplit: interrupted\nnetsplit: stuck\n  hint: down --all\n"},
		{"nested", errors.Join(errors.Join(errors.New("a"), &exitError{code: exitViolated}), usagef("", "b")), false, 3,
			"netsplit: a\nnetsplit: b\n"},
		{"says more than its parts", fmt.Errorf("both: %w, %w", errors.New("a"), errors.New("b")), false, 3, "netsplit: both: a, b\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if c.interrupted {
				cancel()
			}
			var text strings.Builder
			code := (&env{err: &text}).exit(ctx, c.err)
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			if d := cmp.Diff(c.text, text.String()); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}
