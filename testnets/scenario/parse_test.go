package scenario

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// head begins a scenario that has three miners and two full nodes, and lacks nothing.
const head = `name: t
nodes:
  - {name: miner, count: 3, mine: 100/s}
  - {name: full, count: 2}
duration: 60s
`

func TestParse_EveryKey(t *testing.T) {
	src := `# A comment.
name: everything
description: >
  Two lines
  of text.
seed: 18446744073709551615
nodes:
  - name: miner
    count: 6
    mine: 0.5/s
  - {name: full-node, count: 4, mine: 200/s}
  - {name: light}
consensus: {pow: {block_interval: 500ms}}
topology: {random_regular: {degree: 6}, peer_exchange: false}
relay: flood
load:
  - {transfers: 20/s, from: 5s, until: 50s}
  - transfers: 1/s
faults:
  - {at: 20s, for: 10s, partition: {halves: random}}
  - {at: 20s, for: 10s, partition: {halves: ordered}}
  - at: 21s
    partition:
      groups:
        - [miner-1, full-node]
        - [miner-2, miner-3, miner-4, miner-5, miner-6]
        - light
  - {at: 22s, for: 1s, partition: {isolate: {random: 2, of: [miner, light]}}}
  - {at: 23s, for: 1s, partition: {one_way: {from: miner-1, to: [full-node]}}}
  - {at: 24s, for: 1s, partition: {one_way: {to: miner-1}}}
  - {at: 25s, for: 1s, latency: {delay: 100ms, jitter: 20ms, between: [miner, [light, full-node-1]]}}
  - {at: 26s, for: 1s, latency: {delay: 100ms, on: [miner-1]}}
  - {at: 27s, for: 1s, latency: {delay: 100ms, from: miner, to: light}}
  - {at: 28s, for: 1s, latency: {delay: 100ms}}
  - {at: 1s, for: 1s, kill: miner-1}
  - {at: 3s, for: 1s, stop: [miner-1, light]}
  - {at: 5s, pause: "miner-2"}
  - {at: 6s, resume: miner-2}
  - {at: 7s, restart: {random: 1}}
expect:
  - agreement
  - convergence: {within: 20s}
  - block_propagation:
      p95: 1s
      coverage: 95%
  - isolation:
duration: 1m0.5s
settle: 5s
`
	got := must.Get(Parse("e.yaml", []byte(src)))(t)
	if string(got.Source) != src || got.File != "e.yaml" {
		t.Error("the source is not kept")
	}
	plan := must.Get(got.PlanFaults())(t)
	if len(plan) != 15 || plan[14].ID != "restart-1" {
		t.Errorf("%d faults are planned, the last %v", len(plan), plan[len(plan)-1].ID)
	}
	sel := func(names ...string) faults.Select { return faults.Select{Names: names} }
	ms := time.Millisecond
	f := func(at, length time.Duration, fault faults.Fault) Fault {
		return Fault{Scheduled: faults.Scheduled{At: at * time.Second, For: length * time.Second, Fault: fault}}
	}
	want := &Spec{
		File: "e.yaml", Source: []byte(src), Name: "everything", Description: "Two lines of text.\n", Seed: 1<<64 - 1,
		Nodes:     []NodeGroup{{Name: "miner", Count: 6, Mine: .5}, {Name: "full-node", Count: 4, Mine: 200}, {Name: "light", Count: 1}},
		Consensus: Consensus{Family: "pow", BlockInterval: 500 * ms},
		Topology:  Topology{Kind: "random_regular", Degree: 6},
		Relay:     "flood",
		Load:      []Load{{Rate: 20, From: 5 * time.Second, Until: 50 * time.Second}, {Rate: 1, Until: 60500 * ms}},
		Faults: []Fault{
			f(20, 10, faults.PartitionHalves{}),
			f(20, 10, faults.PartitionHalves{Ordered: true}),
			f(21, 0, faults.PartitionGroups{Groups: []faults.Select{sel("miner-1", "full-node"),
				sel("miner-2", "miner-3", "miner-4", "miner-5", "miner-6"), sel("light")}}),
			f(22, 1, faults.PartitionIsolate{Nodes: faults.Select{Names: []string{"miner", "light"}, Random: 2}}),
			f(23, 1, faults.PartitionOneWay{From: sel("miner-1"), To: sel("full-node")}),
			f(24, 1, faults.PartitionOneWay{To: sel("miner-1")}),
			f(25, 1, faults.Latency{Delay: 100 * ms, Jitter: 20 * ms, From: sel("miner"), To: sel("light", "full-node-1"), BothWays: true}),
			f(26, 1, faults.Latency{Delay: 100 * ms, From: sel("miner-1"), BothWays: true}),
			f(27, 1, faults.Latency{Delay: 100 * ms, From: sel("miner"), To: sel("light")}),
			f(28, 1, faults.Latency{Delay: 100 * ms, BothWays: true}),
			f(1, 1, faults.NodeFault{Verb: faults.Kill, Nodes: sel("miner-1")}),
			f(3, 1, faults.NodeFault{Verb: faults.Stop, Nodes: sel("miner-1", "light")}),
			f(5, 0, faults.NodeFault{Verb: faults.Pause, Nodes: sel("miner-2")}),
			f(6, 0, faults.NodeFault{Verb: faults.Resume, Nodes: sel("miner-2")}),
			f(7, 0, faults.NodeFault{Verb: faults.Restart, Nodes: faults.Select{Random: 1}}),
		},
		Expect: []Expect{{Name: "agreement"}, {Name: "convergence", Params: []Param{{Name: "within", Value: "20s"}}},
			{Name: "block_propagation", Params: []Param{{Name: "p95", Value: "1s"}, {Name: "coverage", Value: "95%"}}}, {Name: "isolation"}},
		Duration: 60500 * ms,
		Settle:   5 * time.Second,
	}
	noPlaces := cmp.FilterPath(func(p cmp.Path) bool {
		name := p.Last().String()
		return name == ".Pos" || name == ".Names"
	}, cmp.Ignore())
	if d := cmp.Diff(want, got, noPlaces); d != "" {
		t.Error(d)
	}
	if pos := got.Faults[2].Names["full-node"]; pos != (strictyaml.Pos{Line: 25, Column: 21}) {
		t.Errorf("full-node is named at %v", pos)
	}
	if pos := got.Expect[2].Params[1].Pos; pos != (strictyaml.Pos{Line: 45, Column: 7}) {
		t.Errorf("coverage is at %v", pos)
	}
}

