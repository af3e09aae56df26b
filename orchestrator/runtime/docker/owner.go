package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/docker/docker/api/types/filters"
)

// OwnTests is called by TestMain of packages whose tests start containers. It makes this process the owner of all
// containers and networks that it, and what it starts, will make on the engine, and removes those whose owner, a test
// process, ended without removing them. It does nothing where no engine answers.
func OwnTests(ctx context.Context) error {
	if err := os.Setenv(testOwner, processID(os.Getpid())); err != nil {
		return err
	}
	cli, _, err := connect(ctx)
	if err != nil {
		return nil // tests that need an engine say so themselves
	}
	defer cli.Close()
	if err := sweepTests(ctx, cli); err != nil {
		return fmt.Errorf("remove what killed tests left: %w", err)
	}
	return nil
}

// sweepTests removes the containers and networks of tests whose process has ended.
func sweepTests(ctx context.Context, e cleaner) error {
	containers, networks, err := labelled(ctx, e, filters.NewArgs(filters.Arg("label", labelTestOwner)))
	if err != nil {
		return err
	}
	ended := map[string]bool{} // owners
	for _, n := range networks {
		if owner := n.Labels[labelTestOwner]; hasEnded(owner) {
			ended[owner] = true
		}
	}
	var sockets []string
	for _, c := range containers {
		if owner := c.Labels[labelTestOwner]; hasEnded(owner) {
			ended[owner] = true
			sockets = append(sockets, c.Labels[labelSocket])
		}
	}
	for owner := range ended {
		err = errors.Join(err, sweep(ctx, e, filters.NewArgs(filters.Arg("label", labelTestOwner+"="+owner))))
	}
	for _, socket := range sockets {
		if socket != "" {
			err = errors.Join(err, removeSocketDir(filepath.Dir(socket)))
		}
	}
	return err
}
