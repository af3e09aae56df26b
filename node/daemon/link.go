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

// Limits of what waits to be sent to one peer. A peer that does not take it is disconnected.
const (
	maxQueuedFrames = 4096
	maxQueuedBytes  = 16 << 20
)

// sendQueue holds frames between the loop, which never waits, and a peer's writer.
type sendQueue struct {
	wake chan struct{} // holds a token while frames wait

	mu     sync.Mutex
	frames [][]byte
	count  int // frames that wait or are being written
	bytes  int // of those
}

func newSendQueue() *sendQueue { return &sendQueue{wake: make(chan struct{}, 1)} }

// push adds a frame; false: the queue is full. The frame is not copied and may be shared by many queues.
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

// take returns the frames that wait, in order; each counts against the limits until it is reported to sent.
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

// A frame is a four-byte big-endian length and so many bytes of one encoded message. The empty frame is the choice of
// a connection; see the package comment.
const frameHeader = 4

var chosenFrame = []byte{0, 0, 0, 0}

var errFrameSize = errors.New("frame is too large")

// encodeFrame returns a message as a frame.
func encodeFrame(m wire.Message) ([]byte, error) {
	frame := wire.Append(make([]byte, frameHeader, frameHeader+wire.Size(m)), m)
	size := len(frame) - frameHeader
	if size > wire.MaxMessageSize {
		return nil, fmt.Errorf("%w: %d bytes, limit %d", errFrameSize, size, wire.MaxMessageSize)
	}
	binary.BigEndian.PutUint32(frame, uint32(size))
	return frame, nil
}

// readFrame reads the payload of one frame. A claimed length costs memory only as bytes arrive.
func readFrame(r io.Reader) ([]byte, error) {
	var header [frameHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(header[:])
	if size > wire.MaxMessageSize {
		return nil, fmt.Errorf("%w: %d bytes, limit %d", errFrameSize, size, wire.MaxMessageSize)
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

// unexpected marks an end in the middle of a frame.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