func TestParse_Defaults(t *testing.T) {
	s, err := Parse("t.yaml", []byte(head+"load:\nfaults:\nexpect:\n"))
	must.Do(t, err)
	if s.Seed != 1 || s.Relay != "inventory" || s.Settle != 30*time.Second {
		t.Errorf("seed %d, relay %s, settle %v", s.Seed, s.Relay, s.Settle)
	}
	if d := cmp.Diff(Consensus{Family: "pow", BlockInterval: 2 * time.Second}, s.Consensus); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(Topology{Kind: "full", PeerExchange: true, Default: true}, s.Topology); d != "" {
		t.Error(d)
	}
	s, err = Parse("t.yaml", []byte(strings.Replace(head, "count: 2", "count: 3", 1)))
	must.Do(t, err)
	if d := cmp.Diff(Topology{Kind: "random_regular", Degree: 4, PeerExchange: true, Default: true}, s.Topology); d != "" {
		t.Error(d)
	}
}

func TestParse_Topology(t *testing.T) {
	for src, want := range map[string]Topology{
		"star":                            {Kind: "star", PeerExchange: true},
		"random_regular":                  {Kind: "random_regular", Degree: 4, PeerExchange: true},
		"{random_regular: {}}":            {Kind: "random_regular", Degree: 4, PeerExchange: true},
		"{random_regular: {degree: 2}}":   {Kind: "random_regular", Degree: 2, PeerExchange: true},
		"{ring: , peer_exchange: false}":  {Kind: "ring"},
		"{peer_exchange: true, line: {}}": {Kind: "line", PeerExchange: true},
		"{peer_exchange: false}":          {Kind: "full", Default: true},
	} {
		s, err := Parse("t.yaml", []byte(head+"topology: "+src+"\n"))
		if err != nil {
			t.Error(err)
			continue
		}
		want.Pos = strictyaml.Pos{Line: 6, Column: 1}
		if d := cmp.Diff(want, s.Topology); d != "" {
			t.Errorf("%s:\n%s", src, d)
		}
	}
}

