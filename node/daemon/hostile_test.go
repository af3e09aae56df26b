package daemon

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	"github.com/libp2p/go-libp2p/p2p/host/peerstore/pstoremem"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/net/upgrader"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	mss "github.com/multiformats/go-multistream"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// libp2pPeer is a peer that uses libp2p's own swarm instead of this package.
type libp2pPeer struct {
	t     *testing.T
	self  identity
	id    chain.PeerID
	swarm *swarm.Swarm
}

// newPeer makes a peer that decides which connection to the node is used, or one that does not.
func newPeer(t *testing.T, of chain.PeerID, deciding bool) *libp2pPeer {
	t.Helper()
	for i := 100; ; i++ {
		self := must.Get(newIdentity(testSeed(i)))(t)
		if decides(self.id, of) != deciding {
			continue
		}
		return &libp2pPeer{t: t, self: self, id: self.id, swarm: newSwarm(t, self)}
	}
}

// again makes a second peer with the same identity.
func (s *libp2pPeer) again() *libp2pPeer {
	return &libp2pPeer{t: s.t, self: s.self, id: s.id, swarm: newSwarm(s.t, s.self)}
}

func newSwarm(t *testing.T, self identity) *swarm.Swarm {
	t.Helper()
	id := must.Get(peer.IDFromPrivateKey(self.key))(t)
	store := must.Get(pstoremem.NewPeerstore())(t)
	must.Do(t, store.AddPrivKey(id, self.key))
	must.Do(t, store.AddPubKey(id, self.key.GetPublic()))
	s := must.Get(swarm.NewSwarm(id, store, eventbus.NewBus()))(t)
	muxers := []upgrader.StreamMuxer{{ID: yamux.ID, Muxer: yamux.DefaultTransport}}
	security := must.Get(noise.New(noise.ID, self.key, muxers))(t)
	u := must.Get(upgrader.New([]sec.SecureTransport{security}, muxers, nil, nil, nil))(t)
	tr := must.Get(tcp.NewTCPTransport(u, nil, nil))(t)
	must.Do(t, s.AddTransport(tr))
	t.Cleanup(func() { must.Do(t, errors.Join(s.Close(), store.Close())) })
	return s
}

// open connects and opens a stream of a protocol. It does not select the connection.
func (s *libp2pPeer) open(ctx context.Context, n *testNode, proto protocol.ID) (network.Stream, error) {
	s.t.Helper()
	id := must.Get(libp2pID(n.id))(s.t)
	addr := must.Get(net.ResolveTCPAddr("tcp", n.addrs.peers))(s.t)
	ma := must.Get(manet.FromNetAddr(addr))(s.t)
	s.swarm.Peerstore().AddAddrs(id, []multiaddr.Multiaddr{ma}, peerstore.PermanentAddrTTL)
	s.swarm.Backoff().Clear(id)
	stream, err := s.swarm.NewStream(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := mss.SelectProtoOrFail(proto, stream); err != nil {
		return nil, err
	}
	return stream, nil
}

// join connects, selects the connection and completes the handshake.
func (s *libp2pPeer) join(n *testNode) network.Stream {
	s.t.Helper()
	stream, err := s.open(s.t.Context(), n, ProtocolID)
	if err != nil {
		s.t.Fatalf("connect to the node: %v", err)
	}
	if decides(s.id, n.id) {
		s.write(stream, chosenFrame)
	} else if payload, err := readFrame(stream); err != nil || len(payload) != 0 {
		s.t.Fatalf("first frame is %x, %v, want the empty one", payload, err)
	}
	genesis := testGenesis.Block()
	s.write(stream, s.frame(&wire.Hello{Version: wire.Version, Genesis: genesis.Hash(), Head: genesis.Hash()}))
	n.waitPeer(s.id)
	return stream
}

func (s *libp2pPeer) frame(m wire.Message) []byte {
	s.t.Helper()
	f := must.Get(encodeFrame(m))(s.t)
	return f
}

func (s *libp2pPeer) write(w io.Writer, b []byte) {
	s.t.Helper()
	if _, err := w.Write(b); err != nil {
		s.t.Fatalf("write: %v", err)
	}
}

// drained reads until the node ends the stream.
func drained(t *testing.T, stream network.Stream) {
	t.Helper()
	must.Do(t, stream.SetReadDeadline(time.Now().Add(waitLimit)))
	if _, err := io.Copy(io.Discard, stream); err != nil && errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the node did not end the stream: %v", err)
	}
}

