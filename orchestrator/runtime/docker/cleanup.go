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

// Removed is what RemoveAll did.
type Removed struct {
	IDs []string // of the testnets that are gone
	// Spared are testnets that stay because the netsplit that started them still runs.
	Spared []Testnet
}

// RemoveAll ends every testnet on the engine, as Remove does, and removes what crashed orchestrators left. Unless force is
// true, it spares testnets whose owner still runs. It touches nothing that is not labelled as ours.
func RemoveAll(ctx context.Context, force bool) (Removed, error) {
	cli, _, err := connect(ctx)
	if err != nil {
		return Removed{}, fmt.Errorf("remove testnets: %w", err)
	}
	defer cli.Close()
	done, err := removeAll(ctx, cli, socketBase(), force)
	if err != nil {
		return done, fmt.Errorf("remove testnets: %w", err)
	}
	return done, nil
}

// remover is what removing testnets needs of the engine.
type remover interface {
	cleaner
	restorer
}

// removeAll removes every testnet, and the sockets in base that belong to none. One that cannot be removed does not keep
// the others from being removed.
func removeAll(ctx context.Context, e remover, base string, force bool) (done Removed, err error) {
	found, err := list(ctx, e, byTool())
	if err != nil {
		return done, err
	}
	errs := make([]error, len(found))
	var g errgroup.Group
	for i, t := range found {
		if t.OwnerRuns() && !force {
			continue
		}
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
	left := map[string]bool{}
	for i, t := range found {
		switch {
		case t.OwnerRuns() && !force:
			done.Spared = append(done.Spared, t)
			left[t.ID] = true
		case errs[i] == nil:
			done.IDs = append(done.IDs, t.ID)
		default:
			left[t.ID] = true
			errs[i] = fmt.Errorf("testnet %s: %w", t.ID, errs[i])
		}
	}
	return done, errors.Join(append(errs, sweepSockets(base, left, force))...)
}

// sweepSockets removes the socket directories of testnets that are not in left. Unless force is true, it leaves those whose
// owner still runs: a testnet that starts has a socket before it has a container.
func sweepSockets(base string, left map[string]bool, force bool) error {
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
		dir := filepath.Join(base, e.Name())
		if !left[e.Name()] && (force || !isRunning(ownerOfDir(dir))) {
			failed = errors.Join(failed, removeSocketDir(dir))
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
