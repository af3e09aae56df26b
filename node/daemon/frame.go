package daemon

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/netsplit/netsplit/node/wire"
)

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
