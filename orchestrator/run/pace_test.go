package run

import (
	"fmt"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestPaceOf(t *testing.T) {
	const s = time.Second
	// chain has blocks from a height on that state the times that lie so far apart.
	chain := func(from uint64, gaps ...time.Duration) (out []*trace.Block) {
		at := time.Unix(1_700_000_000, 0)
		for i := range len(gaps) + 1 {
			height := from + uint64(i)
			out = append(out, &trace.Block{Hash: trace.Hash(fmt.Sprint(height)), Parent: trace.Hash(fmt.Sprint(height - 1)), Height: height, Time: at})
			if i < len(gaps) {
				at = at.Add(gaps[i])
			}
		}
		return out
	}
	every := func(n int, d time.Duration) (out []time.Duration) {
		for range n {
			out = append(out, d)
		}
		return out
	}
	with := func(list []time.Duration, more ...time.Duration) []time.Duration { return append(list, more...) }
	side := append(chain(2, every(20, s)...), &trace.Block{Hash: "side", Parent: "5", Height: 6, Time: time.Unix(1_600_000_000, 0)})
	for name, c := range map[string]struct {
		blocks  []*trace.Block
		regular bool
		want    trace.Pace
	}{
		"no block":              {nil, true, trace.Pace{}},
		"one block":             {chain(7), true, trace.Pace{}},
		"steady":                {chain(2, every(20, s)...), true, trace.Pace{Blocks: 20, Over: 20 * s}},
		"varies":                {chain(2, with(every(10, s), every(10, 3*s)...)...), true, trace.Pace{Blocks: 20, Over: 40 * s, Spread: 1025978352}},
		"without the first":     {chain(0, with([]time.Duration{s, time.Hour}, every(20, s)...)...), true, trace.Pace{Blocks: 20, Over: 20 * s}},
		"the latest":            {chain(2, every(300, s)...), true, trace.Pace{Blocks: 100, Over: 100 * s}},
		"not longer ago":        {chain(2, every(100, 30*s)...), true, trace.Pace{Blocks: 20, Over: 600 * s}},
		"since a standstill":    {chain(2, with(with(every(20, s), 40*s), every(15, s)...)...), true, trace.Pace{Blocks: 15, Over: 15 * s}},
		"of random blocks none": {chain(2, with(with(every(20, s), 40*s), every(15, s)...)...), false, trace.Pace{Blocks: 36, Over: 75 * s, Spread: 6500000000}},
		"a side branch":         {side, true, trace.Pace{Blocks: 20, Over: 20 * s}},
		"times that go back":    {chain(2, with(with(every(20, s), -s), every(5, s)...)...), true, trace.Pace{Blocks: 5, Over: 5 * s}},
	} {
		if got := paceOf(c.blocks, c.regular); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}
