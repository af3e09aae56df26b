package external

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/testnets/chainspec"
)

const (
	// warmUpTimeout is how long a block of warm_up may take to reach every node, warmUpInterval the time between polls for it.
	warmUpTimeout  = time.Minute
	warmUpInterval = 5 * time.Millisecond
)

// connector makes one network of running nodes: the first block, peers, the blocks of warm_up. It owns how far that is
// done. Calls of connect without nodes are serial.
type connector struct {
	reader
	makers   map[*member]*maker
	progress func(string)
	// attached says that the nodes ran already: nothing is done. opened says that another process started and connected
	// them: peers are for nodes that are started again alone.
	attached, opened bool

	hasFirst bool // all nodes have the first block
	warmed   int  // how many steps of warm_up are done

	connected sync.Map // of [2]faults.NodeID: a node and a peer whose address it was given
}

// connect is Capabilities.ConnectPeers: where the chain file has a first_block, nodes get it, once; where it has
// peers: {call: ...}, each node is given the addresses of its peers; where it has a warm_up, its blocks are made, once.
func (k *connector) connect(ctx context.Context, ids ...faults.NodeID) error {
	switch {
	case k.attached, k.opened && len(ids) == 0:
		return nil
	case len(ids) == 0:
		if err := k.firstBlock(ctx); err != nil {
			return err
		}
		if err := k.connectAll(ctx); err != nil {
			return err
		}
		return k.warmUp(ctx)
	}
	for _, id := range ids {
		m, err := k.net.node(id)
		if err != nil {
			return err
		}
		for _, peer := range m.Peers {
			k.connected.Delete([2]faults.NodeID{id, peer})
		}
		if err := k.connectNode(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// firstBlock makes the first producer produce a block and gives it to all other nodes.
func (k *connector) firstBlock(ctx context.Context) error {
	how := k.file.FirstBlock
	if how == nil || k.hasFirst {
		return nil
	}
	maker := k.net.firstProducer()
	block, err := k.call(ctx, maker, how.Make, nil)
	if err != nil {
		return fmt.Errorf("make the first block at %s: %w", maker.ID, err)
	}
	for _, m := range k.net.nodes {
		if m == maker {
			continue
		}
		if _, err := k.call(ctx, m, how.Give, map[string]any{"Last": block}); err != nil {
			return fmt.Errorf("give the first block to %s: %w", m.ID, err)
		}
	}
	k.hasFirst = true
	return nil
}

// connectAll gives all nodes the addresses of peers that they were not given yet.
func (k *connector) connectAll(ctx context.Context) error {
	for _, m := range k.net.nodes {
		if err := k.connectNode(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// connectNode gives a node the addresses of peers that it was not given yet, if the chain file says how.
func (k *connector) connectNode(ctx context.Context, m *member) error {
	if len(k.file.Peers.Calls) == 0 {
		return nil
	}
	for _, id := range m.Peers {
		if _, done := k.connected.Load([2]faults.NodeID{m.ID, id}); done {
			continue
		}
		peer, err := k.net.node(id)
		if err != nil {
			return err
		}
		if _, err := k.call(ctx, m, k.file.Peers.Calls, map[string]any{"Peer": peer.data}); err != nil {
			return fmt.Errorf("connect node %s to its peer %s: %w", m.ID, id, err)
		}
		k.connected.Store([2]faults.NodeID{m.ID, id}, true)
	}
	return nil
}

// warmUp makes the blocks of the chain file's warm_up, as far as they have not been made.
func (k *connector) warmUp(ctx context.Context) error {
	for ; k.warmed < len(k.file.WarmUp); k.warmed++ {
		w := k.file.WarmUp[k.warmed]
		nodes, where := []*member{k.net.firstProducer()}, string(k.net.firstProducer().ID)
		if w.EachNode {
			nodes, where = k.net.nodes, "each node"
		}
		k.progress(fmt.Sprintf("warming chain %s up: step %d of %d, at %s", k.file.Name, k.warmed+1, len(k.file.WarmUp), where))
		for _, m := range nodes {
			for range w.Times {
				if err := k.warmUpBlock(ctx, m, w.Calls); err != nil {
					return fmt.Errorf("%s: warm_up, step %d of %d: %w", at(k.file, w.Pos), k.warmed+1, len(k.file.WarmUp), err)
				}
			}
		}
	}
	return nil
}

// warmUpBlock makes a block at one node and waits until all have it.
func (k *connector) warmUpBlock(ctx context.Context, m *member, calls []chainspec.CallRef) error {
	if err := k.makers[m].make(ctx, calls); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, warmUpTimeout, errNotSpread)
	defer cancel()
	return k.awaitHeightOf(ctx, m)
}

// errNotSpread ends the wait for a block of warm_up.
var errNotSpread = fmt.Errorf("the block did not come within %v; are the nodes connected?", warmUpTimeout)

// awaitHeightOf waits until all nodes have as high a chain as one of them, or ctx ends.
func (k *connector) awaitHeightOf(ctx context.Context, highest *member) error {
	top, _, err := k.height(ctx, highest)
	if err != nil {
		return err
	}
	tick := time.NewTicker(warmUpInterval)
	defer tick.Stop()
	for _, m := range k.net.nodes {
		for {
			height, _, err := k.height(ctx, m)
			if err == nil && height >= top {
				break
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				low := fmt.Errorf("%s is at height %d, %s at %d: %w", highest.ID, top, m.ID, height, context.Cause(ctx))
				return errors.Join(low, err)
			}
		}
	}
	return nil
}
