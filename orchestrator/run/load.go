package run

import (
	"context"
	"math"
	"math/rand/v2"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/trace"
	"github.com/netsplit/netsplit/testnets"
)

const (
	// laneRate is how many transfers a second one lane submits: few enough that a slow answer holds up little.
	laneRate = 10
	// maxTransfer bounds the amount of one transfer; accounts start with much more than a run can move.
	maxTransfer = 100
)

// startLoad starts the lanes that submit one entry of the scenario's load.
func (r *run) startLoad(ctx context.Context, index int, l testnets.Load) {
	lanes := max(1, int(math.Ceil(l.Rate/laneRate)))
	step := time.Duration(float64(time.Second) / l.Rate)
	for i := range lanes {
		load := loadLane{
			from: l.From + time.Duration(i)*step, step: time.Duration(lanes) * step, until: l.Until,
			rng: r.net.rng(uint64(index)<<32 | uint64(i) | 1<<63),
		}
		r.lane(ctx, "load", func(ctx context.Context) error { return r.loadLane(ctx, load) })
	}
}

// loadLane is a share of a load: one transfer every step.
type loadLane struct {
	from, step, until time.Duration // run times
	rng               *rand.Rand
}

// loadLane submits transfers between random nodes until the load ends. It submits nothing to nodes that are down. When
// answers take longer than a step, the next transfers follow at once until the lane is on time again.
func (r *run) loadLane(ctx context.Context, l loadLane) error {
	clock := r.Runtime.Clock()
	for at := l.from; at < l.until; at += l.step {
		if err := clock.Sleep(ctx, r.zero+at); err != nil {
			return err
		}
		up := r.rec.view.up(r.net.order)
		if len(up) < 2 {
			continue
		}
		from := up[l.rng.IntN(len(up))]
		to := up[l.rng.IntN(len(up))]
		r.transfer(ctx, from, to, 1+l.rng.Uint64N(maxTransfer))
	}
	return nil
}

// transfer submits one transfer and records the node's answer.
func (r *run) transfer(ctx context.Context, from, to faults.NodeID, amount uint64) {
	call, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	tx, err := r.net.clients[from].Transfer(call, to, amount)
	if ctx.Err() != nil {
		return
	}
	s := trace.Submit{Tx: tx}
	if err != nil {
		s.Error = firstLine(err)
	}
	r.rec.add(r.Runtime.Clock().Now(), trace.Event{Kind: trace.KindSubmit, Node: trace.NodeID(from), Submit: &s})
}
