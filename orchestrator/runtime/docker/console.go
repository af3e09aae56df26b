package docker

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

// consoleLogs gives the logs of containers that have a terminal, which the engine sends raw, the form of all others.
type consoleLogs struct{ src logSource }

// ContainerLogs implements logSource.
func (l consoleLogs) ContainerLogs(ctx context.Context, id string, o container.LogsOptions) (io.ReadCloser, error) {
	body, err := l.src.ContainerLogs(ctx, id, o)
	if err != nil {
		return nil, err
	}
	return &framed{body: body, raw: bufio.NewReaderSize(body, 64<<10)}, nil
}

// framed makes one frame of each line of a raw stream.
type framed struct {
	body io.Closer
	raw  *bufio.Reader
	rest []byte // of the frame being read
}

// Read implements io.Reader.
func (f *framed) Read(p []byte) (int, error) {
	if len(f.rest) == 0 {
		line, err := f.raw.ReadSlice('\n')
		if len(line) == 0 {
			return 0, err
		}
		// A terminal ends its lines with a carriage return and a line feed.
		if text, ok := bytes.CutSuffix(line, []byte("\r\n")); ok {
			line = append(text, '\n')
		}
		head := [8]byte{0: byte(stdcopy.Stdout)}
		binary.BigEndian.PutUint32(head[4:], uint32(len(line)))
		f.rest = append(head[:], line...)
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// Close implements io.Closer.
func (f *framed) Close() error { return f.body.Close() }
