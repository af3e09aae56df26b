package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/transport"

	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// Bounds of a connection's life, from the first packet on.
const (
	connectTimeout   = 2 * time.Second
	handshakeTimeout = 5 * time.Second
	// userTimeout ends connections whose bytes stay unacknowledged, should the node's pings ever not do it.
	userTimeout = 30 * time.Second
	// maxHandshakes is the most incoming connections that are being set up at one time; more wait in the kernel.
	maxHandshakes = 64
)

// sink takes what happens on the network. Its methods wait until the loop has taken it, or has ended, or the link is
// closed.
type sink interface {
	// connected hands over a link that is ready. attempt is the dial that made it, nil for an incoming one.
	connected(l *link, attempt *dial)
	dialFailed(attempt *dial)
	message(l *link, m wire.Message)
	malformed(l *link, err error)
	lost(l *link, reason string)
}

// dial is one attempt to connect to a peer.
type dial struct {
	id     chain.PeerID
	cancel context.CancelFunc
}

// peerNet makes connections with peers and reads from them. All its goroutines end with close.
type peerNet struct {
	self     identity
	upgrader transport.Upgrader
	listener *net.TCPListener
	sink     sink // set before anything is dialled or accepted
	slots    chan struct{}

	ctx    context.Context // ends with close
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// newPeerNet listens on addr; connections are accepted from the call of serve on.
func newPeerNet(ctx context.Context, self identity, addr string) (*peerNet, error) {
	u, err := newUpgrader(self)
	if err != nil {
		return nil, err
	}
	config := net.ListenConfig{KeepAlive: -1}
	l, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for peers on %s: %w", addr, err)
	}
	n := &peerNet{self: self, upgrader: u, listener: l.(*net.TCPListener), slots: make(chan struct{}, maxHandshakes)}
	n.ctx, n.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return n, nil
}

// serve accepts connections from now on.
func (n *peerNet) serve() { n.wg.Go(n.acceptLoop) }

func (n *peerNet) acceptLoop() {
	for {
		select {
		case n.slots <- struct{}{}:
		case <-n.ctx.Done():
			return
		}
		raw, err := n.listener.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Out of file descriptors or the like: it passes, and trying again at once would only burn the processor.
			<-n.slots
			select {
			case <-time.After(100 * time.Millisecond):
				continue
			case <-n.ctx.Done():
				return
			}
		}
		n.wg.Go(func() {
			defer func() { <-n.slots }()
			n.accept(raw)
		})
	}
}

func (n *peerNet) accept(raw *net.TCPConn) {
	ctx, cancel := context.WithTimeout(n.ctx, handshakeTimeout)
	defer cancel()
	if err := prepare(raw); err != nil {
		raw.Close()
		return
	}
	l, err := acceptSide(ctx, n.upgrader, raw)
	if err != nil {
		return
	}
	if err := n.settle(ctx, l); err != nil {
		return
	}
	n.wg.Go(func() { l.write(n.ctx, n.sink) })
	n.sink.connected(l, nil)
}

// dial starts to connect; the sink hears of the outcome, unless the attempt is cancelled.
func (n *peerNet) dial(id chain.PeerID, addr string) *dial {
	ctx, cancel := context.WithCancel(n.ctx)
	attempt := &dial{id: id, cancel: cancel}
	n.wg.Go(func() {
		defer cancel()
		l, err := n.connect(ctx, id, addr)
		if err != nil {
			n.sink.dialFailed(attempt)
			return
		}
		n.wg.Go(func() { l.write(n.ctx, n.sink) })
		n.sink.connected(l, attempt)
	})
	return attempt
}

func (n *peerNet) connect(ctx context.Context, id chain.PeerID, addr string) (*link, error) {
	dialer := net.Dialer{Timeout: connectTimeout, KeepAlive: -1}
	raw, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if err := prepare(raw.(*net.TCPConn)); err != nil {
		raw.Close()
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	l, err := dialSide(ctx, n.upgrader, raw, id)
	if err != nil {
		return nil, err
	}
	return l, n.settle(ctx, l)
}

// settle waits for the peer's choice where the choice is the peer's. On an error the link is released.
func (n *peerNet) settle(ctx context.Context, l *link) error {
	if decides(n.self.id, l.id) {
		return nil
	}
	stop := context.AfterFunc(ctx, l.abort)
	err := l.awaitChoice()
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		l.release()
	}
	return err
}

// read starts to hand over what comes from a link.
func (n *peerNet) read(l *link) {
	n.wg.Go(func() { l.read(n.sink) })
}

// close ends everything and waits for it. The loop has ended before.
func (n *peerNet) close() error {
	n.cancel()
	err := n.listener.Close()
	n.wg.Wait()
	if err != nil {
		return fmt.Errorf("close peer listener: %w", err)
	}
	return nil
}

// prepare makes closing a connection a reset, so that nothing of it lingers.
func prepare(conn *net.TCPConn) error {
	if err := conn.SetLinger(0); err != nil {
		return err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	return setUserTimeout(raw, userTimeout)
}
