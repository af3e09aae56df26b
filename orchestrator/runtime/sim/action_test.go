package sim

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

func TestActionsFitStates(t *testing.T) {
	verbs := []faults.Verb{faults.Kill, faults.Stop, faults.Pause, faults.Resume, faults.Start, faults.Restart}
	states := map[string]struct {
		prepare func(l *lab)
		fit     []faults.Verb
	}{
		"running": {func(l *lab) { l.launch("a") }, []faults.Verb{faults.Kill, faults.Stop, faults.Pause, faults.Restart}},
		"paused": {func(l *lab) { l.launch("a"); l.do(faults.Pause, "a") },
			[]faults.Verb{faults.Kill, faults.Stop, faults.Resume}},
		"down":         {func(l *lab) { l.launch("a"); l.do(faults.Kill, "a") }, []faults.Verb{faults.Start}},
		"not launched": {func(*lab) {}, nil},
	}
	for name, s := range states {
		for _, v := range verbs {
			l := newLab(t, "a")
			s.prepare(l)
			err := l.r.Do(t.Context(), faults.Action{Verb: v, Node: "a"})
			if slices.Contains(s.fit, v) != (err == nil) {
				t.Errorf("%s a node that is %s: %v", v, name, err)
			}
			if err != nil && (!errors.Is(err, runtime.ErrState) || !strings.Contains(err.Error(), name)) {
				t.Errorf("%s a node that is %s: %v, want ErrState and the state", v, name, err)
			}
		}
	}
}

func TestDoRefusesUnknownVerb(t *testing.T) {
	l := launchAll(t, "a")
	err := l.r.Do(t.Context(), faults.Action{Verb: "tickle", Node: "a"})
	if err == nil || errors.Is(err, runtime.ErrState) {
		t.Fatalf("tickle: %v", err)
	}
}

func TestStoppingAPausedNodeJustEndsIt(t *testing.T) {
	l := launchAll(t, "a")
	l.do(faults.Pause, "a")
	l.do(faults.Stop, "a")
	l.expect()
}

func TestPersistedBlocksAreOnTheDiskOfTheNextProcess(t *testing.T) {
	l := newLab(t, "a")
	var stored [][]*chain.Block
	inner := l.r.newMachine
	l.r.newMachine = func(cfg node.Config, s []*chain.Block, now node.Time) (Machine, chain.PeerID, error) {
		stored = append(stored, slices.Clone(s))
		return inner(cfg, s, now)
	}
	l.launch("a")
	b := chain.NewBlock(chain.Header{Height: 1}, nil)
	l.perform("a", node.Effect{Kind: node.EffectPersist, Block: b})
	l.do(faults.Kill, "a")
	l.do(faults.Start, "a")
	if len(stored) != 2 || len(stored[0]) != 0 || len(stored[1]) != 1 || stored[1][0] != b {
		t.Fatalf("stored at the starts: %v", stored)
	}
}

func TestFailedStart(t *testing.T) {
	l := launchAll(t, "a")
	l.do(faults.Kill, "a")
	l.err = errors.New("disk full of bees")
	err := l.r.Do(t.Context(), faults.Action{Verb: faults.Start, Node: "a"})
	var failed *runtime.NodeError
	if !errors.As(err, &failed) || failed.Node != "a" || failed.Op != "start" || !errors.Is(err, l.err) {
		t.Fatalf("start: %v", err)
	}
	if len(failed.Tail) == 0 || !strings.Contains(failed.Tail[0], "bees") {
		t.Fatalf("tail %q", failed.Tail)
	}
	l.err = nil
	l.do(faults.Start, "a") // it is down, not lost
}

func TestPanicIsTheDeathOfOneNode(t *testing.T) {
	tests := []struct {
		name string
		set  func(s *stub)
		act  func(l *lab)
	}{
		{"in the event loop",
			func(s *stub) { s.onTimer = func(node.Time) []node.Effect { panic("ouch") } },
			func(l *lab) { l.timer("a", 1, 20*ms) }},
		{"at its stop", func(s *stub) { s.onStop = func() { panic("ouch") } }, func(l *lab) { l.do(faults.Stop, "a") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := joined(t)
			tt.set(l.stubs["a"])
			tt.act(l)
			l.log = nil
			l.timer("b", 2, time.Second)
			l.until(2 * time.Second)
			if got := l.log[len(l.log)-1]; got != "1s b timer 2" {
				t.Errorf("the other node's last input: %q", got)
			}
			if !slices.Equal(l.sink.exits, []string{"a: panic: ouch"}) {
				t.Errorf("exits %q", l.sink.exits)
			}
			logs, err := l.r.Logs(t.Context(), "a", 100)
			if err != nil || !strings.Contains(strings.Join(logs, "\n"), "goroutine") {
				t.Errorf("logs %q, %v: want a stack", logs, err)
			}
			*l.stubs["a"] = stub{l: l, name: "a"}
			l.do(faults.Start, "a")
		})
	}
}

func TestPanicWhileMakingANodeIsAnError(t *testing.T) {
	l := newLab(t, "a")
	l.r.newMachine = func(node.Config, []*chain.Block, node.Time) (Machine, chain.PeerID, error) { panic("ouch") }
	err := l.r.Launch(t.Context(), []runtime.Launch{launchOf(t, node.Config{Name: "a"})}, nil)
	if err == nil || !strings.Contains(err.Error(), "panic: ouch") {
		t.Fatalf("launch: %v", err)
	}
}

func TestCrash(t *testing.T) {
	l := launchAll(t, "a", "b")
	for id, at := range map[faults.NodeID]time.Duration{"a": time.Second, "b": 2 * time.Second} {
		if err := l.r.Crash(id, at, errors.New("exit status 1")); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.r.Crash("x", 0, nil); err == nil {
		t.Error("crash of an unknown node: no error")
	}
	l.until(1500 * ms)
	l.do(faults.Kill, "b") // then it cannot crash any more
	l.until(3 * time.Second)
	if !slices.Equal(l.sink.exits, []string{"a: exit status 1"}) {
		t.Errorf("exits %q", l.sink.exits)
	}
	l.do(faults.Start, "a")
}
