package daemon

import (
	"fmt"

	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// perform carries out effects in order. Errors are fatal: a node that cannot store or report is of no use.
func (l *loop) perform(now node.Time, effects []node.Effect) error {
	persisted := false
	for i := range effects {
		e := &effects[i]
		switch e.Kind {
		case node.EffectSend:
			if err := l.send(e.Peer, e.Msg); err != nil {
				return err
			}
		case node.EffectTimer:
			l.timers.set(e.Timer, e.At)
		case node.EffectPersist:
			if persisted {
				continue
			}
			// All blocks of one input go to disk together, before the first effect that depends on any of them.
			if err := l.store.append(blocksOf(effects[i:])); err != nil {
				return err
			}
			persisted = true
		case node.EffectEvent:
			if e.Event.Time == 0 {
				e.Event.Time = now
			}
			if err := l.log.add(e.Event); err != nil {
				return err
			}
		case node.EffectDial:
			l.dial(e.Peer, e.Addr)
		case node.EffectDisconnect:
			if k := l.links[e.Peer]; k != nil {
				l.disconnect(k, e.Reason)
			}
		default:
			return fmt.Errorf("node asked for an unknown effect, kind %d", e.Kind)
		}
	}
	l.lastMessage, l.lastFrame = nil, nil
	return nil
}

func blocksOf(effects []node.Effect) []*chain.Block {
	var blocks []*chain.Block
	for i := range effects {
		if effects[i].Kind == node.EffectPersist {
			blocks = append(blocks, effects[i].Block)
		}
	}
	return blocks
}

// send queues a message. A peer that is gone is none of send's business: the node has heard or is about to.
func (l *loop) send(to chain.PeerID, m wire.Message) error {
	k := l.links[to]
	if k == nil {
		return nil
	}
	if l.lastMessage != m {
		frame, err := encodeFrame(m)
		if err != nil {
			return fmt.Errorf("encode %s message: %w", m.Type(), err)
		}
		l.lastMessage, l.lastFrame = m, frame
	}
	if !k.queue.push(l.lastFrame) {
		l.disconnect(k, fmt.Sprintf("slow peer: more than %d messages or %d MiB wait to be sent",
			maxQueuedFrames, maxQueuedBytes>>20))
	}
	return nil
}

// disconnect resets a link; the node hears of it after the effects that are being performed.
func (l *loop) disconnect(k *link, reason string) {
	k.abort()
	delete(l.links, k.id)
	l.then(func(now node.Time) []node.Effect { return l.node.PeerDown(now, k.id, reason) })
}