func TestHostilePeer_Banned(t *testing.T) {
	tests := map[string]struct {
		bytes  []byte
		reason string
	}{
		"unknown type":   {[]byte{0, 0, 0, 3, 0xff, 1, 2}, ""},
		"truncated ping": {[]byte{0, 0, 0, 3, byte(wire.TypePing), 1, 2}, ""},
		"empty frame":    {chosenFrame, ""},
		"too large":      {binary.BigEndian.AppendUint32(nil, wire.MaxMessageSize+1), "frame is too large: 4194305 bytes"},
		"huge":           {[]byte{0xff, 0xff, 0xff, 0xff}, "frame is too large: 4294967295 bytes"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			n := startNode(t, testConfig(t, 1))
			s := newPeer(t, n.id, true)
			stream := s.join(n)
			s.write(stream, tt.bytes)
			down := n.wait("peer_down", func(e node.Event) bool { return e.Kind == node.EventPeerDown && *e.Peer == s.id })
			if down.Reason == "" || !strings.Contains(down.Reason, tt.reason) {
				t.Errorf("peer_down says %q, want %q in it", down.Reason, tt.reason)
			}
			drained(t, stream)

			// A banned peer may connect, but is disconnected at once.
			again, err := s.open(t.Context(), n, ProtocolID)
			if err != nil {
				return
			}
			if _, err := again.Write(chosenFrame); err != nil {
				return
			}
			drained(t, again)
			n.stop()
			if up := n.count(node.EventPeerUp); up != 1 {
				t.Errorf("%d peer_up events, want only the one before the ban", up)
			}
		})
	}
}

// TestConnections_OnePerPeer has one identity connect twice. If the node decides, it refuses the second connection while
// the first is new; if the peer decides, the second replaces the first.
func TestConnections_OnePerPeer(t *testing.T) {
	t.Run("node decides", func(t *testing.T) {
		n := startNode(t, testConfig(t, 1))
		s := newPeer(t, n.id, false)
		s.join(n)
		// The node may end it before the stream is open.
		if second, err := s.again().open(t.Context(), n, ProtocolID); err == nil {
			if payload, err := readFrame(second); err == nil {
				t.Errorf("frame %x on the second connection, want EOF", payload)
			}
		}
		n.stop()
		for _, e := range n.seen {
			if e.Kind == node.EventPeerDown && strings.HasPrefix(e.Reason, "replaced") {
				t.Errorf("the first connection was closed: %s", e.Reason)
			}
		}
	})
	t.Run("peer decides", func(t *testing.T) {
		n := startNode(t, testConfig(t, 1))
		s := newPeer(t, n.id, true)
		first := s.join(n)
		second := must.Get(s.again().open(t.Context(), n, ProtocolID))(t)
		s.write(second, chosenFrame)
		n.wait("peer_down", func(e node.Event) bool {
			return e.Kind == node.EventPeerDown && e.Reason == "replaced by a new connection"
		})
		drained(t, first)
		genesis := testGenesis.Block().Hash()
		s.write(second, s.frame(&wire.Hello{Version: wire.Version, Genesis: genesis, Head: genesis}))
		n.waitNew("second peer_up", func(e node.Event) bool { return e.Kind == node.EventPeerUp })
	})
}

func TestHostilePeer_NoHandshake(t *testing.T) {
	n := startNode(t, testConfig(t, 1))

	other := newPeer(t, n.id, true)
	if _, err := other.open(t.Context(), n, "/other/1"); err == nil {
		t.Error("the node accepted a stream of another protocol")
	}

	early := newPeer(t, n.id, true)
	stream := must.Get(early.open(t.Context(), n, ProtocolID))(t)
	early.write(stream, early.frame(&wire.Ping{Nonce: 1})) // instead of selecting the connection
	drained(t, stream)

	raw := must.Get(net.Dial("tcp", n.addrs.peers))(t)
	defer raw.Close()
	must.Get(raw.Write(bytes.Repeat([]byte("GET / HTTP/1.1\r\n"), 64)))(t)
	must.Do(t, raw.SetReadDeadline(time.Now().Add(waitLimit)))
	var timeout net.Error
	if _, err := io.Copy(io.Discard, raw); errors.As(err, &timeout) && timeout.Timeout() {
		t.Error("the node kept a connection that does not speak libp2p")
	}

	idle, err := net.Dial("tcp", n.addrs.peers) // sends nothing, and must not delay the stop
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	n.stop()
	if up := n.count(node.EventPeerUp); up != 0 {
		t.Errorf("%d peer_up events, want none", up)
	}
}
