package sim

import (
	"context"
	"fmt"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// Launch implements runtime.Runtime. Nodes start one after the other at the present moment; the first failure ends it.
func (r *Runtime) Launch(ctx context.Context, nodes []runtime.Launch, progress func(faults.NodeID)) error {
	for _, l := range nodes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.launch(l); err != nil {
			return err
		}
		if progress != nil {
			progress(l.ID)
		}
	}
	return nil
}

func (r *Runtime) launch(l runtime.Launch) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	h, err := r.host(l.ID)
	if err != nil {
		return &runtime.NodeError{Node: l.ID, Op: "start", Err: err}
	}
	if h.boot != nil {
		err := fmt.Errorf("%w: launched before", runtime.ErrState)
		return &runtime.NodeError{Node: l.ID, Op: "start", Err: err}
	}
	cfg, err := r.readConfig(l)
	if err != nil {
		h.log.addText("error: " + err.Error())
		return &runtime.NodeError{Node: l.ID, Op: "start", Err: err, Tail: h.log.tail(tailLines)}
	}
	h.boot = func(now node.Time, stored []*chain.Block) (Machine, error) {
		m, peer, err := r.newMachine(cfg, stored, now)
		if err != nil {
			return nil, err
		}
		h.peer = peer
		h.node, _ = m.(*node.Node)
		if r.opts.Plant != nil {
			m = r.opts.Plant(h.id, m)
		}
		return m, nil
	}
	if _, taken := r.w.addrs[cfg.Advertise]; !taken && cfg.Advertise != "" {
		r.w.addrs[cfg.Advertise] = h
	}
	h.state = down
	return r.w.start(h)
}
