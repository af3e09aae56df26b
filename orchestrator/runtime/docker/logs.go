package docker

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/netsplit/netsplit/faults"
)

// Logs implements runtime.Runtime.
func (r *Runtime) Logs(ctx context.Context, id faults.NodeID, n int) ([]string, error) {
	node := r.nodes[id]
	if node == nil {
		return nil, fmt.Errorf("read the log of node %s: %w", id, errUnknown(id))
	}
	tail, err := tailOf(ctx, r.cli, node.container, n)
	if err != nil {
		return nil, fmt.Errorf("read the log of node %s: %w", id, err)
	}
	return tail, nil
}

// tailOf returns at most the last n lines of a container, both streams in the order they were printed.
func tailOf(ctx context.Context, src logSource, name string, n int) ([]string, error) {
	if n <= 0 {
		return nil, nil
	}
	// The engine counts frames, of which a long line has several. One more than asked for shows that the first is whole.
	for frames := n + 1; ; frames *= 4 {
		lines, got, err := lastFrames(ctx, src, name, frames)
		if err != nil {
			return nil, err
		}
		if len(lines) > n || got < frames {
			return lines[max(0, len(lines)-n):], nil
		}
	}
}

// lastFrames returns the lines that the last frames of a log make, and how many frames there were.
func lastFrames(ctx context.Context, src logSource, name string, frames int) (lines []string, got int, err error) {
	body, err := src.ContainerLogs(ctx, name, container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: strconv.Itoa(frames)})
	if err != nil {
		return nil, 0, err
	}
	defer body.Close()
	var b frameBuffer
	if _, err := stdcopy.StdCopy(&b, &b, body); err != nil {
		return nil, 0, err
	}
	text := strings.TrimSuffix(b.String(), "\n")
	if text == "" {
		return nil, b.frames, nil
	}
	return strings.Split(text, "\n"), b.frames, nil
}

// frameBuffer is a buffer that counts writes: stdcopy makes one for each frame.
type frameBuffer struct {
	bytes.Buffer
	frames int
}

// Write implements io.Writer.
func (b *frameBuffer) Write(p []byte) (int, error) {
	b.frames++
	return b.Buffer.Write(p)
}
