package cli

import (
	"context"
	"testing"

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
		command := quietEnv().faultPartitionCommand()
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
