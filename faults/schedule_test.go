package faults

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/ci/must"
)

const s = time.Second

// sketch is a plan as text.
func sketch(plan []Planned) string {
	var b strings.Builder
	for _, p := range plan {
		fmt.Fprintf(&b, "%s %v-%v %s; end %v\n", p.ID, p.At, p.End, p.Effect.Text, p.Effect.End)
	}
	return b.String()
}

func TestPlan(t *testing.T) {
	plan := must.Get(Plan([]Scheduled{
		{At: 10 * s, For: 5 * s, Fault: PartitionIsolate{named("miner-1")}},
		{At: 12 * s, Fault: Latency{Delay: s}},
		{At: 20 * s, For: 5 * s, Fault: NodeFault{Kill, named("miner-1")}},
		{At: 25 * s, For: 5 * s, Fault: NodeFault{Kill, named("miner-1")}},
		{At: 2 * s, For: 5 * s, Fault: PartitionIsolate{named("miner-2")}},
		{At: 30 * s, Fault: NodeFault{Restart, named("miner-1")}},
		{At: 31 * s, Fault: NodeFault{Stop, named("miner-1")}},
	}, testNet(), 1, 40*s))(t)
	want := `partition-1 10s-15s cut miner-1 from all other nodes; end []
latency-1 12s-40s delay 1s on every link; end []
kill-1 20s-25s kill miner-1; end [{start miner-1}]
kill-2 25s-30s kill miner-1; end [{start miner-1}]
partition-2 2s-7s cut miner-2 from all other nodes; end []
restart-1 30s-30s restart miner-1; end []
stop-1 31s-40s stop miner-1; end [{start miner-1}]
`
	if d := cmp.Diff(want, sketch(plan)); d != "" {
		t.Error(d)
	}
	for i, p := range plan {
		if p.Instant() != (i == 5) {
			t.Errorf("%s: Instant() = %v", p.ID, p.Instant())
		}
	}
}

// Another fault at the end changes none before it; another seed does.
func TestPlan_RandomChoicesAreStable(t *testing.T) {
	random := Scheduled{At: s, For: s, Fault: PartitionHalves{}}
	net := Net{Nodes: ids(30)}
	links := func(list []Scheduled, seed uint64) []Links {
		plan := must.Get(Plan(list, net, seed, 10*s))(t)
		var out []Links
		for _, p := range plan {
			out = append(out, p.Effect.Links)
		}
		return out
	}
	two := links([]Scheduled{random, random}, 7)
	three := links([]Scheduled{random, random, random}, 7)
	if d := cmp.Diff(two, three[:2]); d != "" {
		t.Errorf("a third fault changed the first two:\n%s", d)
	}
	if cmp.Equal(two[0], two[1]) {
		t.Error("two faults drew the same halves")
	}
	if cmp.Equal(two, links([]Scheduled{random, random}, 8)) {
		t.Error("two seeds drew the same halves")
	}
}

func TestPlan_ResumeEndsPause(t *testing.T) {
	plan := must.Get(Plan([]Scheduled{
		{At: 5 * s, Fault: NodeFault{Pause, named("miner")}},
		{At: 10 * s, Fault: NodeFault{Resume, named("miner-1", "miner-2")}},
		{At: 15 * s, For: 5 * s, Fault: NodeFault{Kill, named("miner-1")}},
	}, testNet(), 1, 40*s))(t)
	want := `pause-1 5s-40s pause miner (3 nodes); end [{resume miner-3}]
resume-1 10s-10s resume miner-1 and miner-2; end []
kill-1 15s-20s kill miner-1; end [{start miner-1}]
`
	if d := cmp.Diff(want, sketch(plan)); d != "" {
		t.Error(d)
	}
	plan = must.Get(Plan([]Scheduled{
		{At: 10 * s, Fault: NodeFault{Resume, named("full")}},
		{At: 5 * s, Fault: NodeFault{Pause, named("full")}},
	}, testNet(), 1, 40*s))(t)
	want = "resume-1 10s-10s resume full (2 nodes); end []\npause-1 5s-10s pause full (2 nodes); end []\n"
	if d := cmp.Diff(want, sketch(plan)); d != "" {
		t.Error(d)
	}
}

// bad is a fault that cannot be resolved.
type bad struct{}

func (bad) Kind() string                            { return "bad" }
func (bad) Resolve(Net, *rand.Rand) (Effect, error) { return Effect{}, errors.New("is bad") }

