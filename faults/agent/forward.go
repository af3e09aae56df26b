package agent

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// forwardConns is the most connections of one forward at a time; more wait.
	forwardConns = 256
	// forwardDial bounds the time to connect to a node.
	forwardDial = 5 * time.Second
	// acceptPause is the time between a failed accept and the next.
	acceptPause = 50 * time.Millisecond
)

// errStopping is the error of requests while the agent stops.
var errStopping = errors.New("the agent is stopping")

// forwarder forwards connections from the agent's loopback to ports of nodes, so that a user's port stays the same while
// nodes are killed and started again. The zero forwarder is ready. Its methods may be called from several goroutines.
type forwarder struct {
	mu     sync.Mutex
	closed bool
	open   map[netip.AddrPort]net.Listener
	conns  map[net.Conn]bool
	work   sync.WaitGroup
}

// forward returns the loopback address that is forwarded to a target, the same one each time.
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

// accept forwards a listener's connections until it is closed.
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
			time.Sleep(acceptPause) // out of file descriptors: wait for others to be closed, as net/http does
			continue
		}
		if !f.track(from) {
			return
		}
		f.work.Go(func() {
			defer func() { <-free }()
			defer f.closeConn(from)
			f.pipe(from, target)
		})
	}
}

// pipe copies between a connection and a new one to the target until both directions are done.
func (f *forwarder) pipe(from net.Conn, target netip.AddrPort) {
	to, err := net.DialTimeout("tcp4", target.String(), forwardDial)
	if err != nil {
		return // the client sees its connection close, as it would if the node died
	}
	if !f.track(to) {
		return
	}
	defer f.closeConn(to)
	var back sync.WaitGroup
	back.Go(func() { copyOneWay(from, to) })
	copyOneWay(to, from)
	back.Wait()
}

// copyOneWay copies until the end and closes the writing side. After an error both connections are closed.
func copyOneWay(to, from net.Conn) {
	if _, err := io.Copy(to, from); err != nil {
		from.Close()
		to.Close()
		return
	}
	if tcp, ok := to.(*net.TCPConn); ok {
		_ = tcp.CloseWrite() // on an error the other direction ends too
	}
}

// track registers a connection for close. Once close was called, it closes the connection and returns false.
func (f *forwarder) track(c net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		c.Close()
		return false
	}
	f.conns[c] = true
	return true
}

// closeConn closes a connection.
func (f *forwarder) closeConn(c net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, c)
	c.Close()
}

// close ends all forwards and their connections. Later calls of forward fail.
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
