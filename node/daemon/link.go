package daemon

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/transport"

	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// link is an established connection with one peer.
type link struct {
	id       chain.PeerID
	outbound bool
	raw      net.Conn
	conn     transport.CapableConn
	stream   network.MuxedStream
	queue    *sendQueue
	closed   chan struct{}
	once     sync.Once

	since node.Time // when the loop took the link up; the loop's own
}

func newLink(id chain.PeerID, outbound bool, raw net.Conn, conn transport.CapableConn, stream network.MuxedStream) *link {
	return &link{id: id, outbound: outbound, raw: raw, conn: conn, stream: stream,
		queue: newSendQueue(), closed: make(chan struct{})}
}

// abort resets the connection at once and does not wait.
func (l *link) abort() {
	l.once.Do(func() {
		close(l.closed)
		l.raw.Close()
	})
}

// release aborts the link and waits for what libp2p runs for it.
func (l *link) release() {
	l.abort()
	l.conn.Close()
}

// write sends queued frames until the link is closed or ctx ends, and releases it. It runs from before the loop knows
// of the link, so that a link that is never taken up is released too.
func (l *link) write(ctx context.Context, s sink) {
	defer l.release()
	for {
		select {
		case <-l.closed:
			return
		case <-ctx.Done():
			return
		case <-l.queue.wake:
		}
		for _, frame := range l.queue.take() {
			if _, err := l.stream.Write(frame); err != nil {
				s.lost(l, lostReason(err))
				return
			}
			l.queue.sent(frame)
		}
	}
}

// read hands over messages until the link ends.
func (l *link) read(s sink) {
	r := bufio.NewReader(l.stream)
	for {
		payload, err := readFrame(r)
		if err != nil && !errors.Is(err, errFrameSize) {
			s.lost(l, lostReason(err))
			return
		}
		var m wire.Message
		if err == nil {
			m, err = wire.Decode(payload)
		}
		if err != nil {
			s.malformed(l, err)
			s.lost(l, "malformed message") // should the node not have disconnected it
			return
		}
		s.message(l, m)
	}
}

// awaitChoice waits for the empty frame by which the peer keeps this link.
func (l *link) awaitChoice() error {
	payload, err := readFrame(l.stream)
	if err != nil {
		return fmt.Errorf("wait for the peer to keep the connection: %w", err)
	}
	if len(payload) != 0 {
		return errors.New("peer sent a message before it kept the connection")
	}
	return nil
}

// lostReason puts the end of a connection into a few words.
func lostReason(err error) string {
	if errors.Is(err, io.EOF) || errors.Is(err, network.ErrReset) {
		return "connection closed by peer"
	}
	return "connection lost: " + err.Error()
}
