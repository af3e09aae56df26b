package run_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/runtime/fake"
	"github.com/netsplit/netsplit/orchestrator/runtime/sim"
)

// phases is a Progress that calls functions when phases begin, and knows the present one.
type phases struct {
	mu    sync.Mutex
	now   string
	parts int
	begin map[string]func()
	part  func(phase string, parts int)
}

// on calls fn when a phase begins whose text begins with prefix.
func (p *phases) on(prefix string, fn func()) {
	if p.begin == nil {
		p.begin = make(map[string]func())
	}
	p.begin[prefix] = fn
}

func (p *phases) Phase(text string, _ int) {
	p.mu.Lock()
	p.now, p.parts = text, 0
	p.mu.Unlock()
	for prefix, fn := range p.begin {
		if strings.HasPrefix(text, prefix) {
			fn()
		}
	}
}

func (p *phases) Part() {
	p.mu.Lock()
	p.parts++
	now, parts := p.now, p.parts
	p.mu.Unlock()
	if p.part != nil {
		p.part(now, parts)
	}
}

func (p *phases) Update(run.Snapshot) { p.Part() }

func (p *phases) Note(time.Duration, string) {}

func TestInterruptsInEveryPhase(t *testing.T) {
	for _, c := range []struct {
		name string
		arm  func(p *phases, cancel func())
		last string // phase
	}{
		{"before anything", func(_ *phases, cancel func()) { cancel() }, ""},
		{"as the nodes start", func(p *phases, cancel func()) { p.on("starting", cancel) }, "starting 4 nodes"},
		{"between two nodes", func(p *phases, cancel func()) {
			p.part = func(phase string, parts int) {
				if strings.HasPrefix(phase, "starting") && parts == 2 {
					cancel()
				}
			}
		}, "starting 4 nodes"},
		{"as the nodes connect", func(p *phases, cancel func()) { p.on("connecting", cancel) }, "connecting"},
		{"as the schedule begins", func(p *phases, cancel func()) { p.on("running", cancel) }, "running brief for 20s"},
		{"under a fault", func(p *phases, cancel func()) {
			p.part = func(phase string, parts int) {
				if strings.HasPrefix(phase, "running") && parts == 5 {
					cancel()
				}
			}
		}, "running brief for 20s"},
		{"with a node down", func(p *phases, cancel func()) {
			p.part = func(phase string, parts int) {
				if strings.HasPrefix(phase, "running") && parts == 14 {
					cancel()
				}
			}
		}, "running brief for 20s"},
		{"as it settles", func(p *phases, cancel func()) { p.on("settling", cancel) }, "settling"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			p := &phases{}
			c.arm(p, cancel)
			rt := fake.New(sim.Options{Epoch: epoch}, fake.Script{})
			a := attempted(ctx, t, brief, rt, p, nil)
			if !errors.Is(a.err, context.Canceled) {
				t.Errorf("error %v", a.err)
			}
			if p.now != c.last {
				t.Errorf("interrupted in %q, want %q", p.now, c.last)
			}
			if !a.last.End.Interrupted || a.last.End.Error != "" {
				t.Errorf("the trace ends with %+v", a.last.End)
			}
			if a.report.Verdict == invariant.Pass || a.report.ExitCode(false) != invariant.ExitInterrupted {
				t.Errorf("over all %s, exit code %d", a.report.Verdict, a.report.ExitCode(false))
			}
			if calls := rt.Calls(); calls[len(calls)-1].Op != "close" {
				t.Errorf("the last that was asked of the runtime is %q", calls[len(calls)-1].Op)
			}
		})
	}
}

// A run whose time is over was not interrupted by its user.
func TestADeadlineIsAFailure(t *testing.T) {
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	a := attempted(ctx, t, brief, fake.New(sim.Options{Epoch: epoch}, fake.Script{}), nil, nil)
	if !errors.Is(a.err, context.DeadlineExceeded) {
		t.Errorf("error %v", a.err)
	}
	a.broke(t, "deadline exceeded")
}
