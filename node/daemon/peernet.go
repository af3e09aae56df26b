package daemon

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	cryptopb "github.com/libp2p/go-libp2p/core/crypto/pb"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/core/transport"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/upgrader"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	manet "github.com/multiformats/go-multiaddr/net"
	mss "github.com/multiformats/go-multistream"

	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// Limits of setting up and losing connections.
const (
	connectTimeout   = 2 * time.Second
	handshakeTimeout = 5 * time.Second
	// userTimeout ends connections whose bytes are not acknowledged, in case the node's pings do not.
	userTimeout = 30 * time.Second
	// maxHandshakes limits concurrent handshakes of incoming connections; further ones wait in the kernel.
	maxHandshakes = 64
)

// sink receives what happens on the network. Its methods block until the loop has queued it, or has ended, or the link
// is closed.
type sink interface {
	// connected passes on a link that is ready. attempt is the dial that made it, nil for an incoming connection.
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

// peerNet dials and accepts connections and reads from them. It knows nothing of the node: it reports to sink. All its
// goroutines end with close.
type peerNet struct {
	self     identity
	upgrader transport.Upgrader
	listener *net.TCPListener
	sink     sink // set before the first dial or accept
	slots    chan struct{}

	ctx    context.Context // ends with close
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// newPeerNet listens on addr. Connections are accepted after serve.
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

// serve starts to accept connections.
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
			// Out of file descriptors or the like, which is temporary: retry after a pause.
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
	if err := n.awaitSelection(ctx, l); err != nil {
		return
	}
	n.wg.Go(func() { l.write(n.ctx, n.sink) })
	n.sink.connected(l, nil)
}

// dial starts to connect. The outcome is reported to the sink, unless the dial is cancelled.
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
	return l, n.awaitSelection(ctx, l)
}

// awaitSelection waits until the peer selects the link, if the peer decides. On an error the link is released.
func (n *peerNet) awaitSelection(ctx context.Context, l *link) error {
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

// read starts to read from a link.
func (n *peerNet) read(l *link) {
	n.wg.Go(func() { l.read(n.sink) })
}

// close ends all goroutines and waits for them. The loop must have ended before.
func (n *peerNet) close() error {
	n.cancel()
	err := n.listener.Close()
	n.wg.Wait()
	if err != nil {
		return fmt.Errorf("close peer listener: %w", err)
	}
	return nil
}

// prepare makes the close of a connection a reset and sets the user timeout.
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

// ProtocolID is the libp2p protocol of the nodes: one stream of frames per connection, opened by the side that dialled.
const ProtocolID protocol.ID = "/netsplit/1"

// newUpgrader returns the upgrader from a TCP connection to an encrypted, multiplexed one.
func newUpgrader(self identity) (transport.Upgrader, error) {
	config := *yamux.DefaultTransport.Config()
	// The node pings its peers itself, and there is only one stream.
	config.EnableKeepAlive = false
	config.MeasureRTTInterval = 24 * time.Hour
	config.AcceptBacklog = 1
	config.MaxIncomingStreams = 1
	config.MaxStreamWindowSize = 4 << 20
	muxers := []upgrader.StreamMuxer{{ID: yamux.ID, Muxer: (*yamux.Transport)(&config)}}
	security, err := noise.New(noise.ID, self.key, muxers)
	if err != nil {
		return nil, fmt.Errorf("set up noise: %w", err)
	}
	u, err := upgrader.New([]sec.SecureTransport{security}, muxers, nil, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("set up connection upgrader: %w", err)
	}
	return u, nil
}

// dialSide makes a link from a TCP connection that was dialled to the peer want. On an error raw is closed.
func dialSide(ctx context.Context, u transport.Upgrader, raw net.Conn, want chain.PeerID) (*link, error) {
	p, err := libp2pID(want)
	if err != nil {
		raw.Close()
		return nil, err
	}
	conn, err := upgrade(ctx, u, raw, network.DirOutbound, p)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	stream, err := conn.OpenStream(ctx)
	if err == nil {
		err = mss.SelectProtoOrFail(ProtocolID, stream)
	}
	if err != nil {
		raw.Close()
		conn.Close()
		return nil, fmt.Errorf("open stream: %w", err)
	}
	return newLink(want, true, raw, conn, stream), nil
}

// acceptSide makes a link from a TCP connection that was accepted. On an error raw is closed.
func acceptSide(ctx context.Context, u transport.Upgrader, raw net.Conn) (*link, error) {
	conn, err := upgrade(ctx, u, raw, network.DirInbound, "")
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	fail := func(op string, err error) (*link, error) {
		raw.Close()
		conn.Close()
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	id, err := chainID(conn.RemotePublicKey())
	if err != nil {
		return fail("identify peer", err)
	}
	stream, err := conn.AcceptStream()
	if err != nil {
		return fail("accept stream", err)
	}
	protocols := mss.NewMultistreamMuxer[protocol.ID]()
	protocols.AddHandler(ProtocolID, nil)
	if _, _, err := protocols.Negotiate(stream); err != nil {
		return fail("negotiate protocol", err)
	}
	return newLink(id, false, raw, conn, stream), nil
}

func upgrade(ctx context.Context, u transport.Upgrader, raw net.Conn, dir network.Direction, p peer.ID) (transport.CapableConn, error) {
	wrapped, err := manet.WrapNetConn(raw)
	if err != nil {
		raw.Close()
		return nil, err
	}
	conn, err := u.Upgrade(ctx, nil, wrapped, dir, p, &network.NullScope{})
	if err != nil {
		raw.Close()
		return nil, err
	}
	return conn, nil
}

// identity is a node's key in the forms of the chain and of libp2p.
type identity struct {
	id  chain.PeerID
	key crypto.PrivKey
}

// newIdentity makes the identity of an ed25519 seed in hex. Errors never show the seed.
func newIdentity(seed string) (identity, error) {
	k, err := chain.KeyFromSeed(seed)
	if err != nil {
		return identity{}, err
	}
	key, err := crypto.UnmarshalEd25519PrivateKey(ed25519.NewKeyFromSeed(k.Seed()))
	if err != nil {
		return identity{}, fmt.Errorf("make libp2p key: %w", err)
	}
	return identity{id: k.Address(), key: key}, nil
}

// libp2pID converts a peer's identity to the form of libp2p.
func libp2pID(id chain.PeerID) (peer.ID, error) {
	key, err := crypto.UnmarshalEd25519PublicKey(id[:])
	if err != nil {
		return "", fmt.Errorf("peer %x: %w", id, err)
	}
	p, err := peer.IDFromPublicKey(key)
	if err != nil {
		return "", fmt.Errorf("peer %x: %w", id, err)
	}
	return p, nil
}

var errKeyType = errors.New("peer's key is not ed25519")

// chainID converts the public key that a peer has proved to the form of the chain.
func chainID(key crypto.PubKey) (chain.PeerID, error) {
	if key == nil || key.Type() != cryptopb.KeyType_Ed25519 {
		return chain.PeerID{}, errKeyType
	}
	raw, err := key.Raw()
	if err != nil {
		return chain.PeerID{}, fmt.Errorf("read peer's key: %w", err)
	}
	if len(raw) != len(chain.PeerID{}) {
		return chain.PeerID{}, errKeyType
	}
	return chain.PeerID(raw), nil
}
