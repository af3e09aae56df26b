//go:build linux

package shape

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/faults/shape/lab"
	"github.com/netsplit/netsplit/faults/shape/probe"
)

// idle says yes, or its error, and does nothing.
type idle struct{ err error }

func (i idle) Apply(Desired) error { return i.err }
func (idle) Via() string           { return "nothing" }

func TestCheckSeesAnEngineThatDoesNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		if strings.Contains(os.Getenv("NETSPLIT_REQUIRE"), "root") {
			t.Fatal("NETSPLIT_REQUIRE demands root, and this process is not")
		}
		t.Skip("needs root: makes network namespaces")
	}
	l, err := lab.New(2)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := checker{lab: l, engine: idle{}, prober: probe.New()}
	defer c.prober.Close()
	if err := c.cut(t.Context()); err == nil || !strings.Contains(err.Error(), "5 of 5 packets arrived") {
		t.Errorf("cut: %v", err)
	}
	if err := c.delay(t.Context()); err == nil || !strings.Contains(err.Error(), "asked for 20ms") {
		t.Errorf("delay: %v", err)
	}
	refusal := errors.New("no\nway")
	c.engine = idle{err: refusal}
	if err := errors.Join(c.cut(t.Context()), c.delay(t.Context())); !errors.Is(err, refusal) {
		t.Errorf("an engine's refusal became %v", err)
	}
	if got := line(refusal); got != "no; way" {
		t.Errorf("in one line: %q", got)
	}
}
