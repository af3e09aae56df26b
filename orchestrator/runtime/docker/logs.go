package docker

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

// logSource is what reading a log needs of the engine.
type logSource interface {
	ContainerLogs(ctx context.Context, id string, o container.LogsOptions) (io.ReadCloser, error)
}

// tailLines is how many lines of a log an error carries.
const tailLines = 20

// tailOf returns at most the last n lines of a container, of both streams, in the order in which they ended.
func tailOf(ctx context.Context, src logSource, name string, n int) ([]string, error) {
	if n <= 0 {
		return nil, nil
	}
	// The engine counts frames, of which a long line has several. The first line of each stream may lack its beginning.
	for frames := n + 2; ; frames *= 4 {
		tail, err := lastFrames(ctx, src, name, frames)
		if err != nil {
			return nil, err
		}
		if len(tail.lines) > n+1 || tail.frames < frames || frames > maxTailFrames {
			return tail.lines[max(0, len(tail.lines)-n):], nil
		}
	}
}

// lastFrames returns the lines that the last frames of a log make.
func lastFrames(ctx context.Context, src logSource, name string, frames int) (*logTail, error) {
	body, err := src.ContainerLogs(ctx, name, container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: strconv.Itoa(frames)})
	if err != nil {
		return nil, err
	}
	defer body.Close()
	tail := &logTail{}
	stdout, stderr := &streamTail{tail: tail}, &streamTail{tail: tail}
	if _, err := stdcopy.StdCopy(stdout, stderr, body); err != nil {
		return nil, err
	}
	for _, s := range []*streamTail{stdout, stderr} {
		if len(s.part) > 0 {
			s.end()
		}
	}
	return tail, nil
}

// What a node prints takes no more memory than this, however much it is: of a line its first maxTailLine bytes, and of a log
// its last maxTailBytes. maxTailFrames is from how many frames on no more of them are requested to complete a long line.
const (
	maxTailLine   = 1 << 20
	maxTailBytes  = 32 << 20
	maxTailFrames = 4096
)

// logTail is the end of a log.
type logTail struct {
	lines  []string
	bytes  int // of them
	frames int
}

func (t *logTail) add(line string) {
	t.lines = append(t.lines, line)
	t.bytes += len(line)
	drop := 0
	for ; t.bytes > maxTailBytes; drop++ {
		t.bytes -= len(t.lines[drop])
	}
	if drop > 0 {
		t.lines = slices.Clone(t.lines[drop:])
	}
}

// streamTail makes lines of one stream. Frames of the other stream may come between those of a line.
type streamTail struct {
	tail *logTail
	part []byte // of an unfinished line
	over int    // bytes dropped from it
}

// Write takes one frame: stdcopy makes one write of each.
func (s *streamTail) Write(p []byte) (int, error) {
	s.tail.frames++
	text, ended := bytes.CutSuffix(p, []byte{'\n'})
	room := min(len(text), maxTailLine-len(s.part))
	s.part = append(s.part, text[:room]...)
	s.over += len(text) - room
	if ended {
		s.end()
	}
	return len(p), nil
}

// end ends the line.
func (s *streamTail) end() {
	line := string(s.part)
	if s.over > 0 {
		line += fmt.Sprintf(" ... (%d bytes more)", s.over)
	}
	s.tail.add(line)
	s.part, s.over = s.part[:0], 0
}

// headLines is how many of the first lines of a long output an error carries: programs print what is wrong before their usage.
const headLines = 5

// withOutput adds the last lines of what a program printed to an error, and the first lines if there are many.
func withOutput(err error, text string) error {
	text = strings.TrimRight(text, "\n")
	if text == "" {
		return err
	}
	lines := strings.Split(text, "\n")
	if over := len(lines) - tailLines; over > 0 {
		last := lines[headLines+over:]
		lines = append(slices.Clone(lines[:headLines]), fmt.Sprintf("... (%d lines)", over))
		lines = append(lines, last...)
	}
	return &outputError{err, lines}
}

// outputError is an error with lines that a failed program printed.
type outputError struct {
	err   error
	lines []string
}

// Error implements error.
func (e *outputError) Error() string {
	return e.err.Error() + "; it printed:\n    | " + strings.Join(e.lines, "\n    | ")
}

// Unwrap implements errors.Unwrap.
func (e *outputError) Unwrap() error { return e.err }

// consoleLogs are the logs of containers that have a terminal: the engine sends them raw, and they get the frames of all
// others here.
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

// noLogs are the logs of containers whose log driver keeps nothing.
type noLogs struct{}

// ContainerLogs implements logSource.
func (noLogs) ContainerLogs(context.Context, string, container.LogsOptions) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("")), nil
}

// withTail adds the last lines of a container's log to an error, if they can be read.
func withTail(ctx context.Context, src logSource, name string, n int, err error) error {
	tail, terr := tailOf(ctx, src, name, n)
	if terr != nil {
		return err
	}
	return withOutput(err, strings.Join(tail, "\n"))
}