func TestPlan_Errors(t *testing.T) {
	kill := func(at, length time.Duration, names ...string) Scheduled {
		return Scheduled{At: at, For: length, Fault: NodeFault{Kill, named(names...)}}
	}
	for _, c := range []struct {
		name string
		list []Scheduled
		want string
	}{
		{"resolve", []Scheduled{{Fault: bad{}}}, "0 fault bad-1: is bad"},
		{"nil", []Scheduled{{}}, "0 fault 1: is empty"},
		{"early", []Scheduled{kill(-s, 0, "full")}, "0 fault kill-1: begins at -1s, before the schedule"},
		{"late", []Scheduled{kill(40*s, 0, "full")}, "0 fault kill-1: begins at 40s, but the schedule ends at 40s"},
		{"negative", []Scheduled{kill(s, -s, "full")}, "0 fault kill-1: has a negative duration, -1s"},
		{"long", []Scheduled{kill(30*s, 11*s, "full")}, "0 fault kill-1: begins at 30s and lasts 11s, but the schedule ends at 40s"},
		{"overflow", []Scheduled{kill(30*s, 1<<63-1, "full")},
			"0 fault kill-1: begins at 30s and lasts 2562047h47m16.854775807s, but the schedule ends at 40s"},
		{"instant", []Scheduled{{At: s, For: s, Fault: NodeFault{Restart, named("full")}}},
			"0 fault restart-1: restart is instantaneous, it cannot last for 1s"},
		{"killed twice", []Scheduled{kill(10*s, 10*s, "full"), kill(15*s, s, "full-2")},
			"1 fault kill-2: cannot kill full-2 at 15s: kill-1 affects it from 10s to 20s"},
		{"killed for good", []Scheduled{kill(10*s, 0, "full"), kill(35*s, s, "full-2")},
			"1 fault kill-2: cannot kill full-2 at 35s: kill-1 affects it from 10s to 40s"},
		{"restart of a dead node", []Scheduled{{At: 15 * s, Fault: NodeFault{Restart, named("full-1")}}, kill(10*s, 10*s, "full")},
			"0 fault restart-1: cannot restart full-1 at 15s: kill-1 affects it from 10s to 20s"},
		{"resume of a running node", []Scheduled{{At: s, Fault: NodeFault{Resume, named("full-1")}}},
			"0 fault resume-1: cannot resume full-1 at 1s: it is not paused"},
		{"resume of a dead node", []Scheduled{kill(0, 10*s, "full"), {At: s, Fault: NodeFault{Resume, named("full-1")}}},
			"1 fault resume-1: cannot resume full-1 at 1s: kill-1 affects it from 0s to 10s"},
		{"resume of a pause with an end", []Scheduled{
			{At: s, For: 5 * s, Fault: NodeFault{Pause, named("full-1")}}, {At: 2 * s, Fault: NodeFault{Resume, named("full-1")}}},
			"1 fault resume-1: cannot resume full-1 at 2s: pause-1 affects it from 1s to 6s"},
		{"all of them", []Scheduled{kill(-s, 0, "full"), kill(s, 0, "miner"), {Fault: bad{}}},
			"0 fault kill-1: begins at -1s, before the schedule\n2 fault bad-1: is bad"},
	} {
		t.Run(c.name, func(t *testing.T) {
			plan, err := Plan(c.list, testNet(), 1, 40*s)
			if err == nil {
				t.Fatalf("no error:\n%s", sketch(plan))
			}
			var lines []string
			for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
				var p *PlanError
				if !errors.As(e, &p) {
					t.Fatalf("%v is no PlanError", e)
				}
				if p.Unwrap() == nil {
					t.Errorf("%v wraps nothing", e)
				}
				lines = append(lines, fmt.Sprintf("%d %v", p.Index, e))
			}
			if d := cmp.Diff(c.want, strings.Join(lines, "\n")); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestPlan_Limits(t *testing.T) {
	fault := Scheduled{Fault: NodeFault{Restart, named("n-0")}}
	many := make([]Scheduled, MaxFaults+1)
	for i := range many {
		many[i] = fault
	}
	if _, err := Plan(many, Net{Nodes: ids(1)}, 1, s); err == nil || err.Error() != "1001 faults are too many, the most is 1000" {
		t.Error(err)
	}
	if _, err := Plan(many[:MaxFaults], Net{Nodes: ids(1)}, 1, s); err != nil {
		t.Error(err)
	}
	_, err := Plan(many[:MaxFaults], Net{Nodes: ids(2001)}, 1, s)
	if err == nil || err.Error() != "1000 faults on 2001 nodes are too many, the most is 2000000 faults x nodes" {
		t.Error(err)
	}
}

func TestSteps_Order(t *testing.T) {
	fault := func(at, end time.Duration) Planned { return Planned{Scheduled: Scheduled{At: at}, End: end} }
	begin := func(at time.Duration, index int) Step { return Step{at, index, true} }
	end := func(at time.Duration, index int) Step { return Step{at, index, false} }
	for name, c := range map[string]struct {
		plan []Planned
		want []Step
	}{
		"end before begin":          {[]Planned{fault(5, 9), fault(2, 5)}, []Step{begin(2, 1), end(5, 1), begin(5, 0), end(9, 0)}},
		"instant":                   {[]Planned{fault(3, 3), fault(3, 3)}, []Step{begin(3, 0), end(3, 0), begin(3, 1), end(3, 1)}},
		"instant at another's end":  {[]Planned{fault(3, 3), fault(1, 3)}, []Step{begin(1, 1), end(3, 1), begin(3, 0), end(3, 0)}},
		"equal times: plan's order": {[]Planned{fault(1, 2), fault(1, 2)}, []Step{begin(1, 0), begin(1, 1), end(2, 0), end(2, 1)}},
	} {
		if diff := cmp.Diff(c.want, Steps(c.plan)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
