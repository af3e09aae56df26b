package docker

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/filters"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

func TestHasEnded(t *testing.T) {
	self := processID(os.Getpid())
	part := strings.Split(self, "-")
	if len(part) != 4 {
		t.Fatalf("processID = %q", self)
	}
	cmd := exec.Command("true")
	must.Do(t, cmd.Start())
	child := fmt.Sprintf("%d-%s-%s-%s", cmd.Process.Pid, part[1], part[2], part[3])
	must.Do(t, cmd.Wait())
	for _, c := range []struct {
		name, id string
		want     bool
	}{
		{"this process", self, false},
		{"another process of that number", part[0] + "-1-" + part[2] + "-" + part[3], true},
		{"ended", child, true},
		{"earlier boot", part[0] + "-" + part[1] + "-" + part[2] + "-00000000", true},
		{"another PID namespace", "1-1-1-" + part[3], false},
		{"no number", "x-1-" + part[2] + "-" + part[3], false},
		{"not an id", "user", false},
		{"empty", "", false},
	} {
		if got := hasEnded(c.id); got != c.want {
			t.Errorf("%s: hasEnded(%q) = %v", c.name, c.id, got)
		}
	}
}

func TestSweepTests(t *testing.T) {
	e := newFakeEngine()
	const gone = "1-1-1-00000000"
	e.add("gone", 2, labelTestOwner, gone)
	e.add("alive", 2, labelTestOwner, processID(os.Getpid()))
	e.add("user", 2)
	e.networks["attached"] = map[string]string{labelTestOwner: gone}
	must.Do(t, sweepTests(t.Context(), e))
	if len(e.containers) != 6 || len(e.networks) != 2 {
		t.Errorf("left %v and %v, want all of alive and user", e.containers, e.networks)
	}
}

// abandonTestnet creates a testnet as a test does, says so, and waits to be killed.
func abandonTestnet() {
	ctx := context.Background()
	err := OwnTests(ctx)
	if err == nil {
		var r *Runtime
		if r, err = New(ctx, Options{}); err == nil {
			plan := runtime.Plan{ID: os.Args[2], Name: "abandoned", Nodes: []runtime.PlanNode{{ID: "n-1", Role: "n"}}}
			var hosts []runtime.Host
			if hosts, err = r.Create(ctx, plan); err == nil {
				err = r.Launch(ctx, launches(hosts), nil)
			}
		}
	}
	fmt.Println(os.Getenv(testOwner), err)
	select {}
}

// What a test that is killed leaves behind is removed before the next tests begin.
func TestOwnTests_RemovesWhatKilledTestsLeft(t *testing.T) {
	t.Parallel()
	r := open(t)
	exe := must.Get(os.Executable())(t)
	id := uniqueName("test")
	cmd := exec.CommandContext(t.Context(), exe, "abandon", id)
	cmd.Stderr = os.Stderr
	out := must.Get(cmd.StdoutPipe())(t)
	must.Do(t, cmd.Start())
	said, err := bufio.NewReader(out).ReadString('\n')
	owner, result, _ := strings.Cut(strings.TrimSpace(said), " ")
	if err != nil || result != "<nil>" {
		t.Errorf("it printed %q, %v", said, err)
	}
	left := func() []string {
		t.Helper()
		all := must.Get(remaining(t.Context(), r.cli, filters.NewArgs(filters.Arg("label", labelTestOwner+"="+owner))))(t)
		return all
	}
	if err := sweepTests(t.Context(), r.cli); err != nil || len(left()) != 3 {
		t.Errorf("while it runs: %v, %v", left(), err)
	}
	must.Do(t, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
	found := ours(t, id)
	if found == nil || len(left()) != 3 {
		t.Fatalf("after its end: %v", left())
	}
	if err := sweepTests(t.Context(), r.cli); err != nil || len(left()) != 0 {
		t.Errorf("left %v, %v", left(), err)
	}
	if _, err := os.Stat(found.Socket); !os.IsNotExist(err) {
		t.Errorf("socket %s: %v", found.Socket, err)
	}
}
