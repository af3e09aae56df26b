package daemon

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
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

// link is an established connection to one peer.
type link struct {
	id       chain.PeerID
	outbound bool
	raw      net.Conn
	conn     transport.CapableConn
	stream   network.MuxedStream
	queue    *sendQueue
	closed   chan struct{}
	once     sync.Once

	since node.Time // when the loop accepted the link; used by the loop only
}

func newLink(id chain.PeerID, outbound bool, raw net.Conn, conn transport.CapableConn, stream network.MuxedStream) *link {
	return &link{id: id, outbound: outbound, raw: raw, conn: conn, stream: stream,
		queue: newSendQueue(), closed: make(chan struct{})}
}

// abort resets the connection and does not block.
func (l *link) abort() {
	l.once.Do(func() {
		close(l.closed)
		l.raw.Close()
	})
}

// release aborts the link and waits for the goroutines of libp2p.
func (l *link) release() {
	l.abort()
	l.conn.Close()
}

// write sends queued frames until the link is closed or ctx ends, and then releases it. It is started before the link is
// handed to the loop, so that a link that the loop refuses is released too.
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

// read passes messages to s until the link ends.
func (l *link) read(s sink) {
	r := bufio.NewReader(l.stream)
	for {
		payload, err := readFrame(r)
		if err != nil && !errors.Is(err, wire.ErrFrameSize) {
			s.lost(l, lostReason(err))
			return
		}
		var m wire.Message
		if err == nil {
			m, err = wire.Decode(payload)
		}
		if err != nil {
			s.malformed(l, err)
			s.lost(l, "malformed message") // in case the node did not disconnect it
			return
		}
		s.message(l, m)
	}
}

// awaitChoice waits for the empty frame by which the peer selects this link.
func (l *link) awaitChoice() error {
	payload, err := readFrame(l.stream)
	if err != nil {
		return fmt.Errorf("wait for the peer to select the connection: %w", err)
	}
	if len(payload) != 0 {
		return errors.New("peer sent a message before it selected the connection")
	}
	return nil
}

// lostReason describes the end of a connection.
func lostReason(err error) string {
	if errors.Is(err, io.EOF) || errors.Is(err, network.ErrReset) {
		return "connection closed by peer"
	}
	return "connection lost: " + err.Error()
}

// Limits of the send queue of one peer. A peer whose queue is full is disconnected.
const (
	maxQueuedFrames = 4096
	maxQueuedBytes  = 16 << 20
)

// sendQueue holds frames between the loop, which never blocks, and link.write.
type sendQueue struct {
	wake chan struct{} // holds a token while frames are queued

	mu     sync.Mutex
	frames [][]byte
	count  int // frames that are queued or being written
	bytes  int // total size of those
}

func newSendQueue() *sendQueue { return &sendQueue{wake: make(chan struct{}, 1)} }

// push adds a frame and returns false if the queue is full. The frame is not copied; queues may share it.
func (q *sendQueue) push(frame []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.count >= maxQueuedFrames || q.bytes+len(frame) > maxQueuedBytes {
		return false
	}
	q.frames = append(q.frames, frame)
	q.count++
	q.bytes += len(frame)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return true
}

// take returns the queued frames, in order. Each counts against the limits until sent is called for it.
func (q *sendQueue) take() [][]byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	frames := q.frames
	q.frames = nil
	return frames
}

func (q *sendQueue) sent(frame []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.count--
	q.bytes -= len(frame)
}

// A frame is a four-byte big-endian length and an encoded message of that length. The empty frame selects a connection;
// see the package comment.
const frameHeader = 4

var chosenFrame = []byte{0, 0, 0, 0}

// encodeFrame encodes a message as a frame.
func encodeFrame(m wire.Message) ([]byte, error) {
	if raw, ok := m.(*wire.Raw); ok { // an adversary's
		claimed := raw.Claimed
		if claimed == 0 {
			claimed = uint32(len(raw.Payload))
		}
		return append(binary.BigEndian.AppendUint32(nil, claimed), raw.Payload...), nil
	}
	frame := wire.Append(make([]byte, frameHeader, frameHeader+wire.Size(m)), m)
	size := len(frame) - frameHeader
	if size > wire.MaxMessageSize {
		return nil, fmt.Errorf("%w: %d bytes, limit %d", wire.ErrFrameSize, size, wire.MaxMessageSize)
	}
	binary.BigEndian.PutUint32(frame, uint32(size))
	return frame, nil
}

// readFrame reads the payload of one frame. Memory is allocated as bytes arrive, not by the claimed length.
func readFrame(r io.Reader) ([]byte, error) {
	var header [frameHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(header[:])
	if size > wire.MaxMessageSize {
		return nil, fmt.Errorf("%w: %d bytes, limit %d", wire.ErrFrameSize, size, wire.MaxMessageSize)
	}
	const small = 64 << 10
	if size <= small {
		payload := make([]byte, size)
		_, err := io.ReadFull(r, payload)
		return payload, unexpected(err)
	}
	var payload bytes.Buffer
	_, err := io.CopyN(&payload, r, int64(size))
	return payload.Bytes(), unexpected(err)
}

// unexpected turns an EOF within a frame into io.ErrUnexpectedEOF.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
