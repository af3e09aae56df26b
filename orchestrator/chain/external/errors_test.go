package external

import (
	"testing"
)

func TestPathHint(t *testing.T) {
	answer := map[string]any{"result": map[string]any{"height": 1, "list": []any{}, "none": nil}}
	for jq, want := range map[string]string{
		".result.heigth":      ".result has no heigth; did you mean height?",
		".result.x | length":  ".result has no x; it has height, list, none",
		".reslut":             "the reply has no reslut; did you mean result?",
		".result.list.x":      ".result.list is a list and has no parts",
		".result.none.x":      ".result.none is null and has no parts",
		".result.height":      "",
		"[.result.x]":         "",
		".result[\"x\"]":      "",
		".result.list[0].any": "",
	} {
		if got := pathHint(jq, answer); got != want {
			t.Errorf("%s: %q, want %q", jq, got, want)
		}
	}
}
