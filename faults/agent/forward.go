package agent

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

const (
	// forwardConns is how many connections one forward carries at a time; more wait.
	forwardConns = 256
	// forwardDial bounds the connection to a node.
	forwardDial = 5 * time.Second
	// acceptPause is between a failure to accept and the next try.
	acceptPause = 50 * time.Millisecond
)

// errStopping says that the agent is about to end.
var errStopping = errors.New("the agent is stopping")

// forwarder carries connections from the agent's loopback to ports of nodes, for people: a port stays the same while
// nodes are killed and started again. The zero forwarder is ready. Its methods may be called from several goroutines.
type forwarder struct {
	mu     sync.Mutex
	closed bool
	open   map[netip.AddrPort]net.Listener
	conns  map[net.Conn]bool
	work   sync.WaitGroup
}

// forward returns the loopback address that leads to a target, the same one each time it is asked for.
func (f *forwarder) forward(target netip.AddrPort) (netip.AddrPort, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return netip.AddrPort{}, errStopping
	}
	ln := f.open[target]
	if ln == nil {
		var err error
		if ln, err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
			return netip.AddrPort{}, err
		}
		if f.open == nil {
			f.open, f.conns = make(map[netip.AddrPort]net.Listener), make(map[net.Conn]bool)
		}
		f.open[target] = ln
		f.work.Go(func() { f.accept(ln, target) })
	}
	return ln.Addr().(*net.TCPAddr).AddrPort(), nil
}

// accept carries a listener's connections until it is closed.
func (f *forwarder) accept(ln net.Listener, target netip.AddrPort) {
	free := make(chan struct{}, forwardConns)
	for {
		free <- struct{}{}
		from, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			<-free
			time.Sleep(acceptPause) // files are short: as net/http does, give others the time to close some
			continue
		}
		if !f.keep(from) {
			return
		}
		f.work.Go(func() {
			defer func() { <-free }()
			defer f.drop(from)
			f.carry(from, target)
		})
	}
}

// carry joins a connection with one to the target until both ways are done.
func (f *forwarder) carry(from net.Conn, target netip.AddrPort) {
	to, err := net.DialTimeout("tcp4", target.String(), forwardDial)
	if err != nil {
		return // the caller sees its connection end, as it does where a node dies
	}
	if !f.keep(to) {
		return
	}
	defer f.drop(to)
	var back sync.WaitGroup
	back.Go(func() { pour(from, to) })
	pour(to, from)
	back.Wait()
}

// pour copies one way and passes the end on. A connection that broke is of no use the other way either.
func pour(to, from net.Conn) {
	if _, err := io.Copy(to, from); err != nil {
		from.Close()
		to.Close()
		return
	}
	if tcp, ok := to.(*net.TCPConn); ok {
		_ = tcp.CloseWrite() // where that fails the other way is over too
	}
}

// keep notes a connection for close. It closes it and returns false when that was already called.
func (f *forwarder) keep(c net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		c.Close()
		return false
	}
	f.conns[c] = true
	return true
}

// drop closes a connection.
func (f *forwarder) drop(c net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, c)
	c.Close()
}

// close ends all forwards and returns when nothing of them is left. Later forwards are refused.
func (f *forwarder) close() {
	f.mu.Lock()
	f.closed = true
	for _, ln := range f.open {
		ln.Close()
	}
	for c := range f.conns {
		c.Close()
	}
	f.mu.Unlock()
	f.work.Wait()
}

// putForwards opens ways from the agent's loopback to ports of nodes.
func (s *Server) putForwards(w http.ResponseWriter, r *http.Request) {
	var targets []netip.AddrPort
	if err := decode(w, r, &targets); err != nil {
		reply(w, nil, err)
		return
	}
	if err := s.core.checkForwards(targets); err != nil {
		reply(w, nil, refuse(http.StatusBadRequest, "forward: %v", err))
		return
	}
	out := make([]netip.AddrPort, len(targets))
	for i, t := range targets {
		var err error
		if out[i], err = s.forwards.forward(t); err != nil {
			reply(w, nil, fmt.Errorf("forward to %s: %w", t, err))
			return
		}
	}
	reply(w, out, nil)
}

// checkForwards says what is wrong with targets: the agent leads to ports of the testnet's nodes and nowhere else.
func (c *core) checkForwards(targets []netip.AddrPort) error {
	if len(targets) > maxHosts {
		return fmt.Errorf("%d targets, at most %d are allowed", len(targets), maxHosts)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	known := make(map[netip.Addr]bool, len(c.hosts))
	for _, h := range c.hosts {
		known[h.Addr] = true
	}
	for _, t := range targets {
		if !known[t.Addr()] || t.Port() == 0 {
			return fmt.Errorf("%q is no port of a node", t)
		}
	}
	return nil
}
