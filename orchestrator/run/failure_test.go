package run_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/chain/native"
	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/report"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/fake"
	"github.com/netsplit/netsplit/orchestrator/runtime/sim"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// errScript is what scripted failures are.
var errScript = errors.New("as scripted")

// brief is a scenario with a bit of everything.
const brief = `
name: brief
seed: 11
nodes:
  - {name: miner, count: 2, mine: 100/s}
  - {name: full, count: 2}
consensus: {pow: {block_interval: 500ms}}
load: [{transfers: 5/s, until: 10s}]
faults:
  - {at: 3s, for: 5s, partition: {isolate: full-2}}
  - {at: 12s, for: 4s, kill: full-1}
expect: [agreement, validity]
duration: 20s
`

// attempt is a run that is meant to fail, and what came of it.
type attempt struct {
	err    error
	dir    string
	report *report.Report
	last   trace.Event   // of the trace, as it stands in the file
	ended  time.Duration // virtual time at the end
}

// attempted runs a scenario, closes the runtime, and checks what must be so however a run ends: the trace ends with an
// end event and can be judged, and no goroutine is left. progress and wrap may be nil.
func attempted(ctx context.Context, t *testing.T, src string, rt runtime.Runtime, progress run.Progress,
	wrap func(chain.Chain) chain.Chain) attempt {
	t.Helper()
	a := attempt{dir: t.TempDir()}
	var c chain.Chain = native.New(rt.Transport())
	if wrap != nil {
		c = wrap(c)
	}
	a.err = run.Run(ctx, run.Options{
		ID: "t", Spec: parse(t, src), Runtime: rt, Chain: c, Dir: a.dir, Version: "test", Progress: progress,
	})
	a.ended = rt.Clock().Now()
	if err := rt.Close(context.WithoutCancel(ctx)); err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t)
	if err := trace.Read(filepath.Join(a.dir, run.TraceFile), func(e *trace.Event) error {
		a.last = *e
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if a.last.Kind != trace.KindEnd {
		t.Fatalf("the trace ends with a %s event", a.last.Kind)
	}
	a.report = judged(t, a.dir)
	return a
}

// scripted is attempted on a runtime that fails as scripted.
func scripted(t *testing.T, src string, script fake.Script) attempt {
	t.Helper()
	return attempted(t.Context(), t, src, fake.New(sim.Options{Epoch: epoch}, script), nil, nil)
}

// broke checks that a run ended as a failure of the infrastructure, with words that say so.
func (a attempt) broke(t *testing.T, words ...string) {
	t.Helper()
	if a.err == nil {
		t.Fatal("the run ended without an error")
	}
	for _, w := range words {
		if !strings.Contains(a.err.Error(), w) {
			t.Errorf("error %q does not say %q", a.err, w)
		}
		if !strings.Contains(a.report.Error, w) {
			t.Errorf("the trace ends with the error %q, which does not say %q", a.report.Error, w)
		}
	}
	if code := a.report.ExitCode(false); code != invariant.ExitInfrastructure {
		t.Errorf("exit code %d, want 3", code)
	}
	if a.report.Verdict == invariant.Pass || a.last.End.Interrupted {
		t.Errorf("over all %s, interrupted %v", a.report.Verdict, a.last.End.Interrupted)
	}
}

// died checks that an error is about one node, and says what it was doing and what was wrong; it returns what the node
// printed last.
func died(t *testing.T, err error, node faults.NodeID, op, text string) string {
	t.Helper()
	var failed *runtime.NodeError
	if !errors.As(err, &failed) {
		t.Fatalf("error %v, want a *runtime.NodeError", err)
	}
	if failed.Node != node || failed.Op != op || !strings.Contains(failed.Err.Error(), text) {
		t.Errorf("%s node %s: %v, want %s node %s: %s", failed.Op, failed.Node, failed.Err, op, node, text)
	}
	if len(failed.Tail) == 0 {
		t.Error("the last lines of the node's log are missing")
	}
	return strings.Join(failed.Tail, "\n")
}
