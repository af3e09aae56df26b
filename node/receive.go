package node

import (
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// Receive takes a message from a connected peer. The node may keep m, which must not change.
func (n *Node) Receive(now Time, from chain.PeerID, m wire.Message) []Effect {
	n.begin(now)
	p := n.byID[from]
	if !n.running || p == nil || p.closing != "" {
		return n.fx
	}
	p.heard = now
	if err := wire.Check(m); err != nil {
		n.misbehaved(p, nil, err.Error())
		return n.end()
	}
	if hello, ok := m.(*wire.Hello); ok {
		n.hello(p, hello)
		return n.end()
	}
	if !p.up {
		// Not a ban: after a reconnection it may be a straggler of the earlier connection.
		n.disconnect(p, m.Type().String()+" before hello")
		return n.end()
	}
	switch m := m.(type) {
	case *wire.Tx:
		n.receiveTx(p, m)
	case *wire.Block:
		n.receiveBlock(p, m)
	case *wire.Inv:
		n.receiveInv(p, m)
	case *wire.Get:
		n.receiveGet(p, m)
	case *wire.Blocks:
		n.receiveBlocks(p, m)
	default:
		n.receiveControl(p, m)
	}
	return n.end()
}

// receiveControl takes the messages that cost the sender little and the node an answer: their rate is bounded.
func (n *Node) receiveControl(p *peer, m wire.Message) {
	if !p.control.take(n.now, 1, controlBurst, controlRate) {
		n.misbehaved(p, nil, "flood of "+m.Type().String())
		return
	}
	switch m := m.(type) {
	case *wire.Ping:
		n.send(p, &wire.Pong{Nonce: m.Nonce})
	case *wire.Pong: // that it came is all it says
	case *wire.GetBlocks:
		n.serveBlocks(p, m)
	case *wire.Addrs:
		n.learnAddrs(m)
	}
}

// Malformed says that bytes from a peer were no message.
func (n *Node) Malformed(now Time, from chain.PeerID, err error) []Effect {
	n.begin(now)
	p := n.byID[from]
	if !n.running || p == nil {
		return n.fx
	}
	n.misbehaved(p, nil, err.Error())
	return n.end()
}
