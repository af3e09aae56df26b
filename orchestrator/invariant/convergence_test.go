package invariant

import (
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestJudge_HalvedQuorum(t *testing.T) {
	h := halvedQuorum(t, 68*time.Second)
	for _, name := range []string{"agreement", "convergence", "chain_growth", "isolation", "fault_accuracy", "block_propagation"} {
		want(t, h.result(name), Pass)
	}
	r := h.result("convergence")
	if got := r.Metrics["worst_seconds"]; got < 18 || got > 18.1 || !strings.Contains(r.Figure, "± 100ms") {
		t.Errorf("worst %v s (%s), want 18 ± 100ms: the first new block, not the old agreement", got, r.Figure)
	}
	want(t, h.result("convergence", "within", "17s"), Fail)
	p := h.judge().Summary.Partitions
	if len(p) != 1 || !p[0].Idle || p[0].Canonical != -1 || !p[0].Converged || p[0].Sides[0].Quorate || p[0].Sides[0].Power != .5 ||
		p[0].Sides[0].Mined != 0 || p[0].Sides[0].Height != p[0].Sides[1].Height {
		t.Errorf("partitions %+v, want two idle sides at one height", p)
	}
	if r := h.result("validity"); r.Verdict != NotApplicable || r.Reason != cannotExecute {
		t.Errorf("validity %+v", r)
	}
	for _, p := range []Policy{{}, {Strict: true}} {
		if code := h.judge(trace.Expectation{Name: "validity"}).ExitCode(p); code != ExitPass {
			t.Errorf("%+v: exit code %d", p, code)
		}
	}
}
