package sim

import (
	"github.com/netsplit/netsplit/node"
)

// perform carries out what a machine asked for. It never calls a machine: all that follows is an event.
func (w *world) perform(h *host, effects []node.Effect) {
	for i := range effects {
		e := &effects[i]
		switch e.Kind {
		case node.EffectSend:
			w.send(h, &e.Peer, e.Msg)
		case node.EffectTimer:
			w.setTimer(h, e.Timer, e.At)
		case node.EffectPersist:
			h.disk = append(h.disk, e.Block)
		case node.EffectEvent:
			w.print(h, e.Event)
		case node.EffectDial:
			w.connect(h, e.Peer, e.Addr)
		case node.EffectDisconnect:
			if c, ok := h.ends.find(&e.Peer); ok {
				peer, reason := e.Peer, e.Reason
				w.close(h, c)
				w.notify(h, func(m Machine, now node.Time) []node.Effect { return m.PeerDown(now, peer, reason) })
			}
		}
	}
}

// print writes an event into a node's log, in the form in which the daemon prints it.
func (w *world) print(h *host, e *node.Event) {
	w.line.Reset()
	if err := w.lines.Encode(e); err != nil {
		h.log.addText("error: encode event: " + err.Error())
		return
	}
	line := w.line.Bytes()
	line = line[:len(line)-1]
	h.log.add(line)
	if w.sink != nil {
		w.sink.Line(h.id, line)
	}
}
