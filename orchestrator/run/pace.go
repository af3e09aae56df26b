package run

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

const (
	// paceBlocks and paceTime are the most blocks, and the longest time, over which the pace of an attached network is measured.
	paceBlocks = 100
	paceTime   = 10 * time.Minute
	// paceWait is how long a run waits for enough blocks to measure it.
	paceWait = time.Minute
	// A gap longer than standstill intervals and than leastStandstill is no pace: the network stood still, in an earlier run say.
	standstill      = 10
	leastStandstill = 10 * time.Second
)

// measurePace measures the pace of a network that runs already, by the times that its latest blocks state, and makes it what is
// expected of it. Where there are too few, it waits for more.
func (r *run) measurePace(ctx context.Context) error {
	if !r.Runtime.Info(ctx).Attached || r.observer.polling == nil {
		return nil
	}
	facts := &r.net.Facts
	for deadline, noted := r.time.Now()+paceWait, false; ; noted = true {
		p := paceOf(r.rec.earlyBlocks(), facts.Quorum > 0)
		facts.Pace = &p
		if p.Known() {
			facts.BlockInterval = p.Interval()
			break
		}
		if r.time.Now() >= deadline {
			break
		}
		if !noted {
			r.Progress.Phase(fmt.Sprintf("measuring the network's pace, for at most %v", paceWait), 0)
		}
		if err := r.time.pause(ctx, r.observer.polling.Interval); err != nil {
			return err
		}
		r.observer.pollFirst(ctx)
	}
	if facts.Pace.Known() {
		r.Progress.Phase(fmt.Sprintf("the network makes a block every %s, measured over %d blocks", trace.Round(facts.BlockInterval), facts.Pace.Blocks), 0)
	} else {
		r.Progress.Phase(fmt.Sprintf("the network's pace is not known: %d blocks came in %s", facts.Pace.Blocks, trace.Round(facts.Pace.Over)), 0)
	}
	return nil
}

// paceOf is the pace of the longest chain of some blocks, by the times that they state. regular: blocks come at regular
// intervals, so that a long gap is a standstill. The first block is left out: it may state the time of the genesis.
func paceOf(blocks []*trace.Block, regular bool) trace.Pace {
	if len(blocks) == 0 {
		return trace.Pace{}
	}
	byHash := make(map[trace.Hash]*trace.Block, len(blocks))
	for _, b := range blocks {
		byHash[b.Hash] = b
	}
	top := slices.MaxFunc(blocks, func(a, b *trace.Block) int { return cmp.Compare(a.Height, b.Height) })
	var intervals []time.Duration // the latest first
	for b := top; len(intervals) < paceBlocks; {
		below := byHash[b.Parent]
		if below == nil || below.Height <= 1 || below.Height >= b.Height {
			break
		}
		gap := b.Time.Sub(below.Time)
		if gap < 0 || top.Time.Sub(below.Time) > paceTime {
			break
		}
		if regular && gap > leastStandstill && len(intervals) > 0 && gap > standstill*medianOf(intervals) {
			break
		}
		intervals = append(intervals, gap)
		b = below
	}
	p := trace.Pace{Blocks: len(intervals)}
	for _, d := range intervals {
		p.Over += d
	}
	if p.Blocks < 2 {
		return p
	}
	mean, sum := float64(p.Over)/float64(p.Blocks), 0.0
	for _, d := range intervals {
		sum += (float64(d) - mean) * (float64(d) - mean)
	}
	p.Spread = time.Duration(math.Sqrt(sum / float64(p.Blocks-1)))
	return p
}

func medianOf(list []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}
