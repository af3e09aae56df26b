package sim

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/behavior"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// Machine is a node for the simulator: one of package behavior, what Options.Plant has wrapped around one, or a stub in tests
// and benchmarks of the simulator.
type Machine = behavior.Machine

// state is the state of a host's process.
type state uint8

const (
	created state = iota // no process yet
	running
	paused
	down // stopped, killed or crashed
)

func (s state) String() string {
	return [...]string{"not launched", "running", "paused", "down"}[s]
}

// host is one node's computer: its address, its disk, its log, and its process if there is one.
type host struct {
	index   int32
	id      faults.NodeID
	addr    netip.Addr
	state   state
	boot    func(now node.Time, stored []*chain.Block) (Machine, error) // nil before Launch
	peer    chain.PeerID
	machine Machine
	node    *node.Node   // for the HTTP API; nil if machine is a stub
	handler http.Handler // the HTTP API of the process, made at the first request
	life    uint32       // counts processes: events of earlier ones are ignored
	disk    []*chain.Block
	ends    ends
	timers  timers
	held    []event // inputs that arrived while the process is paused
	log     ring
}

// tailLines is how many lines of its log a NodeError has.
const tailLines = 20

// start starts a process with the blocks on the disk. A failure is a *runtime.NodeError.
func (w *world) start(h *host) error {
	m, err := w.boot(h)
	if err == nil {
		h.machine, h.state = m, running
		w.guard(func() { w.feed(h, Machine.Start) })
		if h.state == running {
			return nil
		}
		err = errors.New("ended while it started")
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

// end ends a host's process: its connections are closed, its timers and pending inputs dropped.
func (w *world) end(h *host) {
	h.state = down
	h.life++
	h.machine, h.node, h.handler = nil, nil, nil
	for _, e := range h.held {
		if e.kind() == control {
			w.queue.unpark(e.ref)
		}
	}
	h.held = nil
	h.timers = timers{} // their events find no slot, or one that is not queued
	for len(h.ends.list) > 0 {
		w.close(h, h.ends.list[len(h.ends.list)-1].conn)
	}
}

// crash ends a process that no action ended, and reports it.
func (w *world) crash(h *host, err error, detail []byte) {
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

// resume continues a paused process with the inputs that were held, in order.
func (w *world) resume(h *host) {
	h.state = running
	now := w.now.Load()
	for _, e := range h.held {
		if e.kind() == timer {
			h.timers.slots[e.arg].queued = now
		}
		w.queue.push(now, e.kind(), e.ref, e.arg)
	}
	h.held = nil
}

// Bounds of a node's log: maxLines lines, and a share of logBytes that is at most maxLogBytes and at least minLogBytes.
const (
	maxLines    = 1000
	logBytes    = 64 << 20
	maxLogBytes = 256 << 10
	minLogBytes = 8 << 10
)

// ring holds the last lines that a node printed, in one buffer that grows to its limit and then drops the oldest lines.
type ring struct {
	limit int    // bytes
	buf   []byte // complete lines with their newlines
	lines int
}

// limitFor returns the log size of each of n nodes in bytes.
func limitFor(n int) int { return min(max(logBytes/max(n, 1), minLogBytes), maxLogBytes) }

// add appends one line, without its newline.
func (r *ring) add(line []byte) {
	if len(line) >= r.limit {
		line = line[:max(r.limit-1, 0)]
	}
	if len(r.buf)+len(line)+1 > r.limit || r.lines >= maxLines {
		r.drop(len(line) + 1)
	}
	r.buf = append(append(r.buf, line...), '\n')
	r.lines++
}

// addText appends text of any number of lines.
func (r *ring) addText(text string) {
	for line := range strings.Lines(text) {
		r.add([]byte(strings.TrimRight(line, "\r\n")))
	}
}

// drop drops the older half of the lines, and more if need bytes are not free then. Dropping half of them keeps the
// average cost of a line low.
func (r *ring) drop(need int) {
	keepBytes, keepLines := min(r.limit/2, r.limit-need), maxLines/2
	i := len(r.buf)
	lines := 0
	for i > 0 && lines < keepLines {
		j := i - 1
		for j > 0 && r.buf[j-1] != '\n' {
			j--
		}
		if len(r.buf)-j > keepBytes {
			break
		}
		i = j
		lines++
	}
	r.buf = r.buf[:copy(r.buf, r.buf[i:])]
	r.lines = lines
}

// tail returns at most the last n lines, oldest first.
func (r *ring) tail(n int) []string {
	if r.lines == 0 || n <= 0 {
		return nil
	}
	all := strings.Split(strings.TrimSuffix(string(r.buf), "\n"), "\n")
	return all[max(len(all)-n, 0):]
}