func TestParse_WindowsLineEnds(t *testing.T) {
	s, err := Parse("t.yaml", []byte(strings.ReplaceAll(head+"faults:\n  - {at: 1s, restart: full}\n", "\n", "\r\n")))
	if err != nil || len(s.Faults) != 1 || s.Name != "t" {
		t.Errorf("%+v, %v", s, err)
	}
	_, err = Parse("t.yaml", []byte("name: t\r\nnodez: 1\r\n"))
	if err == nil || strings.Contains(err.Error(), "\r") {
		t.Errorf("%q", err)
	}
}

func TestSpec_ErrorAt(t *testing.T) {
	s := must.Get(Parse("t.yaml", []byte(head+"expect:\n  - agreeement\n")))(t)
	want := "t.yaml:7:5: unknown invariant \"agreeement\"\n  7 |   - agreeement\n    |     ^\n  hint: did you mean \"agreement\"?"
	got := s.ErrorAt(s.Expect[0].Pos, `unknown invariant "agreeement"`, `did you mean "agreement"?`)
	if d := cmp.Diff(want, got.Error()); d != "" {
		t.Error(d)
	}
}

func TestParse_ManyMistakes(t *testing.T) {
	_, err := Parse("t.yaml", []byte(head+strings.Repeat("x: 1\n", 30)))
	list := err.(interface{ Unwrap() []error }).Unwrap()
	if len(list) != 21 || list[20].Error() != "t.yaml: 10 more mistakes" {
		t.Errorf("%d errors, the last %v", len(list), list[len(list)-1])
	}
}

func TestParse_ErrorType(t *testing.T) {
	_, err := Parse("t.yaml", []byte(head+"x: 1\n"))
	var e *strictyaml.Error
	if !errors.As(err, &e) || e.Pos != (strictyaml.Pos{Line: 6, Column: 1}) || e.File != "t.yaml" || e.Msg != `unknown key "x" in the scenario` {
		t.Errorf("%#v", e)
	}
}

func TestParse_Limits(t *testing.T) {
	long := strings.Repeat("- a\n", strictyaml.MaxTokens)
	for src, want := range map[string]string{
		"name: a\n---\nname: b\n": "t.yaml:3:1: a second document begins here; a scenario is one document\n  3 | name: b\n    | ^",
		"\xff\xfe":                "t.yaml: the file is not UTF-8 text",
		long:                      "t.yaml:20001:1: the file is too long: it has more than 40000 words and marks\n  20001 | - a\n        | ^",
		strings.Repeat("#", strictyaml.MaxSize+1): "t.yaml: the file has more than 1048576 bytes",
	} {
		_, err := Parse("t.yaml", []byte(src))
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// FuzzParse: whatever the file says, Parse returns, and what it accepts it also accepts again and can be used.
func FuzzParse(f *testing.F) {
	ready, err := filepath.Glob("../catalog/*.yaml")
	if err != nil || len(ready) == 0 {
		f.Fatalf("no catalog: %v", err)
	}
	for _, name := range ready {
		src := must.Get(os.ReadFile(name))(f)
		f.Add(src)
	}
	for _, src := range []string{"", "a: &x [*x]", "? a\n: b", "[[[[", "a:\n - - - - b", "- {a: {b: {c: }}}", "\xff", "a: !!int 3", "--- \n---\n", "%YAML 1.2\n---\na: 1",
		head + "faults: [{at: 1s, kill: {random: 1, of: [miner]}}]", head + "topology: {full: }\nexpect: [a, b: {c: 1}]"} {
		f.Add([]byte(src))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		s, err := Parse("f.yaml", src)
		if err != nil {
			var e *strictyaml.Error
			if !errors.As(err, &e) || err.Error() == "" {
				t.Fatalf("%v is no *strictyaml.Error", err)
			}
			return
		}
		again, err := Parse("f.yaml", s.Source)
		if err != nil || !bytes.Equal(again.Source, src) {
			t.Fatalf("accepted once, then: %v", err)
		}
		if s.total() < 2000 {
			s.Edges()
			if _, err := s.PlanFaults(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestParse_ByteOrderMark(t *testing.T) {
	s, err := Parse("t.yaml", []byte("\ufeff"+head))
	if err != nil || s.Name != "t" {
		t.Errorf("%+v, %v", s, err)
	}
	_, err = Parse("t.yaml", []byte("\ufeffnaem: t\n"+head))
	if err == nil || !strings.Contains(err.Error(), "t.yaml:1:1: unknown key \"naem\" in the scenario\n  1 | naem: t\n    | ^") {
		t.Error(err)
	}
}
