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
	if r.nodes[id] == nil {
		return nil, fmt.Errorf("read the log of node %s: %w", id, errUnknown(id))
	}
	tail, err := tailOf(ctx, r.cli, containerName(r.plan.ID, id), n)
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
	body, err := src.ContainerLogs(ctx, name, container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: strconv.Itoa(n)})
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var b bytes.Buffer
	if _, err := stdcopy.StdCopy(&b, &b, body); err != nil {
		return nil, err
	}
	text := strings.TrimSuffix(b.String(), "\n")
	if text == "" {
		return nil, nil
	}
	lines := strings.Split(text, "\n")
	return lines[max(0, len(lines)-n):], nil
}
