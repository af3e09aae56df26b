package sim

import (
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// Machine is what the simulator drives as a node: a *node.Node, what Options.Plant put around it, or a stand-in that
// measures the simulator itself. See node.Node for what the inputs mean; the effects are performed in order.
type Machine interface {
	Start(now node.Time) []node.Effect
	PeerUp(now node.Time, id chain.PeerID, outbound bool) []node.Effect
	PeerDown(now node.Time, id chain.PeerID, reason string) []node.Effect
	DialFailed(now node.Time, id chain.PeerID) []node.Effect
	Receive(now node.Time, from chain.PeerID, m wire.Message) []node.Effect
	Timer(now node.Time, id node.TimerID) []node.Effect
	Stop(now node.Time) []node.Effect
}
