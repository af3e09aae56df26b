package cli

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/testnets"
)

// Faults that containers cannot be put through are mistakes of the scenario, each with its place.
func TestFaultsThatDoNotFitHaveTheirPlace(t *testing.T) {
	spec, err := testnets.Parse("x.yaml", []byte(`name: x
nodes: [{name: val, count: 2, mine: 100/s}]
consensus: {pow: {block_interval: 1s}}
faults:
  - {at: 1s, for: 2s, pause: val-1}
  - {at: 5s, for: 2s, kill: val-2}
duration: 20s
`))
	if err != nil {
		t.Fatal(err)
	}
	gone := &faults.PlanError{Index: 1, ID: "kill-1", Err: errors.New("container b would be gone for good")}
	var stderr bytes.Buffer
	e := &env{err: &stderr}
	if code := e.exit(t.Context(), usageError(unfit(spec, errors.Join(gone)))); code != exitUsage {
		t.Errorf("exit code %d", code)
	}
	if got := stderr.String(); !strings.HasPrefix(got, "x.yaml:6:5: fault kill-1: container b would be gone for good\n") {
		t.Errorf("said %s", got)
	}
	other := fmt.Errorf("wrapped: %w", errors.New("the engine is gone"))
	if got := unfit(spec, other); !errors.Is(got, other) {
		t.Errorf("got %v", got)
	}
}
