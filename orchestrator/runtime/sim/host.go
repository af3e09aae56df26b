package sim

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// state is what a host's process does.
type state uint8

const (
	created state = iota // no process yet
	running
	paused
	down // stopped, killed or died
)

func (s state) String() string {
	return [...]string{"not launched", "running", "paused", "down"}[s]
}

// host is one node's machine: its address, its disk, and its process while there is one.
type host struct {
	index   int32
	id      faults.NodeID
	addr    netip.Addr
	state   state
	boot    func(now node.Time, stored []*chain.Block) (Machine, error) // nil before Launch
	peer    chain.PeerID
	machine Machine
	node    *node.Node   // what answers the HTTP API; nil when the machine is a stand-in
	handler http.Handler // of the process' HTTP API, made at the first request
	life    uint32       // counts processes: what belongs to an earlier one is void
	disk    []*chain.Block
	ends    ends
	timers  timers
	held    []event // inputs that wait for a paused process
	log     ring
}

// tailLines is how many lines of its log a NodeError has.
const tailLines = 20

// start makes a process out of what is on the disk. A failure is a *runtime.NodeError.
func (w *world) start(h *host) error {
	m, err := w.boot(h)
	if err == nil {
		h.machine, h.state = m, running
		w.guard(func() { w.feed(h, Machine.Start) })
		if h.state == running {
			return nil
		}
		err = errors.New("died at its start")
	}
	h.log.addText("error: " + err.Error())
	return &runtime.NodeError{Node: h.id, Op: "start", Err: err, Tail: h.log.tail(tailLines)}
}

// boot makes a host's machine; a panic is an error.
func (w *world) boot(h *host) (m Machine, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return h.boot(w.time(), h.disk)
}

// end ends a host's process: its host closes its connections, and all that it waited for is void.
func (w *world) end(h *host) {
	h.state = down
	h.life++
	h.machine, h.node, h.handler = nil, nil, nil
	for _, e := range h.held {
		if e.kind() == control {
			w.unpark(e.ref)
		}
	}
	h.held = nil
	h.timers.reset()
	for len(h.ends.list) > 0 {
		w.close(h, h.ends.list[len(h.ends.list)-1].conn)
	}
}

// die ends a process that nobody asked to end.
func (w *world) die(h *host, err error, detail []byte) {
	if h.state != running && h.state != paused {
		return
	}
	w.end(h)
	h.log.addText(err.Error())
	h.log.addText(string(detail))
	if w.sink != nil {
		w.sink.Exit(h.id, err)
	}
}

// resume lets a paused process go on with the inputs that waited for it, in their order.
func (w *world) resume(h *host) {
	h.state = running
	now := w.now.Load()
	for _, e := range h.held {
		if e.kind() == timer {
			h.timers.slots[e.arg].queued = now
		}
		w.heap.push(now, e.kind(), e.ref, e.arg)
	}
	h.held = nil
}
