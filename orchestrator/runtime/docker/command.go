package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/pkg/stdcopy"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/netsplit/netsplit/orchestrator/runtime"
)

const (
	// maxStdout bounds what a command may print to be captured.
	maxStdout = 1 << 20
	// commandLines is how many of the last lines of a command that failed are read.
	commandLines = 1000
	// commandTimeout bounds a command: what prepares keys or a genesis takes seconds.
	commandTimeout = 2 * time.Minute
	// removeTimeout bounds the removal of a command's container.
	removeTimeout = 30 * time.Second
)

// commandEngine is what running a command needs of the engine.
type commandEngine interface {
	fileSystem
	logSource
	ContainerCreate(ctx context.Context, c *container.Config, h *container.HostConfig, n *network.NetworkingConfig, p *ocispec.Platform, name string) (container.CreateResponse, error)
	CopyToContainer(ctx context.Context, id, path string, content io.Reader, o container.CopyToContainerOptions) error
	ContainerWait(ctx context.Context, id string, condition container.WaitCondition) (<-chan container.WaitResponse, <-chan error)
	ContainerStart(ctx context.Context, id string, o container.StartOptions) error
	ContainerRemove(ctx context.Context, id string, o container.RemoveOptions) error
}

// commands numbers the commands of this process.
var commands atomic.Uint64

// RunCommand runs a command to its end, in a container without a network. A command that fails is an error with its last
// lines. A command before Create belongs to a testnet of its own, so that clean-up finds it after a crash.
func (r *Runtime) RunCommand(ctx context.Context, cmd runtime.Command) (runtime.CommandResult, error) {
	ctx, done, err := r.begin(ctx)
	if err != nil {
		return runtime.CommandResult{}, fmt.Errorf("run a command in %s: %w", cmd.Image, err)
	}
	defer done()
	img, err := r.externalImage(ctx, cmd.Image)
	if err != nil {
		return runtime.CommandResult{}, fmt.Errorf("run a command: %w", err)
	}
	number := commands.Add(1)
	labels := testnetLabels(r.plan)
	labels[labelKind] = kindCommand
	if r.plan.ID == "" {
		labels[labelTestnet] = fmt.Sprintf("command-%d-%d", os.Getpid(), number)
	}
	name := fmt.Sprintf("netsplit-%s.command-%d-%d", labels[labelTestnet], os.Getpid(), number)
	res, err := runCommand(ctx, r.cli, img, cmd, name, labels)
	if err != nil {
		// The arguments may hold keys.
		return runtime.CommandResult{}, fmt.Errorf("run a command in %s: %w", cmd.Image, err)
	}
	return res, nil
}

// runCommand makes the container, runs it to its end, and removes it.
func runCommand(ctx context.Context, e commandEngine, img *externalImage, cmd runtime.Command, name string, labels map[string]string) (res runtime.CommandResult, err error) {
	for _, p := range cmd.Collect {
		if err := checkPath(p); err != nil {
			return res, fmt.Errorf("collect %q: %w", p, err)
		}
	}
	// Not cancelled, so that there is a known container to remove.
	mctx, cancel := uncancelled(ctx)
	pids := int64(maxPids)
	made, err := e.ContainerCreate(mctx, &container.Config{
		Image: img.ref, Cmd: cmd.Args, Labels: labels,
		Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
	}, &container.HostConfig{
		NetworkMode: "none",
		CapDrop:     []string{"ALL"},
		SecurityOpt: []string{"no-new-privileges"},
		Resources:   container.Resources{PidsLimit: &pids},
		LogConfig:   container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "16m", "max-file": "1"}},
	}, nil, nil, name)
	cancel()
	if made.ID != "" {
		defer func() {
			rctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
			defer cancel()
			rerr := e.ContainerRemove(rctx, made.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
			if rerr != nil && !gone(rerr) {
				err = errors.Join(err, fmt.Errorf("remove its container: %w", rerr))
			}
		}()
	}
	if err != nil {
		return res, fmt.Errorf("make a container: %w", err)
	}
	if len(cmd.Files) > 0 {
		packed, err := img.pack(ctx, e, made.ID, cmd.Files)
		if err != nil {
			return res, err
		}
		if err := e.CopyToContainer(ctx, made.ID, "/", bytes.NewReader(packed), container.CopyToContainerOptions{}); err != nil {
			return res, fmt.Errorf("copy files: %w", err)
		}
	}
	if err := runToEnd(ctx, e, made.ID); err != nil {
		return res, err
	}
	if res.Stdout, err = stdoutOf(ctx, e, made.ID); err != nil {
		return res, err
	}
	res.Files, err = collect(ctx, e, made.ID, cmd.Collect)
	return res, err
}

// runToEnd starts a container and waits for its end, but not for longer than commandTimeout. A command that fails is an error
// with its last lines.
func runToEnd(ctx context.Context, e commandEngine, id string) error {
	wctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// Requested before the start: a short command would have ended already.
	exited, errs := e.ContainerWait(wctx, id, container.WaitConditionNextExit)
	if err := e.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	var err error
	select {
	case w := <-exited:
		if w.StatusCode == 0 && w.Error == nil {
			return nil
		}
		err = fmt.Errorf("it ended with status %d", w.StatusCode)
		if w.Error != nil {
			err = fmt.Errorf("%w: %s", err, w.Error.Message)
		}
	case err = <-errs:
		err = fmt.Errorf("wait for its end: %w", err)
	case <-time.After(commandTimeout):
		err = fmt.Errorf("it did not end within %v; a step must end by itself; a server belongs under start", commandTimeout)
	case <-ctx.Done():
		err = fmt.Errorf("wait for its end: %w", context.Cause(ctx))
	}
	lctx, done := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
	defer done()
	return withTail(lctx, e, id, commandLines, err)
}

// stdoutOf returns all that a container that ended wrote to its standard output.
func stdoutOf(ctx context.Context, e logSource, id string) ([]byte, error) {
	body, err := e.ContainerLogs(ctx, id, container.LogsOptions{ShowStdout: true})
	if err != nil {
		return nil, fmt.Errorf("read what it printed: %w", err)
	}
	defer body.Close()
	out := bounded{left: maxStdout}
	if _, err := stdcopy.StdCopy(&out, io.Discard, body); err != nil {
		return nil, fmt.Errorf("read what it printed: %w", err)
	}
	return out.Bytes(), nil
}

// bounded is a buffer that refuses to grow beyond a limit.
type bounded struct {
	bytes.Buffer
	left int
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	if len(p) > b.left {
		return 0, fmt.Errorf("it printed more than %d bytes", maxStdout)
	}
	b.left -= len(p)
	return b.Buffer.Write(p)
}
