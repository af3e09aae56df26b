package native

import (
	"encoding/json"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// ParseLog implements chain.Chain for lines of the node's event log.
func (c *Chain) ParseLog(id faults.NodeID, line []byte) (trace.Event, time.Time, bool) {
	if len(line) == 0 || line[0] != '{' {
		return trace.Event{}, time.Time{}, false
	}
	var e node.Event
	if err := json.Unmarshal(line, &e); err != nil {
		return trace.Event{}, time.Time{}, false
	}
	out := trace.Event{Node: trace.NodeID(id)}
	if m := c.members[id]; e.Kind != node.EventAttack && m != nil && m.node.Adversary != nil {
		return trace.Event{}, time.Time{}, false // what an adversary says is no evidence
	}
	switch {
	case e.Kind == node.EventStart && e.Hash != nil:
		out.Kind = trace.KindHead
		out.Head = &trace.Head{Hash: hash(e.Hash), Height: uint64(e.Height), Restored: true}
	case e.Kind == node.EventBlock && e.Hash != nil:
		out.Kind = trace.KindSeen
		out.Seen = &trace.Seen{
			Hash: hash(e.Hash), Parent: hash(e.Parent), Height: uint64(e.Height),
			From: c.peer(e.Peer), Made: e.Made, Sync: e.Sync,
		}
	case e.Kind == node.EventHead && e.Hash != nil:
		out.Kind = trace.KindHead
		out.Head = &trace.Head{Hash: hash(e.Hash), Height: uint64(e.Height), Old: hash(e.Old), Dropped: e.Dropped}
	case e.Kind == node.EventPeerUp || e.Kind == node.EventPeerDown:
		out.Kind = trace.KindPeer
		out.Peer = &trace.Peer{
			Peer: c.peer(e.Peer), Up: e.Kind == node.EventPeerUp, Reason: e.Reason, Outbound: e.Outbound, Local: e.Local,
		}
	case e.Kind == node.EventInvalid && e.Peer != nil:
		out.Kind = trace.KindRefuse
		out.Refuse = &trace.Refuse{Peer: c.peer(e.Peer), Hash: hash(e.Hash), Reason: e.Reason, Banned: e.Banned}
	case e.Kind == node.EventAttack:
		out.Kind = trace.KindAttack
		out.Attack = &trace.Attack{Kind: e.Attack, Peer: c.peer(e.Peer), Hash: hash(e.Hash), Want: e.Want, Reason: e.Reason}
	default:
		return trace.Event{}, time.Time{}, false
	}
	return out, time.Unix(0, int64(e.Time)), true
}

func (c *Chain) peer(id *chain.PeerID) trace.NodeID {
	if id == nil {
		return ""
	}
	return trace.NodeID(c.name(*id))
}

func hash(h *chain.Hash) trace.Hash {
	if h == nil {
		return ""
	}
	return trace.Hash(h.String())
}
