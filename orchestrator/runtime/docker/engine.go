package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/client"
)

// ErrUnavailable is wrapped when no usable engine answers on this machine.
var ErrUnavailable = errors.New("docker is not available")

// Unreachable reports whether an error says that no engine answers, or that one that did no longer does.
func Unreachable(err error) bool {
	return errors.Is(err, ErrUnavailable) || client.IsErrConnectionFailed(err)
}

// pingTimeout bounds the first request. An engine on an idle machine answers in milliseconds; without an engine the
// connection fails at once.
const pingTimeout = 10 * time.Second

// Available returns the version of the local engine. It takes milliseconds, and at most ten seconds where
// the engine hangs. The error wraps ErrUnavailable and says what to do.
func Available(ctx context.Context) (string, error) {
	cli, version, err := connect(ctx)
	if err != nil {
		return "", err
	}
	return version, cli.Close()
}

// connect opens the engine that DOCKER_HOST names (default: the local socket) and returns its version.
func connect(ctx context.Context) (*client.Client, string, error) {
	cli, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if err := checkLocal(cli.DaemonHost()); err != nil {
		cli.Close()
		return nil, "", err
	}
	ping, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	v, err := cli.ServerVersion(ping)
	if err != nil {
		cli.Close()
		return nil, "", unavailable(cli.DaemonHost(), err)
	}
	if strings.Contains(v.Platform.Name, "Docker Desktop") {
		cli.Close()
		return nil, "", fmt.Errorf("%w: Docker Desktop runs containers in a virtual machine whose addresses cannot be reached from here; use --runtime sim, or run netsplit on Linux", ErrUnavailable)
	}
	return cli, v.Version, nil
}

// checkLocal refuses engines on other machines: the orchestrator connects to nodes at their containers' addresses.
func checkLocal(host string) error {
	if strings.HasPrefix(host, "unix://") {
		return nil
	}
	return fmt.Errorf("%w: the engine at %s is not on this machine, and its containers' addresses cannot be reached from here; run netsplit there, or unset DOCKER_HOST", ErrUnavailable, host)
}

// unavailable returns why the engine at host did not answer, with what to do.
func unavailable(host string, err error) error {
	hint := "is the engine running? (systemctl start docker)"
	switch {
	case errors.Is(err, os.ErrPermission) || strings.Contains(err.Error(), "permission denied"):
		hint = "join the docker group, or run as root"
	case errors.Is(err, context.DeadlineExceeded):
		hint = fmt.Sprintf("the engine did not answer within %v", pingTimeout)
	}
	return fmt.Errorf("%w: %w; %s (%s)", ErrUnavailable, err, hint, host)
}

// gone reports that what was to be removed does not exist, or is being removed by somebody else; the next listing shows it.
func gone(err error) bool {
	return errdefs.IsNotFound(err) || strings.Contains(err.Error(), "is already in progress")
}
