package behavior

import (
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// Machine is a state machine that a host drives; see node.Node for the inputs. The effects of an input are performed in order,
// and are valid until the next input.
type Machine interface {
	Start(now node.Time) []node.Effect
	PeerUp(now node.Time, id chain.PeerID, outbound bool) []node.Effect
	PeerDown(now node.Time, id chain.PeerID, reason string) []node.Effect
	DialFailed(now node.Time, id chain.PeerID) []node.Effect
	Receive(now node.Time, from chain.PeerID, m wire.Message) []node.Effect
	Malformed(now node.Time, from chain.PeerID, err error) []node.Effect
	Timer(now node.Time, id node.TimerID) []node.Effect
	Stop(now node.Time) []node.Effect
}

var (
	_ Machine = (*node.Node)(nil)
	_ Machine = (*Adversary)(nil)
)

// New makes the machine of a configuration from the blocks that an earlier run persisted, and returns the node in it, which
// answers queries.
func New(cfg node.Config, deps node.Deps, stored []*chain.Block, now node.Time) (Machine, *node.Node, error) {
	if cfg.Adversary != nil {
		deps = node.Deps{} // what it computes is its own
	}
	n, err := node.New(cfg, deps, stored, now)
	if err != nil {
		return nil, nil, err
	}
	if cfg.Adversary == nil {
		return n, n, nil
	}
	a, err := newAdversary(cfg, n, stored)
	if err != nil {
		return nil, nil, err
	}
	return a, n, nil
}
