package sim

import (
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// machine is what the simulator drives: a *node.Node, or a stand-in that measures the simulator itself.
type machine interface {
	Start(now node.Time) []node.Effect
	PeerUp(now node.Time, id chain.PeerID, outbound bool) []node.Effect
	PeerDown(now node.Time, id chain.PeerID, reason string) []node.Effect
	DialFailed(now node.Time, id chain.PeerID) []node.Effect
	Receive(now node.Time, from chain.PeerID, m wire.Message) []node.Effect
	Timer(now node.Time, id node.TimerID) []node.Effect
	Stop(now node.Time) []node.Effect
}
