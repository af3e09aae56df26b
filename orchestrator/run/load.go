package run

import (
	"context"
	"math"
	"math/rand/v2"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/trace"
	"github.com/netsplit/netsplit/testnets/scenario"
)

const (
	// taskRate is how many transfers a second one task submits: few enough that a slow answer holds up little.
	taskRate = 10
	// maxTransfer bounds the amount of one transfer; accounts start with much more than a run can move.
	maxTransfer = 100
)

// loadGenerator submits the transfers of the scenario's load and records the nodes' answers. It does not follow what becomes
// of a transfer.
type loadGenerator struct{ shared }

// start starts the tasks that submit a scenario's load.
func (g *loadGenerator) start(ctx context.Context, load []scenario.Load) {
	for index, l := range load {
		tasks := max(1, int(math.Ceil(l.Rate/taskRate)))
		step := loadStep(l)
		for i := range tasks {
			share := loadShare{
				from: l.From + time.Duration(i)*step, step: time.Duration(tasks) * step, until: l.Until,
				rng: g.net.random(uint64(index)<<32 | uint64(i) | 1<<63),
			}
			g.tasks.start(ctx, "load", func(ctx context.Context) error { return g.run(ctx, share) })
		}
	}
}

// loadShare is one task's share of a load: a transfer every step.
type loadShare struct {
	from, step, until time.Duration // run times
	rng               *rand.Rand
}

// run submits transfers between random nodes until the load ends, none to nodes that are down; those that are left out for
// lack of nodes are recorded as skipped. When answers take longer than
// a step, the next transfers follow at once until the task is on time again.
func (g *loadGenerator) run(ctx context.Context, l loadShare) error {
	for at := l.from; at < l.until; at += l.step {
		if err := g.time.sleepUntil(ctx, at); err != nil {
			return err
		}
		up := g.view.up(g.net.Honest())
		if len(up) < 2 {
			g.rec.add(trace.Event{Kind: trace.KindSubmit, Submit: &trace.Submit{Skipped: true}})
			continue
		}
		from := up[l.rng.IntN(len(up))]
		to := up[l.rng.IntN(len(up))]
		g.transfer(ctx, from, to, 1+l.rng.Uint64N(maxTransfer))
	}
	return nil
}

// transfer submits one transfer and records the node's answer.
func (g *loadGenerator) transfer(ctx context.Context, from, to faults.NodeID, amount uint64) {
	call, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	tx, err := g.net.Client(from).Transfer(call, to, amount)
	if ctx.Err() != nil {
		return
	}
	s := trace.Submit{Tx: tx}
	if err != nil {
		s.Error = firstLine(err)
	}
	g.rec.add(trace.Event{Kind: trace.KindSubmit, Node: trace.NodeID(from), Submit: &s})
}
