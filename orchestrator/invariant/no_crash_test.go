package invariant

import (
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestNoCrash(t *testing.T) {
	h := newHistory(t, "a", "b")
	h.grow("x", 2, time.Second, "a", "b")
	h.state("a", trace.StateDown, "kill-1")
	h.end(time.Second)
	want(t, h.result("no_crash"), Pass)

	h = newHistory(t, "a", "b")
	h.grow("x", 2, time.Second, "a", "b")
	h.state("a", trace.StateDied, "")
	h.end(time.Second)
	want(t, h.result("no_crash"), Fail)

	want(t, func() Result { h := newHistory(t); h.end(time.Second); return h.result("no_crash") }(), Vacuous)

	h = newHistory(t, "a")
	h.grow("x", 2, time.Second, "a")
	want(t, h.result("no_crash"), Unknown)
}
