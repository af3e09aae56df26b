package daemon

import (
	"context"
	"fmt"
	"net"
	"time"

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
)

// ProtocolID is the libp2p protocol that nodes speak: one stream of frames per connection, opened by the side that
// dialled.
const ProtocolID protocol.ID = "/netsplit/1"

// newUpgrader returns what turns a TCP connection into an encrypted, multiplexed one.
func newUpgrader(self identity) (transport.Upgrader, error) {
	config := *yamux.DefaultTransport.Config()
	// The node pings its peers itself, and one stream is all there is.
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

// dialSide makes a link of a TCP connection that we dialled to the peer want. On an error raw is closed.
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

// acceptSide makes a link of a TCP connection that a peer dialled. On an error raw is closed.
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
