package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"golang.org/x/sync/errgroup"
)

// cleaner is what clean-up needs of the engine.
type cleaner interface {
	ContainerList(ctx context.Context, o container.ListOptions) ([]container.Summary, error)
	ContainerRemove(ctx context.Context, id string, o container.RemoveOptions) error
	NetworkList(ctx context.Context, o network.ListOptions) ([]network.Summary, error)
	NetworkRemove(ctx context.Context, id string) error
}

const (
	// rounds is how often clean-up looks for what is left before it gives up.
	rounds = 8
	// betweenRounds lets the engine finish what it has begun.
	betweenRounds = 250 * time.Millisecond
)

// sweep removes all containers and then all networks that the filter selects, and looks again until nothing is left.
// Its error names what could not be removed.
func sweep(ctx context.Context, e cleaner, f filters.Args) error {
	var failed error
	for i := range rounds {
		if i > 0 {
			again := time.NewTimer(betweenRounds)
			select {
			case <-again.C:
			case <-ctx.Done():
				again.Stop()
				return errors.Join(ctx.Err(), failed)
			}
		}
		var err error
		failed, err = sweepOnce(ctx, e, f)
		if err != nil {
			return err
		}
		if failed != nil {
			continue // the engine may have been busy with them
		}
		left, err := remaining(ctx, e, f)
		if err != nil || len(left) == 0 {
			return err
		}
		failed = fmt.Errorf("still there: %s", strings.Join(left, ", "))
	}
	return failed
}

// sweepOnce tries to remove everything once. The first error is about what could not be removed, the second about the
// engine not answering.
func sweepOnce(ctx context.Context, e cleaner, f filters.Args) (failed, err error) {
	list, err := e.ContainerList(ctx, container.ListOptions{All: true, Filters: f})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	errs := make([]error, len(list))
	var g errgroup.Group
	g.SetLimit(parallel)
	for i, c := range list {
		g.Go(func() error {
			err := e.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
			if err != nil && !gone(err) {
				errs[i] = fmt.Errorf("remove container %s: %w", nameOf(c), err)
			}
			return nil
		})
	}
	_ = g.Wait() // the functions return no errors
	if failed := errors.Join(errs...); failed != nil {
		return failed, nil
	}
	nets, err := e.NetworkList(ctx, network.ListOptions{Filters: f})
	if err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	for _, n := range nets {
		if err := e.NetworkRemove(ctx, n.ID); err != nil && !gone(err) {
			failed = errors.Join(failed, fmt.Errorf("remove network %s: %w", n.Name, explainBusy(err)))
		}
	}
	return failed, nil
}

// explainBusy says what to do about a network that the engine believes to be in use when no container is left. Engines of
// the 20.10 series can lose count of a network's endpoints under load, and count again only when they start.
func explainBusy(err error) error {
	if strings.Contains(err.Error(), "has active endpoints") {
		return fmt.Errorf("%w; if no container of someone else is on it, the engine lost count and must be restarted", err)
	}
	return err
}

// gone says that what was to be removed is not there, or is being removed by someone else; the next look will tell.
func gone(err error) bool {
	return errdefs.IsNotFound(err) || strings.Contains(err.Error(), "is already in progress")
}

// remaining names what the filter still selects.
func remaining(ctx context.Context, e cleaner, f filters.Args) ([]string, error) {
	list, err := e.ContainerList(ctx, container.ListOptions{All: true, Filters: f})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	var left []string
	for _, c := range list {
		left = append(left, "container "+nameOf(c))
	}
	nets, err := e.NetworkList(ctx, network.ListOptions{Filters: f})
	if err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	for _, n := range nets {
		left = append(left, "network "+n.Name)
	}
	return left, nil
}

// nameOf is a container's name without the engine's slash, or its id.
func nameOf(c container.Summary) string {
	if len(c.Names) == 0 {
		return c.ID
	}
	return strings.TrimPrefix(c.Names[0], "/")
}
