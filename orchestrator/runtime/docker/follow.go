package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/netsplit/netsplit/orchestrator/runtime"
)

const (
	// retryAfter is the wait before logs are requested again that ended while the container seems to run.
	retryAfter = 250 * time.Millisecond
	// retries is the number of attempts before lines are reported as lost.
	retries = 8
	// lateAfter is how long the log of a container that ended may stay open.
	lateAfter = 5 * time.Second
)

// follower delivers one node's lines and exits to the sink, in order, in one goroutine.
type follower struct {
	src   logSource
	state inspector // says how the container ended
	node  *node
	sink  runtime.Sink
	lines lines
}

func newFollower(src logSource, state inspector, n *node, sink runtime.Sink) *follower {
	f := &follower{src: src, state: state, node: n, sink: sink}
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
		if c.started || c.external != nil && !c.external.Ended() {
			if c.external != nil {
				f.sink.External(f.node.id, c.external)
			}
			if !f.node.unreadable {
				f.follow(ctx)
			}
			continue
		}
		// The engine may end a followed log before its last lines.
		if err := f.read(ctx, false); err != nil && ctx.Err() == nil {
			f.sink.Gap(f.node.id, err)
		}
		switch {
		case c.external != nil:
			if f.node.awaitRemoval(ctx) {
				c.external.What = externalRemoval
			}
			f.sink.External(f.node.id, c.external)
		case !c.requested:
			f.reportExit(ctx, c.err)
		}
	}
}

// exitStatusError is the status with which a process ended, as the engine says.
type exitStatusError string

// Error implements error.
func (e exitStatusError) Error() string { return "exited with status " + string(e) }

const (
	// statusKilled is the status of a process that SIGKILL ended.
	statusKilled exitStatusError = "137"
	// causeTimeout bounds the question how a container ended, and how late the engine may note that it was for memory.
	causeTimeout = 2 * time.Second
	causePoll    = 100 * time.Millisecond
)

// externalSignal is how a node was killed that says so itself: the first process of a container gets SIGKILL from nobody
// within it.
const externalSignal = "SIGKILL, which neither netsplit nor the engine sent: a process of this host did, or its kernel for lack of memory"

// reportExit reports an end that was not requested: by the node itself, by the kernel for memory, or by a signal from outside.
func (f *follower) reportExit(ctx context.Context, err error) {
	killed := errors.Is(err, statusKilled)
	limit, oom, known := f.memory(ctx, killed)
	switch {
	case oom && limit > 0:
		f.sink.Exit(f.node.id, fmt.Errorf("killed by the kernel: memory limit %s: %w", sizeOf(limit), err))
	case oom:
		f.sink.Exit(f.node.id, fmt.Errorf("killed by the kernel: out of memory, without a limit of its own: %w", err))
	case killed && known:
		f.sink.External(f.node.id, &runtime.ExternalError{Node: f.node.id, What: signals["9"], How: externalSignal})
	default:
		f.sink.Exit(f.node.id, err)
	}
}

// memory says whether the kernel killed the node for memory, and its container's limit in bytes, 0 if it has none; known is false
// where the engine does not say. The engine may note it after the end: wait waits for that.
func (f *follower) memory(ctx context.Context, wait bool) (limit uint64, oom, known bool) {
	ctx, cancel := context.WithTimeout(ctx, causeTimeout)
	defer cancel()
	for {
		c, err := f.state.ContainerInspect(ctx, f.node.container)
		if err != nil {
			return limit, f.node.outOfMemory(), known
		}
		known = true
		if c.HostConfig != nil && c.HostConfig.Memory > 0 {
			limit = uint64(c.HostConfig.Memory)
		}
		if c.State != nil && c.State.OOMKilled || f.node.outOfMemory() {
			return limit, true, true
		}
		if !wait {
			return limit, false, true
		}
		select {
		case <-ctx.Done():
			return limit, false, true
		case <-time.After(causePoll):
		}
	}
}

// follow delivers lines until the inbox has a change, that is, the container ended, or ctx ends.
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
		select {
		case <-f.node.inbox.waiting():
			return
		case <-ctx.Done():
			return
		case <-time.After(retryAfter):
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
		select {
		case <-time.After(lateAfter):
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
	both := f.node.readsStderr()
	body, err := f.src.ContainerLogs(ctx, f.node.container, container.LogsOptions{
		ShowStdout: true, ShowStderr: both, Timestamps: true, Follow: follow, Since: f.lines.reopen(),
	})
	if err != nil {
		return fmt.Errorf("read the log of %s: %w", f.node.container, err)
	}
	defer body.Close()
	stderr := io.Discard
	if both {
		stderr = &f.lines
	}
	if _, err := stdcopy.StdCopy(&f.lines, stderr, body); err != nil {
		return fmt.Errorf("read the log of %s: %w", f.node.container, err)
	}
	return nil
}

// maxLine bounds a line; what is beyond is dropped, and reported.
const maxLine = 1 << 20

// lines turns the engine's log frames into lines, each once however often the engine sends it. A frame is a timestamp,
// a space, and a line or a piece of one. Feeding a reader of frames: stdcopy writes each frame in one Write.
type lines struct {
	line func([]byte)
	gap  func(error)

	last  time.Time // of the last frame taken
	count int       // of frames taken with that timestamp
	skip  int       // frames with that timestamp that the engine sends again
	part  []byte    // pieces of an unfinished line
	over  int       // bytes dropped from it
}

// reopen prepares for a new answer of the engine and returns the moment since which it must send.
func (l *lines) reopen() string {
	l.skip = l.count
	if l.last.IsZero() {
		return ""
	}
	return fmt.Sprintf("%d.%09d", l.last.Unix(), l.last.Nanosecond())
}

// Write takes one frame.
func (l *lines) Write(frame []byte) (int, error) {
	stamp, text, ok := bytes.Cut(frame, []byte{' '})
	if !ok {
		return 0, fmt.Errorf("log frame of %d bytes has no timestamp", len(frame))
	}
	at, err := time.Parse(time.RFC3339Nano, string(stamp))
	if err != nil {
		return 0, fmt.Errorf("log frame: %w", err)
	}
	switch {
	case !at.Equal(l.last):
		l.last, l.count, l.skip = at, 1, 0
	case l.skip > 0:
		l.skip--
		return len(frame), nil
	default:
		l.count++
	}
	l.take(text)
	return len(frame), nil
}

// take adds a piece and delivers the line that it ends.
func (l *lines) take(text []byte) {
	body, ended := bytes.CutSuffix(text, []byte{'\n'})
	if ended && len(l.part) == 0 && l.over == 0 && len(body) <= maxLine {
		l.line(body)
		return
	}
	room := min(len(body), maxLine-len(l.part))
	l.part = append(l.part, body[:room]...)
	l.over += len(body) - room
	if !ended {
		return
	}
	if l.over > 0 {
		l.gap(fmt.Errorf("a line of %d bytes is longer than %d and was dropped", len(l.part)+l.over, maxLine))
	} else {
		l.line(l.part)
	}
	l.part, l.over = nil, 0
}
