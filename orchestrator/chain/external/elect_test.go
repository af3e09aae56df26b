package external

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestElect(t *testing.T) {
	tests := []struct {
		facts string // added
		nodes int    // of which all but the last have power 10
		want  string // power of each
		note  string
	}{
		{"", 5, "10 10 10 10 0", ""},
		{", votes: equal", 4, "1 1 1 0", ""},
		{", max_producers: 3", 4, "10 10 10 0", ""},
		{", max_producers: 3", 5, "10 10 10 0 0", "3 of the 4 nodes that could make blocks do: toy has at most so many (facts.max_producers)"},
		{", votes: equal, max_producers: 1", 3, "1 0 0", "1 of the 2 nodes that could make blocks do: toy has at most so many (facts.max_producers)"},
	}
	for _, test := range tests {
		file := parse(t, plain, "fork_depth: 6", "fork_depth: 6"+test.facts)
		given := network(test.nodes).Nodes
		got, note := New(file, image{}, nil, nil).assignProducers(given)
		var power []string
		for i, n := range got {
			power = append(power, fmt.Sprint(n.Mine))
			if given[i].Mine != network(test.nodes).Nodes[i].Mine {
				t.Errorf("%q changed the nodes that it was given", test.facts)
			}
		}
		if s := strings.Join(power, " "); s != test.want || note != test.note {
			t.Errorf("%q on %d nodes: power %s, note %q", test.facts, test.nodes, s, note)
		}
	}
}

func TestBlockIntervalIsRoundedUp(t *testing.T) {
	file := parse(t, plain, "fork_depth: 6", "fork_depth: 6, block_interval_step: 1s")
	for asked, want := range map[time.Duration]time.Duration{
		500 * time.Millisecond: time.Second, time.Second: time.Second, 1001 * time.Millisecond: 2 * time.Second,
	} {
		net := network(2)
		net.BlockInterval = asked
		p, err := New(file, image{}, nil, nil).Prepare(t.Context(), net)
		if err != nil {
			t.Fatal(err)
		}
		if p.Facts.BlockInterval != want {
			t.Errorf("%v asked: %v", asked, p.Facts.BlockInterval)
		}
	}
}
