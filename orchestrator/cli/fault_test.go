package cli

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/faults"
)

func TestFreeID(t *testing.T) {
	layers := func(ids ...string) (out []faults.Layer) {
		for _, id := range ids {
			out = append(out, faults.Layer{ID: id})
		}
		return out
	}
	for _, c := range []struct {
		layers []faults.Layer
		want   string
	}{
		{nil, "latency-1"},
		{layers("partition-1"), "latency-1"},
		{layers("latency-1", "latency-2"), "latency-3"},
		{layers("latency-2"), "latency-1"},
		{layers("latency-1", "latency-3"), "latency-2"},
	} {
		if got := freeID(c.layers, "latency"); got != c.want {
			t.Errorf("%v: %s, want %s", c.layers, got, c.want)
		}
	}
}

func sel(names ...string) faults.Select { return faults.Select{Names: names} }

func TestPartitionOf(t *testing.T) {
	for _, c := range []struct {
		args []string
		want faults.Fault // nil: refused
	}{
		{nil, faults.PartitionHalves{}},
		{[]string{"--halves", "random"}, faults.PartitionHalves{}},
		{[]string{"--halves", "ordered"}, faults.PartitionHalves{Ordered: true}},
		{[]string{"--halves", "three"}, nil},
		{[]string{"--groups", "a,b:c, d"}, faults.PartitionGroups{Groups: []faults.Select{sel("a", "b"), sel("c", "d")}}},
		{[]string{"--isolate", "a,,b"}, faults.PartitionIsolate{Nodes: sel("a", "b")}},
		{[]string{"--one-way", "a:b,c"}, faults.PartitionOneWay{From: sel("a"), To: sel("b", "c")}},
		{[]string{"--one-way", "a:"}, faults.PartitionOneWay{From: sel("a")}},
		{[]string{"--one-way", "a"}, nil},
		{[]string{"--isolate", "a", "--groups", "a:b"}, nil},
	} {
		var got faults.Fault
		command := faultPartitionCommand(nil, nil)
		command.Action = func(c *ucli.Context) (err error) {
			got, err = partitionOf(c)
			return err
		}
		app := &ucli.App{Commands: []*ucli.Command{command}, ExitErrHandler: func(*ucli.Context, error) {}}
		err := app.RunContext(context.Background(), append([]string{"netsplit", "partition"}, c.args...))
		if (err != nil) != (c.want == nil) {
			t.Errorf("%v: error %v", c.args, err)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%v (-want +got):\n%s", c.args, d)
		}
	}
}

func TestSummarise(t *testing.T) {
	const ms = time.Millisecond
	a, b := []faults.NodeID{"a"}, []faults.NodeID{"b"}
	ab, ba := faults.Link{From: "a", To: "b"}, faults.Link{From: "b", To: "a"}
	probe := func(l faults.Link, received int, median time.Duration) faults.Measurement {
		return faults.Measurement{Link: l, Sent: 5, Received: received, Median: median}
	}
	cut := faults.Links{Rules: []faults.Rule{{From: a, To: b, Cut: true}}}
	slow := faults.Links{Rules: []faults.Rule{{From: a, To: b, Shape: faults.Shape{Delay: 100 * ms, Jitter: 20 * ms}}}}
	for _, c := range []struct {
		name     string
		planned  faults.Links
		measured []faults.Measurement
		sum      measuredSummary
	}{
		{"nothing", faults.Links{}, nil, measuredSummary{Planned: "0 cut", Measured: "0 unreachable"}},
		{"a cut that holds", cut, []faults.Measurement{probe(ab, 0, 0), probe(ba, 5, ms)}, measuredSummary{Probed: 2, Planned: "1 cut", Measured: "1 unreachable"}},
		{"a cut that leaks", cut, []faults.Measurement{probe(ab, 1, ms)}, measuredSummary{Probed: 1, Planned: "1 cut", Measured: "0 unreachable", Wrong: 1}},
		{"a link without fault that is unreachable", cut, []faults.Measurement{probe(ba, 0, 0)}, measuredSummary{Probed: 1, Planned: "0 cut", Measured: "1 unreachable", Wrong: 1}},
		{"a delay within the jitter", slow, []faults.Measurement{probe(ab, 5, 125*ms)},
			measuredSummary{Probed: 1, Planned: "0 cut, delay 100ms", Measured: "0 unreachable, median delay 125ms"}},
		{"a delay without effect", slow, []faults.Measurement{probe(ab, 5, ms)},
			measuredSummary{Probed: 1, Planned: "0 cut, delay 100ms", Measured: "0 unreachable, median delay 1ms", Wrong: 1}},
		{"a delay where none was planned", slow, []faults.Measurement{probe(ba, 5, 50*ms), probe(ab, 5, 100*ms)},
			measuredSummary{Probed: 2, Planned: "0 cut, delay 100ms", Measured: "0 unreachable, median delay 100ms", Wrong: 1}},
	} {
		if d := cmp.Diff(c.sum, summarise(c.planned, c.measured)); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}
