package faults

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/ci/must"
)

// testNet has miner-1 ... miner-3 and full-1, full-2 on a ring.
func testNet() Net {
	n := []NodeID{"miner-1", "miner-2", "miner-3", "full-1", "full-2"}
	return Net{
		Nodes: n,
		Roles: map[string][]NodeID{"miner": n[:3], "full": n[3:]},
		Edges: [][2]NodeID{{n[0], n[1]}, {n[1], n[2]}, {n[2], n[3]}, {n[3], n[4]}, {n[4], n[0]}},
	}
}

func named(names ...string) Select { return Select{Names: names} }

// grid shows which links a fault cuts: a row for each node it cuts from, a column for each it cuts to.
func grid(l Links, nodes []NodeID, mark func(LinkState) byte) string {
	var b strings.Builder
	for _, from := range nodes {
		for _, to := range nodes {
			b.WriteByte(mark(l.On(Link{from, to})))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func cutMark(s LinkState) byte {
	if s.Cut {
		return 'x'
	}
	return '.'
}

// checkLinks resolves a fault on testNet and checks its text, and what it does to links as a grid.
func checkLinks(t *testing.T, f Fault, text, want string, mark func(LinkState) byte) Effect {
	t.Helper()
	net := testNet()
	e := must.Get(f.Resolve(net, testRand(1)))(t)
	if e.Text != text {
		t.Errorf("text %q, want %q", e.Text, text)
	}
	if d := cmp.Diff(want, grid(e.Links, net.Nodes, mark)); d != "" {
		t.Error(d)
	}
	return e
}

func TestPartition(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault Fault
		text  string
		grid  string
	}{
		{"groups", PartitionGroups{[]Select{named("miner"), named("full-1", "full-2")}}, "cut 3 nodes from 2 nodes",
			"...xx\n...xx\n...xx\nxxx..\nxxx..\n"},
		{"three groups", PartitionGroups{[]Select{named("miner-1"), named("miner-2", "miner-3"), named("full")}},
			"cut 3 groups of 1, 2 and 2 nodes from each other", ".xxxx\nx..xx\nx..xx\nxxx..\nxxx..\n"},
		{"five groups", PartitionGroups{[]Select{named("full-2"), named("full-1"), named("miner-3"), named("miner-2"), named("miner-1")}},
			"cut 5 groups of 1, 1, 1, 1 and 1 nodes from each other", ".xxxx\nx.xxx\nxx.xx\nxxx.x\nxxxx.\n"},
		{"halves", PartitionHalves{Ordered: true}, "cut 2 nodes from 3 nodes",
			"..xxx\n..xxx\nxx...\nxx...\nxx...\n"},
		{"isolate one", PartitionIsolate{named("miner-2")}, "cut miner-2 from all other nodes",
			".x...\nx.xxx\n.x...\n.x...\n.x...\n"},
		{"isolate two", PartitionIsolate{named("miner-1", "miner-2")}, "cut miner-1 and miner-2 each from all other nodes",
			".xxxx\nx.xxx\nxx...\nxx...\nxx...\n"},
		{"isolate all", PartitionIsolate{named("miner", "full")}, "cut miner and full (5 nodes) each from all other nodes",
			".xxxx\nx.xxx\nxx.xx\nxxx.x\nxxxx.\n"},
		{"one way", PartitionOneWay{From: named("miner"), To: named("full-1")}, "drop packets from miner (3 nodes) to full-1",
			"...x.\n...x.\n...x.\n.....\n.....\n"},
		{"one way out", PartitionOneWay{From: named("full-2")}, "drop packets from full-2 to miner-1, miner-2, miner-3 and full-1",
			".....\n.....\n.....\n.....\nxxxx.\n"},
		{"one way in", PartitionOneWay{To: named("full-2")}, "drop packets from miner-1, miner-2, miner-3 and full-1 to full-2",
			"....x\n....x\n....x\n....x\n.....\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := checkLinks(t, c.fault, c.text, c.grid, cutMark)
			if c.fault.Kind() != "partition" || len(e.Begin)+len(e.End) != 0 {
				t.Errorf("kind %s, actions %v %v", c.fault.Kind(), e.Begin, e.End)
			}
		})
	}
}

// On a ring of 8 few halves are connected; 200 draws find them.
func TestPartitionHalves_RandomAreConnected(t *testing.T) {
	net := Net{Nodes: ids(8)}
	for i := range net.Nodes {
		net.Edges = append(net.Edges, [2]NodeID{net.Nodes[i], net.Nodes[(i+1)%8]})
	}
	different := make(map[string]bool)
	for seed := range uint64(20) {
		e := must.Get(PartitionHalves{}.Resolve(net, testRand(seed)))(t)
		g := grid(e.Links, net.Nodes, cutMark)
		different[g] = true
		intact := 0
		for _, edge := range net.Edges {
			if e.Links.On(Link{edge[0], edge[1]}) == (LinkState{}) {
				intact++
			}
		}
		if intact != 6 { // two arcs of four nodes keep three edges each
			t.Errorf("seed %d: %d of the ring's edges are not cut:\n%s", seed, intact, g)
		}
	}
	if len(different) < 3 {
		t.Errorf("20 seeds gave only %d different halves", len(different))
	}
}

// A star has no two connected halves, and the last draw is used. Without edges every draw will do.
func TestPartitionHalves_NoneConnected(t *testing.T) {
	star := Net{Nodes: ids(7)}
	for _, n := range star.Nodes[1:] {
		star.Edges = append(star.Edges, [2]NodeID{star.Nodes[0], n})
	}
	for want, net := range map[string]Net{"cut 3 nodes from 4 nodes": star, "cut 2 nodes from 2 nodes": {Nodes: ids(4)}} {
		if e, err := (PartitionHalves{}).Resolve(net, testRand(1)); err != nil || e.Text != want {
			t.Errorf("%q, %v, want %q", e.Text, err, want)
		}
	}
}

// delayMark shows delays in units of 10 ms.
func delayMark(s LinkState) byte {
	if s.Shape.Delay == 0 {
		return '.'
	}
	return byte('0' + s.Shape.Delay/(10*time.Millisecond))
}

func TestLatency(t *testing.T) {
	l := Latency{Delay: 10 * time.Millisecond, Jitter: time.Millisecond}
	with := func(from, to Select, both bool) Latency {
		c := l
		c.From, c.To, c.BothWays = from, to, both
		return c
	}
	for _, c := range []struct {
		name  string
		fault Latency
		text  string
		grid  string
	}{
		{"all", with(Select{}, Select{}, true), "delay 10ms ± 1ms on every link", ".1111\n1.111\n11.11\n111.1\n1111.\n"},
		{"between", with(named("miner"), named("full"), true), "delay 10ms ± 1ms between miner (3 nodes) and full (2 nodes)",
			"...11\n...11\n...11\n111..\n111..\n"},
		{"between overlapping", with(named("miner"), named("miner-1", "full-1"), true),
			"delay 10ms ± 1ms between miner (3 nodes) and miner-1 and full-1", ".111.\n1..1.\n1..1.\n111..\n.....\n"},
		{"within a role", with(named("miner"), named("miner"), true),
			"delay 10ms ± 1ms between miner (3 nodes) and miner (3 nodes)", ".11..\n1.1..\n11...\n.....\n.....\n"},
		{"on", with(named("full-2"), Select{}, true), "delay 10ms ± 1ms on every link of full-2",
			"....1\n....1\n....1\n....1\n1111.\n"},
		{"on two", with(named("full"), Select{}, true), "delay 10ms ± 1ms on every link of full (2 nodes)",
			"...11\n...11\n...11\n111.1\n1111.\n"},
		{"one way", with(named("full-2"), named("miner"), false), "delay 10ms ± 1ms from full-2 to miner (3 nodes)",
			".....\n.....\n.....\n.....\n111..\n"},
		{"one way to all", with(named("full-2"), Select{}, false), "delay 10ms ± 1ms from full-2 to all nodes",
			".....\n.....\n.....\n.....\n1111.\n"},
		{"one way from all", with(Select{}, named("full-2"), false), "delay 10ms ± 1ms from all nodes to full-2",
			"....1\n....1\n....1\n....1\n.....\n"},
	} {
		t.Run(c.name, func(t *testing.T) { checkLinks(t, c.fault, c.text, c.grid, delayMark) })
	}
}

func TestNodeFaults(t *testing.T) {
	for _, c := range []struct {
		fault      Fault
		kind, text string
		begin, end Verb
	}{
		{NodeFault{Kill, named("full")}, "kill", "kill full (2 nodes)", Kill, Start},
		{NodeFault{Stop, named("full-1", "full-2")}, "stop", "stop full-1 and full-2", Stop, Start},
		{NodeFault{Pause, named("full")}, "pause", "pause full (2 nodes)", Pause, Resume},
		{NodeFault{Resume, named("full")}, "resume", "resume full (2 nodes)", Resume, ""},
		{NodeFault{Restart, named("full")}, "restart", "restart full (2 nodes)", Restart, ""},
	} {
		e := must.Get(c.fault.Resolve(testNet(), testRand(1)))(t)
		want := Effect{Text: c.text, Begin: []Action{{c.begin, "full-1"}, {c.begin, "full-2"}}}
		if c.end != "" {
			want.End = []Action{{c.end, "full-1"}, {c.end, "full-2"}}
		}
		if d := cmp.Diff(want, e); d != "" || c.fault.Kind() != c.kind {
			t.Errorf("%s:\n%s", c.fault.Kind(), d)
		}
	}
}

func TestSelect_Random(t *testing.T) {
	seen := make(map[NodeID]bool)
	for seed := range uint64(40) {
		e := must.Get(NodeFault{Kill, Select{Names: []string{"miner"}, Random: 2}}.Resolve(testNet(), testRand(seed)))(t)
		if len(e.Begin) != 2 || e.Begin[0].Node >= e.Begin[1].Node {
			t.Fatalf("drew %v", e.Begin)
		}
		for _, a := range e.Begin {
			seen[a.Node] = true
		}
	}
	if len(seen) != 3 {
		t.Errorf("40 seeds drew only %v", seen)
	}
	e, err := NodeFault{Kill, Select{Random: 5}}.Resolve(testNet(), testRand(1))
	if err != nil || e.Text != "kill 5 nodes" {
		t.Errorf("%q, %v", e.Text, err)
	}
}

func TestFaultErrors(t *testing.T) {
	ms := time.Millisecond
	for _, c := range []struct {
		fault Fault
		want  string
	}{
		{PartitionGroups{[]Select{named("miner")}}, "a partition needs at least 2 groups, there is 1"},
		{PartitionGroups{[]Select{named("miner"), {}}}, "group 2 of the partition is empty"},
		{PartitionGroups{[]Select{named("miner"), named("fool")}}, `group 2 of the partition: no node or role is called "fool"`},
		{PartitionGroups{[]Select{named("miner"), named("full", "miner-1")}}, "miner-1 is in groups 1 and 2 of the partition"},
		{PartitionGroups{[]Select{named("miner"), named("full-1")}}, "the partition puts full-2 in no group; every node must be in one"},
		{PartitionIsolate{}, "isolate names no node"},
		{PartitionIsolate{named("x")}, `no node or role is called "x"`},
		{PartitionOneWay{}, "one_way: neither from nor to names a node"},
		{PartitionOneWay{From: named("x")}, `one_way: from: no node or role is called "x"`},
		{PartitionOneWay{To: named("x")}, `one_way: to: no node or role is called "x"`},
		{PartitionOneWay{From: named("miner", "full")}, "one_way: all nodes are on one side, there is nothing to cut"},
		{PartitionOneWay{To: named("miner", "full")}, "one_way: all nodes are on one side, there is nothing to cut"},
		{PartitionOneWay{From: named("miner"), To: named("full", "miner-2")}, "one_way: miner-2 cannot be on both sides"},
		{Latency{}, "delay 0s is out of range: more than 0, at most 10s"},
		{Latency{Delay: 11 * time.Second}, "delay 11s is out of range: more than 0, at most 10s"},
		{Latency{Delay: -1}, "delay -1ns is out of range: more than 0, at most 10s"},
		{Latency{Delay: ms, Jitter: 2 * ms}, "jitter 2ms is out of range: 0 to the delay, 1ms"},
		{Latency{Delay: ms, Jitter: -1}, "jitter -1ns is out of range: 0 to the delay, 1ms"},
		{Latency{Delay: ms, From: named("x")}, `no node or role is called "x"`},
		{Latency{Delay: ms, To: named("x")}, `no node or role is called "x"`},
		{Latency{Delay: ms, From: named("full-1"), To: named("full-1")}, "there is no link from full-1 to itself"},
		{NodeFault{Verb: Kill}, "kill names no node"},
		{NodeFault{Kill, named("Miner-1")}, `no node or role is called "Miner-1"`},
		{NodeFault{Kill, named("miner", "miner-1")}, "miner-1 is named twice"},
		{NodeFault{Kill, named("full-1", "full-1")}, "full-1 is named twice"},
		{NodeFault{Kill, Select{Names: []string{"full"}, Random: 3}}, "cannot choose 3 nodes at random of 2 nodes"},
		{NodeFault{Kill, Select{Random: -1}}, "cannot choose -1 nodes at random"},
	} {
		_, err := c.fault.Resolve(testNet(), testRand(1))
		if err == nil || err.Error() != c.want {
			t.Errorf("%+v:\n got %v\nwant %s", c.fault, err, c.want)
		}
	}
}

// Every two nodes in different groups are cut, with few rules.
func TestPartitionGroups_Hundred(t *testing.T) {
	net := Net{Nodes: ids(100)}
	var p PartitionGroups
	for _, id := range net.Nodes {
		p.Groups = append(p.Groups, named(string(id)))
	}
	e, err := p.Resolve(net, testRand(1))
	if err != nil || e.Text != "cut 100 groups from each other" || len(e.Links.Rules) != 14 {
		t.Fatalf("%q, %d rules, %v", e.Text, len(e.Links.Rules), err)
	}
	if _, total := e.Links.Affected(net.Nodes, 0, testRand(1)); total != 100*99 {
		t.Errorf("%d links are cut", total)
	}
}

func TestFaultErrors_TooFewNodes(t *testing.T) {
	one := Net{Nodes: ids(1)}
	for want, f := range map[string]Fault{
		"cannot cut 1 node into halves":                               PartitionHalves{},
		"n-0 is the only node, there is nothing to cut it from":       PartitionIsolate{named("n-0")},
		"there is no link from n-0 to itself":                         Latency{Delay: 1},
		"one_way: all nodes are on one side, there is nothing to cut": PartitionOneWay{From: named("n-0")},
	} {
		if _, err := f.Resolve(one, testRand(1)); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := (NodeFault{Kill, Select{Random: 1}}).Resolve(Net{}, testRand(1)); err == nil ||
		err.Error() != "the testnet has no nodes" {
		t.Error(err)
	}
}

func TestNameError_Nearest(t *testing.T) {
	_, err := NodeFault{Kill, named("minre-1")}.Resolve(testNet(), testRand(1))
	var name *NameError
	if !errors.As(err, &name) || name.Nearest != "miner-1" || name.Name != "minre-1" {
		t.Errorf("%#v", name)
	}
}

func TestNearest(t *testing.T) {
	valid := []string{"nodes", "name", "miner-1", "miner-2", "é"}
	for in, want := range map[string]string{
		"nodse": "nodes", "node": "nodes", "nmae": "name", "miner-3": "miner-1", "miner": "miner-1",
		"xyz": "", "": "", "Nodes": "nodes", strings.Repeat("a", 100): "", "e": "",
	} {
		if got := Nearest(in, valid); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", in, got, want)
		}
	}
	if got := Nearest("aa", []string{"", strings.Repeat("a", 65)}); got != "" {
		t.Errorf("got %q", got)
	}
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"ab", "ba", 1}, {"ca", "abc", 3}, {"é", "e", 1}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
