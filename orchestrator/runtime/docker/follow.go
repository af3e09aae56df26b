package docker

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// logSource is what following a node needs of the engine.
type logSource interface {
	ContainerLogs(ctx context.Context, id string, o container.LogsOptions) (io.ReadCloser, error)
}

const (
	// retryAfter is how long to wait before asking again for logs that ended while the container seems to run.
	retryAfter = 250 * time.Millisecond
	// retries is how often to ask before lines are given up as lost.
	retries = 8
	// lateAfter is how long the log of a container that ended may stay open.
	lateAfter = 5 * time.Second
)

// follower delivers one node's lines and exits to the sink, in order, in one goroutine.
type follower struct {
	src       logSource
	container string // its name
	node      *node
	sink      runtime.Sink
	lines     lines
}

func newFollower(src logSource, name string, n *node, sink runtime.Sink) *follower {
	f := &follower{src: src, container: name, node: n, sink: sink}
	f.lines.line = func(b []byte) { sink.Line(n.id, f.lines.last, b) }
	f.lines.gap = func(err error) { sink.Gap(n.id, err) }
	return f
}

// run follows the node until ctx ends.
func (f *follower) run(ctx context.Context) {
	for {
		c, ok := f.node.inbox.take(ctx)
		if !ok {
			return
		}
		if c.started {
			f.follow(ctx)
			continue
		}
		// The engine may end a followed log before its last lines.
		if err := f.read(ctx, false); err != nil && ctx.Err() == nil {
			f.sink.Gap(f.node.id, err)
		}
		if !c.asked {
			f.sink.Exit(f.node.id, c.err)
		}
	}
}

// follow delivers lines until the container ended, which the inbox tells, or ctx ends.
func (f *follower) follow(ctx context.Context) {
	for failed := 0; ; {
		before := f.lines.last
		err := f.readUntilLate(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil || f.lines.last.After(before) {
			failed = 0
		} else if failed++; failed == retries {
			f.sink.Gap(f.node.id, err)
			return
		}
		again := time.NewTimer(retryAfter)
		select {
		case <-f.node.inbox.waiting():
			again.Stop()
			return
		case <-ctx.Done():
			again.Stop()
			return
		case <-again.C:
		}
	}
}

// readUntilLate follows the log to its end, and not much longer than the container.
func (f *follower) readUntilLate(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-f.node.inbox.waiting():
		case <-ctx.Done():
			return
		}
		late := time.NewTimer(lateAfter)
		defer late.Stop()
		select {
		case <-late.C:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := f.read(ctx, true)
	cancel()
	<-done
	return err
}

// read delivers what the engine has beyond the last line, and with follow what comes until the log ends.
func (f *follower) read(ctx context.Context, follow bool) error {
	both := f.node.isForeign()
	body, err := f.src.ContainerLogs(ctx, f.container, container.LogsOptions{
		ShowStdout: true, ShowStderr: both, Timestamps: true, Follow: follow, Since: f.lines.reopen(),
	})
	if err != nil {
		return fmt.Errorf("read the log of %s: %w", f.container, err)
	}
	defer body.Close()
	stderr := io.Discard
	if both {
		stderr = &f.lines
	}
	if _, err := stdcopy.StdCopy(&f.lines, stderr, body); err != nil {
		return fmt.Errorf("read the log of %s: %w", f.container, err)
	}
	return nil
}
