package chainspec

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// TestNumbersWithoutEndAreRefused: a reply that has a number of a million digits costs a query no time, whether the chain
// file reads it as a number, as cometbft's does with heights, or only walks past it. It cost seconds, and gigabytes.
func TestNumbersWithoutEndAreRefused(t *testing.T) {
	nines := strings.Repeat("9", 1<<20)
	for source, in := range map[string]any{
		".height | tonumber": map[string]any{"height": nines},
		".height + 1":        map[string]any{"height": json.Number(nines)},
		".[0][0] | floor":    []any{[]any{json.Number("-" + nines)}},
		".[0] | tonumber":    []any{nines + ".5e3"},
	} {
		q, mistake := compileQuery(nil, strictyaml.Pos{}, source)
		if mistake != nil {
			t.Fatal(mistake)
		}
		if got, err := q.Run(t.Context(), in); err == nil || !strings.Contains(err.Error(), "characters, at most 1000 are read") {
			t.Errorf("%s: %.50v, %v", source, got, err)
		}
	}
	// What only begins as a number does is a text like any other.
	q, mistake := compileQuery(nil, strictyaml.Pos{}, "length")
	if mistake != nil {
		t.Fatal(mistake)
	}
	for _, text := range []string{nines + "x", strings.Repeat("a", 1<<20), strings.Repeat("9", maxDigits)} {
		if got, err := q.Run(t.Context(), text); err != nil || got != len(text) {
			t.Errorf("%.10s: %v, %v", text, got, err)
		}
	}
}
