package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"golang.org/x/sync/errgroup"
)

// Remove ends a testnet and removes all that belongs to it. Attached containers that a killed run left paused or
// ended are restored first; where that fails, the testnet stays for another try. The error wraps
// ErrNotFound when there is nothing.
func Remove(ctx context.Context, id string) error {
	cli, _, err := connect(ctx)
	if err != nil {
		return fmt.Errorf("remove testnet %s: %w", id, err)
	}
	defer cli.Close()
	t, err := find(ctx, cli, id)
	if err == nil {
		err = restoreRun(ctx, cli, t.restoreFile, id)
	}
	if err != nil {
		return fmt.Errorf("remove testnet %s: %w", id, err)
	}
	return closeTestnet(ctx, cli, id, t.Socket)
}

// closeTimeout bounds clean-up when its caller has no time left or sets no limit.
const closeTimeout = 2 * time.Minute

// closeTestnet removes all that is labelled with a testnet's id, and the directory of its agent's socket, if it has one.
// It does its work even when ctx has ended, within closeTimeout. Its error names what is left.
func closeTestnet(ctx context.Context, e cleaner, testnet, socket string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	err := sweep(ctx, e, byTestnet(testnet))
	if socket != "" {
		err = errors.Join(err, removeSocketDir(filepath.Dir(socket)))
	}
	if err != nil {
		return fmt.Errorf("close testnet %s: %w (netsplit down %s tries again)", testnet, err, testnet)
	}
	return nil
}

// RemoveAll ends every testnet on the engine, as Remove does, removes what crashed orchestrators left, and returns the ids
// of what is gone. It touches nothing that is not labelled as ours.
func RemoveAll(ctx context.Context) ([]string, error) {
	cli, _, err := connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("remove testnets: %w", err)
	}
	defer cli.Close()
	removed, err := removeAll(ctx, cli, socketBase())
	if err != nil {
		return removed, fmt.Errorf("remove testnets: %w", err)
	}
	return removed, nil
}

// remover is what removing testnets needs of the engine.
type remover interface {
	cleaner
	restorer
}

// removeAll removes every testnet, and the sockets in base that belong to none. One that cannot be removed does not keep
// the others from being removed.
func removeAll(ctx context.Context, e remover, base string) ([]string, error) {
	found, err := list(ctx, e, byTool())
	if err != nil {
		return nil, err
	}
	errs := make([]error, len(found))
	var g errgroup.Group
	for i, t := range found {
		g.Go(func() error {
			errs[i] = restoreRun(ctx, e, t.restoreFile, t.ID)
			if errs[i] == nil {
				errs[i] = sweep(ctx, e, byTestnet(t.ID))
			}
			if errs[i] == nil && t.Socket != "" {
				errs[i] = removeSocketDir(filepath.Dir(t.Socket))
			}
			return nil
		})
	}
	_ = g.Wait() // the functions return no errors
	var removed []string
	left := map[string]bool{}
	for i, t := range found {
		if errs[i] == nil {
			removed = append(removed, t.ID)
			continue
		}
		left[t.ID] = true
		errs[i] = fmt.Errorf("testnet %s: %w", t.ID, errs[i])
	}
	return removed, errors.Join(append(errs, sweepSockets(base, left))...)
}

// sweepSockets removes the socket directories of testnets that are not in left.
func sweepSockets(base string, left map[string]bool) error {
	entries, err := os.ReadDir(base)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find left sockets: %w", err)
	}
	if err := checkPrivate(base); err != nil {
		return err
	}
	var failed error
	for _, e := range entries {
		if !left[e.Name()] {
			failed = errors.Join(failed, removeSocketDir(filepath.Join(base, e.Name())))
		}
	}
	return failed
}

// cleaner is what clean-up needs of the engine.
type cleaner interface {
	lister
	ContainerRemove(ctx context.Context, id string, o container.RemoveOptions) error
	NetworkRemove(ctx context.Context, id string) error
}

const (
	// rounds is how often clean-up tries before it gives up.
	rounds = 8
	// betweenRounds lets the engine finish what it has begun.
	betweenRounds = 250 * time.Millisecond
)

// sweep removes all containers and then all networks that the filter selects, and lists again until nothing is left.
// Its error names what could not be removed.
func sweep(ctx context.Context, e cleaner, f filters.Args) error {
	var failed error
	for i := range rounds {
		if i > 0 {
			select {
			case <-time.After(betweenRounds):
			case <-ctx.Done():
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
	list, nets, err := labelled(ctx, e, f)
	if err != nil {
		return nil, err
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
	for _, n := range nets {
		if err := e.NetworkRemove(ctx, n.ID); err != nil && !gone(err) {
			failed = errors.Join(failed, fmt.Errorf("remove network %s: %w", n.Name, explainBusy(err)))
		}
	}
	return failed, nil
}

// explainBusy adds what to do about a network that the engine believes to be in use when no container is left. Engines of
// the 20.10 series can lose count of a network's endpoints under load, and count again only when they start.
func explainBusy(err error) error {
	if strings.Contains(err.Error(), "has active endpoints") {
		return fmt.Errorf("%w; if no other container is on it, the engine lost count and must be restarted", err)
	}
	return err
}

// remaining names what the filter still selects.
func remaining(ctx context.Context, e cleaner, f filters.Args) ([]string, error) {
	list, nets, err := labelled(ctx, e, f)
	var left []string
	for _, c := range list {
		left = append(left, "container "+nameOf(c))
	}
	for _, n := range nets {
		left = append(left, "network "+n.Name)
	}
	return left, err
}
