package shape

import (
	"errors"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/faults/shape/probe"
	"github.com/netsplit/netsplit/faults/shape/shapetest"
)

func TestCheck(t *testing.T) {
	shapetest.RequireRoot(t)
	results := Check(t.Context())
	if len(results) != 4 {
		t.Fatalf("%d results", len(results))
	}
	for _, r := range results {
		t.Logf("%+v", r)
		if !r.OK && !r.Optional {
			t.Errorf("%s: %s", r.Name, r.Text)
		}
		if r.OK == (r.Hint != "") {
			t.Errorf("%s: OK is %v and the hint is %q", r.Name, r.OK, r.Hint)
		}
	}
}

// noEngine has no effect on packets; Apply returns its error.
type noEngine struct{ err error }

func (e noEngine) Apply(Desired) error { return e.err }
func (noEngine) Via() string           { return "nothing" }

func TestChecker_DetectsEngineWithoutEffect(t *testing.T) {
	c := checker{lab: shapetest.Lab(t, 2), engine: noEngine{}, prober: probe.New()}
	defer c.prober.Close()
	if err := c.cut(t.Context()); err == nil || !strings.Contains(err.Error(), "5 of 5 packets arrived") {
		t.Errorf("cut: %v", err)
	}
	if err := c.delay(t.Context()); err == nil || !strings.Contains(err.Error(), "requested 20ms") {
		t.Errorf("delay: %v", err)
	}
	refusal := errors.New("no\nway")
	c.engine = noEngine{err: refusal}
	if err := errors.Join(c.cut(t.Context()), c.delay(t.Context())); !errors.Is(err, refusal) {
		t.Errorf("the engine's error became %v", err)
	}
	if got := oneLine(refusal); got != "no; way" {
		t.Errorf("in one line: %q", got)
	}
}
